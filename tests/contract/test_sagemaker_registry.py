"""The model registry: versions, approval, what an update keeps, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

ACCOUNT = "arn:aws:sagemaker:us-west-2:123456789012"
SCIENTIST = "arn:aws:sts::123456789012:assumed-role/understudy-scientist/scientist"
APPROVER = "arn:aws:sts::123456789012:assumed-role/understudy-approver/approver"


@pytest.fixture
def group(lab: Any, unique: Any) -> str:
    name = str(unique("group"))
    lab.sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription="tests")
    return name


def register(lab: Any, group: str, **members: Any) -> str:
    specification = {
        "Containers": [lab.container("v1")],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    members = {"InferenceSpecification": specification, **members}
    return str(lab.sagemaker.create_model_package(ModelPackageGroupName=group, **members)["ModelPackageArn"])


def describe(lab: Any, arn: str) -> dict[str, Any]:
    answer: dict[str, Any] = lab.sagemaker.describe_model_package(ModelPackageName=arn)
    answer.pop("ResponseMetadata")
    return answer


def test_versions_are_numbered_and_say_who_registered_them(lab: Any, group: str) -> None:
    first, second = register(lab, group), register(lab, group)
    assert first == f"{ACCOUNT}:model-package/{group}/1"
    assert second == f"{ACCOUNT}:model-package/{group}/2"
    package = describe(lab, second)
    assert package["ModelPackageVersion"] == 2
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["ModelPackageStatus"] == "Completed"
    assert package["CreatedBy"]["IamIdentity"]["Arn"] == SCIENTIST
    assert not [name for name, value in package.items() if value in ({}, [], None, "")]
    lab.sagemaker.delete_model_package(ModelPackageName=second)
    assert register(lab, group).endswith("/3")


def test_a_client_token_registers_once(lab: Any, group: str) -> None:
    assert register(lab, group, ClientToken="once") == register(lab, group, ClientToken="once")
    assert len(lab.sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]) == 1


def test_an_update_keeps_what_it_does_not_name(lab: Any, boto: Any, group: str) -> None:
    arn = register(
        lab,
        group,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"understudy.author": "me", "kept": "yes"},
        SourceUri="s3://somewhere/source",
        ModelLifeCycle={"Stage": "Staging", "StageStatus": "Pending"},
        SkipModelValidation="All",
    )
    before = describe(lab, arn)
    boto("sagemaker", profile="approver").update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"understudy.approved_by": "you"},
        CustomerMetadataPropertiesToRemove=["kept"],
    )
    after = describe(lab, arn)
    assert after.pop("LastModifiedBy")["IamIdentity"]["Arn"] == APPROVER
    assert after.pop("LastModifiedTime") >= before["CreationTime"]
    assert after.pop("CustomerMetadataProperties") == {"understudy.author": "me", "understudy.approved_by": "you"}
    before.pop("CustomerMetadataProperties")
    assert after == before


def test_approval_decides_what_a_model_may_run(lab: Any, group: str, refused: Any, unique: Any) -> None:
    arn = register(lab, group)
    request = {"ExecutionRoleArn": lab.role, "PrimaryContainer": {"ModelPackageName": arn}}
    with refused("ValidationException", arn, "PendingManualApproval"):
        lab.sagemaker.create_model(ModelName=unique("model"), **request)
    lab.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    name = unique("model")
    lab.sagemaker.create_model(ModelName=name, **request)
    assert lab.sagemaker.describe_model(ModelName=name)["PrimaryContainer"]["ModelPackageName"] == arn
    assert lab.invoke(lab.endpoint(lab.config(name))) == "v1:1"
    lab.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    with refused("ValidationException", arn, "Rejected"):
        lab.sagemaker.create_model(ModelName=unique("model"), **request)


def test_what_names_no_group_or_too_much_is_refused(lab: Any, group: str, refused: Any) -> None:
    with refused("ValidationException", "Both ModelPackageName and ModelPackageGroupName are provided in the input."):
        register(lab, group, ModelPackageName="both")
    with refused("ValidationException", "Missing ARN."):
        lab.sagemaker.create_model_package()
    with refused("ValidationException", f"ModelPackageGroup {ACCOUNT}:model-package-group/nobody does not exist."):
        register(lab, "nobody")
    with refused("ValidationException", "Tags are not supported"):
        register(lab, group, Tags=[{"Key": "a", "Value": "b"}])
    arn = register(lab, group)
    with refused("ValidationException", "Tags are not supported"):
        lab.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    with refused("ValidationException", "does not exist"):
        lab.sagemaker.describe_model_package(ModelPackageName=f"{ACCOUNT}:model-package/{group}/99")


def test_groups_have_policies_and_tags_and_go_only_when_empty(lab: Any, group: str, refused: Any) -> None:
    group_arn = f"{ACCOUNT}:model-package-group/{group}"
    with refused("ValidationException", f"Model Package Group already exists: {group_arn}"):
        lab.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    with refused("ValidationException", f"Cannot find resource policy for: {group_arn}"):
        lab.sagemaker.get_model_package_group_policy(ModelPackageGroupName=group)
    with refused("ValidationException", f"Cannot find Model Package Group: {ACCOUNT}:model-package-group/nobody"):
        lab.sagemaker.get_model_package_group_policy(ModelPackageGroupName="nobody")
    lab.sagemaker.put_model_package_group_policy(ModelPackageGroupName=group, ResourcePolicy="{}")
    assert lab.sagemaker.get_model_package_group_policy(ModelPackageGroupName=group)["ResourcePolicy"] == "{}"
    lab.sagemaker.delete_model_package_group_policy(ModelPackageGroupName=group)
    lab.sagemaker.add_tags(ResourceArn=group_arn, Tags=[{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}])
    lab.sagemaker.delete_tags(ResourceArn=group_arn, TagKeys=["a"])
    assert lab.sagemaker.list_tags(ResourceArn=group_arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    arn = register(lab, group)
    with refused("ConflictException", group_arn):
        lab.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    lab.sagemaker.delete_model_package(ModelPackageName=arn)
    lab.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with refused("ValidationException", f"ModelPackageGroup {group_arn} does not exist."):
        lab.sagemaker.describe_model_package_group(ModelPackageGroupName=group)


def test_lists_page_filter_and_search(lab: Any, group: str) -> None:
    arns = [register(lab, group, CustomerMetadataProperties={"understudy.n": str(number)}) for number in range(3)]
    lab.sagemaker.update_model_package(ModelPackageArn=arns[1], ModelApprovalStatus="Approved")
    pages = lab.sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, PaginationConfig={"PageSize": 2}
    )
    listed = [[summary["ModelPackageArn"] for summary in page["ModelPackageSummaryList"]] for page in pages]
    assert listed == [[arns[2], arns[1]], [arns[0]]]
    approved = lab.sagemaker.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    assert [summary["ModelPackageArn"] for summary in approved["ModelPackageSummaryList"]] == [arns[1]]
    found = lab.sagemaker.search(
        Resource="ModelPackage",
        SearchExpression={
            "Filters": [
                {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group},
                {"Name": "CustomerMetadataProperties.understudy.n", "Operator": "Equals", "Value": "2"},
            ]
        },
    )["Results"]
    assert [result["ModelPackage"]["ModelPackageArn"] for result in found] == [arns[2]]
