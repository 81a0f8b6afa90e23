"""Where moto differs from AWS and the sandbox puts it right; and that appending to a log never waits."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.children import Children
from sandbox.cloud.monitoring.logs import LogStore
from sandbox.cloud.ports import Cloud, Scope

Boto = Callable[..., Any]
Unique = Callable[[str], str]


def test_a_changed_attribute_keeps_the_policy_of_a_queue(boto: Boto, unique: Unique) -> None:
    sqs = boto("sqs")
    statement = {"Sid": "s", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url = sqs.create_queue(QueueName=unique("queue"), Attributes={"Policy": policy})["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "90"})
    kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert kept["VisibilityTimeout"] == "90"
    assert json.loads(kept["Policy"])["Statement"] == [statement]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert "Policy" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_a_message_wakes_a_long_poll(boto: Boto, unique: Unique) -> None:
    sqs = boto("sqs")
    url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
    timer = threading.Timer(0.3, sqs.send_message, kwargs={"QueueUrl": url, "MessageBody": "hello"})
    started = time.monotonic()
    timer.start()
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert message["Body"] == "hello"
    assert time.monotonic() - started < 10


@pytest.fixture
def bucket(boto: Boto, unique: Unique) -> str:
    name = unique("bucket")
    boto("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return name


def test_notifications_to_eventbridge_are_read_back(boto: Boto, bucket: str) -> None:
    s3 = boto("s3")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    read = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert {key: value for key, value in read.items() if key != "ResponseMetadata"} == {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=bucket)


def versions(s3: Any, bucket: str) -> tuple[list[str], list[str]]:
    """Version ids of objects and of delete markers."""
    listed = s3.list_object_versions(Bucket=bucket)
    kinds = ("Versions", "DeleteMarkers")
    found, markers = ([version["VersionId"] for version in listed.get(kind, [])] for kind in kinds)
    return found, markers


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_all_versions_and_delete_markers_can_be_deleted(boto: Boto, bucket: str, status: str) -> None:
    s3 = boto("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="a/b", Body=body)
    s3.delete_object(Bucket=bucket, Key="a/b")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a/b"}]})
    found, markers = versions(s3, bucket)
    assert (len(found), len(markers)) == (2, 2)
    everything = [{"Key": "a/b", "VersionId": version} for version in (*found, *markers)]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": everything})
    assert sorted(item["VersionId"] for item in answer["Deleted"]) == sorted([*found, *markers])
    assert versions(s3, bucket) == ([], [])
    s3.delete_bucket(Bucket=bucket)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    children = Children()
    yield Cloud("http://127.0.0.1:1", tmp_path, children)
    children.close()


def test_appending_to_a_log_neither_waits_nor_raises(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sandbox.cloud.monitoring.logs.MOST_WAITING", 3)
    logs, scope = LogStore(cloud), Scope("123456789012", "us-west-2")
    written: list[str] = []
    busy, let_go = threading.Event(), threading.Event()

    def write(entry: Any) -> None:
        busy.set()
        assert let_go.wait(20)
        written.extend(entry.lines)
        if entry.lines == ["1"]:
            raise ValueError("refused")

    monkeypatch.setattr(logs, "_write", write)
    logs.start()
    logs.append(scope, "group", "stream", ["0", ""])
    assert busy.wait(20)
    for number in range(1, 6):
        logs.append(scope, "group", "stream", [str(number)])
    let_go.set()
    logs.stop()
    assert written == ["0", "1", "2", "3"]
    assert "2 log lines came too fast and were dropped" in caplog.text
    assert "lines for group could not be written" in caplog.text
