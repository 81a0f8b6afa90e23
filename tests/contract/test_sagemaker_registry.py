"""The registry in the sandbox: what no test may do in a real account, or only the sandbox lets a test see.

What holds on AWS as well is in `registry/`.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

SCIENTIST = "arn:aws:sts::123456789012:assumed-role/understudy-scientist/scientist"
APPROVER = "arn:aws:sts::123456789012:assumed-role/understudy-approver/approver"
ECR = "123456789012.dkr.ecr.us-west-2.amazonaws.com"


@pytest.fixture
def group(lab: Any, unique: Any) -> str:
    name = str(unique("group"))
    lab.sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription="tests")
    return name


def settled(lab: Any, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while lab.package_status(arn) in ("Pending", "InProgress"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    answer: dict[str, Any] = lab.sagemaker.describe_model_package(ModelPackageName=arn)
    return answer


def test_each_person_is_named(lab: Any, boto: Any, group: str) -> None:
    arn = lab.version(group)
    boto("sagemaker", profile="approver").update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    version = lab.sagemaker.describe_model_package(ModelPackageName=arn)
    assert version["CreatedBy"]["IamIdentity"]["Arn"] == SCIENTIST
    assert version["LastModifiedBy"]["IamIdentity"]["Arn"] == APPROVER


def test_approval_decides_what_a_model_may_run(lab: Any, group: str, refused: Any, unique: Any) -> None:
    arn = lab.version(group)
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


@pytest.fixture
def repository(boto: Any, unique: Any) -> str:
    name = str(unique("understudy/images"))
    boto("ecr").create_repository(repositoryName=name)
    return name


def image(boto: Any, repository: str, tag: str) -> str:
    """Push a manifest under a tag; returns its digest."""
    manifest = (
        f'{{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "n": "{tag}"}}'
    )
    put = boto("ecr").put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)
    return str(put["image"]["imageId"]["imageDigest"])


def specification(lab: Any, uri: str) -> dict[str, Any]:
    return {"Containers": [{**lab.container("v1"), "Image": uri}], "SupportedContentTypes": ["text/csv"]}


def test_a_tag_is_resolved_to_its_digest_when_it_is_registered(
    lab: Any, boto: Any, group: str, repository: str
) -> None:
    digest = image(boto, repository, "one")
    for reference in (":one", f"@{digest}"):
        arn = lab.version(group, InferenceSpecification=specification(lab, f"{ECR}/{repository}{reference}"))
        (container,) = settled(lab, arn)["InferenceSpecification"]["Containers"]
        assert container["Image"] == f"{ECR}/{repository}{reference}"
        assert container["ImageDigest"] == digest


def test_a_changed_container_has_the_digest_of_its_own_image(
    lab: Any, boto: Any, group: str, repository: str, refused: Any
) -> None:
    image(boto, repository, "one")
    digest = image(boto, repository, "two")
    arn = lab.version(group, InferenceSpecification=specification(lab, f"{ECR}/{repository}:one"))

    def change(tag: str) -> None:
        changed = specification(lab, f"{ECR}/{repository}:{tag}")
        lab.sagemaker.update_model_package(ModelPackageArn=arn, InferenceSpecification=changed)

    change("two")
    with refused("ValidationException", f"{ECR}/{repository}:nothing"):
        change("nothing")
    (container,) = settled(lab, arn)["InferenceSpecification"]["Containers"]
    assert (container["Image"], container["ImageDigest"]) == (f"{ECR}/{repository}:two", digest)


def test_a_version_fails_with_the_reason_where_its_image_is_missing(
    lab: Any, group: str, repository: str, refused: Any, unique: Any
) -> None:
    uri = f"{ECR}/{repository}:nothing"
    request = {"InferenceSpecification": specification(lab, uri), "ModelApprovalStatus": "Approved"}
    arn = lab.sagemaker.create_model_package(ModelPackageGroupName=group, **request)["ModelPackageArn"]
    version = settled(lab, arn)
    assert version["ModelPackageStatus"] == "Failed"
    (scan,) = version["ModelPackageStatusDetails"]["ImageScanStatuses"]
    assert scan["Status"] == "Failed"
    assert uri in scan["FailureReason"]
    with refused("ValidationException", arn, "Failed"):
        lab.sagemaker.create_model(
            ModelName=unique("model"), ExecutionRoleArn=lab.role, PrimaryContainer={"ModelPackageName": arn}
        )


def test_what_no_registry_can_have_is_refused_at_once(lab: Any, group: str, refused: Any) -> None:
    with refused("ValidationException", 'The image "xgboost:latest" is not of the form'):
        lab.sagemaker.create_model_package(
            ModelPackageGroupName=group, InferenceSpecification=specification(lab, "xgboost:latest")
        )


def test_validation_jobs_are_refused_not_pretended(lab: Any, group: str, refused: Any) -> None:
    validation = {
        "ValidationRole": lab.role,
        "ValidationProfiles": [
            {
                "ProfileName": "batch",
                "TransformJobDefinition": {
                    "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://a/b"}}},
                    "TransformOutput": {"S3OutputPath": "s3://a/c"},
                    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
                },
            }
        ],
    }
    with refused("ValidationException", "Validation jobs are not run here"):
        lab.version(group, ValidationSpecification=validation)
    lab.version(group, ValidationSpecification=validation, SkipModelValidation="All")


def test_a_package_without_a_group_has_a_name_and_no_version(lab: Any, refused: Any, unique: Any) -> None:
    name = unique("package")
    container = {member: value for member, value in lab.container("v1").items() if member != "Environment"}
    request = {"ModelPackageName": name, "InferenceSpecification": {"Containers": [container]}}
    arn = lab.sagemaker.create_model_package(**request)["ModelPackageArn"]
    package = settled(lab, name)
    assert package["ModelPackageName"] == name
    assert package["ModelPackageArn"] == arn
    assert "ModelPackageVersion" not in package
    assert "ModelApprovalStatus" not in package
    listed = lab.sagemaker.list_model_packages(NameContains=name)["ModelPackageSummaryList"]
    assert [one["ModelPackageName"] for one in listed] == [name]
    with refused("ValidationException", f"Model Package already exists: {arn}"):
        lab.sagemaker.create_model_package(**{**request, "ClientToken": "another"})
    with refused("ValidationException", "Environment variable map cannot be specified when using non-versioned"):
        lab.sagemaker.create_model_package(
            ModelPackageName=unique("package"), InferenceSpecification={"Containers": [lab.container("v1")]}
        )
    lab.sagemaker.delete_model_package(ModelPackageName=name)
    with refused("ValidationException", f"ModelPackage {arn} does not exist."):
        lab.sagemaker.describe_model_package(ModelPackageName=name)


def test_a_client_token_is_free_again_when_its_version_is_deleted(lab: Any, group: str) -> None:
    request = {"ClientToken": "once", "InferenceSpecification": specification(lab, lab.container("v1")["Image"])}
    first = lab.version(group, **request)
    lab.sagemaker.delete_model_package(ModelPackageName=first)
    assert lab.version(group, **request).endswith("/2")


def test_what_is_named_in_passing_is_not_looked_up_in_another_account(
    lab: Any, boto: Any, group: str, refused: Any
) -> None:
    arn = lab.version(group)
    other = boto("sagemaker", profile="other")
    answer = other.batch_describe_model_package(ModelPackageArnList=[arn])
    assert "ModelPackageSummaries" not in answer
    error = answer["BatchDescribeModelPackageErrorMap"][arn]
    assert error["ErrorCode"] == "AccessDeniedException"
    assert error["ErrorResponse"].endswith(
        f"on resource: {arn} because no resource-based policy allows the sagemaker:DescribeModelPackage action"
    )
    other.create_model_package_group(ModelPackageGroupName=group)
    with refused("AccessDeniedException", arn):
        other.create_model_package(ModelPackageGroupName=group, SourceUri=arn)


def test_nothing_is_discoverable_from_other_accounts(lab: Any, group: str) -> None:
    lab.version(group)
    groups = lab.sagemaker.list_model_package_groups(CrossAccountFilterOption="CrossAccount")
    assert groups["ModelPackageGroupSummaryList"] == []
    assert lab.sagemaker.search(Resource="ModelPackage", CrossAccountFilterOption="CrossAccount")["Results"] == []


@pytest.mark.parametrize(
    ("resource", "expression", "reason"),
    [
        ("Pipeline", {}, "does not cover resource type Pipeline"),
        (
            "ModelPackage",
            {"NestedFilters": [{"NestedPropertyName": "A", "Filters": [{"Name": "A.B", "Value": "c"}]}]},
            "does not cover NestedFilters",
        ),
        ("ModelPackage", {"SubExpressions": [{"Filters": [{"Name": "Nothing", "Value": "c"}]}]}, "Nothing"),
    ],
)
def test_a_search_that_is_not_served_is_refused(
    lab: Any, refused: Any, resource: str, expression: dict[str, Any], reason: str
) -> None:
    with refused("ValidationException", reason):
        lab.sagemaker.search(Resource=resource, SearchExpression=expression)


def test_a_version_has_at_most_fifteen_additional_specifications(lab: Any, group: str, refused: Any) -> None:
    container = {"Image": lab.container("v1")["Image"]}
    more = [{"Name": f"more-{number}", "Containers": [container]} for number in range(8)]
    arn = lab.version(group, AdditionalInferenceSpecifications=more)
    change = {"ModelPackageArn": arn, "AdditionalInferenceSpecificationsToAdd": more}
    with refused("ValidationException", "at most 15 additional"):
        lab.sagemaker.update_model_package(**change)
    lab.sagemaker.update_model_package(**{**change, "AdditionalInferenceSpecificationsToAdd": more[:7]})
    version = lab.sagemaker.describe_model_package(ModelPackageName=arn)
    assert len(version["AdditionalInferenceSpecifications"]) == 15


def test_tags_are_refused_with_their_reason(lab: Any, group: str, refused: Any) -> None:
    arn = lab.version(group)
    with refused("ValidationException", "Tags are not supported"):
        lab.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    with refused("ValidationException", "Tags are not supported"):
        lab.version(group, Tags=[{"Key": "a", "Value": "b"}])


def test_model_data_is_missing_or_elsewhere(lab: Any, group: str, refused: Any) -> None:
    def register(url: str) -> None:
        containers = [{**lab.container("v1"), "ModelDataUrl": url}]
        lab.sagemaker.create_model_package(
            ModelPackageGroupName=group, InferenceSpecification={"Containers": containers}
        )

    with refused("ValidationException", f"Could not find model data at s3://{lab.bucket}/nothing.tar.gz."):
        register(f"s3://{lab.bucket}/nothing.tar.gz")
    with refused("ValidationException", "Could not access model data at s3://no-such-bucket/model.tar.gz."):
        register("s3://no-such-bucket/model.tar.gz")


def test_model_data_has_to_be_readable_by_whoever_registers(
    lab: Any, boto: Any, group: str, unique: Any, refused: Any
) -> None:
    s3, bucket = boto("s3", profile="other"), unique("elsewhere")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=b"")

    def register(key: str, **members: Any) -> str:
        container = {"Image": lab.container("v1")["Image"], "ModelDataUrl": f"s3://{bucket}/{key}", **members}
        specification = {"Containers": [{name: value for name, value in container.items() if value is not None}]}
        answer = lab.sagemaker.create_model_package(ModelPackageGroupName=group, InferenceSpecification=specification)
        return str(answer["ModelPackageArn"])

    source = {"S3DataSource": {"S3Uri": f"s3://{bucket}/model.tar.gz", "S3DataType": "S3Object"}}
    source["S3DataSource"]["CompressionType"] = "Gzip"
    for key, members in (
        ("model.tar.gz", {}),
        # Whether it is there is nobody's business who may not read it.
        ("nothing.tar.gz", {}),
        ("model.tar.gz", {"ModelDataUrl": None, "ModelDataSource": source}),
    ):
        with refused("ValidationException", f"Could not access model data at s3://{bucket}/{key}.", "us-west-2"):
            register(key, **members)

    grant = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**grant, "Resource": f"arn:aws:s3:::{bucket}/*"}]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    arn = register("model.tar.gz")
    with refused("ValidationException", f"Could not find model data at s3://{bucket}/nothing.tar.gz."):
        register("nothing.tar.gz")

    grant |= {"Effect": "Deny", "Principal": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**grant, "Resource": f"arn:aws:s3:::{bucket}/*"}]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    specification = lab.sagemaker.describe_model_package(ModelPackageName=arn)["InferenceSpecification"]
    with refused("ValidationException", f"Could not access model data at s3://{bucket}/model.tar.gz."):
        lab.sagemaker.update_model_package(ModelPackageArn=arn, InferenceSpecification=specification)


def test_a_version_is_asked_for_in_its_own_region(boto: Any, lab: Any, group: str, refused: Any) -> None:
    arn = lab.version(group)
    with refused("ValidationException", "ARN should be scoped to correct region: eu-west-1"):
        boto("sagemaker", region="eu-west-1").describe_model_package(ModelPackageName=arn)
