"""A private bucket: encrypted, TLS only, versioned where asked, with a lifecycle."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from components import Block, policies
from components.naming import logical

PART_DAYS = 7
"""How long the parts of an abandoned upload, and versions that were expired or overwritten, are kept."""


@dataclass(frozen=True)
class Expiry:
    """Objects under `prefix` go after `days`."""

    prefix: str
    days: int


@dataclass(frozen=True)
class PrivateBucketArgs:
    """`bucket`: an explicit name, None for Pulumi's; `key_arn`: a KMS key, None for S3's own encryption (AES-256);
    `grants`: further statements of the bucket's policy."""

    bucket: str | None = None
    key_arn: pulumi.Input[str] | None = None
    versioned: bool = True
    expiries: Sequence[Expiry] = field(default_factory=tuple)
    events: bool = False
    grants: Sequence[policies.Statement] = field(default_factory=tuple)


def kept(parent: pulumi.Resource, **options: Any) -> pulumi.ResourceOptions:
    """Options of what holds data: no `up` and no `destroy` deletes it (DESIGN 2)."""
    return pulumi.ResourceOptions(parent=parent, protect=True, retain_on_delete=True, **options)


def bucket_policy(bucket_arn: str, grants: Sequence[policies.Statement] = ()) -> str:
    return policies.document([policies.deny_plain_http("s3", [bucket_arn, f"{bucket_arn}/*"]), *grants])


def lifecycle_rules(expiries: Sequence[Expiry]) -> Block:
    """Rules as `BucketLifecycleConfiguration` takes them: abandoned uploads always, the expiries, old versions."""
    rules: list[dict[str, Any]] = [
        {
            "id": "abandoned-uploads",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": PART_DAYS},
        }
    ]
    for expiry in expiries:
        rules.append(
            {
                "id": f"expire-{expiry.prefix.strip('/').replace('/', '-')}",
                "status": "Enabled",
                "filter": {"prefix": expiry.prefix},
                "expiration": {"days": expiry.days},
                "noncurrent_version_expiration": {"noncurrent_days": PART_DAYS},
            }
        )
    return rules


def encryption_rules(key_arn: pulumi.Input[str] | None) -> Block:
    """Every object with the key, one data key a bucket (S3 asks KMS once, not once an object); or S3's own AES-256."""
    if key_arn is None:
        return [{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}]
    default = {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn}
    return [{"apply_server_side_encryption_by_default": default, "bucket_key_enabled": True}]


@dataclass(frozen=True)
class ContentStore:
    """A bucket whose objects are named by their own digest, and what uploading to it takes."""

    bucket: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    versioning: pulumi.Resource | None
    """What an object depends on: none may come before it (`PrivateBucket`)."""

    def upload(self, name: str, key: str, path: Path, parent: pulumi.Resource) -> aws.s3.BucketObjectv2:
        """Put the file under `key`, which holds its digest: another digest is another object, and the old one stays,
        as it may be what production runs, or what its image was built from (DESIGN 2)."""
        return aws.s3.BucketObjectv2(
            name,
            bucket=self.bucket,
            key=key,
            source=pulumi.FileAsset(os.fspath(path.resolve())),
            kms_key_id=self.key_arn,
            opts=pulumi.ResourceOptions(
                parent=parent, retain_on_delete=True, depends_on=[self.versioning] if self.versioning else []
            ),
        )


class PrivateBucket(pulumi.ComponentResource):
    """The bucket and its settings; `bucket` (name) and `arn` are the bucket's own.

    What puts an object there depends on `versioning`, where there is any: an object that comes before it has no
    version id, in AWS and in the state, for good.
    """

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    versioning: aws.s3.BucketVersioning | None = None

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:storage:PrivateBucket", name, None, opts)
        self._name, self._args = logical("bucket", name), args
        self._bucket = aws.s3.Bucket(self._name, bucket=args.bucket, opts=kept(self))
        self._create_access()
        self._create_encryption()
        if args.versioned:
            self.versioning = self._create_versioning()
        self._create_lifecycle()
        if args.events:
            aws.s3.BucketNotification(
                self._name, bucket=self._bucket.bucket, eventbridge=True, opts=pulumi.ResourceOptions(parent=self)
            )
        self.bucket, self.arn = self._bucket.bucket, self._bucket.arn
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})

    def _create_access(self) -> None:
        block = aws.s3.BucketPublicAccessBlock(
            self._name,
            bucket=self._bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.s3.BucketOwnershipControls(
            self._name,
            bucket=self._bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.s3.BucketPolicy(
            self._name,
            bucket=self._bucket.bucket,
            policy=self._bucket.arn.apply(lambda arn: bucket_policy(arn, self._args.grants)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )

    def _create_encryption(self) -> None:
        aws.s3.BucketServerSideEncryptionConfiguration(
            self._name,
            bucket=self._bucket.bucket,
            rules=encryption_rules(self._args.key_arn),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _create_versioning(self) -> aws.s3.BucketVersioning:
        return aws.s3.BucketVersioning(
            self._name,
            bucket=self._bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _create_lifecycle(self) -> None:
        aws.s3.BucketLifecycleConfiguration(
            self._name,
            bucket=self._bucket.bucket,
            rules=lifecycle_rules(self._args.expiries),
            opts=pulumi.ResourceOptions(parent=self),
        )
