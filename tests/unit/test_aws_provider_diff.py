"""Diff: what differs, what replaces, and in which order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.aws_provider import compare, shapes
from sandbox.aws_provider.diff import changes, deletes_first, effective
from sandbox.aws_provider.table import resource_type
from sandbox.aws_provider.values import ARCHIVE, SIGNATURE, UNKNOWN

AUTO = {"name": "x-1234567", "__defaults": ["name"]}
CANARY = {"trafficRoutingConfiguration": {"type": "CANARY", "waitIntervalInSeconds": 60}}
ROLLBACK = {"alarms": [{"alarmName": "a"}]}


def archive(digest: str) -> dict[str, str]:
    return {SIGNATURE: ARCHIVE, "hash": digest}


def found(token: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {change.path: (change.kind, change.replaces) for change in changes(resource_type(token), old, new)}


@pytest.mark.parametrize(
    ("token", "old", "new", "expected"),
    [
        ("aws:sqs/queue:Queue", {"delaySeconds": 1}, {"delaySeconds": 2}, {"delaySeconds": ("update", False)}),
        ("aws:sqs/queue:Queue", {"delaySeconds": 0}, {}, {}),
        ("aws:sqs/queue:Queue", {"visibilityTimeoutSeconds": 30}, {}, {}),
        ("aws:sqs/queue:Queue", {"policy": "{}"}, {}, {}),
        ("aws:sqs/queue:Queue", {"region": "a"}, {"region": "b"}, {"region": ("update", True)}),
        ("aws:sqs/queue:Queue", {"visibilityTimeoutSeconds": 30}, {"visibilityTimeoutSeconds": "30"}, {}),
        ("aws:iam/policy:Policy", {}, {"description": "d"}, {"description": ("add", True)}),
        ("aws:iam/role:Role", {"path": "/"}, {"path": "/x/"}, {"path": ("update", True)}),
        (
            "aws:sagemaker/model:Model",
            {"primaryContainer": {"image": "a", "environment": {"K": "1"}}},
            {"primaryContainer": {"image": "a", "environment": {"K": "2"}}},
            {"primaryContainer.environment.K": ("update", True)},
        ),
        (
            "aws:sagemaker/model:Model",
            {"tags": {"a": "1"}, "tagsAll": {"a": "1"}},
            {"tags": {"a": "2"}, "tagsAll": {"a": "2"}},
            {"tags.a": ("update", False), "tagsAll.a": ("update", False)},
        ),
        (
            "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
            {"productionVariants": [{"modelName": "m", "variantName": "One", "volumeSizeInGb": 30}]},
            {"productionVariants": [{"modelName": "n"}]},
            {"productionVariants[0].modelName": ("update", True)},
        ),
        (
            "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
            {"productionVariants": [{"modelName": "m"}]},
            {"productionVariants": [{"modelName": "m"}], "shadowProductionVariants": [{"modelName": "n"}]},
            {"shadowProductionVariants": ("add", True)},
        ),
        (
            "aws:sagemaker/endpoint:Endpoint",
            {"endpointConfigName": "a", "deploymentConfig": {"blueGreenUpdatePolicy": CANARY}},
            {"endpointConfigName": "b", "deploymentConfig": {"blueGreenUpdatePolicy": CANARY}},
            {"endpointConfigName": ("update", False)},
        ),
        (
            "aws:sagemaker/endpoint:Endpoint",
            {"deploymentConfig": {"blueGreenUpdatePolicy": CANARY}},
            {"deploymentConfig": {"blueGreenUpdatePolicy": CANARY, "autoRollbackConfiguration": ROLLBACK}},
            {"deploymentConfig.autoRollbackConfiguration": ("add", True)},
        ),
        (
            "aws:sagemaker/endpoint:Endpoint",
            {},
            {"deploymentConfig": {"blueGreenUpdatePolicy": CANARY, "autoRollbackConfiguration": ROLLBACK}},
            {"deploymentConfig": ("add", True)},
        ),
        (
            "aws:sagemaker/endpoint:Endpoint",
            {},
            {"deploymentConfig": {"blueGreenUpdatePolicy": CANARY}},
            {"deploymentConfig": ("add", False)},
        ),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"alarmActions": ["a", "b"]},
            {"alarmActions": ["b", "a"]},
            {},
        ),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"alarmActions": ["a", "b"]},
            {"alarmActions": ["b", "c"]},
            {"alarmActions[0]": ("delete", False), "alarmActions[1]": ("add", False)},
        ),
        (
            "aws:cloudwatch/compositeAlarm:CompositeAlarm",
            {"actionsEnabled": True},
            {"actionsEnabled": False},
            {"actionsEnabled": ("update", True)},
        ),
        ("aws:lambda/function:Function", {"code": archive("1")}, {"code": archive("1")}, {}),
        (
            "aws:lambda/function:Function",
            {"code": archive("1")},
            {"code": archive("2")},
            {"code": ("update", False)},
        ),
        (
            "aws:lambda/eventSourceMapping:EventSourceMapping",
            {"functionName": "f"},
            {"functionName": "arn:aws:lambda:eu-west-1:1:function:f"},
            {},
        ),
        ("aws:kms/alias:Alias", {"targetKeyId": "k"}, {"targetKeyId": "arn:aws:kms:eu-west-1:1:key/k"}, {}),
        ("aws:lambda/permission:Permission", {"action": "a"}, {"action": "b"}, {"action": ("update", True)}),
        ("aws:ssm/parameter:Parameter", {"tier": "Advanced"}, {"tier": "Standard"}, {"tier": ("update", True)}),
        ("aws:ssm/parameter:Parameter", {"tier": "Standard"}, {"tier": "Advanced"}, {"tier": ("update", False)}),
        ("aws:ssm/parameter:Parameter", {"type": "String"}, {"type": "SecureString"}, {"type": ("update", False)}),
        (
            "aws:s3/bucketPolicy:BucketPolicy",
            {"policy": '{"Statement": [{"Action": ["a"], "Effect": "Allow"}]}'},
            {"policy": '{"Statement":{"Effect":"Allow","Action":"a"}}'},
            {},
        ),
        (
            "aws:ecr/lifecyclePolicy:LifecyclePolicy",
            {"policy": '{"rules": [{"rulePriority": 1}]}'},
            {"policy": '{"rules": [{"rulePriority": 2}]}'},
            {"policy": ("update", True)},
        ),
        ("aws:sqs/queue:Queue", {"policy": "{}"}, {"policy": UNKNOWN}, {"policy": ("update", False)}),
        ("aws:lambda/permission:Permission", {"function": "f"}, {"function": UNKNOWN}, {"function": ("update", True)}),
    ],
)
def test_changes(token: str, old: dict[str, Any], new: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found(token, old, new) == expected


@pytest.mark.parametrize(
    ("token", "new", "first"),
    [
        ("aws:iam/role:Role", {**AUTO, "path": "/x/"}, False),
        ("aws:iam/role:Role", {"name": "mine", "path": "/x/", "__defaults": []}, True),
        ("aws:iam/role:Role", {"name": "mine", "__defaults": []}, False),
        ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"role": "r", "policyArn": "b"}, True),
        ("aws:s3/bucketObjectv2:BucketObjectv2", {"key": "explicit", "bucket": "new", "__defaults": []}, False),
        ("aws:sagemaker/model:Model", {**AUTO, "executionRoleArn": "new"}, False),
        ("aws:sagemaker/model:Model", {"name": "mine", "executionRoleArn": "new", "__defaults": []}, True),
    ],
)
def test_who_is_deleted_first(token: str, new: dict[str, Any], first: bool) -> None:
    spec = resource_type(token)
    old = {**AUTO, "path": "/", "policyArn": "a", "role": "r", "bucket": "old", "executionRoleArn": "old"}
    old["key"] = "explicit"
    mine = {name: value for name, value in old.items() if name in spec.inputs}
    mine["name"] = new.get("name", "")
    assert deletes_first(spec, changes(spec, mine, new), new) is first


def test_ignored_properties_do_not_differ() -> None:
    spec = resource_type("aws:sqs/queue:Queue")
    assert changes(spec, {"delaySeconds": 1}, {"delaySeconds": 2}, ("delaySeconds",)) == []


def test_effective_inputs_hold_every_default_and_no_notes() -> None:
    spec = resource_type("aws:sagemaker/model:Model")
    inputs = {"primaryContainer": {"image": "i", "__defaults": []}, "__defaults": ["name"]}
    assert effective(spec, inputs) == {"primaryContainer": {"image": "i", "mode": "SingleModel"}}
    assert effective(resource_type("aws:sqs/queue:Queue"), {})["fifoQueue"] is False


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ({"Action": ["b", "a"]}, {"Action": ["a", "b"]}, True),
        ({"Principal": {"AWS": "1"}}, {"Principal": {"AWS": ["arn:aws:iam::1:root"]}}, True),
        ({"Principal": "*"}, {"Principal": {"AWS": "*"}}, True),
        ({"Condition": {"Bool": {"k": True}}}, {"Condition": {"Bool": {"k": "true"}}}, True),
        ({"Action": "a", "Effect": "Allow"}, {"Action": "a", "Effect": "Deny"}, False),
        ({"Resource": "a"}, {"Resource": "b"}, False),
    ],
)
def test_policies_are_compared_by_meaning(old: Any, new: Any, same: bool) -> None:
    left, right = (json.dumps({"Statement": [statement]}) for statement in (old, new))
    assert compare.same_json(left, right) is same


@pytest.mark.parametrize(
    ("aws", "pulumi"),
    [
        ("KMSMasterKeyID", "kmsMasterKeyId"),
        ("SSEAlgorithm", "sseAlgorithm"),
        ("VolumeSizeInGB", "volumeSizeInGb"),
        ("DestinationS3Uri", "destinationS3Uri"),
        ("EnableSSMAccess", "enableSsmAccess"),
        ("OKActions", "okActions"),
        ("UUID", "uuid"),
        ("alarmARN", "alarmArn"),
        ("VersionId", "versionId"),
    ],
)
def test_camel_case(aws: str, pulumi: str) -> None:
    assert shapes.camel(aws) == pulumi
