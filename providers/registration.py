"""Registering a version once, and waiting for what SageMaker makes of it.

API: CreateModelPackage, DescribeModelPackage, UpdateModelPackage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from providers import aws
from providers.aws import ProviderError

EARLIER_ATTEMPT = timedelta(seconds=60)
"""A failed version older than this was registered by an earlier `up`, clocks being what they are."""

REGISTRATION_SECONDS = 900
"""How long a version may take to become Completed; without validation jobs AWS takes seconds."""

UNSEEN_SECONDS = 15
"""How long a version that was just registered may be unknown to Describe; after that somebody deleted it."""

MOST_DELETED = 5
"""So many deleted versions of the same content are passed over; more would be a registry that cannot be read."""


def client_token(request: Mapping[str, Any], after: str = "") -> str:
    """36 hex digits that are the same for the same request (`after`: ARN of the attempt before, which is no use).

    CreateModelPackage takes at most 36 characters.
    """
    text = json.dumps([request, after], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:36]


class Registration:
    """The calls of SageMaker's registry that a version's resource makes, over one boto3 client."""

    def __init__(self, sagemaker: Any) -> None:
        self._sagemaker = sagemaker

    def register(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """(ARN, description) of the version once it is Completed. Raises `ProviderError` with SageMaker's reason.

        The ClientToken is the request's digest: where an `up` was killed after SageMaker had registered, the next one
        is given the same version. A version that failed in an earlier attempt, or that was deleted since, answers to
        its token for as long as SageMaker remembers it, so it is passed over by a token derived from its ARN.
        """
        before, deleted = "", 0
        while deleted < MOST_DELETED:
            started = datetime.now(UTC)
            arn = self._create(request, client_token(request, before))
            description = self._settled(arn)
            if description is not None:
                if description["ModelPackageStatus"] == "Completed":
                    return arn, description
                if description["CreationTime"] > started - EARLIER_ATTEMPT:
                    raise ProviderError(f"{arn} is {description['ModelPackageStatus']}: {_reasons(description)}")
            deleted += description is None
            before = arn
        raise ProviderError(f"{before} was registered and cannot be described: may this identity read the registry?")

    def complete(self, arn: str, description: Mapping[str, Any], metadata: Mapping[str, str]) -> dict[str, Any]:
        """Write the metadata that differs between attempts, only where nothing is written yet; the description."""
        written = description.get("CustomerMetadataProperties", {})
        missing = {key: value for key, value in metadata.items() if key not in written}
        if missing:
            self._sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties=missing)
        return {**description, "CustomerMetadataProperties": {**written, **missing}}

    def describe(self, arn: str) -> dict[str, Any] | None:
        """What the registry says of a version now; None where it is not there."""
        try:
            return dict(self._sagemaker.describe_model_package(ModelPackageName=arn))
        except ClientError as error:
            if aws.is_not_found(error):
                return None
            raise

    def update(self, arn: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Write what changed, if anything; the description afterwards. Raises `ProviderError` where it is gone."""
        if request:
            self._sagemaker.update_model_package(ModelPackageArn=arn, **request)
        description = self.describe(arn)
        if description is None:
            raise ProviderError(f"{arn} is no longer in the registry: run `up --refresh`, which registers it anew")
        return description

    def _create(self, request: Mapping[str, Any], token: str) -> str:
        try:
            return str(self._sagemaker.create_model_package(**request, ClientToken=token)["ModelPackageArn"])
        except ClientError as error:
            raise _explained(error, str(request.get("ModelPackageGroupName"))) from None

    def _settled(self, arn: str) -> dict[str, Any] | None:
        """The description once SageMaker has made up its mind (Completed, Failed or Deleting); None if it is gone."""
        for waited in aws.polls(REGISTRATION_SECONDS):
            try:
                description = aws.patiently(lambda: dict(self._sagemaker.describe_model_package(ModelPackageName=arn)))
            except ClientError as error:
                if not aws.is_not_found(error):
                    raise
                if waited >= UNSEEN_SECONDS:
                    return None
                continue
            if description and description["ModelPackageStatus"] not in ("Pending", "InProgress"):
                return description
        raise ProviderError(
            f"{arn} is not Completed after {REGISTRATION_SECONDS} s: see it in SageMaker, then run `up` again"
        )


def _reasons(description: Mapping[str, Any]) -> str:
    details = description.get("ModelPackageStatusDetails", {})
    items = [*details.get("ValidationStatuses", []), *details.get("ImageScanStatuses", [])]
    reasons = [f"{item['Name']}: {item['FailureReason']}" for item in items if item.get("FailureReason")]
    return "; ".join(reasons) or "SageMaker gives no reason"


def _explained(error: ClientError, group: str) -> ClientError | ProviderError:
    """The error with what to do, for those that a person can act on."""
    code, message = str(error.response["Error"]["Code"]), str(error.response["Error"].get("Message", ""))
    if code.startswith("AccessDenied"):
        return ProviderError(
            f"no version can be registered in group {group}: {message}. Nothing was registered. Allow "
            "sagemaker:CreateModelPackage to this identity; where the group is another account's, its owner's group "
            "policy has to allow it too"
        )
    if aws.is_not_found(error) and "ModelPackageGroup" in message.replace(" ", ""):
        return ProviderError(
            f"there is no group {group}: {message} Nothing was registered. Check the name, account and region; the "
            "registry makes the group of each of its services"
        )
    return error
