"""SageMaker's model registry as the release rules see it: versions, approval, evidence, quarantine.

API: DescribeModelPackage, ListModelPackages, UpdateModelPackage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from model_package.metadata import (
    APPROVED_BY,
    ARTIFACT_DIGEST,
    EVIDENCE_DIGEST,
    IMAGE_CONTEXT,
    IMAGE_DIGEST,
    OBJECT_SHA256,
    OVERRIDE_REASON,
    QUARANTINED_REASON,
    text,
)
from release import arns
from release.errors import MissingError

_DESCRIPTION_LIMIT = 1024


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
        """`sha256:…` of the image that was registered; empty for a version registered without one."""
        return self.metadata.get(IMAGE_DIGEST, "")

    @property
    def image_context(self) -> str:
        """Tag of a custom image: the digest of its build context; empty for AWS's images."""
        return self.metadata.get(IMAGE_CONTEXT, "")

    @property
    def is_approved(self) -> bool:
        """AWS deploys it by ARN."""
        return self.approval == "Approved"

    @property
    def is_quarantined(self) -> bool:
        """Rejected: by a rollback, or by a person who does not want it in production."""
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
    )


def versions(group: str, region: str) -> list[str]:
    """ARNs of a group's versions, newest first; `group` may be an ARN of another account. Empty without a group."""
    pages = _client(region).get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    try:
        found = [summary["ModelPackageArn"] for page in pages for summary in page["ModelPackageSummaryList"]]
    except ClientError as error:
        if _is_missing(error):
            return []
        raise
    return sorted(found, key=lambda arn: arns.parse(arn).version, reverse=True)


def approve(package: Package, *, approver: str, evidence_digest: str, override_reason: str) -> None:
    """Let AWS deploy it by ARN, and say on the package itself who approved it on which evidence."""
    marks = {APPROVED_BY: approver, EVIDENCE_DIGEST: evidence_digest, OVERRIDE_REASON: override_reason}
    because = f"override: {override_reason}" if override_reason else f"evidence {evidence_digest}"
    _decide(package, "Approved", f"Approved by {approver}, {because}", marks, stage="Production")


def reject(package: Package, reason: str, *, by: str) -> None:
    """Keep it out of production: AWS refuses to deploy it by ARN, and no rollback chooses it."""
    _decide(package, "Rejected", f"Rejected by {by}: {reason}", {QUARANTINED_REASON: reason}, stage="Production")


def _decide(package: Package, status: str, description: str, marks: Mapping[str, str], stage: str) -> None:
    metadata = {key: text(value) for key, value in marks.items() if value}
    short = description[:_DESCRIPTION_LIMIT]
    _client(arns.parse(package.arn).region).update_model_package(
        ModelPackageArn=package.arn,
        ModelApprovalStatus=status,
        ApprovalDescription=short,
        # All of them: the API's words leave open whether those that are not sent are kept.
        CustomerMetadataProperties={**package.metadata, **metadata},
        ModelLifeCycle={"Stage": stage, "StageStatus": status, "StageDescription": short},
    )


def _is_missing(error: ClientError) -> bool:
    message = error.response["Error"]["Message"].lower()
    return error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound") and (
        "does not exist" in message or "could not find" in message or "cannot find" in message
    )


@cache
def _client(region: str) -> Any:
    return boto3.client("sagemaker", region_name=region)
