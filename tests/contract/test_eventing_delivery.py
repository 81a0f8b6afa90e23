"""EventBridge, S3 notifications and SNS between services, by boto3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

Unique = Callable[[str], str]


@dataclass
class Queue:
    """A queue that the services of `principals` may send to."""

    sqs: Any
    url: str
    arn: str

    def receive(self, seconds: int = 10) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            WaitTimeSeconds=seconds,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            AttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def one(self) -> Any:
        (message,) = self.receive()
        return json.loads(message["Body"])


@pytest.fixture
def make_queue(boto: Callable[..., Any], unique: Unique) -> Callable[..., Queue]:
    sqs = boto("sqs")

    def make(*principals: str) -> Queue:
        url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        if principals:
            statement = {"Effect": "Allow", "Principal": {"Service": list(principals)}, "Action": "sqs:SendMessage",
                         "Resource": arn}  # fmt: skip
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [statement]})})
        return Queue(sqs, url, arn)

    return make


@pytest.fixture
def make_rule(boto: Callable[..., Any], unique: Unique) -> Callable[..., str]:
    events = boto("events")

    def make(pattern: dict[str, Any], *targets: dict[str, Any], **more: Any) -> str:
        name = unique("rule")
        events.put_rule(Name=name, EventPattern=json.dumps(pattern), **more)
        bus = {"EventBusName": more["EventBusName"]} if "EventBusName" in more else {}
        entries = [{"Id": str(index), **target} for index, target in enumerate(targets)]
        events.put_targets(Rule=name, Targets=entries, **bus)
        return name

    return make


def send(boto: Callable[..., Any], source: str, detail: dict[str, Any], **more: Any) -> dict[str, Any]:
    entry = {"Source": source, "DetailType": "Test", "Detail": json.dumps(detail), **more}
    answer: dict[str, Any] = boto("events").put_events(Entries=[entry])
    return answer


def test_events_reach_the_queues_of_matching_enabled_rules(
    boto: Callable[..., Any], make_queue: Callable[..., Queue], make_rule: Callable[..., str], unique: Unique
) -> None:
    source = unique("app")
    wanted, transformed, disabled = (make_queue("events.amazonaws.com") for _ in range(3))
    pattern = {"source": [source], "detail": {"kind": [{"prefix": "model"}]}}
    transformer = {"InputPathsMap": {"kind": "$.detail.kind"}, "InputTemplate": '{"it": <kind>}'}
    make_rule(pattern, {"Arn": wanted.arn}, {"Arn": transformed.arn, "InputTransformer": transformer})
    make_rule(pattern, {"Arn": disabled.arn}, State="DISABLED")
    answer = send(boto, source, {"kind": "model-a"}, Resources=["arn:x"])
    send(boto, source, {"kind": "other"})
    event = wanted.one()
    assert event["id"] == answer["Entries"][0]["EventId"]
    assert {key: event[key] for key in ("version", "detail-type", "source", "resources", "detail", "region")} == {
        "version": "0",
        "detail-type": "Test",
        "source": source,
        "resources": ["arn:x"],
        "detail": {"kind": "model-a"},
        "region": "us-west-2",
    }
    time.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ")
    assert transformed.one() == {"it": "model-a"}
    assert disabled.receive(0) == []
    assert wanted.receive(0) == []


def test_a_queue_without_a_policy_gets_nothing_and_the_dead_letter_queue_says_why(
    boto: Callable[..., Any], make_queue: Callable[..., Queue], make_rule: Callable[..., str], unique: Unique
) -> None:
    source = unique("app")
    closed, dead = make_queue(), make_queue("events.amazonaws.com")
    make_rule({"source": [source]}, {"Arn": closed.arn, "DeadLetterConfig": {"Arn": dead.arn}})
    send(boto, source, {"a": 1})
    (message,) = dead.receive()
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    assert attributes["TARGET_ARN"] == closed.arn
    assert json.loads(message["Body"])["detail"] == {"a": 1}
    assert closed.receive(0) == []


def test_events_are_forwarded_to_another_bus(
    boto: Callable[..., Any], make_queue: Callable[..., Queue], make_rule: Callable[..., str], unique: Unique
) -> None:
    source, bus = unique("app"), unique("bus")
    bus_arn = boto("events").create_event_bus(Name=bus)["EventBusArn"]
    queue = make_queue("events.amazonaws.com")
    make_rule({"source": [source]}, {"Arn": bus_arn, "RoleArn": "arn:aws:iam::123456789012:role/forward"})
    make_rule({"source": [source]}, {"Arn": queue.arn}, EventBusName=bus)
    answer = send(boto, source, {"a": 1})
    assert queue.one()["id"] == answer["Entries"][0]["EventId"]


def test_topics_get_events(
    boto: Callable[..., Any], make_queue: Callable[..., Queue], make_rule: Callable[..., str], unique: Unique
) -> None:
    sns, source = boto("sns"), unique("app")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish",
                 "Resource": topic}  # fmt: skip
    sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps({"Statement": [statement]})
    )
    queue = make_queue("sns.amazonaws.com")
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)["SubscriptionArn"]
    make_rule({"source": [source]}, {"Arn": topic, "Input": '{"hello": 1}'})
    send(boto, source, {})
    envelope = queue.one()
    assert (envelope["Type"], envelope["TopicArn"], envelope["Message"]) == ("Notification", topic, '{"hello": 1}')
    sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true"
    )
    sns.publish(TopicArn=topic, Message="plain", MessageAttributes={"a": {"DataType": "Number", "StringValue": "1"}})
    (message,) = queue.receive()
    assert message["Body"] == "plain"
    assert message["MessageAttributes"]["a"] == {"DataType": "Number", "StringValue": "1"}


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"Source": "aws.s3"}, "NotAuthorizedForSourceException"),
        ({"Source": ""}, "InvalidArgument"),
        ({"Detail": "{"}, "MalformedDetail"),
        ({"Detail": "[1]"}, "MalformedDetail"),
    ],
)
def test_bad_entries_are_reported_one_by_one(boto: Callable[..., Any], entry: dict[str, str], code: str) -> None:
    good = {"Source": "app", "DetailType": "Test", "Detail": "{}"}
    answer = boto("events").put_events(Entries=[good, {**good, **entry}])
    assert answer["FailedEntryCount"] == 1
    assert "EventId" in answer["Entries"][0]
    assert answer["Entries"][1]["ErrorCode"] == code


def test_an_unknown_bus_is_refused(boto: Callable[..., Any], refused: Callable[..., Any]) -> None:
    with refused("ResourceNotFoundException", "Event bus nowhere does not exist."):
        send(boto, "app", {}, EventBusName="nowhere")


def test_objects_announce_themselves(
    boto: Callable[..., Any], make_queue: Callable[..., Queue], make_rule: Callable[..., str], unique: Unique
) -> None:
    s3, bucket = boto("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    by_rule, direct = make_queue("events.amazonaws.com"), make_queue("s3.amazonaws.com")
    make_rule(
        {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [bucket]}}},
        {"Arn": by_rule.arn},
    )
    s3.put_object(Bucket=bucket, Key="before", Body=b"1")
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "EventBridgeConfiguration": {},
            "QueueConfigurations": [{"QueueArn": direct.arn, "Events": ["s3:ObjectCreated:*"]}],
        },
    )
    assert direct.one()["Event"] == "s3:TestEvent"
    etag = s3.put_object(Bucket=bucket, Key="capture/a b+c.jsonl", Body=b"12")["ETag"].strip('"')
    event = by_rule.one()
    assert (event["detail-type"], event["resources"]) == ("Object Created", [f"arn:aws:s3:::{bucket}"])
    detail = event["detail"]
    assert (detail["bucket"], detail["reason"], detail["version"]) == ({"name": bucket}, "PutObject", "0")
    assert (detail["object"]["key"], detail["object"]["size"], detail["object"]["etag"]) == (
        "capture/a b+c.jsonl",
        2,
        etag,
    )
    record = direct.one()["Records"][0]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["object"]["key"] == "capture/a+b%2Bc.jsonl"
    s3.delete_object(Bucket=bucket, Key="before")
    assert by_rule.receive(0) == []


def test_rates_fire_again_and_again(boto: Callable[..., Any], make_queue: Callable[..., Queue], unique: Unique) -> None:
    """10 minutes at speed 600 are a second."""
    events, queue, name = boto("events"), make_queue("events.amazonaws.com"), unique("rule")
    rule = events.put_rule(Name=name, ScheduleExpression="rate(10 minutes)")["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": queue.arn}])
    seen = [queue.one(), queue.one()]
    assert [(event["source"], event["detail-type"], event["resources"]) for event in seen] == [
        ("aws.events", "Scheduled Event", [rule])
    ] * 2
    events.disable_rule(Name=name)


def test_rules_that_would_never_fire_are_refused(boto: Callable[..., Any], refused: Callable[..., Any]) -> None:
    put = boto("events").put_rule
    with refused("ValidationException", "rate() schedules only"):
        put(Name="r", ScheduleExpression="cron(0 12 * * ? *)")
    with refused("InvalidEventPatternException", "unknown operator"):
        put(Name="r", EventPattern=json.dumps({"source": [{"like": "x"}]}))
