"""Requests and answers: Pulumi's properties in botocore's shapes, and back."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.aws_provider import requests, shapes, state
from sandbox.aws_provider.session import operation_model
from sandbox.aws_provider.table import resource_type

QUERY = {
    "id": "m",
    "returnData": True,
    "metric": {
        "metricName": "ModelLatency",
        "namespace": "AWS/SageMaker",
        "period": 60,
        "stat": "p99",
        "dimensions": {"EndpointName": "e"},
    },
}


def sent(token: str, inputs: dict[str, Any]) -> dict[str, Any]:
    spec = resource_type(token)
    call = spec.create[0]
    return requests.arguments(spec, call, operation_model(spec.client, call.call), inputs, inputs.get)


@pytest.mark.parametrize(
    ("token", "inputs", "expected"),
    [
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"name": "a", "threshold": "1", "evaluationPeriods": 2.0, "okActions": ["t"], "metricQueries": [QUERY]},
            {
                "AlarmName": "a",
                "Threshold": 1.0,
                "EvaluationPeriods": 2,
                "OKActions": ["t"],
                "Metrics": [
                    {
                        "Id": "m",
                        "ReturnData": True,
                        "MetricStat": {
                            "Metric": {
                                "MetricName": "ModelLatency",
                                "Namespace": "AWS/SageMaker",
                                "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
                            },
                            "Period": 60,
                            "Stat": "p99",
                        },
                    }
                ],
            },
        ),
        (
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            {
                "bucket": "b",
                "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "k"}}],
                "region": "r",
            },
            {
                "Bucket": "b",
                "ServerSideEncryptionConfiguration": {
                    "Rules": [
                        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}}
                    ]
                },
            },
        ),
        (
            "aws:cloudwatch/eventTarget:EventTarget",
            {"rule": "r", "eventBusName": "default", "targetId": "t", "arn": "a", "sqsTarget": {"messageGroupId": "g"}},
            {
                "Rule": "r",
                "EventBusName": "default",
                "Targets": [{"Id": "t", "Arn": "a", "SqsParameters": {"MessageGroupId": "g"}}],
            },
        ),
        (
            "aws:sagemaker/model:Model",
            {"name": "m", "tags": {"a": "1"}, "tagsAll": {"a": "1", "b": "2"}, "executionRoleArn": "r"},
            {
                "ModelName": "m",
                "ExecutionRoleArn": "r",
                "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
            },
        ),
        (
            "aws:ecr/repository:Repository",
            {"name": "r", "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": "k"}], "tagsAll": {}},
            {"repositoryName": "r", "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "k"}},
        ),
        (
            "aws:sqs/queuePolicy:QueuePolicy",
            {"queueUrl": "u", "policy": "{}"},
            {"QueueUrl": "u", "Attributes": {"Policy": "{}"}},
        ),
    ],
)
def test_what_is_sent(token: str, inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sent(token, inputs) == expected


def test_what_is_sent_is_what_is_read_back() -> None:
    spec = resource_type("aws:cloudwatch/metricAlarm:MetricAlarm")
    inputs = {"name": "a", "metricQueries": [QUERY], "dimensions": {"EndpointName": "e"}, "okActions": ["t"]}
    arguments = sent(spec.token, inputs)
    shape = operation_model("cloudwatch", "PutMetricAlarm").input_shape
    answer = shapes.incoming(arguments, shape)
    assert state.properties(spec, answer, lambda _: None) == inputs


def test_keys_of_maps_keep_their_case_on_the_way_back() -> None:
    shape = operation_model("lambda", "GetFunction").output_shape
    answer = {"Configuration": {"Environment": {"Variables": {"AWS_Key": "1"}}, "KMSKeyArn": "k"}}
    assert shapes.incoming(answer, shape) == {
        "configuration": {"environment": {"variables": {"AWS_Key": "1"}}, "kmsKeyArn": "k"}
    }


def test_attributes_are_texts_with_a_kind() -> None:
    spec = resource_type("aws:sqs/queue:Queue")
    found = {"attributes": {"DelaySeconds": "5", "FifoQueue": "true", "Policy": "", "QueueArn": "a"}}
    assert state.properties(spec, found, lambda _: None) == {"delaySeconds": 5, "fifoQueue": True, "arn": "a"}


def test_templates_take_values_and_texts() -> None:
    look = {"a.b": [1], "n": "x'y"}.get
    assert requests.fill({"K": "$a.b", "T": "{n}!", "Gone": "$none", "L": ["$n"]}, look) == {
        "K": [1],
        "T": "x'y!",
        "L": ["x'y"],
    }
    assert requests.query("items[?id=='{n}']", look) == "items[?id=='x\\'y']"
