"""SQS event source mappings, by boto3 and a function that really runs."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

Unique = Callable[[str], str]
CODE = """
import json, os, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    failed = []
    for record in event["Records"]:
        note = {"body": record["body"], "count": record["attributes"]["ApproximateReceiveCount"],
                "batch": len(event["Records"])}
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(note))
        if record["body"] == "poison":
            failed.append({"itemIdentifier": record["messageId"]})
        if record["body"] == "explode":
            raise RuntimeError("boom")
    return {"batchItemFailures": failed}
"""


@dataclass
class Setting:
    sqs: Any
    iam: Any
    client: Any
    function: str
    role: str
    queue: str
    queue_arn: str
    dead: str
    seen: str

    def drain(self, url: str, count: int, seconds: float = 20) -> list[str]:
        """Bodies from a queue until there are `count`."""
        bodies: list[str] = []
        deadline = time.monotonic() + seconds
        while len(bodies) < count:
            assert time.monotonic() < deadline, f"only {bodies}"
            for message in self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10).get(
                "Messages", []
            ):
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


@pytest.fixture
def setting(boto: Callable[..., Any], unique: Unique) -> Setting:
    sqs, iam, client = boto("sqs"), boto("iam"), boto("lambda")

    def queue(name: str, **attributes: str) -> tuple[str, str]:
        url = sqs.create_queue(QueueName=unique(name), Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, arn

    dead, dead_arn = queue("dead")
    seen, _ = queue("seen")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 3})
    url, arn = queue("work", VisibilityTimeout="60", RedrivePolicy=redrive)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=unique("role"), AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    grant = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    iam.put_role_policy(
        RoleName=role["Role"]["RoleName"],
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [grant]}),
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("main.py", CODE)
    name = unique("worker")
    client.create_function(
        FunctionName=name,
        Role=role["Role"]["Arn"],
        Runtime="python3.11",
        Handler="main.handler",
        Timeout=10,
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"SEEN": seen}},
    )
    return Setting(sqs, iam, client, name, role["Role"]["RoleName"], url, arn, dead, seen)


def test_one_poison_message_of_ten(setting: Setting) -> None:
    bodies = [f"m{index}" for index in range(9)] + ["poison"]
    for body in bodies:
        setting.sqs.send_message(QueueUrl=setting.queue, MessageBody=body)
    created = setting.client.create_event_source_mapping(
        EventSourceArn=setting.queue_arn,
        FunctionName=setting.function,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 2},
    )
    assert (created["State"], created["BatchSize"]) == ("Creating", 10)
    assert setting.drain(setting.dead, 1) == ["poison"]
    notes = [json.loads(body) for body in setting.drain(setting.seen, 12)]
    assert sorted(note["body"] for note in notes) == sorted([*bodies, "poison", "poison"])
    assert sorted(note["count"] for note in notes if note["body"] == "poison") == ["1", "2", "3"]
    assert max(note["batch"] for note in notes) == 10
    assert setting.sqs.receive_message(QueueUrl=setting.seen).get("Messages", []) == []
    (listed,) = setting.client.list_event_source_mappings(FunctionName=setting.function)["EventSourceMappings"]
    assert (listed["UUID"], listed["State"]) == (created["UUID"], "Enabled")
    assert listed["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert setting.client.delete_event_source_mapping(UUID=created["UUID"])["State"] == "Deleting"


def test_tags_of_a_mapping(setting: Setting, refused: Any) -> None:
    created = setting.client.create_event_source_mapping(
        EventSourceArn=setting.queue_arn, FunctionName=setting.function, Enabled=False, Tags={"project": "understudy"}
    )
    arn = created["EventSourceMappingArn"]
    assert setting.client.list_tags(Resource=arn)["Tags"] == {"project": "understudy"}
    setting.client.tag_resource(Resource=arn, Tags={"service": "tumor-triage", "project": "other"})
    setting.client.untag_resource(Resource=arn, TagKeys=["project"])
    assert setting.client.list_tags(Resource=arn)["Tags"] == {"service": "tumor-triage"}
    setting.client.delete_event_source_mapping(UUID=created["UUID"])
    with refused("ResourceNotFoundException", "does not exist"):
        setting.client.list_tags(Resource=arn)


def test_tags_of_a_function_are_still_motos(setting: Setting) -> None:
    arn = setting.client.get_function(FunctionName=setting.function)["Configuration"]["FunctionArn"]
    setting.client.tag_resource(Resource=arn, Tags={"project": "understudy"})
    assert setting.client.list_tags(Resource=arn)["Tags"] == {"project": "understudy"}
    setting.client.untag_resource(Resource=arn, TagKeys=["project"])
    assert setting.client.list_tags(Resource=arn)["Tags"] == {}


def test_an_error_returns_the_whole_batch(setting: Setting) -> None:
    for body in ("fine", "explode"):
        setting.sqs.send_message(QueueUrl=setting.queue, MessageBody=body)
    setting.client.create_event_source_mapping(EventSourceArn=setting.queue_arn, FunctionName=setting.function)
    assert sorted(setting.drain(setting.dead, 2)) == ["explode", "fine"]


def test_a_disabled_mapping_waits_until_it_is_enabled(setting: Setting) -> None:
    mapping = setting.client.create_event_source_mapping(
        EventSourceArn=setting.queue_arn, FunctionName=setting.function, Enabled=False
    )
    assert mapping["State"] == "Disabled"
    setting.sqs.send_message(QueueUrl=setting.queue, MessageBody="later")
    assert setting.sqs.receive_message(QueueUrl=setting.seen, WaitTimeSeconds=1).get("Messages", []) == []
    setting.client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert json.loads(setting.drain(setting.seen, 1)[0])["body"] == "later"


def test_refusals(setting: Setting, refused: Callable[..., Any]) -> None:
    create = setting.client.create_event_source_mapping
    arguments = {"EventSourceArn": setting.queue_arn, "FunctionName": setting.function, "Enabled": False}
    setting.sqs.set_queue_attributes(QueueUrl=setting.queue, Attributes={"VisibilityTimeout": "5"})
    with refused(
        "InvalidParameterValueException",
        "Queue visibility timeout: 5 seconds is less than Function timeout: 10 seconds",
    ):
        create(**arguments)
    setting.sqs.set_queue_attributes(QueueUrl=setting.queue, Attributes={"VisibilityTimeout": "60"})
    with refused("InvalidParameterValueException", "Maximum batch window in seconds must be greater than 0"):
        create(**arguments, BatchSize=100)
    with refused("InvalidParameterValueException", "NonExistentQueue"):
        create(**{**arguments, "EventSourceArn": setting.queue_arn + "x"})
    with refused("ResourceNotFoundException", "Function not found"):
        create(**{**arguments, "FunctionName": "nobody"})
    setting.iam.delete_role_policy(RoleName=setting.role, PolicyName="p")
    with refused(
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call ReceiveMessage on SQS",
    ):
        create(**arguments)
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    grant = {"Effect": "Allow", "Action": actions, "Resource": setting.queue_arn}
    setting.iam.put_role_policy(
        RoleName=setting.role,
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [grant]}),
    )
    mapping = create(**arguments)
    with refused("ResourceConflictException", mapping["UUID"]):
        create(**arguments)
    setting.client.delete_event_source_mapping(UUID=mapping["UUID"])
    with refused("ResourceNotFoundException", "does not exist"):
        setting.client.get_event_source_mapping(UUID=mapping["UUID"])
