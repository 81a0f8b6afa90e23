"""The replay function from SQS event to objects in S3: promises 28, 29 and 30."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from functions.common.environment import WrongEnvironmentError
from functions.common.pacing import Pacer
from functions.common.records import ComparisonRecord
from functions.replay import handler as function
from functions.replay.ledger import CaptureFile, S3Ledger
from functions.replay.replayer import PartReport, Replayer
from functions.replay.settings import ReplaySettings
from functions.replay.shadow import ShadowEndpoint
from tests.unit.functions.captures import KEY, capture_line
from tests.unit.functions.test_shadow import Runtime, error

ENVIRONMENT = {
    "SERVICE": "tumor-triage",
    "ENDPOINT_NAME": "tumor-triage-shadow",
    "ARTIFACT_DIGEST": "d" * 64,
    "RECORDS_BUCKET": "records",
    "TRAFFIC_PERCENT": "100",
    "MAX_REQUESTS_PER_SECOND": "20000",
    "SPEED": "0",
    "MAX_CONCURRENCY": "2",
    "COMPARISON_RULES": '{"ignoredFields": ["probability"], "minimumPairs": 500}',
    "SOURCE_PREFIX": "capture/tumor-triage-prod/ProductionVariant/",
}
FOLDER = KEY.rpartition("/")[0]


@dataclass
class Context:
    remaining_ms: int = 300_000
    function_name: str = "replay"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-west-2:111111111111:function:replay"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@dataclass
class Stage:
    """Capture and records buckets, and a worker whose endpoint fails as told."""

    s3: Any
    runtime: Runtime

    def capture(self, name: str, lines: list[bytes]) -> str:
        key = f"{FOLDER}/{name}.jsonl"
        self.s3.put_object(Bucket="captures", Key=key, Body=b"".join(lines))
        return message(key)

    def call(self, *bodies: str, context: Context | None = None) -> list[str]:
        """Identifiers of the messages that go back to the queue."""
        response = function.handler(sqs_event(bodies), context or Context())  # type: ignore[arg-type]
        return [str(failure["itemIdentifier"]) for failure in response["batchItemFailures"]]

    def keys(self, prefix: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket="records", Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in found]

    def records(self) -> list[ComparisonRecord]:
        lines = [line for key in self.keys("comparisons/") for line in self.read(key)]
        return [ComparisonRecord.from_json(line) for line in lines]

    def read(self, key: str) -> list[bytes]:
        body: bytes = self.s3.get_object(Bucket="records", Key=key)["Body"].read()
        return body.splitlines()


def message(key: str) -> str:
    detail = {"bucket": {"name": "captures"}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


def sqs_event(bodies: tuple[str, ...]) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-west-2:111111111111:replay",
                "awsRegion": "us-west-2",
            }
            for number, body in enumerate(bodies, start=1)
        ]
    }


@pytest.fixture
def stage(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    s3: Any = boto3.client("s3")
    for bucket in ("captures", "records"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    runtime = Runtime(iter(()))
    settings = ReplaySettings.from_environment(ENVIRONMENT)
    with ThreadPoolExecutor(4) as executor:
        worker = function.Worker(
            settings,
            s3,
            Replayer(
                settings,
                # No real pauses: a retry's pause is drawn as zero.
                ShadowEndpoint(runtime, settings.endpoint_name, jitter=lambda low, high: 0.0),
                S3Ledger(s3, "records", "tumor-triage", "d" * 64),
                Pacer(settings.requests_per_second),
                executor,
                lambda report: function.publish("tumor-triage", report),
            ),
        )
        monkeypatch.setattr(function, "worker", lambda: worker)
        yield Stage(s3, runtime)


def metrics(output: str) -> dict[str, float]:
    """Sum of each metric in the embedded metric format on stdout."""
    total: dict[str, float] = {}
    for line in output.splitlines():
        value = json.loads(line)
        if "_aws" in value:
            (directive,) = value["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == "Understudy"
            assert directive["Dimensions"] == [["Service"]]
            assert value["Service"] == "tumor-triage"
            for metric in directive["Metrics"]:
                total[metric["Name"]] = total.get(metric["Name"], 0) + sum(value[metric["Name"]])
    return total


def test_of_ten_messages_with_one_poison_nine_are_done_and_one_comes_back(
    stage: Stage, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bodies = [stage.capture(f"file-{n}", [capture_line(n, answer="1")]) for n in range(1, 10)]
    bodies.insert(4, "{poison")
    assert stage.call(*bodies) == ["message-5"]
    assert sorted(record.event_id for record in stage.records()) == [f"event-{n}" for n in range(1, 10)]
    # Only the poison is tried again, until the queue moves it to its dead-letter queue.
    assert stage.call("{poison") == ["message-1"]
    assert len(stage.runtime.calls) == 9
    assert metrics(capsys.readouterr().out)["Replayed"] == 9
    assert "message body is no S3 event" in caplog.text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{}", "detail.bucket.name is missing"),
        ('{"detail": {"bucket": {"name": "b"}, "object": {}}}', "detail.object.key is missing"),
        (message("capture/another-prod/ProductionVariant/2026/11/23/12/f.jsonl"), "is not under SOURCE_PREFIX"),
        (message(f"{FOLDER}/gone.jsonl"), "NoSuchKey"),
        (message("capture/tumor-triage-prod/ProductionVariant/f.jsonl"), "NoSuchKey"),
    ],
)
def test_a_message_that_cannot_be_served_comes_back_and_says_why(
    stage: Stage, body: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert stage.call(body) == ["message-1"]
    assert reason in caplog.text
    assert stage.keys("") == []


def test_one_message_five_times_and_twice_in_parallel_has_one_effect(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    body = stage.capture("file", [capture_line(n) for n in range(1, 251)])
    with ThreadPoolExecutor(2) as two:
        assert list(two.map(lambda _: stage.call(body), range(2))) == [[], []]
    for _ in range(4):
        assert stage.call(body) == []
    assert len(stage.records()) == len({record.event_id for record in stage.records()}) == 250
    assert metrics(capsys.readouterr().out)["Replayed"] == 250
    identity = CaptureFile(
        "captures", f"{FOLDER}/file.jsonl", stage.s3.head_object(Bucket="captures", Key=f"{FOLDER}/file.jsonl")["ETag"]
    ).identity
    folder = f"comparisons/tumor-triage/{'d' * 64}/2026/11/23/12"
    assert stage.keys("comparisons/") == [f"{folder}/{identity}-{line:08d}.jsonl" for line in (1, 201)]


def test_thirty_percent_throttling_brings_no_message_back(stage: Stage) -> None:
    chance = random.Random(7)

    def failures() -> Iterator[Any]:
        while True:
            yield error("ThrottlingException", 400) if chance.random() < 0.3 else None

    stage.runtime.failures = failures()
    body = stage.capture("file", [capture_line(n) for n in range(1, 501)])
    assert stage.call(body) == []
    assert len(stage.records()) == 500
    assert all(record.shadow.status == 200 for record in stage.records())
    assert len(stage.runtime.calls) > 600


def test_model_errors_are_recorded_against_the_model(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.runtime.failures = iter([error("ModelError", 424, OriginalMessage="boom")])
    assert stage.call(stage.capture("file", [capture_line(1), capture_line(2)])) == []
    assert sorted(record.comparison.verdict for record in stage.records()) == ["mismatch", "shadow_error"]
    assert metrics(capsys.readouterr().out) | {"ShadowLatency": 0} == {
        "Replayed": 2,
        "Mismatches": 1,
        "ShadowErrors": 1,
        "DeadLetters": 0,
        "ShadowLatency": 0,
    }


def test_malformed_lines_end_in_the_dead_letter_folder(stage: Stage) -> None:
    body = stage.capture("file", [capture_line(1), b"{broken\n", capture_line(3)])
    assert stage.call(body) == []
    (key,) = stage.keys("dead-letter/tumor-triage/2026/11/23/12/")
    (line,) = stage.read(key)
    letter = json.loads(line)
    assert letter["source"] == f"s3://captures/{FOLDER}/file.jsonl"
    assert (letter["line"], letter["excerpt"]) == (2, "{broken")
    assert letter["reason"].startswith("not JSON")
    assert {record.event_id for record in stage.records()} == {"event-1", "event-3"}


def test_without_time_the_message_comes_back_and_the_next_call_finishes(stage: Stage) -> None:
    body = stage.capture("file", [capture_line(1)])
    assert stage.call(body, context=Context(remaining_ms=0)) == ["message-1"]
    assert stage.records() == []
    assert stage.call(body) == []
    assert len(stage.records()) == 1


def test_metrics_keep_every_latency_beyond_a_hundred(capsys: pytest.CaptureFixture[str]) -> None:
    function.publish("tumor-triage", PartReport(150, 0, 0, 0, [2.0] * 150))
    assert metrics(capsys.readouterr().out)["ShadowLatency"] == 300


@pytest.mark.parametrize(
    ("name", "value", "message_"),
    [
        ("SERVICE", "", "SERVICE is not set on this function: deploy the stack again"),
        ("TRAFFIC_PERCENT", "101", "TRAFFIC_PERCENT is '101', must be a number at least 0 and at most 100"),
        ("MAX_REQUESTS_PER_SECOND", "0", "MAX_REQUESTS_PER_SECOND is '0', must be a number greater than 0"),
        ("SPEED", "fast", "SPEED is 'fast', must be a number at least 0"),
        ("COMPARISON_RULES", '{"x": 1}', "COMPARISON_RULES: comparison rules have unknown keys: x"),
    ],
)
def test_a_wrong_environment_names_the_variable(name: str, value: str, message_: str) -> None:
    with pytest.raises(WrongEnvironmentError, match=message_):
        ReplaySettings.from_environment(ENVIRONMENT | {name: value})


def test_the_rate_is_shared_among_the_workers() -> None:
    assert ReplaySettings.from_environment(ENVIRONMENT).requests_per_second == 10_000


def test_the_worker_is_built_from_the_environment(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    function.worker.cache_clear()
    worker = function.worker()
    try:
        assert worker.settings == ReplaySettings.from_environment(ENVIRONMENT)
        assert worker.replayer.transform is None
    finally:
        worker.replayer.executor.shutdown()
        function.worker.cache_clear()
