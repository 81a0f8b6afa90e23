"""The aws provider against moto, through gRPC: every type of the table that moto serves lives a whole life.

check → preview → create → no diff → read: no diff → change → update → no diff → delete → read: gone → delete again.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc as pbg
from pulumi.runtime.proto import status_pb2

from sandbox.aws_provider.server import serve
from sandbox.aws_provider.table import types
from sandbox.aws_provider.values import ARCHIVE, ASSET, SECRET, SIGNATURE, UNKNOWN

REGION = "eu-west-1"
ACCOUNT = "123456789012"
IMAGE = f"683313688378.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:3.0-5"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": [f"{name}.amazonaws.com" for name in ("lambda", "sagemaker", "codebuild")]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def policy(action: str, resource: str = "*") -> str:
    """A policy document with a principal, as resource policies need."""
    statement = {"Sid": "One", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def identity_policy(action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def text_archive(text: str) -> dict[str, Any]:
    asset = {SIGNATURE: ASSET, "text": text, "hash": f"asset-{text}"}
    return {SIGNATURE: ARCHIVE, "assets": {"handler.py": asset}, "hash": f"archive-{text}"}


def text_asset(text: str) -> dict[str, Any]:
    return {SIGNATURE: ASSET, "text": text, "hash": f"asset-{text}"}


class Engine:
    """The calls an engine makes, in their order; values are plain."""

    def __init__(self, port: int, project: str = "test") -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.stub = pbg.ResourceProviderStub(self.channel)
        self.project = project

    def configure(self, **arguments: Any) -> None:
        self.stub.Configure(pb.ConfigureRequest(args=struct(arguments), acceptSecrets=True, acceptResources=True))

    def urn(self, token: str, name: str) -> str:
        return f"urn:pulumi:dev::{self.project}::{token}::{name}"

    def check(self, token: str, name: str, news: dict[str, Any], olds: dict[str, Any] | None = None) -> dict[str, Any]:
        request = pb.CheckRequest(
            urn=self.urn(token, name), name=name, olds=struct(olds or {}), news=struct(news), randomSeed=b"7"
        )
        answer = self.stub.Check(request)
        assert not answer.failures, answer.failures
        return plain(answer.inputs)

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = self.stub.Invoke(pb.InvokeRequest(tok=token, args=struct(arguments)))
        assert not answer.failures, answer.failures
        return plain(getattr(answer, "return"))

    def invoke_failures(self, token: str, arguments: dict[str, Any]) -> list[str]:
        answer = self.stub.Invoke(pb.InvokeRequest(tok=token, args=struct(arguments)))
        return [failure.reason for failure in answer.failures]

    def preview(self, token: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        request = pb.CreateRequest(urn=self.urn(token, name), properties=struct(inputs), preview=True)
        return plain(self.stub.Create(request).properties)

    def create(self, token: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        answer = self.stub.Create(pb.CreateRequest(urn=self.urn(token, name), properties=struct(inputs)))
        return answer.id, plain(answer.properties)

    def diff(
        self, token: str, name: str, identifier: str, old: dict[str, Any], state: dict[str, Any], new: dict[str, Any]
    ) -> Any:
        return self.stub.Diff(
            pb.DiffRequest(
                urn=self.urn(token, name), id=identifier, olds=struct(state), news=struct(new), old_inputs=struct(old)
            )
        )

    def update(
        self, token: str, name: str, identifier: str, old: dict[str, Any], state: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        request = pb.UpdateRequest(
            urn=self.urn(token, name), id=identifier, olds=struct(state), news=struct(new), old_inputs=struct(old)
        )
        return plain(self.stub.Update(request).properties)

    def read(
        self, token: str, name: str, identifier: str, inputs: dict[str, Any], state: dict[str, Any]
    ) -> tuple[str, dict[str, Any], dict[str, Any]]:
        answer = self.stub.Read(
            pb.ReadRequest(urn=self.urn(token, name), id=identifier, inputs=struct(inputs), properties=struct(state))
        )
        return answer.id, plain(answer.properties), plain(answer.inputs)

    def delete(self, token: str, name: str, identifier: str, inputs: dict[str, Any], state: dict[str, Any]) -> None:
        self.stub.Delete(
            pb.DeleteRequest(
                urn=self.urn(token, name), id=identifier, properties=struct(state), old_inputs=struct(inputs)
            )
        )


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def plain(values: struct_pb2.Struct) -> dict[str, Any]:
    unwrapped: dict[str, Any] = json_format.MessageToDict(values)
    return unwrapped


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Asking for a Docker that is not there leaves a socket open, and warnings are errors.
            patch.setitem(default_user_config["lambda"], "use_docker", False)
            patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            patch.setenv("AWS_ACCESS_KEY_ID", "testing")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
            patch.setenv("AWS_DEFAULT_REGION", REGION)
            patch.setenv("AWS_CONFIG_FILE", "/dev/null")
            patch.delenv("AWS_PROFILE", raising=False)
            patch.delenv("AWS_REGION", raising=False)
            yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="module")
def port(cloud: str) -> Iterator[int]:
    server, bound = serve()
    yield bound
    server.stop(None).wait()


@pytest.fixture(scope="module")
def engine(port: int) -> Iterator[Engine]:
    engine = Engine(port)
    engine.configure(region=REGION, defaultTags=json.dumps({"tags": {"project": "understudy"}}))
    yield engine
    engine.channel.close()


@pytest.fixture(scope="module")
def world(cloud: str) -> dict[str, str]:
    """What the scenarios stand on, made with boto3."""
    aws = boto3.session.Session(region_name=REGION)
    aws.client("s3").create_bucket(Bucket="ground", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.client("s3").put_bucket_versioning(Bucket="ground", VersioningConfiguration={"Status": "Enabled"})
    role = aws.client("iam").create_role(RoleName="ground", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    managed = aws.client("iam").create_policy(PolicyName="ground", PolicyDocument=identity_policy("s3:Get*"))
    queues = [aws.client("sqs").create_queue(QueueName=name) for name in ("ground", "dead", "mapped")]
    topic = aws.client("sns").create_topic(Name="ground")["TopicArn"]
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    aws.client("ecr").create_repository(repositoryName="ground")
    aws.client("events").put_rule(Name="ground", ScheduleExpression="rate(1 hour)")
    aws.client("events").create_event_bus(Name="ground")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): ...")
    function = aws.client("lambda").create_function(
        FunctionName="ground",
        Runtime="python3.12",
        Role=role,
        Handler="handler.handler",
        Code={"ZipFile": zipped.getvalue()},
    )["FunctionArn"]
    sagemaker = aws.client("sagemaker")
    sagemaker.create_model(ModelName="ground", ExecutionRoleArn=role, PrimaryContainer={"Image": IMAGE})
    variant = {"VariantName": "One", "ModelName": "ground", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="ground", ProductionVariants=[variant])
    aws.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/ground/variant/Other",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
        MaxCapacity=2,
    )
    for name in ("child-a", "child-b"):
        aws.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            MetricName="M",
            Namespace="N",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Period=60,
            Statistic="Sum",
            Threshold=1,
        )
    return {
        "role": role,
        "managed": managed["Policy"]["Arn"],
        "queue": queues[0]["QueueUrl"],
        "queue_arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:ground",
        "dead_arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead",
        # moto invokes functions in Docker for every message to a queue that ever had a mapping
        "mapped_arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:mapped",
        "topic": topic,
        "key": key,
        "function": function,
    }


@dataclass(frozen=True)
class Life:
    """One resource's life: its first inputs, the changed ones (None: nothing can be changed in place)."""

    token: str
    inputs: dict[str, Any]
    change: dict[str, Any] | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    replaces: dict[str, Any] | None = None
    vanishes: bool = True  # whether a deleted one reads as gone (a bucket always has a versioning state)
    reads: bool = True  # whether moto can read all that a refresh asks for


ALARM = {
    "comparisonOperator": "GreaterThanThreshold",
    "evaluationPeriods": 2,
    "metricName": "ModelLatency",
    "namespace": "AWS/SageMaker",
    "period": 60,
    "extendedStatistic": "p99",
    "threshold": 50000,
    "dimensions": {"EndpointName": "e", "VariantName": "v"},
    "alarmActions": ["$topic"],
}
SCALED = {
    "serviceNamespace": "sagemaker",
    "scalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
LIVES = [
    Life(
        "aws:s3/bucket:Bucket", {"forceDestroy": True, "tags": {"a": "1"}}, {"forceDestroy": True, "tags": {"b": "2"}}
    ),
    Life(
        "aws:s3/bucketVersioning:BucketVersioning",
        {"bucket": "ground", "versioningConfiguration": {"status": "Enabled"}},
        {"bucket": "ground", "versioningConfiguration": {"status": "Suspended"}},
        vanishes=False,
    ),
    Life(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"bucket": "ground", "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
        {
            "bucket": "ground",
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "$key"},
                    "bucketKeyEnabled": True,
                }
            ],
        },
    ),
    Life(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {"bucket": "ground", "blockPublicAcls": True, "blockPublicPolicy": True, "restrictPublicBuckets": True},
        {"bucket": "ground", "blockPublicAcls": True, "ignorePublicAcls": True},
    ),
    Life(
        "aws:s3/bucketPolicy:BucketPolicy",
        {"bucket": "ground", "policy": policy("s3:GetObject", "arn:aws:s3:::ground/*")},
        {"bucket": "ground", "policy": policy("s3:PutObject", "arn:aws:s3:::ground/*")},
    ),
    Life(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        {"bucket": "ground", "rules": [{"id": "old", "status": "Enabled", "expiration": {"days": 30}}]},
        {
            "bucket": "ground",
            "rules": [
                {
                    "id": "old",
                    "status": "Enabled",
                    "filter": {"prefix": "capture/"},
                    "expiration": {"days": 60},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 3},
                    "noncurrentVersionExpiration": {"noncurrentDays": 5},
                }
            ],
        },
    ),
    Life(
        "aws:s3/bucketNotification:BucketNotification",
        {"bucket": "ground", "eventbridge": True},
        {
            "bucket": "ground",
            "eventbridge": True,
            "queues": [{"id": "q", "queueArn": "$queue_arn", "events": ["s3:ObjectCreated:*"], "filterPrefix": "in/"}],
        },
        vanishes=False,
    ),
    Life(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        {"bucket": "ground", "key": "a//b.txt", "source": text_asset("one"), "tags": {"x": "1"}},
        {"bucket": "ground", "key": "a//b.txt", "source": text_asset("two"), "tags": {"x": "2"}},
        replaces={"bucket": "ground", "key": "c.txt", "source": text_asset("two")},
    ),
    Life(
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        {"bucket": "ground", "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        {"bucket": "ground", "rule": {"objectOwnership": "ObjectWriter"}},
    ),
    Life(
        "aws:kms/key:Key",
        {"description": "one", "enableKeyRotation": True, "deletionWindowInDays": 7},
        {"description": "two", "deletionWindowInDays": 7, "tags": {"a": "b"}},
    ),
    Life("aws:kms/alias:Alias", {"targetKeyId": "$key"}, outputs={"arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:$id"}),
    Life(
        "aws:iam/role:Role",
        {"assumeRolePolicy": TRUST, "description": "one", "tags": {"a": "1"}},
        {"assumeRolePolicy": TRUST.replace("codebuild", "states"), "maxSessionDuration": 7200, "tags": {"a": "2"}},
        outputs={"arn": f"arn:aws:iam::{ACCOUNT}:role/$id"},
        replaces={"assumeRolePolicy": TRUST, "path": "/x/"},
    ),
    Life(
        "aws:iam/rolePolicy:RolePolicy",
        {"role": "ground", "policy": identity_policy("s3:GetObject")},
        {"role": "ground", "policy": identity_policy("s3:PutObject")},
        replaces={"role": "other", "policy": identity_policy("s3:PutObject")},
    ),
    Life("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"role": "ground", "policyArn": "$managed"}),
    Life(
        "aws:iam/policy:Policy",
        {"policy": identity_policy("s3:GetObject"), "tags": {"a": "1"}},
        {"policy": identity_policy("s3:PutObject"), "tags": {"a": "2"}},
        replaces={"policy": identity_policy("s3:GetObject"), "description": "new"},
    ),
    Life(
        "aws:sagemaker/model:Model",
        {"executionRoleArn": "$role", "primaryContainer": {"image": IMAGE, "environment": {"SAGEMAKER_x": "1"}}},
        {
            "executionRoleArn": "$role",
            "primaryContainer": {"image": IMAGE, "environment": {"SAGEMAKER_x": "1"}},
            "tags": {"a": "b"},
        },
        replaces={"executionRoleArn": "$role", "primaryContainer": {"image": IMAGE.replace("3.0", "3.2")}},
    ),
    Life(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        {
            "productionVariants": [
                {
                    "modelName": "ground",
                    "variantName": "One",
                    "instanceType": "ml.m5.large",
                    "initialInstanceCount": 2,
                }
            ],
            "dataCaptureConfig": {
                "enableCapture": True,
                "initialSamplingPercentage": 100,
                "destinationS3Uri": "s3://ground/capture",
                "captureOptions": [{"captureMode": "Input"}, {"captureMode": "Output"}],
            },
        },
        replaces={"productionVariants": [{"modelName": "ground", "variantName": "One", "initialInstanceCount": 3}]},
    ),
    Life("aws:sagemaker/endpoint:Endpoint", {"name": "live", "endpointConfigName": "ground"}, None),
    Life(
        "aws:lambda/function:Function",
        {
            "role": "$role",
            "runtime": "python3.12",
            "handler": "handler.handler",
            "code": text_archive("one"),
            "environment": {"variables": {"aKey": "1"}},
        },
        {
            "role": "$role",
            "runtime": "python3.12",
            "handler": "handler.handler",
            "code": text_archive("two"),
            "timeout": 30,
            "tags": {"a": "b"},
        },
    ),
    Life(
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        {
            "functionName": "ground",
            "eventSourceArn": "$mapped_arn",
            "functionResponseTypes": ["ReportBatchItemFailures"],
        },
        {"functionName": "ground", "eventSourceArn": "$mapped_arn", "batchSize": 5},
    ),
    Life(
        "aws:lambda/permission:Permission",
        {
            "function": "ground",
            "action": "lambda:InvokeFunction",
            "principal": "sns.amazonaws.com",
            "sourceArn": "$topic",
        },
        replaces={"function": "ground", "action": "lambda:InvokeFunction", "principal": "events.amazonaws.com"},
    ),
    Life(
        "aws:lambda/layerVersion:LayerVersion",
        {"layerName": "libs", "code": text_archive("one"), "compatibleRuntimes": ["python3.12"]},
        replaces={"layerName": "libs", "code": text_archive("two"), "compatibleRuntimes": ["python3.12"]},
    ),
    Life(
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
        {"functionName": "ground", "maximumRetryAttempts": 1, "maximumEventAgeInSeconds": 60},
    ),
    Life(
        "aws:sqs/queue:Queue",
        {
            "visibilityTimeoutSeconds": 60,
            "redrivePolicy": json.dumps({"deadLetterTargetArn": "$dead_arn", "maxReceiveCount": 5}),
        },
        {
            "visibilityTimeoutSeconds": 90,
            "redrivePolicy": json.dumps({"deadLetterTargetArn": "$dead_arn", "maxReceiveCount": 6}),
            "tags": {"a": "b"},
        },
        outputs={"arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:$name", "url": "$id"},
    ),
    Life(
        "aws:sqs/queuePolicy:QueuePolicy",
        {"queueUrl": "$queue", "policy": policy("sqs:SendMessage", "$queue_arn")},
        {"queueUrl": "$queue", "policy": policy("sqs:ReceiveMessage", "$queue_arn")},
    ),
    Life(
        "aws:sqs/redrivePolicy:RedrivePolicy",
        {
            "queueUrl": "$queue",
            "redrivePolicy": json.dumps({"deadLetterTargetArn": "$dead_arn", "maxReceiveCount": 5}),
        },
        {
            "queueUrl": "$queue",
            "redrivePolicy": json.dumps({"deadLetterTargetArn": "$dead_arn", "maxReceiveCount": 6}),
        },
    ),
    Life("aws:sns/topic:Topic", {"displayName": "one"}, {"displayName": "two", "tags": {"a": "b"}}),
    Life(
        "aws:sns/topicPolicy:TopicPolicy",
        {"arn": "$topic", "policy": policy("SNS:Publish", "$topic")},
        {"arn": "$topic", "policy": policy("SNS:Subscribe", "$topic")},
        vanishes=False,
    ),
    Life(
        "aws:sns/topicSubscription:TopicSubscription",
        {"topic": "$topic", "protocol": "sqs", "endpoint": "$queue_arn", "rawMessageDelivery": True},
        {
            "topic": "$topic",
            "protocol": "sqs",
            "endpoint": "$queue_arn",
            "filterPolicy": json.dumps({"state": ["ALARM"]}),
        },
    ),
    Life("aws:cloudwatch/metricAlarm:MetricAlarm", ALARM, {**ALARM, "threshold": 60000.5, "tags": {"a": "b"}}),
    Life("aws:cloudwatch/dashboard:Dashboard", {"dashboardName": "d", "dashboardBody": json.dumps({"widgets": []})}),
    Life("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 7}, {"tags": {"a": "b"}}),
    Life(
        "aws:cloudwatch/eventRule:EventRule",
        {"eventPattern": json.dumps({"source": ["aws.s3"]})},
        {"eventPattern": json.dumps({"source": ["aws.sagemaker"]}), "state": "DISABLED", "description": "d"},
    ),
    Life(
        "aws:cloudwatch/eventTarget:EventTarget",
        {"rule": "ground", "arn": "$queue_arn"},
        {
            "rule": "ground",
            "arn": "$queue_arn",
            "inputTransformer": {"inputPaths": {"aKey": "$.detail"}, "inputTemplate": "<aKey>"},
        },
    ),
    Life("aws:cloudwatch/eventBus:EventBus", {"tags": {"a": "1"}}, {"tags": {"a": "2"}}),
    Life(
        "aws:cloudwatch/eventBusPolicy:EventBusPolicy",
        {
            "eventBusName": "ground",
            "policy": policy("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/ground"),
        },
    ),
    Life(
        "aws:appautoscaling/target:Target",
        {**SCALED, "resourceId": "endpoint/ground/variant/One", "minCapacity": 1, "maxCapacity": 4},
        {**SCALED, "resourceId": "endpoint/ground/variant/One", "minCapacity": 2, "maxCapacity": 5},
        reads=False,
    ),
    Life(
        "aws:appautoscaling/policy:Policy",
        {
            **SCALED,
            "resourceId": "endpoint/ground/variant/Other",
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {
                "targetValue": 700,
                "predefinedMetricSpecification": {
                    "predefinedMetricType": "SageMakerVariantInvocationsPerInstance",
                },
            },
        },
        {
            **SCALED,
            "resourceId": "endpoint/ground/variant/Other",
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {
                "targetValue": 500,
                "scaleInCooldown": 60,
                "predefinedMetricSpecification": {
                    "predefinedMetricType": "SageMakerVariantInvocationsPerInstance",
                },
            },
        },
    ),
    Life(
        "aws:codebuild/project:Project",
        {
            "serviceRole": "$role",
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": {
                "computeType": "BUILD_GENERAL1_SMALL",
                "image": "aws/codebuild/standard:7.0",
                "type": "LINUX_CONTAINER",
                "environmentVariables": [{"name": "A", "value": "1"}],
            },
            "source": {"type": "GITHUB", "location": "https://example.com/x.git", "buildspec": "version: 0.2"},
        },
    ),
    Life(
        "aws:ecr/repository:Repository",
        {"imageTagMutability": "IMMUTABLE", "forceDelete": True},
        {"imageScanningConfiguration": {"scanOnPush": True}, "forceDelete": True},
    ),
    Life(
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        {"repository": "ground", "policy": policy("ecr:GetDownloadUrlForLayer")},
        {"repository": "ground", "policy": policy("ecr:BatchGetImage")},
    ),
    Life(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        {
            "repository": "ground",
            "policy": json.dumps(
                {
                    "rules": [
                        {
                            "rulePriority": 1,
                            "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 5},
                            "action": {"type": "expire"},
                        }
                    ]
                }
            ),
        },
    ),
    Life(
        "aws:ssm/parameter:Parameter",
        {"name": "/understudy/prod/x", "type": "String", "insecureValue": "one"},
        {"name": "/understudy/prod/x", "type": "String", "insecureValue": "two", "tags": {"a": "b"}},
    ),
    Life(
        "aws:sfn/stateMachine:StateMachine",
        {
            "roleArn": "$role",
            "definition": json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        },
        {
            "roleArn": "$role",
            "definition": json.dumps({"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}),
            "tags": {"a": "b"},
        },
    ),
]


def resolved(value: Any, world: dict[str, str]) -> Any:
    text = json.dumps(value)
    for name in sorted(world, key=len, reverse=True):
        text = text.replace(f"${name}", world[name])
    return json.loads(text)


def within(given: Any, state: Any) -> bool:
    """Whether the state holds what was given, and possibly more."""
    if isinstance(given, dict) and isinstance(state, dict):
        return all(within(value, state.get(name)) for name, value in given.items())
    if isinstance(given, list) and isinstance(state, list):
        return len(given) == len(state) and all(map(within, given, state))
    return bool(given == state)


@pytest.mark.parametrize("life", LIVES, ids=[life.token.rsplit(":", 1)[-1] for life in LIVES])
def test_life_of_a_type(life: Life, engine: Engine, world: dict[str, str]) -> None:
    token, name = life.token, "logical"
    program = resolved(life.inputs, world)
    inputs = engine.check(token, name, program)
    preview = engine.preview(token, name, inputs)
    assert [output for output in types()[token].computed if preview.get(output) != UNKNOWN] == []

    identifier, state = engine.create(token, name, inputs)
    try:
        assert identifier
        known = {key: value for key, value in program.items() if key in state}
        assert [key for key in known if not within(known[key], state[key])] == []
        assert [output for output in types()[token].computed if state.get(output) == UNKNOWN] == []

        for output, form in life.outputs.items():
            named = types()[token].name
            suffix = inputs[named.property] if named else ""
            assert state[output] == form.replace("$id", identifier).replace("$name", suffix)
        again = engine.check(token, name, program, inputs)
        assert again == inputs
        assert list(engine.diff(token, name, identifier, inputs, state, again).diffs) == []
        assert_reads_unchanged(engine, life, identifier, inputs, state)

        if life.replaces is not None:
            replacing = engine.check(token, name, resolved(life.replaces, world), inputs)
            assert list(engine.diff(token, name, identifier, inputs, state, replacing).replaces)
        if life.change is not None:
            changed = engine.check(token, name, resolved(life.change, world), inputs)
            difference = engine.diff(token, name, identifier, inputs, state, changed)
            assert list(difference.diffs)
            assert list(difference.replaces) == []
            state = engine.update(token, name, identifier, inputs, state, changed)
            inputs = changed
            assert_reads_unchanged(engine, life, identifier, inputs, state)
    finally:
        engine.delete(token, name, identifier, inputs, state)
    if life.vanishes and life.reads:
        assert engine.read(token, name, identifier, inputs, state)[0] == ""
    engine.delete(token, name, identifier, inputs, state)


def assert_reads_unchanged(
    engine: Engine, life: Life, identifier: str, inputs: dict[str, Any], state: dict[str, Any]
) -> None:
    """A refresh without drift: nothing would be changed, in either direction."""
    if not life.reads:
        return
    read_id, read_state, read_inputs = engine.read(life.token, "logical", identifier, inputs, state)
    assert read_id == identifier
    forward = engine.diff(life.token, "logical", identifier, read_inputs, read_state, inputs)
    assert dict(forward.detailedDiff) == {}, (read_inputs, inputs)
    assert set(read_inputs) - {"__defaults"} == set(inputs) - {"__defaults"}
    assert read_state == state


def test_every_type_of_the_table_lives() -> None:
    elsewhere = {
        "aws:sagemaker/modelPackageGroup:ModelPackageGroup",  # moto cannot delete groups
        "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy",  # and has no group policies
        "aws:cloudwatch/compositeAlarm:CompositeAlarm",  # nor composite alarms
    }
    assert set(types()) == {life.token for life in LIVES} | elsewhere


def code_and_text(caught: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[grpc.StatusCode, str]:
    return caught.value.code(), caught.value.details()


def test_errors_name_type_logical_name_operation_code_and_message(engine: Engine) -> None:
    token = "aws:iam/rolePolicy:RolePolicy"
    inputs = engine.check(token, "mine", {"role": "nobody", "policy": identity_policy("s3:Get*")})
    with pytest.raises(grpc.RpcError) as caught:
        engine.create(token, "mine", inputs)
    code, text = code_and_text(caught)
    assert code is grpc.StatusCode.UNKNOWN
    assert text.startswith("aws:iam/rolePolicy:RolePolicy 'mine': create: PutRolePolicy: NoSuchEntity: ")


def test_an_unknown_type_is_named(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        engine.check("aws:ec2/instance:Instance", "vm", {})
    assert code_and_text(caught)[1] == (
        "aws:ec2/instance:Instance 'vm': check: "
        "resource type aws:ec2/instance:Instance is not in the sandbox provider's table"
    )


def test_a_create_that_fails_halfway_is_saved(engine: Engine) -> None:
    """The role exists when attaching its policy is refused: the engine must hear of both."""
    token = "aws:iam/role:Role"
    missing = f"arn:aws:iam::{ACCOUNT}:policy/missing"
    inputs = engine.check(token, "half", {"assumeRolePolicy": TRUST, "managedPolicyArns": [missing]})
    with pytest.raises(grpc.RpcError) as caught:
        engine.create(token, "half", inputs)
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    failed = pb.ErrorResourceInitFailed()
    assert status.details[0].Unpack(failed)
    assert failed.id == inputs["name"]
    assert plain(failed.inputs) == inputs
    assert failed.reasons[0].startswith("aws:iam/role:Role 'half': create: AttachRolePolicy: NoSuchEntity: ")
    engine.delete(token, "half", failed.id, {**inputs, "managedPolicyArns": []}, {})


def test_engines_have_their_own_configuration(port: int, engine: Engine) -> None:
    other, stranger = Engine(port), Engine(port)
    other.configure(region="us-east-1")
    try:
        token = "aws:sqs/queue:Queue"
        assert engine.check(token, "q", {})["region"] == REGION
        mine = other.check(token, "q", {})
        assert mine["region"] == "us-east-1"
        assert mine["tagsAll"] == {}
        identifier, state = other.create(token, "q", mine)
        assert state["arn"].split(":")[3] == "us-east-1"
        other.delete(token, "q", identifier, mine, state)
        with pytest.raises(grpc.RpcError) as caught:
            stranger.check(token, "q", {})
        code, text = code_and_text(caught)
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert text.startswith("the aws provider has no configuration for the connection ")
    finally:
        other.channel.close()
        stranger.channel.close()


def test_roles_are_assumed_and_regions_required(
    port: int, world: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other, third = Engine(port), Engine(port)
    try:
        other.configure(region=REGION, assumeRoles=json.dumps([{"roleArn": world["role"], "sessionName": "me"}]))
        identity = other.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})
        assert identity["arn"].endswith(":assumed-role/ground/me")
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        with pytest.raises(grpc.RpcError) as caught:
            third.configure(profile="")
        assert code_and_text(caught) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "the aws provider has no region: set aws:region (pulumi config set aws:region …)",
        )
    finally:
        other.channel.close()
        third.channel.close()


def test_functions(engine: Engine, world: dict[str, str]) -> None:
    assert engine.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == ACCOUNT
    region = engine.invoke("aws:index/getRegion:getRegion", {})
    assert (region["region"], region["description"]) == (REGION, "Europe (Ireland)")
    assert engine.invoke("aws:index/getPartition:getPartition", {})["dnsSuffix"] == "amazonaws.com"
    bucket = engine.invoke("aws:s3/getBucket:getBucket", {"bucket": "ground"})
    assert (bucket["arn"], bucket["bucketRegion"]) == ("arn:aws:s3:::ground", REGION)
    document = engine.invoke("aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [{"actions": ["s3:Get*"]}]})
    assert json.loads(document["json"])["Statement"] == [{"Effect": "Allow", "Action": "s3:Get*"}]
    token = engine.invoke("aws:ecr/getAuthorizationToken:getAuthorizationToken", {})
    assert token["password"][SIGNATURE] == SECRET
    assert token["userName"] == "AWS"


def test_functions_that_fail(engine: Engine) -> None:
    reason = "function aws:ec2/getVpc:getVpc is not served by the sandbox's provider"
    assert engine.invoke_failures("aws:ec2/getVpc:getVpc", {}) == [reason]
    (missing,) = engine.invoke_failures("aws:s3/getBucket:getBucket", {"bucket": "nothing-there"})
    assert missing.startswith("HeadBucket: 404: ")


def test_secret_outputs_are_marked(engine: Engine) -> None:
    token = "aws:ssm/parameter:Parameter"
    inputs = engine.check(token, "s", {"type": "SecureString", "value": "hush"})
    identifier, state = engine.create(token, "s", inputs)
    assert state["value"] == {SIGNATURE: SECRET, "value": "hush"}
    engine.delete(token, "s", identifier, inputs, state)


def test_an_import_reads_by_the_id_alone(engine: Engine, world: dict[str, str]) -> None:
    identifier, state, inputs = engine.read("aws:sqs/queue:Queue", "q", world["queue"], {}, {})
    assert identifier == world["queue"]
    assert inputs["name"] == "ground"
    assert state["arn"] == world["queue_arn"]
    assert engine.read("aws:iam/role:Role", "r", "nobody", {}, {})[0] == ""


def test_a_notification_taken_away_by_hand_is_seen(engine: Engine, world: dict[str, str]) -> None:
    token = "aws:s3/bucketNotification:BucketNotification"
    queue = {"id": "q", "queueArn": world["queue_arn"], "events": ["s3:ObjectCreated:*"]}
    inputs = engine.check(token, "n", {"bucket": "ground", "queues": [queue]})
    identifier, state = engine.create(token, "n", inputs)
    boto3.client("s3", region_name=REGION).put_bucket_notification_configuration(
        Bucket="ground", NotificationConfiguration={}
    )
    _, seen, read = engine.read(token, "n", identifier, inputs, state)
    assert list(engine.diff(token, "n", identifier, read, seen, inputs).diffs) == ["queues"]


def test_drift_is_seen_by_a_refresh(engine: Engine, world: dict[str, str]) -> None:
    token = "aws:sqs/queue:Queue"
    inputs = engine.check(token, "drifting", {"delaySeconds": 5})
    identifier, state = engine.create(token, "drifting", inputs)
    try:
        sqs = boto3.client("sqs", region_name=REGION)
        sqs.set_queue_attributes(QueueUrl=identifier, Attributes={"DelaySeconds": "9"})
        sqs.tag_queue(QueueUrl=identifier, Tags={"by": "hand"})
        _, seen, read = engine.read(token, "drifting", identifier, inputs, state)
        assert seen["delaySeconds"] == 9
        assert read["tagsAll"] == {"project": "understudy", "by": "hand"}
        difference = engine.diff(token, "drifting", identifier, read, seen, inputs)
        assert sorted(difference.diffs) == ["delaySeconds", "tags", "tagsAll"]
    finally:
        engine.delete(token, "drifting", identifier, inputs, state)


def test_the_program_prints_its_port_and_ends_on_sigterm(cloud: str) -> None:
    process = subprocess.Popen([sys.executable, "-m", "sandbox.aws_provider"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        engine = Engine(int(process.stdout.readline()))
        engine.configure(region=REGION)
        assert engine.stub.GetPluginInfo(empty_pb2.Empty()).version == "7.51.1"
        engine.channel.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_each_profile_is_served_on_a_port_of_its_own(
    cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    for name, account in (("scientist", "123456789012"), ("prod", "222222222222")):
        role = f"arn:aws:iam::{account}:role/understudy-{name}"
        keys = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
        with file.open("a") as stream:
            stream.write(
                f"[{name}]\naws_access_key_id={keys['AccessKeyId']}\naws_secret_access_key={keys['SecretAccessKey']}\n"
                f"aws_session_token={keys['SessionToken']}\n"
            )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    # A profile counts where the environment has no keys.
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    command = [sys.executable, "-m", "sandbox.aws_provider", "--profile=scientist", "--profile=prod"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            accounts = []
            for port in process.stdout.readline().split():
                engine = Engine(int(port))
                engine.configure(region=REGION)
                accounts.append(engine.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"])
                engine.channel.close()
        finally:
            process.kill()
    assert accounts == ["123456789012", "222222222222"]
