"""Model package groups: names, policies, tags, and when they can go."""

from __future__ import annotations

import json
from typing import Any

import pytest


def policy(target: Any, group: str) -> str:
    statement = {
        "Sid": "Read",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{target.account}:root"},
        "Action": ["sagemaker:DescribeModelPackageGroup"],
        "Resource": target.arn("model-package-group", group),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_group_is_described_by_name_and_by_arn(target: Any, group: str) -> None:
    arn = target.arn("model-package-group", group)
    by_name, by_arn = (
        target.sagemaker.describe_model_package_group(ModelPackageGroupName=name) for name in (group, arn)
    )
    assert by_name["ModelPackageGroupArn"] == by_arn["ModelPackageGroupArn"] == arn
    assert by_name["ModelPackageGroupName"] == group
    assert by_name["ModelPackageGroupStatus"] == "Completed"
    assert by_name["ModelPackageGroupDescription"] == "made by Understudy's tests"


@pytest.mark.inferred("that names differ by more than case, as ARNs are in lower case")
def test_a_group_with_capitals_has_an_arn_without(target: Any, refused: Any) -> None:
    name = target.group(suffix="-Capitals")
    arn = target.arn("model-package-group", name.lower())
    found = target.sagemaker.describe_model_package_group(ModelPackageGroupName=arn)
    assert (found["ModelPackageGroupName"], found["ModelPackageGroupArn"]) == (name, arn)
    assert target.registered(arn) == target.arn("model-package", f"{name.lower()}/1")
    assert target.versions(name) == target.versions(arn)
    with refused("ValidationException", f"Model Package Group already exists: {arn}"):
        target.sagemaker.create_model_package_group(ModelPackageGroupName=name.lower())


def test_a_group_is_made_once(target: Any, group: str, refused: Any) -> None:
    arn = target.arn("model-package-group", group)
    with refused("ValidationException", f"Model Package Group already exists: {arn}"):
        target.sagemaker.create_model_package_group(ModelPackageGroupName=group)


def test_a_name_that_breaks_the_pattern_is_refused(target: Any, refused: Any) -> None:
    with refused(
        "ValidationException",
        "1 validation error detected: Value 'under_score' at 'modelPackageGroupName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ",
    ):
        target.sagemaker.create_model_package_group(ModelPackageGroupName="under_score")


def test_missing_groups_are_named_by_their_arn(target: Any, refused: Any) -> None:
    nobody = target.arn("model-package-group", "understudy-test-nobody")
    with refused("ValidationException", f"ModelPackageGroup {nobody} does not exist."):
        target.sagemaker.describe_model_package_group(ModelPackageGroupName="understudy-test-nobody")
    with refused("ValidationException", f"ModelPackageGroup {nobody} does not exist."):
        target.sagemaker.delete_model_package_group(ModelPackageGroupName="understudy-test-nobody")
    with refused("ValidationException", f"Cannot find Model Package Group: {nobody}"):
        target.sagemaker.get_model_package_group_policy(ModelPackageGroupName="understudy-test-nobody")


def test_a_policy_is_put_got_and_deleted(target: Any, group: str, refused: Any) -> None:
    arn = target.arn("model-package-group", group)
    with refused("ValidationException", f"Cannot find resource policy for: {arn}"):
        target.sagemaker.get_model_package_group_policy(ModelPackageGroupName=group)
    put = target.sagemaker.put_model_package_group_policy(
        ModelPackageGroupName=group, ResourcePolicy=policy(target, group)
    )
    assert put["ModelPackageGroupArn"] == arn
    found = target.sagemaker.get_model_package_group_policy(ModelPackageGroupName=group)["ResourcePolicy"]
    assert json.loads(found) == json.loads(policy(target, group))
    target.sagemaker.delete_model_package_group_policy(ModelPackageGroupName=group)
    with refused("ValidationException", f"Cannot find resource policy for: {arn}"):
        target.sagemaker.delete_model_package_group_policy(ModelPackageGroupName=group)


@pytest.mark.inferred("the code for a policy that is no policy")
@pytest.mark.parametrize("text", ["no json", "[]", "{}"])
def test_what_is_no_policy_is_refused(target: Any, group: str, refused: Any, text: str) -> None:
    with refused("ValidationException"):
        target.sagemaker.put_model_package_group_policy(ModelPackageGroupName=group, ResourcePolicy=text)


def test_tags_belong_to_the_group(target: Any, group: str) -> None:
    arn = target.arn("model-package-group", group)
    target.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}])
    target.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    tags = target.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert [tag for tag in tags if not tag["Key"].startswith("aws:")] == [{"Key": "c", "Value": "d"}]


@pytest.mark.inferred("the code for a group; of a Studio app that is gone it was seen (amazon-sagemaker-feedback#108)")
def test_a_group_that_is_not_there_has_no_tags(target: Any, refused: Any) -> None:
    nobody = target.arn("model-package-group", "understudy-test-nobody")
    with refused("ValidationException"):
        target.sagemaker.list_tags(ResourceArn=nobody)
    with refused("ValidationException"):
        target.sagemaker.add_tags(ResourceArn=nobody, Tags=[{"Key": "a", "Value": "b"}])


def test_aws_s_own_tags_are_left_alone(target: Any, group: str, refused: Any) -> None:
    """Seen in sagemaker-python-sdk#1301."""
    arn = target.arn("model-package-group", group)
    with refused("ValidationException", "System prefix 'aws:' reserved for AWS usage in tag key: aws:understudy"):
        target.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["aws:understudy"])


@pytest.mark.inferred("ConflictException is modelled; that it is what a group with versions answers is not documented")
def test_a_group_with_versions_stays(target: Any, group: str, refused: Any) -> None:
    target.registered(group)
    with refused("ConflictException", target.arn("model-package-group", group)):
        target.sagemaker.delete_model_package_group(ModelPackageGroupName=group)


def test_an_empty_group_can_go(target: Any, group: str, refused: Any) -> None:
    target.sagemaker.delete_model_package(ModelPackageName=target.registered(group))
    target.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with refused("ValidationException", "does not exist."):
        target.sagemaker.describe_model_package_group(ModelPackageGroupName=group)
