"""Versions: numbers, statuses, client tokens, what an update keeps and what is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest


def test_a_version_is_numbered_pending_and_then_completed(target: Any, group: str) -> None:
    first, second = target.register(group), target.registered(group)
    assert (first, second) == tuple(target.arn("model-package", f"{group}/{number}") for number in (1, 2))
    assert target.settled(first)["ModelPackageStatus"] == "Completed"
    version = target.describe(second)
    assert version["ModelPackageGroupName"] == group
    assert version["ModelPackageVersion"] == 2
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    assert version["ModelPackageStatusDetails"] == {"ValidationStatuses": [], "ImageScanStatuses": []}
    assert version["LastModifiedTime"] >= version["CreationTime"]
    assert "ModelPackageName" not in version
    assert "LastModifiedBy" not in version


@pytest.mark.inferred("that a registration is Pending when CreateModelPackage has answered")
def test_a_version_is_not_completed_at_once(target: Any, group: str) -> None:
    assert target.describe(target.register(group))["ModelPackageStatus"] in ("Pending", "InProgress")


@pytest.mark.inferred("that the number of a deleted version is not given again")
def test_a_number_is_not_given_twice(target: Any, group: str) -> None:
    target.sagemaker.delete_model_package(ModelPackageName=target.registered(group))
    assert target.registered(group).endswith("/2")


@pytest.mark.inferred("CreatedBy of a caller who is no Studio user")
def test_a_version_says_who_registered_and_changed_it(target: Any, group: str) -> None:
    arn = target.registered(group)
    target.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    version = target.describe(arn)
    assert version["CreatedBy"]["IamIdentity"]["Arn"] == target.caller
    assert version["LastModifiedBy"]["IamIdentity"]["Arn"] == target.caller


def test_a_client_token_stands_for_one_request(target: Any, group: str) -> None:
    token = uuid.uuid4().hex
    assert target.register(group, ClientToken=token) == target.register(group, ClientToken=token)
    assert target.register(group, ClientToken=uuid.uuid4().hex).endswith("/2")
    assert len(target.versions(group)) == 2


@pytest.mark.inferred("ConflictException is modelled; that it is what a token used twice answers is not documented")
def test_a_client_token_of_another_request_is_a_conflict(target: Any, group: str, refused: Any) -> None:
    token = uuid.uuid4().hex
    target.register(group, ClientToken=token)
    with refused("ConflictException"):
        target.register(group, ClientToken=token, ModelPackageDescription="another one")
    assert len(target.versions(group)) == 1


def test_everything_registered_is_described_and_kept_by_an_update(target: Any, group: str) -> None:
    members: dict[str, Any] = {
        "ModelPackageDescription": "A version",
        "ModelApprovalStatus": "PendingManualApproval",
        "CustomerMetadataProperties": {"understudy.author": "me", "kept": "yes"},
        "SourceUri": "s3://somewhere/source",
        "ModelLifeCycle": {"Stage": "Staging", "StageStatus": "Pending", "StageDescription": "tried"},
        "SkipModelValidation": "All",
        "Domain": "MACHINE_LEARNING",
        "Task": "CLASSIFICATION",
        "MetadataProperties": {"CommitId": "0123abc"},
    }
    arn = target.registered(group, **members)
    before = target.describe(arn)
    assert {name: before[name] for name in members} == members
    target.sagemaker.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"understudy.approved_by": "you"},
        CustomerMetadataPropertiesToRemove=["kept"],
    )
    after = target.describe(arn)
    assert after.pop("CustomerMetadataProperties") == {"understudy.author": "me", "understudy.approved_by": "you"}
    before.pop("CustomerMetadataProperties")
    for name in ("LastModifiedTime", "LastModifiedBy"):
        before.pop(name, None)
        after.pop(name, None)
    assert after == before


@pytest.mark.inferred("that every approval status may follow every other")
def test_approval_goes_any_way_and_says_why(target: Any, group: str) -> None:
    arn = target.registered(group)
    for status in ("Approved", "Rejected", "PendingManualApproval", "Approved"):
        target.sagemaker.update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus=status,
            ApprovalDescription=f"now {status}",
            ModelLifeCycle={"Stage": "Production", "StageStatus": status},
        )
        version = target.describe(arn)
        assert version["ModelApprovalStatus"] == status
        assert version["ApprovalDescription"] == f"now {status}"
        assert version["ModelLifeCycle"] == {"Stage": "Production", "StageStatus": status}


def test_the_container_can_be_changed(target: Any, group: str) -> None:
    arn = target.registered(group)
    changed = target.specification(Environment={"SAGEMAKER_PROGRAM": "inference.py"})
    target.sagemaker.update_model_package(ModelPackageArn=arn, InferenceSpecification=changed)
    (container,) = target.describe(arn)["InferenceSpecification"]["Containers"]
    assert container["Environment"] == {"SAGEMAKER_PROGRAM": "inference.py"}


@pytest.mark.inferred("that a clone needs no InferenceSpecification of its own")
def test_a_version_is_cloned_by_its_arn(target: Any, group: str) -> None:
    arn = target.registered(group)
    request = {"ModelPackageGroupName": group, "SourceUri": arn}
    clone = target.sagemaker.create_model_package(**request)["ModelPackageArn"]
    assert target.settled(clone)["SourceUri"] == arn
    assert target.describe(clone)["InferenceSpecification"] == target.describe(arn)["InferenceSpecification"]


def test_what_names_no_group_or_too_much_is_refused(target: Any, group: str, refused: Any) -> None:
    nobody = target.arn("model-package-group", "understudy-test-nobody")
    with refused(
        "ValidationException",
        "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot determine which one to use.",
    ):
        target.register(group, ModelPackageName="both")
    with refused("ValidationException", "Missing ARN."):
        target.sagemaker.create_model_package()
    with refused("ValidationException", nobody):
        target.register("understudy-test-nobody")
    missing = target.arn("model-package", f"{group}/99")
    with refused("ValidationException", f"ModelPackage {missing} does not exist."):
        target.describe(missing)


def test_versions_have_no_tags(target: Any, group: str, refused: Any) -> None:
    with refused("ValidationException"):
        target.register(group, Tags=[{"Key": "a", "Value": "b"}])
    assert target.versions(group) == []


@pytest.mark.inferred("that missing model data is refused before CreateModelPackage answers")
def test_model_data_has_to_be_there(target: Any, group: str, refused: Any) -> None:
    missing = target.model_data.replace("model.tar.gz", "nothing.tar.gz")
    with refused("ValidationException"):
        target.register(group, InferenceSpecification=target.specification(ModelDataUrl=missing))
    assert target.versions(group) == []


@pytest.mark.inferred("that a bucket which is not there is refused before CreateModelPackage answers")
def test_model_data_is_in_a_bucket_that_is_there(target: Any, group: str, refused: Any) -> None:
    elsewhere = f"s3://understudy-test-{uuid.uuid4().hex}/model.tar.gz"
    with refused("ValidationException"):
        target.register(group, InferenceSpecification=target.specification(ModelDataUrl=elsewhere))
    assert target.versions(group) == []


def test_additional_data_is_not_for_the_inference_specification(target: Any, group: str, refused: Any) -> None:
    source = {"S3DataType": "S3Object", "S3Uri": target.model_data}
    with refused("ValidationException", "AdditionalS3DataSource is not allowed in InferenceSpecification"):
        target.register(group, InferenceSpecification=target.specification(AdditionalS3DataSource=source))


def test_metadata_out_of_bounds_breaks_a_constraint(target: Any, group: str, refused: Any) -> None:
    with refused(
        "ValidationException",
        "1 validation error detected: Value '{understudy.note=",
        "}' at 'customerMetadataProperties' failed to satisfy constraint: Map value must satisfy constraint: [Member "
        "must have length less than or equal to 256, Member must have length greater than or equal to 1, ",
    ):
        target.register(group, CustomerMetadataProperties={"understudy.note": "x" * 257})


@pytest.mark.inferred("that a missing version is an entry of the error map")
def test_several_versions_are_described_at_once(target: Any, group: str) -> None:
    arns, missing = [target.registered(group) for _ in range(2)], target.arn("model-package", f"{group}/99")
    answer = target.sagemaker.batch_describe_model_package(ModelPackageArnList=[*arns, missing])
    summaries = answer["ModelPackageSummaries"]
    assert sorted(summaries) == sorted(arns)
    assert [summaries[arn]["ModelPackageVersion"] for arn in arns] == [1, 2]
    assert list(answer["BatchDescribeModelPackageErrorMap"]) == [missing]
