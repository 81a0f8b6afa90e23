"""The registry against botocore's own request and answer checks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from release import registry
from release.errors import ExitCode, MissingError, UsageError
from tests.unit.release.conftest import arn

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def stubber(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client(
        "sagemaker", region_name="us-west-2", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    monkeypatch.setattr(registry, "_client", lambda region: client)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def described(version: int, **more: Any) -> dict[str, Any]:
    return {
        "ModelPackageArn": arn(version),
        "ModelPackageName": "x",
        "CreationTime": NOW,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {"Containers": [{"Image": "image", "ModelDataUrl": "s3://b/k"}]},
        "CustomerMetadataProperties": {"understudy.artifact_digest": "d", "understudy.author": "ada"},
        **more,
    }


def test_a_version_is_described(stubber: Stubber) -> None:
    stubber.add_response("describe_model_package", described(7), {"ModelPackageName": arn(7)})
    found = registry.describe(arn(7))
    assert (found.version, found.group, found.artifact_digest, found.object_sha256) == (7, "tumor-triage", "d", "")
    assert (found.image, found.model_data_url) == ("image", "s3://b/k")
    assert not found.is_approved
    assert not found.is_quarantined


def test_a_missing_version_is_missing(stubber: Stubber) -> None:
    stubber.add_client_error(
        "describe_model_package", "ValidationException", f'ModelPackage "{arn(9)}" does not exist.', 400
    )
    with pytest.raises(MissingError, match="There is no model package") as missing:
        registry.describe(arn(9))
    assert missing.value.exit_code == ExitCode.MISSING


def test_a_malformed_arn_is_refused_before_aws_is_asked() -> None:
    with pytest.raises(UsageError, match="Malformed model package ARN"):
        registry.describe("arn:aws:sagemaker:us-west-2:111111111111:model-package/tumor-triage/latest")


def test_versions_come_newest_first_by_number(stubber: Stubber) -> None:
    summaries = [
        {
            "ModelPackageName": "x",
            "ModelPackageArn": arn(version),
            "CreationTime": NOW,
            "ModelPackageStatus": "Completed",
        }
        for version in (2, 10, 9)
    ]
    stubber.add_response(
        "list_model_packages", {"ModelPackageSummaryList": summaries}, {"ModelPackageGroupName": "tumor-triage"}
    )
    assert registry.versions("tumor-triage", "us-west-2") == [arn(10), arn(9), arn(2)]


def test_approval_is_written_on_the_package_and_keeps_what_is_there(stubber: Stubber) -> None:
    stubber.add_response("describe_model_package", described(7), {"ModelPackageName": arn(7)})
    stubber.add_response(
        "update_model_package",
        {"ModelPackageArn": arn(7)},
        {
            "ModelPackageArn": arn(7),
            "ModelApprovalStatus": "Approved",
            "ApprovalDescription": "Approved by grace, evidence e",
            "CustomerMetadataProperties": {
                "understudy.artifact_digest": "d",
                "understudy.author": "ada",
                "understudy.approved_by": "grace",
                "understudy.approved_beside": "8",
                "understudy.evidence_digest": "e",
            },
            "ModelLifeCycle": {
                "Stage": "Production",
                "StageStatus": "Approved",
                "StageDescription": "Approved by grace, evidence e",
            },
        },
    )
    registry.approve(registry.describe(arn(7)), approver="grace", evidence_digest="e", override_reason="", beside=8)


def test_an_approval_on_evidence_replaces_an_earlier_override(stubber: Stubber) -> None:
    before = {"understudy.author": "ada", "understudy.override_reason": "late labels"}
    stubber.add_response("describe_model_package", described(7, CustomerMetadataProperties=before))
    said = "Approved by grace, evidence e"
    stubber.add_response(
        "update_model_package",
        {"ModelPackageArn": arn(7)},
        {
            "ModelPackageArn": arn(7),
            "ModelApprovalStatus": "Approved",
            "ApprovalDescription": said,
            "CustomerMetadataProperties": {
                "understudy.author": "ada",
                "understudy.approved_by": "grace",
                "understudy.approved_beside": "7",
                "understudy.evidence_digest": "e",
            },
            "CustomerMetadataPropertiesToRemove": ["understudy.override_reason"],
            "ModelLifeCycle": {"Stage": "Production", "StageStatus": "Approved", "StageDescription": said},
        },
    )
    registry.approve(registry.describe(arn(7)), approver="grace", evidence_digest="e", override_reason="", beside=7)


def test_a_deletion_is_safe_to_repeat(stubber: Stubber) -> None:
    stubber.add_response("delete_model_package", {}, {"ModelPackageName": arn(7)})
    stubber.add_client_error(
        "delete_model_package", "ValidationException", f"ModelPackage {arn(7)} does not exist.", 400
    )
    assert [registry.delete(arn(7)), registry.delete(arn(7))] == [True, False]


def test_a_quarantine_is_a_rejection_with_its_reason_in_the_apis_characters(stubber: Stubber) -> None:
    reason = "alarm (5 points) " + "x" * 300
    stubber.add_response("describe_model_package", described(7), {"ModelPackageName": arn(7)})
    stubber.add_response(
        "update_model_package",
        {"ModelPackageArn": arn(7)},
        {
            "ModelPackageArn": arn(7),
            "ModelApprovalStatus": "Rejected",
            "ApprovalDescription": f"Rejected by ci: {reason}",
            "CustomerMetadataProperties": {
                "understudy.artifact_digest": "d",
                "understudy.author": "ada",
                "understudy.quarantined_reason": ("alarm 5 points " + "x" * 300)[:256],
            },
            "ModelLifeCycle": {
                "Stage": "Production",
                "StageStatus": "Rejected",
                "StageDescription": f"Rejected by ci: {reason}",
            },
        },
    )
    registry.reject(registry.describe(arn(7)), reason, by="ci")
