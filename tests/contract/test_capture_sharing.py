"""Two accounts: production's capture events and objects reach shadow by the program's own rules and grants, or not."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components import capture_bus, capture_reader, policies, storage, traffic_replay
from components.naming import Scope
from settings import Reader

REGION = "us-west-2"
SHADOW, PRODUCTION = "123456789012", "222222222222"
SERVICE = "tumor-triage"


@dataclass(frozen=True)
class Sharing:
    """A capture bucket in production's account, and shadow's bus with a rule and a queue."""

    production: Callable[[str], Any]
    shadow: Callable[..., Any]
    bucket: str
    bus: str
    queue: str

    def captured(self) -> str:
        """Production captures something; its key."""
        key = f"capture/{SERVICE}-prod/ProductionVariant/{uuid.uuid4().hex}.jsonl"
        self.production("s3").put_object(Bucket=self.bucket, Key=key, Body=b"{}")
        return key

    def heard(self, seconds: int) -> list[str]:
        """Keys that shadow's queue hears of."""
        answer = self.shadow("sqs").receive_message(QueueUrl=self.queue, WaitTimeSeconds=seconds)
        return [json.loads(message["Body"])["detail"]["object"]["key"] for message in answer.get("Messages", [])]


def _role(iam: Any, name: str, trust: str) -> str:
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])


@pytest.fixture(scope="module")
def sharing(acting: Callable[..., Any], boto: Callable[..., Any]) -> Sharing:
    def production(service: str) -> Any:
        return acting("understudy-ci", service, PRODUCTION)

    project = f"u{uuid.uuid4().hex[:6]}"
    here, there = (Scope(project, *where, REGION) for where in (("prod", PRODUCTION), ("shadow", SHADOW)))
    reader = Reader(account=SHADOW, roles=("understudy-ci",))
    bucket, s3 = here.capture_bucket, production("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    grants = capture_reader.bucket_grants(here, reader, [SERVICE])
    s3.put_bucket_policy(Bucket=bucket, Policy=storage.bucket_policy(f"arn:aws:s3:::{bucket}", grants))

    bus = there.capture_bus("shadow")
    bus_arn = boto("events").create_event_bus(Name=bus)["EventBusArn"]
    policy = capture_bus.bus_policy(there, bus_arn, [PRODUCTION])
    boto("events").put_permission(EventBusName=bus, Policy=policy)
    queue = boto("sqs").create_queue(QueueName=f"{project}-replay")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:{REGION}:{SHADOW}:{project}-replay"
    prefix = f"capture/{SERVICE}-prod/ProductionVariant/"
    pattern = traffic_replay.object_created(bucket, prefix)
    rule = boto("events").put_rule(Name="replay", EventBusName=bus, EventPattern=pattern)["RuleArn"]
    queue_policy = traffic_replay.queue_policy(there, queue_arn, rule)
    boto("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": queue_policy})
    boto("events").put_targets(Rule="replay", EventBusName=bus, Targets=[{"Id": "1", "Arn": queue_arn}])

    events = production("events")
    pattern = traffic_replay.object_created(bucket, "capture/")
    source = events.put_rule(Name=f"{project}-reader", EventPattern=pattern)["RuleArn"]
    trust = policies.trust(here, "events.amazonaws.com", source)
    role = _role(production("iam"), f"{capture_reader.FORWARDING}-{project}", trust)
    events.put_targets(Rule=f"{project}-reader", Targets=[{"Id": "1", "Arn": bus_arn, "RoleArn": role}])
    return Sharing(production, boto, bucket, bus, queue)


def test_shadow_hears_of_captures_in_another_account(sharing: Sharing) -> None:
    key = sharing.captured()
    assert sharing.heard(10) == [key]


def test_without_the_bus_s_policy_it_hears_nothing(sharing: Sharing) -> None:
    events = sharing.shadow("events")
    policy = events.describe_event_bus(Name=sharing.bus)["Policy"]
    events.remove_permission(EventBusName=sharing.bus, RemoveAllPermissions=True)
    try:
        sharing.captured()
        time.sleep(0.5)
        assert sharing.heard(0) == []
    finally:
        events.put_permission(EventBusName=sharing.bus, Policy=policy)
    key = sharing.captured()
    assert sharing.heard(10) == [key]


def test_the_replay_function_reads_captures_and_nobody_else_does(acting: Callable[..., Any], sharing: Sharing) -> None:
    key = sharing.captured()
    sharing.production("s3").put_object(Bucket=sharing.bucket, Key="ground-truth/x", Body=b"")

    def s3(role: str) -> Any:
        return acting(role, "s3", SHADOW)

    function = s3(f"{SERVICE}-replay-0a1b2c3")
    assert function.get_object(Bucket=sharing.bucket, Key=key)["Body"].read() == b"{}"
    assert function.list_objects_v2(Bucket=sharing.bucket, Prefix=key)["KeyCount"] == 1
    refused: tuple[Callable[[], Any], ...] = (
        lambda: function.get_object(Bucket=sharing.bucket, Key="ground-truth/x"),
        lambda: function.list_objects_v2(Bucket=sharing.bucket, Prefix="ground-truth/"),
        lambda: function.put_object(Bucket=sharing.bucket, Key=key, Body=b""),
        lambda: s3("understudy-ci").get_object(Bucket=sharing.bucket, Key=key),
        lambda: s3("another-service-replay-0a1b2c3").get_object(Bucket=sharing.bucket, Key=key),
    )
    for call in refused:
        with pytest.raises(ClientError) as refusal:
            call()
        assert refusal.value.response["Error"]["Code"] == "AccessDenied"
