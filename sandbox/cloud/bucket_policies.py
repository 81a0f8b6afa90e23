"""S3 decides by bucket policies, and KMS by key policies, who of another account gets an object.

moto evaluates a bucket's policy for nobody in particular and without conditions; this takes its place. Within an
account only a denial counts: the sandbox does not evaluate IAM (see the README's "What a rehearsal does not prove").
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from moto.iam.access_control import PermissionResult
from moto.kms.models import kms_backends
from moto.s3.exceptions import S3AccessDeniedError, S3ClientError
from moto.s3.models import FakeBucket, S3Backend, s3_backends
from moto.s3.responses import S3Response

from sandbox.cloud import identity
from sandbox.cloud.eventing.overrides import Method, override
from sandbox.cloud.ports import Cloud, Scope
from sandbox.cloud.resource_policies import Principal, Request, Verdict, evaluate

PARTITION = "aws"
# As KMS says it of a key elsewhere, so that nobody learns which of the three it is.
_UNDECRYPTABLE = (
    "User: {arn} is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because "
    "the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy "
    "explicitly denies access"
)
_NAMES = {"HeadBucket": "ListBucket"}
"""Operations whose permission has another name."""


def install(_cloud: Cloud) -> None:
    # What moto asks without saying who asks was decided before.
    override(FakeBucket, "get_permission", lambda _: lambda *_: PermissionResult.NEUTRAL)
    override(S3Response, "_authenticate_and_authorize_s3_action", lambda _: _authorize)
    override(S3Backend, "put_bucket_policy", _checked)


def object_permitted(principal: Principal, bucket: FakeBucket, key: str, action: str = "GetObject") -> bool:
    """Whether the bucket's policy lets that principal do `action` with the object."""
    return _permitted(principal, bucket, action, f"/{key}")


def decryptable(principal: Principal, bucket: FakeBucket, key: str) -> bool:
    """Whether the principal may decrypt the object, through S3: a key of another account must say so."""
    stored = bucket.keys.get(key)
    key_arn = getattr(stored, "kms_key_id", None) if getattr(stored, "encryption", None) == "aws:kms" else None
    if not key_arn:
        return True
    # A key named by its id or alias only is one of the bucket's account.
    region, account = key_arn.split(":")[3:5] if key_arn.startswith("arn:") else (bucket.region_name, bucket.account_id)
    if account == principal.account:
        return True
    backend = kms_backends[account][region]
    known = backend.keys.get(backend.any_id_to_key_id(key_arn))
    context = {
        "kms:ViaService": f"s3.{bucket.region_name}.amazonaws.com",
        "kms:CallerAccount": principal.account,
        "kms:EncryptionContext:aws:s3:arn": bucket.arn if stored.bucket_key_enabled else f"{bucket.arn}/{key}",
    }
    return (
        known is not None
        and evaluate(known.policy, Request(principal, "kms:Decrypt", known.arn, context)) is Verdict.ALLOWED
    )


def _permitted(principal: Principal, bucket: FakeBucket, action: str, path: str, **context: str) -> bool:
    policy = bucket.policy.decode() if bucket.policy else None
    conditions = {f"s3:{name}": value for name, value in context.items()}
    verdict = evaluate(policy, Request(principal, f"s3:{action}", f"{bucket.arn}{path}", conditions))
    return verdict is Verdict.ALLOWED or (verdict is Verdict.SILENT and principal.account == bucket.account_id)


def _authorize(response: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
    """In the place of moto's check before each operation: raises S3's AccessDenied."""
    bucket = _bucket(bucket_name)
    if bucket is None:
        return  # The operation itself says that there is none.
    scope = Scope(response.current_account, response.region)
    principal = identity.principal(identity.caller_arn(response.access_key, scope))
    action = str(response.data["Action"])
    path = f"/{key_name}" if key_name else ""
    if action == "DeleteObject" and not key_name:
        path = "/*"  # Of many objects at once; a policy for some of them only is not served here.
    prefix = {"prefix": response.querystring["prefix"][0]} if "prefix" in response.querystring else {}
    if not _permitted(principal, bucket, _NAMES.get(action, action), path, **prefix):
        raise S3AccessDeniedError
    if action in ("GetObject", "GetObjectVersion") and key_name and not decryptable(principal, bucket, key_name):
        raise S3ClientError("AccessDenied", _UNDECRYPTABLE.format(arn=principal.arn))
    if action == "PutObject" and "x-amz-copy-source" in response.headers:
        _authorize_source(principal, unquote(response.headers["x-amz-copy-source"]))


def _authorize_source(principal: Principal, source: str) -> None:
    """A copy reads its source with the same caller's permissions."""
    name, _, key = source.lstrip("/").partition("?")[0].partition("/")
    bucket = _bucket(name)
    if bucket is not None and not object_permitted(principal, bucket, key):
        raise S3AccessDeniedError


def _bucket(name: str | None) -> FakeBucket | None:
    """The bucket of that name, whoever owns it."""
    if name not in s3_backends.bucket_accounts:
        return None
    partition, account = s3_backends.bucket_accounts[name]
    return s3_backends[account][partition].buckets.get(name)


def _checked(put: Method) -> Method:
    """PutBucketPolicy refuses roles and users that do not exist, as S3 does."""

    def put_bucket_policy(backend: S3Backend, bucket_name: str, policy: bytes) -> Any:
        statements = json.loads(policy)["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            principal = statement.get("Principal")
            named = principal.get("AWS", []) if isinstance(principal, dict) else []
            for arn in [named] if isinstance(named, str) else named:
                if not identity.principal_exists(arn):
                    raise S3ClientError("MalformedPolicy", "Invalid principal in policy")
        return put(backend, bucket_name, policy)

    return put_bucket_policy
