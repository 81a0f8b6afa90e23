"""`ModelSignature`: a version's signature beside its artifact, made when the version is registered.

The private key is named by the environment of whoever runs `up` (`UNDERSTUDY_SIGNING_KEY`, a path) and is read where
it is used: it is no input, no output, and on no command line. Where nothing is to be signed, none is needed.

- another artifact, image, environment or service: another signature; the old one stays, as older versions are
  verified by it.
- another public key: signed anew, in place. Older versions keep the old key's signature.

API: s3:PutObject, s3:HeadObject (`model_package.signing.Statement.key` in the artifact bucket).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from botocore.exceptions import ClientError
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from model_package import signing
from model_package.errors import SigningKeyMissing
from model_package.signing import Statement
from providers import aws, properties
from providers.properties import ClientArgs

IDENTITY = ("bucket", "service", "artifact_digest", "object_sha256", "image_digest", "environment_digest")


@dataclass(frozen=True)
class ModelSignatureArgs(ClientArgs):
    """The inputs. Digests are 64 lower-case hex digits, the image's `sha256:…`."""

    bucket: Input[str]
    """The artifact bucket."""
    service: Input[str]
    artifact_digest: Input[str]
    object_sha256: Input[str]
    image_digest: Input[str]
    environment_digest: Input[str]
    """`model_package.metadata.digest_of_environment` of the container's variables."""
    public_key: Input[str]
    """PEM; the other half of the key that signs."""
    kms_key_id: Input[str] | None = None
    """The key that the object is encrypted with; the bucket's, if not given."""


class ModelSignature(Resource, module="understudy", name="ModelSignature"):
    """A signature in S3. Its id is its URI."""

    signature_uri: Output[str]

    def __init__(self, name: str, args: ModelSignatureArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(ModelSignatureProvider(), name, properties.registered(args, "signature_uri"), opts)


class ModelSignatureProvider(ResourceProvider):
    """Signs where there is something new to sign; stateless, importable, released under this name."""

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse, before anything exists, to sign without the right key; what is signed already needs none."""
        inputs = properties.given(news)
        failures = [
            CheckFailure(name, f"{name} is required") for name in (*IDENTITY, "public_key") if not inputs.get(name)
        ]
        public_key = inputs.get("public_key")
        if not failures and any(_differs(olds, inputs, name) for name in (*IDENTITY, "public_key")):
            try:
                key = signing.key_from(os.environ)
                if not isinstance(public_key, Unknown):
                    signing.check_pair(key, str(public_key))
            except SigningKeyMissing as error:
                failures.append(CheckFailure("public_key", str(error)))
        return CheckResult(inputs, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Old outputs against new inputs; see the table at the top."""
        replaces = [name for name in IDENTITY if _differs(olds, news, name)]
        changes = bool(replaces) or _differs(olds, news, "public_key")
        return DiffResult(changes=changes, replaces=replaces, delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Sign, verify with the public key, store."""
        outputs = _signed(props)
        return CreateResult(outputs["signature_uri"], outputs)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Sign anew, for another key."""
        return UpdateResult(_signed(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Whether the signature is there; whether it is right is production's question."""
        try:
            aws.client("s3", props).head_object(Bucket=props["bucket"], Key=_statement(props).key())
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
                return ReadResult("", {})
            raise
        return ReadResult(id_, properties.own(props))

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Keep it: the version it belongs to may be what production runs."""
        aws.say(f"{id_} stays: the version it belongs to stays in the registry")


def _signed(props: Mapping[str, Any]) -> dict[str, Any]:
    statement, key = _statement(props), signing.key_from(os.environ)
    signature = signing.sign(statement, key)
    signing.verify(statement, signature, str(props["public_key"]))
    encryption = (
        {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": props["kms_key_id"]} if props.get("kms_key_id") else {}
    )
    aws.client("s3", props).put_object(
        Bucket=props["bucket"], Key=statement.key(), Body=signature, ContentType="application/json", **encryption
    )
    return {**properties.own(props), "signature_uri": f"s3://{props['bucket']}/{statement.key()}"}


def _statement(props: Mapping[str, Any]) -> Statement:
    return Statement(**{field.name: str(props[field.name]) for field in fields(Statement)})


def _differs(olds: Mapping[str, Any], news: Mapping[str, Any], name: str) -> bool:
    return isinstance(news.get(name), Unknown) or olds.get(name) != news.get(name)
