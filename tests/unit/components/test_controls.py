"""Security Hub's and Checkov's controls that apply, over every registered resource of a shadow and a prod stack.

A rule looks at one stack's registrations and yields what breaks its control. What is broken on purpose stands in
WAIVED, with the reason. Each rule has a fixture that breaks it and nothing else of it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import pytest

BUCKET = "aws:s3/bucket:Bucket"
WITHOUT_RESOURCES = {
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "ssm:DescribeParameters",
}
"""Actions for which AWS knows no resource, so that `*` is the only one."""


@dataclass(frozen=True)
class Resource:
    """What a rule sees of a registration."""

    type: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.type.rpartition(':')[2]}/{self.name}"


Stack = tuple[Resource, ...]
Broken = Iterator[Resource]
Rule = Callable[[Stack], Broken]
RULES: dict[str, Rule] = {}


def control(name: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES[name] = rule
        return rule

    return register


def of_type(stack: Stack, *types: str) -> Iterator[Resource]:
    return (resource for resource in stack if resource.type in types)


def without(stack: Stack, type_: str, holds: Callable[[Mapping[str, Any]], bool], of: str = BUCKET) -> Broken:
    """Resources of type `of` that have no companion of `type_`, by the same logical name, for which `holds`."""
    right = {resource.name for resource in of_type(stack, type_) if holds(resource.inputs)}
    return (resource for resource in of_type(stack, of) if resource.name not in right)


def statements(document: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(document)["Statement"] if isinstance(document, str) else []
    return found


# -- SageMaker --------------------------------------------------------------------------------------------------------


@control("SageMaker.4 at least two instances")
def instances(stack: Stack) -> Broken:
    for resource in of_type(stack, "aws:sagemaker/endpointConfiguration:EndpointConfiguration"):
        if any(variant["initialInstanceCount"] < 2 for variant in resource.inputs["productionVariants"]):
            yield resource


@control("SageMaker.5 network isolation")
def isolation(stack: Stack) -> Broken:
    return (r for r in of_type(stack, "aws:sagemaker/model:Model") if not r.inputs.get("enableNetworkIsolation"))


# -- S3 ---------------------------------------------------------------------------------------------------------------


@control("S3.5 TLS only")
def tls(stack: Stack) -> Broken:
    def denies(inputs: Mapping[str, Any]) -> bool:
        return any(
            s["Effect"] == "Deny" and s["Principal"] == "*" and s["Action"] == "s3:*"
            and s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} and len(s["Resource"]) == 2
            for s in statements(inputs.get("policy"))
        )  # fmt: skip

    return without(stack, "aws:s3/bucketPolicy:BucketPolicy", denies)


@control("S3.8 no public access")
def private(stack: Stack) -> Broken:
    keys = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    type_ = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    return without(stack, type_, lambda inputs: all(inputs.get(key) is True for key in keys))


@control("S3.12 no access lists")
def owner(stack: Stack) -> Broken:
    type_ = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    return without(stack, type_, lambda inputs: inputs["rule"]["objectOwnership"] == "BucketOwnerEnforced")


@control("S3.17 encrypted with a customer's key")
def bucket_key(stack: Stack) -> Broken:
    def encrypts(inputs: Mapping[str, Any]) -> bool:
        default = inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        return default["sseAlgorithm"] == "aws:kms" and bool(default["kmsMasterKeyId"])

    type_ = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    return without(stack, type_, encrypts)


@control("S3.14 versioning")
def versioned(stack: Stack) -> Broken:
    type_ = "aws:s3/bucketVersioning:BucketVersioning"
    return without(stack, type_, lambda inputs: inputs["versioningConfiguration"]["status"] == "Enabled")


@control("S3.13 lifecycle")
def lifecycle(stack: Stack) -> Broken:
    def expires(inputs: Mapping[str, Any]) -> bool:
        return bool(inputs["rules"]) and all(rule["status"] == "Enabled" for rule in inputs["rules"])

    return without(stack, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", expires)


# -- keys, roles ------------------------------------------------------------------------------------------------------


@control("KMS.4 rotation")
def rotation(stack: Stack) -> Broken:
    return (r for r in of_type(stack, "aws:kms/key:Key") if r.inputs.get("enableKeyRotation") is not True)


@control("IAM.1 no wildcard actions")
def actions(stack: Stack) -> Broken:
    for resource in of_type(stack, "aws:iam/rolePolicy:RolePolicy"):
        named = [action for s in statements(resource.inputs["policy"]) for action in s["Action"]]
        if any(action == "*" or action.endswith(":*") for action in named):
            yield resource


@control("IAM.21 no wildcard resources")
def resources(stack: Stack) -> Broken:
    for resource in of_type(stack, "aws:iam/rolePolicy:RolePolicy"):
        everywhere = [s["Action"] for s in statements(resource.inputs["policy"]) if "*" in s["Resource"]]
        if any(set(named) - WITHOUT_RESOURCES for named in everywhere):
            yield resource


POLICIES = {
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:kms/key:Key": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy": "resourcePolicy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:cloudwatch/eventBusPolicy:EventBusPolicy": "policy",
}
"""Resource policies, and the property that holds them."""


@control("CKV_AWS_70 no principal but named ones")
def principals(stack: Stack) -> Broken:
    """Nobody is allowed as `*`, and of other accounts only roles of certain names."""
    own = "arn:aws:iam::111111111111:root"
    for resource in of_type(stack, *POLICIES):
        for statement in statements(resource.inputs[POLICIES[resource.type]]):
            if statement["Effect"] == "Deny":
                continue
            principal = statement["Principal"]
            named = principal if principal == "*" else principal.get("AWS", [])
            others = set([named] if isinstance(named, str) else named) - {own}
            patterns = statement.get("Condition", {}).get("ArnLike", {}).get("aws:PrincipalArn", [])
            if "*" in others or (others and not patterns) or any(arn.endswith(":role/*") for arn in patterns):
                yield resource


# -- messages ---------------------------------------------------------------------------------------------------------


@control("SNS.1 encryption")
def topics(stack: Stack) -> Broken:
    return (r for r in of_type(stack, "aws:sns/topic:Topic") if not r.inputs.get("kmsMasterKeyId"))


@control("SQS.1 encryption")
def queues(stack: Stack) -> Broken:
    for resource in of_type(stack, "aws:sqs/queue:Queue"):
        if not (resource.inputs.get("sqsManagedSseEnabled") or resource.inputs.get("kmsMasterKeyId")):
            yield resource


@control("SQS redrive")
def redrive(stack: Stack) -> Broken:
    """Every queue but the dead-letter queues, at least five receives before one of them."""
    for resource in of_type(stack, "aws:sqs/queue:Queue"):
        policy = json.loads(resource.inputs.get("redrivePolicy", "{}"))
        if not resource.name.endswith("dead-letter") and policy.get("maxReceiveCount", 0) < 5:
            yield resource


@control("CKV_AWS_116 dead letters of functions")
def dead_letters(stack: Stack) -> Broken:
    """A queue's messages go to the queue's own dead-letter queue; other events need the function's."""
    polled = {resource.name for resource in of_type(stack, "aws:lambda/eventSourceMapping:EventSourceMapping")}
    for resource in of_type(stack, "aws:lambda/function:Function"):
        if resource.name not in polled and not resource.inputs.get("deadLetterConfig"):
            yield resource


# -- images, logs, alarms ---------------------------------------------------------------------------------------------


@control("ECR.1 scan")
def scan(stack: Stack) -> Broken:
    for resource in of_type(stack, "aws:ecr/repository:Repository"):
        if not resource.inputs.get("imageScanningConfiguration", {}).get("scanOnPush"):
            yield resource


@control("ECR.2 immutable tags")
def immutable(stack: Stack) -> Broken:
    for resource in of_type(stack, "aws:ecr/repository:Repository"):
        if resource.inputs.get("imageTagMutability") != "IMMUTABLE":
            yield resource


@control("ECR.3 lifecycle")
def image_lifecycle(stack: Stack) -> Broken:
    type_ = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    return without(stack, type_, lambda inputs: bool(inputs.get("policy")), "aws:ecr/repository:Repository")


@control("CloudWatch.16 log retention")
def retention(stack: Stack) -> Broken:
    return (r for r in of_type(stack, "aws:cloudwatch/logGroup:LogGroup") if r.inputs.get("retentionInDays", 0) < 90)


@control("CloudWatch.15 alarm actions")
def alarm_actions(stack: Stack) -> Broken:
    types = ("aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/compositeAlarm:CompositeAlarm")
    for resource in of_type(stack, *types):
        if not resource.inputs.get("alarmActions") or resource.inputs.get("actionsEnabled") is False:
            yield resource


WAIVED: dict[tuple[str, str, str], str] = {
    ("SageMaker.4 at least two instances", "shadow", "EndpointConfiguration/*"): (
        "a candidate's endpoint answers replayed requests only; production's rollouts refuse one instance in settings"
    ),
    ("SageMaker.5 network isolation", "*", "Model/*"): (
        "AWS's framework images install the package's requirements.txt when they start, which isolation would forbid"
    ),
    ("S3.17 encrypted with a customer's key", "prod", "Bucket/capture"): (
        "readers in other accounts would need the key too; S3's own encryption holds, and the traffic expires"
    ),
    ("S3.14 versioning", "prod", "Bucket/capture"): (
        "SageMaker writes each file once under a name of its own, and traffic that expired shall be gone"
    ),
    ("CloudWatch.15 alarm actions", "prod", "MetricAlarm/*-guardrail-*"): (
        "SageMaker reads them during a rollout and rolls back itself; afterwards their fleet's metrics have no reader"
    ),
    ("CloudWatch.15 alarm actions", "prod", "CompositeAlarm/*"): (
        "a view for people: each alarm below it tells the topic itself, or a first one would hide the next"
    ),
}
"""(control, stack, resource) with fnmatch's wildcards, and why the control does not hold there."""


def waiver(name: str, stack: str, resource: Resource) -> tuple[str, str, str] | None:
    return next(
        (key for key in WAIVED if key[0] == name and fnmatch(stack, key[1]) and fnmatch(str(resource), key[2])), None
    )


def seen(recording: Any) -> Stack:
    """The AWS resources of a stack; components have no inputs of their own."""
    return tuple(Resource(r.type, r.name, r.inputs) for r in recording.registrations if r.type.startswith("aws:"))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("stack", ["shadow", "prod"])
def test_no_resource_breaks_a_control_unless_a_reason_is_given(
    stack: str, name: str, request: pytest.FixtureRequest
) -> None:
    broken = RULES[name](seen(request.getfixturevalue(stack)))
    assert [str(resource) for resource in broken if waiver(name, stack, resource) is None] == []


def test_no_waiver_outlives_its_reason(shadow: Any, prod: Any) -> None:
    used = {
        waiver(name, stack, resource)
        for stack, recording in (("shadow", shadow), ("prod", prod))
        for name, rule in RULES.items()
        for resource in rule(seen(recording))
    }
    assert WAIVED.keys() - used == set()


# -- every rule finds what breaks it ----------------------------------------------------------------------------------


def policy(action: str, resource: str) -> dict[str, str]:
    statement = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


Change = tuple[str, str, dict[str, Any] | None]
"""Stack, `Type/name` of a resource there, and the inputs that break it; None: the resource is missing."""
BREAKING: dict[str, Change] = {
    "SageMaker.4 at least two instances": (
        "prod",
        "EndpointConfiguration/tumor-triage",
        {"productionVariants": [{"initialInstanceCount": 1}]},
    ),
    "SageMaker.5 network isolation": ("prod", "Model/tumor-triage", {"enableNetworkIsolation": False}),
    "S3.5 TLS only": ("shadow", "BucketPolicy/training", None),
    "S3.8 no public access": ("shadow", "BucketPublicAccessBlock/training", {"restrictPublicBuckets": False}),
    "S3.12 no access lists": (
        "shadow",
        "BucketOwnershipControls/training",
        {"rule": {"objectOwnership": "ObjectWriter"}},
    ),
    "S3.17 encrypted with a customer's key": (
        "shadow",
        "BucketServerSideEncryptionConfiguration/training",
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
    ),
    "S3.14 versioning": (
        "shadow",
        "BucketVersioning/training",
        {"versioningConfiguration": {"status": "Suspended"}},
    ),
    "S3.13 lifecycle": ("shadow", "BucketLifecycleConfiguration/training", {"rules": []}),
    "KMS.4 rotation": ("shadow", "Key/artifacts", {"enableKeyRotation": False}),
    "IAM.1 no wildcard actions": ("shadow", "RolePolicy/training", policy("s3:*", "arn:aws:s3:::b")),
    "IAM.21 no wildcard resources": ("shadow", "RolePolicy/training", policy("s3:GetObject", "*")),
    "CKV_AWS_70 no principal but named ones": (
        "shadow",
        "RepositoryPolicy/tumor-triage",
        {
            "policy": json.dumps(
                {"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::222222222222:root"]}}]}
            )
        },
    ),
    "SNS.1 encryption": ("prod", "Topic/tumor-triage-rollback", {"kmsMasterKeyId": None}),
    "SQS.1 encryption": ("shadow", "Queue/tumor-triage-replay", {"sqsManagedSseEnabled": False}),
    "SQS redrive": ("shadow", "Queue/tumor-triage-replay", {"redrivePolicy": json.dumps({"maxReceiveCount": 4})}),
    "CKV_AWS_116 dead letters of functions": ("prod", "Function/tumor-triage-rollback", {"deadLetterConfig": None}),
    "ECR.1 scan": ("shadow", "Repository/tumor-triage", {"imageScanningConfiguration": {"scanOnPush": False}}),
    "ECR.2 immutable tags": ("shadow", "Repository/tumor-triage", {"imageTagMutability": "MUTABLE"}),
    "ECR.3 lifecycle": ("shadow", "LifecyclePolicy/tumor-triage", None),
    "CloudWatch.16 log retention": ("prod", "LogGroup/tumor-triage-rollback", {"retentionInDays": 0}),
    "CloudWatch.15 alarm actions": ("prod", "MetricAlarm/tumor-triage-errors", {"actionsEnabled": False}),
}


def test_every_rule_has_a_stack_that_breaks_it() -> None:
    assert BREAKING.keys() == RULES.keys()


@pytest.mark.parametrize("name", BREAKING)
def test_a_rule_finds_what_breaks_it(name: str, request: pytest.FixtureRequest) -> None:
    stack, target, change = BREAKING[name]
    before = seen(request.getfixturevalue(stack))
    assert [str(resource) for resource in before].count(target) == 1, f"there is no {target} in {stack}"
    after = tuple(broken(before, target, change))
    sound = [resource for resource in after if waiver(name, stack, resource) is None or str(resource) == target]
    assert {resource.name for resource in RULES[name](tuple(sound))} == {target.rpartition("/")[2]}


def broken(stack: Iterable[Resource], target: str, change: dict[str, Any] | None) -> Iterator[Resource]:
    for resource in stack:
        if str(resource) != target:
            yield resource
        elif change is not None:
            inputs = {**copy.deepcopy(dict(resource.inputs)), **change}
            yield Resource(resource.type, resource.name, {k: v for k, v in inputs.items() if v is not None})
