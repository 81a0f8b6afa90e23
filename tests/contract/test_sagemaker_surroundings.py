"""What stands around endpoints: events, scaling targets, tags."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any

import pytest

ACCOUNT = "arn:aws:sagemaker:us-west-2:123456789012"


def test_state_changes_are_events(lab: Any, boto: Any, unique: Any) -> None:
    sqs, events, rule = boto("sqs"), boto("events"), unique("rule")
    url = sqs.create_queue(QueueName=rule)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    group = unique("group")
    endpoint_prefix = "endpoint-"
    pattern = {
        "source": ["aws.sagemaker"],
        "detail": {"$or": [{"EndpointName": [{"prefix": endpoint_prefix}]}, {"ModelPackageGroupName": [group]}]},
    }
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": queue_arn}])
    lab.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    package = lab.version(group)
    lab.sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    endpoint = lab.endpoint(lab.config(lab.model()))
    received: list[dict[str, Any]] = []
    deadline = time.monotonic() + 15
    wanted = {"CREATING", "IN_SERVICE"}
    while time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        received += [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        states = [one for one in received if one["detail"].get("EndpointName") == endpoint]
        packages = [one for one in received if one["detail-type"] == "SageMaker Model Package State Change"]
        if wanted <= {one["detail"]["EndpointStatus"] for one in states} and len(packages) == 4:
            break
    else:
        raise AssertionError([(one["detail-type"], one["detail"].get("EndpointStatus")) for one in received])
    last = next(one for one in states if one["detail"]["EndpointStatus"] == "IN_SERVICE")
    assert last["detail-type"] == "SageMaker Endpoint State Change"
    assert last["resources"] == [f"{ACCOUNT}:endpoint/{endpoint}"]
    assert isinstance(last["detail"]["CreationTime"], int)
    assert all(one["resources"] == [package] for one in packages)
    registered = [one["detail"] for one in packages if not one["detail"]["UpdatedModelPackageFields"]]
    assert {detail["ModelPackageStatus"] for detail in registered} == {"Pending", "InProgress", "Completed"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", registered[0]["CreationTime"])
    (approved,) = [one["detail"] for one in packages if one["detail"]["UpdatedModelPackageFields"]]
    assert approved["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]
    assert approved["ModelApprovalStatus"] == "Approved"
    assert approved["ModelPackageVersion"] == 1


def test_scaling_targets_are_variants_that_exist_and_have_tags(lab: Any, boto: Any, refused: Any) -> None:
    scaling = boto("application-autoscaling")
    endpoint = lab.endpoint(lab.config(lab.model()))
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/Main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    with refused("ValidationException", f"endpoint/{endpoint}/variant/Other"):
        scaling.register_scalable_target(**{**target, "ResourceId": f"endpoint/{endpoint}/variant/Other"})
    arn = scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=8)["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=arn, Tags={"a": "b", "c": "d"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"c": "d"}
    found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[target["ResourceId"]])
    assert [(one["MinCapacity"], one["MaxCapacity"]) for one in found["ScalableTargets"]] == [(2, 8)]


def test_tags_of_all_kinds_of_resource(lab: Any) -> None:
    model = lab.model()
    arn = f"{ACCOUNT}:model/{model}"
    lab.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "project", "Value": "understudy"}])
    assert lab.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "project", "Value": "understudy"}]
    lab.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["project"])
    assert lab.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("endpoint/nobody", 'Could not find endpoint "{arn}".'),
        ("endpoint-config/nobody", 'Could not find endpoint configuration "{arn}".'),
        ("model/nobody", 'Could not find model "{arn}".'),
        ("model-package/nobody", "ModelPackage {arn} does not exist."),
        ("model-package/nobody/1", "ModelPackage {arn} does not exist."),
        ("model-package-group/nobody", "ModelPackageGroup {arn} does not exist."),
        ("training-job/nobody", "Requested resource not found."),
        ("pipeline/nobody", 'Could not find resource "{arn}".'),
    ],
)
def test_what_is_not_there_has_no_tags(lab: Any, refused: Any, resource: str, message: str) -> None:
    arn = f"{ACCOUNT}:{resource}"
    said = message.format(arn=arn)
    with refused("ValidationException", said):
        lab.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    with refused("ValidationException", said):
        lab.sagemaker.list_tags(ResourceArn=arn)
    with refused("ValidationException", said):
        lab.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])


def test_tags_go_with_their_resource(lab: Any) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    model, config = lab.model(), f"config-{uuid.uuid4().hex[:8]}"
    request = {"ModelName": f"{model}-2", "ExecutionRoleArn": lab.role, "PrimaryContainer": lab.container("v1")}
    lab.sagemaker.create_model(**request, Tags=tags)
    lab.sagemaker.delete_model(ModelName=f"{model}-2")
    again = lab.sagemaker.create_model(**request)["ModelArn"]
    assert lab.sagemaker.list_tags(ResourceArn=again)["Tags"] == []
    variants = {"EndpointConfigName": config, "ProductionVariants": [lab.variant("Main", model)]}
    lab.sagemaker.create_endpoint_config(**variants, Tags=tags)
    lab.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    again = lab.sagemaker.create_endpoint_config(**variants)["EndpointConfigArn"]
    assert lab.sagemaker.list_tags(ResourceArn=again)["Tags"] == []


def test_aws_s_own_tags_are_left_alone(lab: Any, refused: Any) -> None:
    arn = f"{ACCOUNT}:model/{lab.model()}"
    with refused("ValidationException", "System prefix 'aws:' reserved for AWS usage in tag key: aws:x"):
        lab.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": "y"}])
    with refused("ValidationException", "System prefix 'aws:' reserved for AWS usage in tag key: aws:x"):
        lab.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["aws:x"])
