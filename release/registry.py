"""SageMaker's model registry as the release rules see it: versions, approval, evidence, quarantine.

API: DescribeModelPackage, ListModelPackages, UpdateModelPackage, DeleteModelPackage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from model_package.metadata import (
    APPROVED_BESIDE,
    APPROVED_BY,
    ARTIFACT_DIGEST,
    ENVIRONMENT_DIGEST,
    EVIDENCE_DIGEST,
    IMAGE_CONTEXT,
    IMAGE_DIGEST,
    IMAGE_PROCESSOR,
    OBJECT_SHA256,
    OVERRIDE_REASON,
    QUARANTINED_REASON,
    digest_of_image,
    text,
)
from release import arns
from release.errors import MissingError

_DESCRIPTION_LIMIT = 1024
_READERS = 4
"""SageMaker throttles Describe calls early, and botocore waits that out."""


@dataclass(frozen=True)
class Package:
    """One version in the registry. `approval` is Approved, Rejected or PendingManualApproval."""

    arn: str
    approval: str
    description: str
    metadata: Mapping[str, str]
    created: datetime | None
    image: str
    model_data_url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    modified: datetime | None = None
    """When anything of it was changed last, its approval included."""

    @property
    def version(self) -> int:
        """The number SageMaker gave it."""
        return arns.parse(self.arn).version

    @property
    def group(self) -> str:
        """The model package group, which is the service."""
        return arns.parse(self.arn).group

    @property
    def artifact_digest(self) -> str:
        """The digest its evidence is about; empty for a version that Understudy did not register."""
        return self.metadata.get(ARTIFACT_DIGEST, "")

    @property
    def object_sha256(self) -> str:
        """SHA-256 of the model.tar.gz that was registered; empty likewise."""
        return self.metadata.get(OBJECT_SHA256, "")

    @property
    def image_digest(self) -> str:
        """`sha256:…` of the image that was registered; empty for one by tag that Understudy did not pin."""
        return self.metadata.get(IMAGE_DIGEST) or digest_of_image(self.image)

    @property
    def image_context(self) -> str:
        """Tag of a custom image: the digest of its build context; empty for AWS's images."""
        return self.metadata.get(IMAGE_CONTEXT, "")

    @property
    def image_processor(self) -> str:
        """Kind of processor that its image is for; empty where nobody said."""
        return self.metadata.get(IMAGE_PROCESSOR, "")

    @property
    def environment_digest(self) -> str:
        """Digest of the environment that was registered; empty for a version of an earlier release."""
        return self.metadata.get(ENVIRONMENT_DIGEST, "")

    @property
    def is_approved(self) -> bool:
        """AWS deploys it by ARN."""
        return self.approval == "Approved"

    @property
    def is_quarantined(self) -> bool:
        """Rejected: by a rollback, or by a person who does not want it in production."""
        return self.approval == "Rejected"


@dataclass(frozen=True)
class Summary:
    """One version as a list of its group tells it: cheap, as it costs no call of its own."""

    arn: str
    approval: str
    status: str
    created: datetime | None

    @property
    def version(self) -> int:
        """The number SageMaker gave it."""
        return arns.parse(self.arn).version

    @property
    def is_quarantined(self) -> bool:
        """As `Package.is_quarantined`."""
        return self.approval == "Rejected"


def describe(arn: str) -> Package:
    """One version. Raises `UsageError` for a malformed ARN, `MissingError` when it is not in the registry."""
    client = _client(arns.parse(arn).region)
    try:
        answer = client.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if _is_missing(error):
            raise MissingError(
                f"There is no model package {arn}.",
                where=str(error),
                do="`understudy history <service>` lists the registered versions.",
            ) from error
        raise
    container = answer["InferenceSpecification"]["Containers"][0]
    return Package(
        arn=answer["ModelPackageArn"],
        approval=answer["ModelApprovalStatus"],
        description=answer.get("ApprovalDescription", ""),
        metadata=answer.get("CustomerMetadataProperties", {}),
        created=answer.get("CreationTime"),
        image=container["Image"],
        model_data_url=container.get("ModelDataUrl", ""),
        environment=container.get("Environment", {}),
        modified=answer.get("LastModifiedTime"),
    )


def describe_many(names: Iterable[str]) -> list[Package]:
    """Versions in the order given, a few at a time. Raises as `describe` does."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(describe, names))


def versions(group: str, region: str) -> list[str]:
    """ARNs of a group's versions, newest first; `group` may be an ARN of another account. Empty without a group."""
    return [summary.arn for summary in summaries(group, region)]


def summaries(group: str, region: str) -> list[Summary]:
    """A group's versions, newest first; `group` may be an ARN of another account. Empty without a group."""
    pages = _client(region).get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    try:
        listed = [summary for page in pages for summary in page["ModelPackageSummaryList"]]
    except ClientError as error:
        if _is_missing(error):
            return []
        raise
    found = (
        Summary(
            arn=summary["ModelPackageArn"],
            approval=summary.get("ModelApprovalStatus", ""),
            status=summary["ModelPackageStatus"],
            created=summary.get("CreationTime"),
        )
        for summary in listed
    )
    return sorted(found, key=lambda summary: summary.version, reverse=True)


def group_of(arn: str) -> list[Summary]:
    """All versions of the group that `arn` is of, newest first."""
    known = arns.parse(arn)
    return summaries(arns.group_arn(known), known.region)


def delete(arn: str) -> bool:
    """Take a version out of the registry, for good; False where it was gone already."""
    try:
        _client(arns.parse(arn).region).delete_model_package(ModelPackageName=arn)
    except ClientError as error:
        if _is_missing(error):
            return False
        raise
    return True


def approve(package: Package, *, approver: str, evidence_digest: str, override_reason: str, beside: int) -> None:
    """Let AWS deploy it by ARN, and say on the package itself who approved it on which evidence.

    `beside` is the newest version of the group now: the approval ends with a newer candidate than that.
    """
    marks = {
        APPROVED_BY: approver,
        APPROVED_BESIDE: str(beside),
        EVIDENCE_DIGEST: evidence_digest,
        OVERRIDE_REASON: override_reason,
    }
    because = f"override: {override_reason}" if override_reason else f"evidence {evidence_digest}"
    _decide(package, "Approved", f"Approved by {approver}, {because}", marks, stage="Production")


def reject(package: Package, reason: str, *, by: str) -> None:
    """Keep it out of production: AWS refuses to deploy it by ARN, and no rollback chooses it."""
    _decide(package, "Rejected", f"Rejected by {by}: {reason}", {QUARANTINED_REASON: reason}, stage="Production")


def _decide(package: Package, status: str, description: str, marks: Mapping[str, str], stage: str) -> None:
    # A mark without a value is of an earlier decision that this one replaces.
    stale = sorted(key for key, value in marks.items() if not value and key in package.metadata)
    kept = {key: value for key, value in package.metadata.items() if key not in stale}
    metadata = {key: text(value) for key, value in marks.items() if value}
    short = description[:_DESCRIPTION_LIMIT]
    _client(arns.parse(package.arn).region).update_model_package(
        ModelPackageArn=package.arn,
        ModelApprovalStatus=status,
        ApprovalDescription=short,
        # All of them: the API's words leave open whether those that are not sent are kept.
        CustomerMetadataProperties={**kept, **metadata},
        ModelLifeCycle={"Stage": stage, "StageStatus": status, "StageDescription": short},
        **({"CustomerMetadataPropertiesToRemove": stale} if stale else {}),
    )


def _is_missing(error: ClientError) -> bool:
    message = error.response["Error"]["Message"].lower()
    return error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound") and (
        "does not exist" in message or "could not find" in message or "cannot find" in message
    )


@cache
def _client(region: str) -> Any:
    return boto3.client("sagemaker", region_name=region)
