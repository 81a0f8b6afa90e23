"""`VerifiedPackage`: a registered version whose bytes are the registered ones, as a Pulumi resource.

AWS deploys a model package by ARN without asking whether the artifact it points to was overwritten since, or its
image's tag moved. The Model depends on this resource, so no model is made of bytes that nobody approved, whoever runs
`up`. Before that it makes sure that

- the artifact object's SHA-256 is the registered one,
- the image is the registered digest, and a custom image's tag still names it,
- the container's environment, which may name other code to run, is the registered one,
- the signature is of this version and by the configured key, where the stack names one (`understudy:signing`).

Beside that it refuses a version whose image is for another kind of processor than the instances have, where AWS's name
of the image said for which: a change of the instance type at preview, another version before a model is made of it.

Only another ARN, key or instance type (or other access) is a change: an `up` that changes nothing reads nothing. A
version of S3's object that was found right is remembered by its version id, which S3 gives to one content only: going
back to a version that this stack ran before asks S3 for the id and downloads nothing.

API: sagemaker:DescribeModelPackage, s3:GetObject, ecr:BatchGetImage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
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

from model_package import image_reference, packaging, processors, signing
from model_package.errors import ImageRefused, SignatureRefused
from model_package.metadata import (
    ARTIFACT_DIGEST,
    ENVIRONMENT_DIGEST,
    IMAGE_CONTEXT,
    IMAGE_DIGEST,
    IMAGE_PROCESSOR,
    OBJECT_SHA256,
    digest_of_environment,
)
from model_package.signing import Statement
from providers import aws, properties
from providers.aws import ProviderError
from providers.properties import ClientArgs

INPUTS = ("model_package_arn", "public_key", "instance_type", "region", "assume_role_arn")
CHUNK_BYTES = 1 << 20
MOST_REMEMBERED = 50
GONE = ("404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion")


@dataclass(frozen=True)
class VerifiedPackageArgs(ClientArgs):
    """The inputs; a change of any verifies again."""

    model_package_arn: Input[str]
    public_key: Input[str] | None = None
    """PEM; None where versions are not signed."""
    instance_type: Input[str] | None = None
    """What is to run the version; None if anything may."""


class VerifiedPackage(Resource, module="understudy", name="VerifiedPackage"):
    """A version that was verified. Its id is its model package group's name."""

    model_package_arn: Output[str]
    artifact_digest: Output[str]
    object_sha256: Output[str]
    image_digest: Output[str]
    signed: Output[bool]
    """Whether a signature was verified."""
    image_processor: Output[str]
    """Kind of processor that its image is for (`model_package.processors`); None where nobody said."""
    verified_objects: Output[dict[str, str]]
    """SHA-256 by `s3://…?versionId=…` of what was found right, newest last."""

    def __init__(self, name: str, args: VerifiedPackageArgs, opts: ResourceOptions | None = None) -> None:
        outputs = ("artifact_digest", "object_sha256", "image_digest", "image_processor", "signed", "verified_objects")
        super().__init__(VerifiedPackageProvider(), name, properties.registered(args, *outputs), opts)


class VerifiedPackageProvider(ResourceProvider):
    """Verifies at create and update; stateless, importable, released under this name."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        inputs = properties.given(news)
        missing = not inputs.get("model_package_arn")
        failures = [CheckFailure("model_package_arn", "model_package_arn is required")] if missing else []
        return CheckResult(inputs, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Old outputs against new inputs: all in place, as nothing exists of it but the finding.

        Raises ProviderError for instances that the same version does not fit, which a preview is to say.
        """
        if olds.get("model_package_arn") == news.get("model_package_arn"):
            _check_processor(str(news["model_package_arn"]), news, olds.get("image_processor"))
        return DiffResult(changes=any(olds.get(name) != news.get(name) for name in INPUTS))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Raises ProviderError, with both digests, for a version that is not what was registered."""
        return CreateResult(_group(str(props["model_package_arn"])), _verified(props, {}))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """As create; what was found right before is not downloaded again."""
        return UpdateResult(_verified(news, olds.get("verified_objects") or {}))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """As it was found: a refresh downloads nothing."""
        return ReadResult(id_, properties.own(props))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing: a finding is no thing."""


def _verified(props: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    arn = str(props["model_package_arn"])
    package = aws.client("sagemaker", props).describe_model_package(ModelPackageName=arn)
    container = _container(arn, package)
    metadata = package.get("CustomerMetadataProperties", {})
    _check_processor(arn, props, metadata.get(IMAGE_PROCESSOR))
    registered = metadata.get(OBJECT_SHA256)
    if not registered:
        raise ProviderError(
            f"{arn} does not say which bytes were registered (customer metadata {OBJECT_SHA256}): nothing can be "
            "compared with what is there now; register the model through Understudy"
        )
    found = _check_artifact(props, arn, container["ModelDataUrl"], registered, known)
    _check_image(props, arn, container["Image"], metadata)
    _check_environment(arn, container.get("Environment", {}), metadata)
    if props.get("public_key"):
        _check_signature(props, arn, container, metadata)
    return {
        **properties.own(props),
        "artifact_digest": metadata.get(ARTIFACT_DIGEST),
        "object_sha256": registered,
        "image_digest": metadata.get(IMAGE_DIGEST),
        "image_processor": metadata.get(IMAGE_PROCESSOR),
        "signed": bool(props.get("public_key")),
        "verified_objects": dict(list({**known, **found}.items())[-MOST_REMEMBERED:]),
    }


def _container(arn: str, package: Mapping[str, Any]) -> Mapping[str, Any]:
    """The only container, as Understudy registers it: another one beside it, or other model data, was never tried."""
    containers = package["InferenceSpecification"]["Containers"]
    if len(containers) != 1 or not containers[0].get("ModelDataUrl"):
        raise ProviderError(
            f"{arn} is not what Understudy registers, one container with a ModelDataUrl: find out who changed its "
            "InferenceSpecification; register the model anew"
        )
    return dict(containers[0])


def _check_artifact(
    props: Mapping[str, Any], arn: str, uri: str, registered: str, known: Mapping[str, str]
) -> dict[str, str]:
    """The object's version with its SHA-256, to be remembered; nothing where S3 keeps no versions."""
    s3, (bucket, key) = aws.client("s3", props), _location(uri)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        version = answer.get("VersionId")
        name = f"{uri}?versionId={version}"
        with closing(answer["Body"]) as body:
            found = known.get(name) or _sha256(body, answer["ContentLength"], uri)
    except ClientError as error:
        raise ProviderError(f"{arn}: {_unreadable(uri, error)}") from error
    if found != registered:
        raise ProviderError(
            f"{arn}: the artifact is no longer the one that was registered: {uri} has SHA-256 {found}, registered is "
            f"{registered}. Find out who wrote that object; register the model anew."
        )
    # Without versioning S3 says "null" (or nothing), whatever is in the object.
    return {} if version in (None, "null") else {name: found}


def _sha256(body: Any, size_bytes: int, uri: str) -> str:
    """Streamed: memory does not grow with the artifact."""
    aws.say(f"verifying {uri} ({size_bytes / 1e6:.1f} MB)")
    digest = hashlib.sha256()
    for chunk in body.iter_chunks(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _check_image(props: Mapping[str, Any], arn: str, image: str, metadata: Mapping[str, str]) -> None:
    registered = metadata.get(IMAGE_DIGEST)
    if not registered:
        return  # registered before images were, or elsewhere: nothing to compare with
    try:
        found = image_reference.moved(aws.client("ecr", props), image, metadata.get(IMAGE_CONTEXT, ""), registered)
    except ImageRefused as error:
        raise ProviderError(f"{arn}: {error}") from error
    except ClientError as error:
        raise ProviderError(
            f"{arn}: image {image} cannot be looked up: {error.response['Error']['Message']}; the identity in use "
            "needs ecr:BatchGetImage there"
        ) from error
    if found is not None:
        raise ProviderError(
            f"{arn}: the image is no longer the one that was registered: {image} is {found}, registered is "
            f"{registered}. Find out who pushed it; register the model anew."
        )


def _check_processor(arn: str, props: Mapping[str, Any], processor: str | None) -> None:
    instance_type = props.get("instance_type")
    if not instance_type or isinstance(instance_type, Unknown):
        return
    if reason := processors.mismatch(processor, str(instance_type)):
        raise ProviderError(
            f"{arn}: {reason}: run it on the kind of instance that it was registered and tried for, or register the "
            "model with the image for these"
        )


def _check_environment(arn: str, environment: Mapping[str, str], metadata: Mapping[str, str]) -> None:
    registered, found = metadata.get(ENVIRONMENT_DIGEST), digest_of_environment(environment)
    if registered not in (None, found):
        raise ProviderError(
            f"{arn}: the environment is no longer the one that was registered: {', '.join(sorted(environment))} "
            f"together have digest {found}, registered is {registered}. Find out who changed it; register the model "
            "anew."
        )


def _check_signature(
    props: Mapping[str, Any], arn: str, container: Mapping[str, Any], metadata: Mapping[str, str]
) -> None:
    registered_environment = metadata.get(ENVIRONMENT_DIGEST, "")
    if not registered_environment and not packaging.names_only_a_script(container.get("Environment", {})):
        raise ProviderError(
            f"{arn}: its signature is of a release that did not sign the environment, and this environment does more "
            "than name a script of the artifact; register the model anew"
        )
    statement = Statement(
        service=_group(arn),
        artifact_digest=metadata.get(ARTIFACT_DIGEST, ""),
        object_sha256=metadata.get(OBJECT_SHA256, ""),
        image_digest=metadata.get(IMAGE_DIGEST, ""),
        environment_digest=registered_environment,
    )
    bucket, _ = _location(container["ModelDataUrl"])
    uri = f"s3://{bucket}/{statement.key()}"
    try:
        signature = aws.client("s3", props).get_object(Bucket=bucket, Key=statement.key())["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            reason = f"there is no signature at {uri}, and this stack runs signed versions only (understudy:signing)"
        else:
            reason = _unreadable(uri, error)
        raise ProviderError(f"{arn}: {reason}") from error
    try:
        signing.verify(statement, signature, str(props["public_key"]))
    except SignatureRefused as error:
        raise ProviderError(
            f"{arn}: the signature is refused: {error}. Find out who registered the version; register the model anew."
        ) from error


def _unreadable(uri: str, error: ClientError) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in GONE:
        return f"there is nothing at {uri} ({code}): restore that object's version, or register the model anew"
    needs = "the identity in use needs s3:GetObject there, and kms:Decrypt of its key"
    return f"{uri} cannot be read: {code}: {message}; {needs}"


def _location(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _group(arn: str) -> str:
    """The model package group's name, which is the service: `….:model-package/<group>/<version>`."""
    return arn.split("/")[1]
