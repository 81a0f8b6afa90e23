"""The table against the facts about the real plugin (pulumi_aws 7.51.1), type by type."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from sandbox.aws_provider.hooks import HOOKS
from sandbox.aws_provider.requests import target
from sandbox.aws_provider.session import operation_model, service_model
from sandbox.aws_provider.table import ResourceType, resource_type, types


class Fact(NamedTuple):
    """What is known of one type of the real plugin; `name` is the auto-named property and its greatest length."""

    client: str
    name: tuple[str, int] | None
    required: list[str]
    replace_on: list[str]
    delete_before_replace: bool
    json: list[str]
    optional_computed: list[str]


FACTS: dict[str, Fact] = {
    "aws:s3/bucket:Bucket": Fact(
        "s3",
        ("bucket", 63),
        [],
        ["bucket", "bucketPrefix", "bucketNamespace", "objectLockEnabled", "region"],
        False,
        ["policy"],
        ["bucket", "bucketNamespace", "bucketPrefix", "objectLockEnabled", "region"],
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Fact(
        "s3",
        None,
        ["bucket", "versioningConfiguration"],
        ["bucket", "expectedBucketOwner", "region"],
        False,
        [],
        ["region"],
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Fact(
        "s3", None, ["bucket", "rules"], ["bucket", "expectedBucketOwner", "region"], False, [], ["region"]
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Fact(
        "s3", None, ["bucket"], ["bucket", "region"], False, [], ["region"]
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Fact(
        "s3", None, ["bucket", "policy"], ["bucket", "region"], False, ["policy"], ["region"]
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Fact(
        "s3",
        None,
        ["bucket"],
        ["bucket", "expectedBucketOwner", "region"],
        False,
        [],
        ["region", "transitionDefaultMinimumObjectSize"],
    ),
    "aws:s3/bucketNotification:BucketNotification": Fact(
        "s3", None, ["bucket"], ["bucket", "region"], False, [], ["region"]
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Fact(
        "s3",
        ("key", 0),
        ["bucket"],
        ["bucket", "key", "region"],
        False,
        [],
        [
            "acl",
            "bucketKeyEnabled",
            "contentType",
            "etag",
            "key",
            "kmsKeyId",
            "region",
            "serverSideEncryption",
            "storageClass",
        ],
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Fact(
        "s3", None, ["bucket", "rule"], ["bucket", "region"], False, [], ["region"]
    ),
    "aws:kms/key:Key": Fact(
        "kms",
        None,
        [],
        ["customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId", "region"],
        False,
        ["policy"],
        ["description", "multiRegion", "policy", "region", "rotationPeriodInDays"],
    ),
    "aws:kms/alias:Alias": Fact(
        "kms",
        ("name", 238),
        ["targetKeyId"],
        ["name", "namePrefix", "region"],
        False,
        [],
        ["name", "namePrefix", "region"],
    ),
    "aws:iam/role:Role": Fact(
        "iam",
        ("name", 64),
        ["assumeRolePolicy"],
        ["name", "namePrefix", "path"],
        False,
        ["assumeRolePolicy", "inlinePolicies[].policy"],
        ["inlinePolicies", "managedPolicyArns", "name", "namePrefix"],
    ),
    "aws:iam/rolePolicy:RolePolicy": Fact(
        "iam",
        ("name", 255),
        ["policy", "role"],
        ["name", "namePrefix", "role"],
        False,
        ["policy"],
        ["name", "namePrefix"],
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Fact(
        "iam", None, ["policyArn", "role"], ["policyArn", "role"], True, [], []
    ),
    "aws:iam/policy:Policy": Fact(
        "iam",
        ("name", 255),
        ["policy"],
        ["name", "namePrefix", "path", "description"],
        False,
        ["policy"],
        ["name", "namePrefix"],
    ),
    "aws:sagemaker/model:Model": Fact(
        "sagemaker",
        ("name", 255),
        ["executionRoleArn"],
        [
            "name",
            "executionRoleArn",
            "enableNetworkIsolation",
            "inferenceExecutionConfig",
            "vpcConfig",
            "containers[].*",
            "primaryContainer.*",
            "region",
        ],
        False,
        [],
        ["inferenceExecutionConfig", "name", "region"],
    ),
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": Fact(
        "sagemaker",
        ("name", 255),
        ["productionVariants"],
        [
            "name",
            "namePrefix",
            "executionRoleArn",
            "kmsKeyArn",
            "asyncInferenceConfig",
            "asyncInferenceConfig.**",
            "dataCaptureConfig",
            "dataCaptureConfig.**",
            "productionVariants[].**",
            "shadowProductionVariants[].**",
            "region",
        ],
        False,
        [],
        ["name", "namePrefix", "region"],
    ),
    "aws:sagemaker/endpoint:Endpoint": Fact(
        "sagemaker",
        ("name", 255),
        ["endpointConfigName"],
        ["name", "deploymentConfig.autoRollbackConfiguration", "region"],
        False,
        [],
        ["name", "region"],
    ),
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": Fact(
        "sagemaker",
        None,
        ["modelPackageGroupName"],
        ["modelPackageGroupName", "modelPackageGroupDescription", "region"],
        False,
        [],
        ["region"],
    ),
    "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy": Fact(
        "sagemaker",
        None,
        ["modelPackageGroupName", "resourcePolicy"],
        ["modelPackageGroupName", "region"],
        False,
        ["resourcePolicy"],
        ["region"],
    ),
    "aws:lambda/function:Function": Fact(
        "lambda",
        ("name", 64),
        ["role"],
        ["name", "packageType", "tenancyConfig", "durableConfig", "region"],
        False,
        [],
        [
            "architectures",
            "codeSha256",
            "ephemeralStorage",
            "loggingConfig",
            "name",
            "region",
            "sourceCodeHash",
            "tracingConfig",
        ],
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Fact(
        "lambda",
        None,
        ["functionName"],
        [
            "eventSourceArn",
            "amazonManagedKafkaEventSourceConfig",
            "queues",
            "selfManagedEventSource",
            "selfManagedKafkaEventSourceConfig",
            "startingPosition",
            "startingPositionTimestamp",
            "topics",
            "region",
        ],
        False,
        [],
        [
            "amazonManagedKafkaEventSourceConfig",
            "maximumRecordAgeInSeconds",
            "maximumRetryAttempts",
            "parallelizationFactor",
            "region",
            "selfManagedKafkaEventSourceConfig",
        ],
    ),
    "aws:lambda/permission:Permission": Fact(
        "lambda",
        ("statementId", 100),
        ["action", "function", "principal"],
        [
            "action",
            "eventSourceToken",
            "function",
            "functionUrlAuthType",
            "invokedViaFunctionUrl",
            "principal",
            "principalOrgId",
            "qualifier",
            "sourceAccount",
            "sourceArn",
            "statementId",
            "statementIdPrefix",
            "region",
        ],
        False,
        [],
        ["region", "statementId", "statementIdPrefix"],
    ),
    "aws:lambda/layerVersion:LayerVersion": Fact(
        "lambda",
        None,
        ["layerName"],
        [
            "code",
            "compatibleArchitectures",
            "compatibleRuntimes",
            "description",
            "layerName",
            "licenseInfo",
            "s3Bucket",
            "s3Key",
            "s3ObjectVersion",
            "sourceCodeHash",
            "region",
        ],
        False,
        [],
        ["region", "sourceCodeHash"],
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Fact(
        "lambda", None, ["functionName"], ["functionName", "qualifier", "region"], False, [], ["region"]
    ),
    "aws:sqs/queue:Queue": Fact(
        "sqs",
        ("name", 80),
        [],
        ["name", "namePrefix", "fifoQueue", "region"],
        False,
        ["policy", "redrivePolicy", "redriveAllowPolicy"],
        [
            "deduplicationScope",
            "fifoThroughputLimit",
            "kmsDataKeyReusePeriodSeconds",
            "name",
            "namePrefix",
            "policy",
            "redriveAllowPolicy",
            "redrivePolicy",
            "region",
            "sqsManagedSseEnabled",
        ],
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Fact(
        "sqs", None, ["policy", "queueUrl"], ["queueUrl", "region"], False, ["policy"], ["region"]
    ),
    "aws:sqs/redrivePolicy:RedrivePolicy": Fact(
        "sqs", None, ["queueUrl", "redrivePolicy"], ["queueUrl", "region"], False, ["redrivePolicy"], ["region"]
    ),
    "aws:sns/topic:Topic": Fact(
        "sns",
        ("name", 80),
        [],
        ["name", "namePrefix", "fifoTopic", "region"],
        False,
        ["policy", "deliveryPolicy", "archivePolicy"],
        [
            "fifoThroughputScope",
            "maximumMessageSize",
            "name",
            "namePrefix",
            "policy",
            "region",
            "signatureVersion",
            "tracingConfig",
        ],
    ),
    "aws:sns/topicPolicy:TopicPolicy": Fact(
        "sns", None, ["arn", "policy"], ["arn", "region"], False, ["policy"], ["region"]
    ),
    "aws:sns/topicSubscription:TopicSubscription": Fact(
        "sns",
        None,
        ["endpoint", "protocol", "topic"],
        ["endpoint", "protocol", "topic", "region"],
        False,
        ["deliveryPolicy", "filterPolicy", "redrivePolicy", "replayPolicy"],
        ["filterPolicyScope", "region"],
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Fact(
        "cloudwatch",
        ("name", 255),
        [],
        ["name", "region"],
        False,
        [],
        ["evaluateLowSampleCountPercentiles", "name", "region"],
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": Fact(
        "cloudwatch", None, ["alarmName", "alarmRule"], ["alarmName", "actionsEnabled", "region"], False, [], ["region"]
    ),
    "aws:cloudwatch/dashboard:Dashboard": Fact(
        "cloudwatch",
        None,
        ["dashboardBody", "dashboardName"],
        ["dashboardName", "region"],
        False,
        ["dashboardBody"],
        ["region"],
    ),
    "aws:cloudwatch/logGroup:LogGroup": Fact(
        "logs",
        ("name", 255),
        [],
        ["name", "namePrefix", "logGroupClass", "region"],
        False,
        [],
        ["deletionProtectionEnabled", "logGroupClass", "name", "namePrefix", "region"],
    ),
    "aws:cloudwatch/eventRule:EventRule": Fact(
        "events",
        ("name", 64),
        [],
        ["name", "namePrefix", "eventBusName", "region"],
        False,
        ["eventPattern"],
        ["name", "namePrefix", "region"],
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Fact(
        "events",
        ("targetId", 255),
        ["arn", "rule"],
        ["rule", "eventBusName", "targetId", "region"],
        False,
        [],
        ["region", "targetId"],
    ),
    "aws:cloudwatch/eventBus:EventBus": Fact(
        "events", ("name", 255), [], ["name", "eventSourceName", "region"], False, [], ["name", "region"]
    ),
    "aws:cloudwatch/eventBusPolicy:EventBusPolicy": Fact(
        "events", None, ["policy"], ["eventBusName", "region"], False, ["policy"], ["region"]
    ),
    "aws:appautoscaling/target:Target": Fact(
        "application-autoscaling",
        None,
        ["maxCapacity", "minCapacity", "resourceId", "scalableDimension", "serviceNamespace"],
        ["resourceId", "scalableDimension", "serviceNamespace", "region"],
        False,
        [],
        ["region", "roleArn", "suspendedState"],
    ),
    "aws:appautoscaling/policy:Policy": Fact(
        "application-autoscaling",
        ("name", 255),
        ["resourceId", "scalableDimension", "serviceNamespace"],
        ["name", "resourceId", "scalableDimension", "serviceNamespace", "region"],
        False,
        [],
        ["name", "region"],
    ),
    "aws:codebuild/project:Project": Fact(
        "codebuild",
        ("name", 255),
        ["artifacts", "environment", "serviceRole", "source"],
        ["name", "region"],
        False,
        [],
        ["autoRetryLimit", "description", "encryptionKey", "name", "region"],
    ),
    "aws:ecr/repository:Repository": Fact(
        "ecr",
        ("name", 255),
        [],
        [
            "name",
            "encryptionConfigurations",
            "encryptionConfigurations[].encryptionType",
            "encryptionConfigurations[].kmsKey",
            "region",
        ],
        False,
        [],
        ["name", "region"],
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": Fact(
        "ecr", None, ["policy", "repository"], ["repository", "region"], False, ["policy"], ["region"]
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Fact(
        "ecr", None, ["policy", "repository"], ["repository", "policy", "region"], True, ["policy"], ["region"]
    ),
    "aws:ssm/parameter:Parameter": Fact(
        "ssm",
        ("name", 255),
        ["type"],
        ["name", "dataType", "tier", "region"],
        False,
        [],
        ["arn", "dataType", "insecureValue", "keyId", "name", "region", "tier", "value"],
    ),
    "aws:sfn/stateMachine:StateMachine": Fact(
        "stepfunctions",
        ("name", 255),
        ["definition", "roleArn"],
        ["name", "namePrefix", "type", "region"],
        False,
        [],
        ["encryptionConfiguration", "loggingConfiguration", "name", "namePrefix", "region", "tracingConfiguration"],
    ),
}


def served(spec: ResourceType, paths: list[str]) -> set[str]:
    """The fact's paths, as far as the table serves the property, in the table's spelling."""
    plain = {path.removesuffix(".**").removesuffix(".*").replace("[]", "") for path in paths}
    return {path for path in plain if path.split(".")[0] in spec.inputs}


def covered(path: str, others: set[str]) -> bool:
    return any(path == other or path.startswith(other + ".") for other in others)


@pytest.mark.parametrize("token", FACTS)
def test_the_table_says_what_is_known(token: str) -> None:
    fact, spec = FACTS[token], resource_type(token)
    assert spec.client == fact.client
    assert (None if spec.name is None else (spec.name.property, spec.name.max)) == fact.name
    assert list(spec.required) == fact.required
    assert spec.delete_before_replace is fact.delete_before_replace
    replaces = {rule.path for rule in spec.replace_on}
    wanted = served(spec, fact.replace_on)
    assert {path for path in wanted if not covered(path, replaces)} == set()
    assert {path for path in replaces if not covered(path, wanted)} == set()
    assert {path.replace("[]", "") for path in spec.json} == served(spec, fact.json)
    assert served(spec, fact.optional_computed) <= set(spec.optional_computed)


def test_no_type_is_without_facts() -> None:
    assert set(types()) == set(FACTS)


@pytest.mark.parametrize("token", FACTS)
def test_calls_and_hooks_exist(token: str) -> None:
    spec = resource_type(token)
    tagging = [spec.tagging.tag, spec.tagging.untag, spec.tagging.read] if spec.tagging else []
    calls = [*spec.create, *spec.read, *spec.update, *spec.delete, *(call for call in tagging if call)]
    assert {call.call for call in calls} <= set(service_model(spec.client).operation_names)
    for call in calls:
        shape = operation_model(spec.client, call.call).input_shape
        assert set(call.arguments) <= set(shape.members), call.call
    assert spec.hook is None or spec.hook in HOOKS


@pytest.mark.parametrize("token", FACTS)
def test_every_input_goes_somewhere(token: str) -> None:
    """An input that no call sends would be accepted and forgotten."""
    spec = resource_type(token)
    models = [(call, operation_model(spec.client, call.call)) for call in (*spec.create, *spec.update)]
    handled = {"region", "tags", *spec.local, *spec.attributes}
    lost = [name for name in spec.inputs if name not in handled and not any(target(spec, *m, name) for m in models)]
    assert lost == []
