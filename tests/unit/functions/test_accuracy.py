"""Labels joined with captured predictions: early, late, of an older version, twice, malformed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from functions.accuracy.handler import Accuracy, WrongGroundTruthError
from functions.accuracy.joiner import Settled
from functions.accuracy.predictions import CapturedPredictions, hours_back
from functions.accuracy.settings import AccuracySettings
from functions.common.environment import WrongEnvironmentError
from functions.common.s3_event import NotAnObjectEventError
from tests.unit.functions.captures import capture_line

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
DEPLOYED = datetime(2026, 11, 23, 12, 0, 0, 500_000, tzinfo=UTC)
PREFIX = "capture/tumor-triage-prod/ProductionVariant/"
ENVIRONMENT = {
    "SERVICE": "tumor-triage",
    "ENDPOINT_NAME": "tumor-triage-prod",
    "VARIANT_NAME": "ProductionVariant",
    "CAPTURE_BUCKET": "captures",
    "CAPTURE_PREFIX": PREFIX,
    "TASK": "classification",
    "TOLERANCE": "0",
    "LABEL": "label",
    "DEPLOYMENT_PARAMETER": "/understudy/prod/tumor-triage/deployment",
}


@dataclass
class CloudWatch:
    """What was published; raises once where told to."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0

    def put_metric_data(self, **call: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise ClientError({"Error": {"Code": "Throttling", "Message": "slow down"}}, "PutMetricData")
        self.calls.append(call)

    def total(self, name: str) -> dict[float, float]:
        """Counts by value of a metric."""
        counts: dict[float, float] = {}
        for call in self.calls:
            assert call["Namespace"] == "Understudy"
            for metric in call["MetricData"]:
                assert metric["Dimensions"] == [
                    {"Name": "EndpointName", "Value": "tumor-triage-prod"},
                    {"Name": "VariantName", "Value": "ProductionVariant"},
                ]
                if metric["MetricName"] == name:
                    for value, count in zip(metric["Values"], metric["Counts"], strict=True):
                        counts[value] = counts.get(value, 0) + count
        return counts


class Ssm:
    def get_parameter(self, **call: Any) -> dict[str, Any]:
        assert call == {"Name": "/understudy/prod/tumor-triage/deployment"}
        value = {"modelPackageArn": "arn:7", "strategy": "canary", "rollback": "automatic"}
        return {"Parameter": {"Value": json.dumps(value), "LastModifiedDate": DEPLOYED}}


class CountingS3:
    """boto3's client, with the keys that were read."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.read: list[str] = []

    def get_object(self, **call: Any) -> Any:
        self.read.append(call["Key"])
        return self._client.get_object(**call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@dataclass
class Stage:
    s3: CountingS3
    cloudwatch: CloudWatch
    accuracy: Accuracy

    def capture(self, *lines: bytes, hour: str = "2026/11/23/12", name: str = "part-1") -> None:
        self.s3.put_object(Bucket="captures", Key=f"{PREFIX}{hour}/{name}.jsonl", Body=b"".join(lines))

    def labels(self, *lines: dict[str, Any] | str, name: str = "labels", now: datetime = NOW) -> Settled:
        key = f"ground-truth/tumor-triage/2026/11/23/12/{name}.jsonl"
        body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        self.s3.put_object(Bucket="captures", Key=key, Body=body.encode())
        return self.accuracy.on_event(created(key), now)

    def keys(self, prefix: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket="captures", Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in found]


def created(key: str) -> dict[str, Any]:
    detail = {"bucket": {"name": "captures"}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def label(event_id: str, truth: str = "1", **metadata: str) -> dict[str, Any]:
    return {
        "groundTruthData": {"data": truth, "encoding": "CSV"},
        "eventMetadata": {"eventId": event_id, **metadata},
        "eventVersion": "0",
    }


@pytest.fixture
def stage(aws: None) -> Iterator[Stage]:
    client: Any = boto3.client("s3")
    client.create_bucket(Bucket="captures", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3, cloudwatch = CountingS3(client), CloudWatch()
    settings = AccuracySettings.from_environment(ENVIRONMENT)
    predictions = CapturedPredictions(s3, "captures", settings.capture_prefix)
    yield Stage(s3, cloudwatch, Accuracy(settings, s3, Ssm(), cloudwatch, predictions))


def test_one_value_a_label_by_inference_id_or_event_id(stage: Stage) -> None:
    stage.capture(*(capture_line(n, inference_id=f"i-{n}") for n in range(1, 11)))
    names = [label(f"i-{n}") for n in range(1, 7)] + [label("event-7"), label("event-8", truth="0")]
    assert stage.labels(*names) == Settled(right=7, wrong=1)
    assert stage.cloudwatch.total("PredictionAccuracy") == {1.0: 7, 0.0: 1}
    assert stage.cloudwatch.total("UnmatchedLabels") == {0.0: 1}
    assert stage.keys("label-joins/tumor-triage/open/") == []


def test_the_same_file_counts_once_however_often_it_is_told(stage: Stage) -> None:
    stage.capture(capture_line(1))
    for _ in range(3):
        stage.labels(label("event-1"))
    assert stage.cloudwatch.total("PredictionAccuracy") == {1.0: 1}


def test_predictions_of_the_version_before_never_accuse_the_current_one(stage: Stage) -> None:
    at = DEPLOYED.replace(microsecond=0)
    stage.capture(
        capture_line(1, at=at - timedelta(minutes=10)),
        capture_line(2, at=at),
        capture_line(3, at=at + timedelta(seconds=1)),
    )
    settled = stage.labels(*(label(f"event-{n}", truth="0") for n in (1, 2, 3)))
    assert settled == Settled(wrong=1, superseded=2)
    assert stage.cloudwatch.total("PredictionAccuracy") == {0.0: 1}


def test_labels_that_come_before_the_capture_are_counted_when_it_is_there(stage: Stage) -> None:
    stage.capture(capture_line(1))
    assert stage.labels(label("event-1"), label("event-2", truth="0")) == Settled(right=1)
    assert len(stage.keys("label-joins/tumor-triage/open/")) == 1
    stage.capture(capture_line(2), capture_line(3), name="part-2")
    settled = stage.labels(label("event-3"), name="later", now=NOW + timedelta(minutes=2))
    assert settled == Settled(right=1, wrong=1)
    assert stage.cloudwatch.total("PredictionAccuracy") == {1.0: 2, 0.0: 1}
    assert stage.keys("label-joins/tumor-triage/open/") == []


def test_a_schedule_looks_at_what_is_open_and_gives_up_after_an_hour(stage: Stage) -> None:
    stage.labels(label("event-1"))
    tick = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    assert stage.accuracy.on_event(tick, NOW + timedelta(minutes=59)) == Settled()
    assert stage.accuracy.on_event(tick, NOW + timedelta(minutes=60)) == Settled(unmatched=1)
    assert stage.accuracy.on_event(tick, NOW + timedelta(minutes=61)) == Settled()
    assert stage.cloudwatch.total("UnmatchedLabels") == {0.0: 1, 1.0: 1}
    assert stage.cloudwatch.total("PredictionAccuracy") == {}


def test_labels_are_open_again_when_they_could_not_be_published(stage: Stage) -> None:
    stage.capture(capture_line(1))
    stage.cloudwatch.failures = 1
    with pytest.raises(ClientError, match="slow down"):
        stage.labels(label("event-1"))
    assert stage.accuracy.on_event(created("ground-truth/tumor-triage/2026/11/23/12/labels.jsonl"), NOW) == Settled(
        right=1
    )
    assert stage.cloudwatch.total("PredictionAccuracy") == {1.0: 1}


def test_bad_labels_do_not_stop_the_good_ones(stage: Stage) -> None:
    stage.capture(capture_line(1), capture_line(2))
    assert stage.labels("{broken", label("event-1"), label("event-2", truth="")) == Settled(right=1, unusable=2)
    assert stage.cloudwatch.total("UnusableLabels") == {2.0: 1}


def test_a_prediction_that_production_did_not_give_is_wrong(stage: Stage) -> None:
    stage.capture(capture_line(1, answer=None))
    assert stage.labels(label("event-1")) == Settled(wrong=1)


def test_files_are_read_once_and_only_as_far_back_as_needed(stage: Stage) -> None:
    stage.capture(capture_line(1))
    stage.capture(capture_line(2), hour="2026/11/23/11")
    stage.labels(label("event-1"), name="one")
    stage.labels(label("event-1"), name="two")
    reads = [key for key in stage.s3.read if key.startswith("capture/")]
    assert reads == [f"{PREFIX}2026/11/23/12/part-1.jsonl"]


def test_a_label_s_own_time_names_the_hours_to_read(stage: Stage) -> None:
    stage.capture(capture_line(1), hour="2026/11/20/08")
    stage.capture(capture_line(2))
    old = label("event-1", inferenceTime="2026-11-20T08:15:00Z")
    assert stage.labels(old) == Settled(right=1)
    assert [key for key in stage.s3.read if key.startswith("capture/")] == [f"{PREFIX}2026/11/20/08/part-1.jsonl"]


def test_a_label_of_an_old_time_without_prediction_is_superseded_at_once(stage: Stage) -> None:
    assert stage.labels(label("event-9", inferenceTime="2026-11-20T08:15:00Z")) == Settled(superseded=1)


def test_what_was_read_is_bounded(stage: Stage) -> None:
    predictions = CapturedPredictions(stage.s3, "captures", PREFIX, kept_predictions=1)
    stage.capture(capture_line(1), name="a")
    stage.capture(capture_line(2), name="b")
    for _ in range(2):
        assert set(predictions.find({"event-1", "event-2"}, [NOW])) == {"event-1", "event-2"}
    assert len(stage.s3.read) == 4


def test_hours_back_includes_both_ends() -> None:
    oldest = datetime(2026, 11, 23, 10, 59, tzinfo=UTC)
    assert [hour.hour for hour in hours_back(NOW, oldest)] == [12, 11, 10]


def test_another_file_and_another_event_are_refused(stage: Stage) -> None:
    with pytest.raises(WrongGroundTruthError, match=r"'other/x\.jsonl' is not under 'ground-truth/tumor-triage/'"):
        stage.accuracy.on_event(created("other/x.jsonl"), NOW)
    with pytest.raises(NotAnObjectEventError, match=r"detail\.bucket\.name is missing"):
        stage.accuracy.on_event({}, NOW)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TASK", "ranking", "TASK is 'ranking', must be one of classification, regression"),
        ("LABEL", "", "LABEL is not set on this function"),
    ],
)
def test_a_wrong_environment_names_the_variable(name: str, value: str, message: str) -> None:
    with pytest.raises(WrongEnvironmentError, match=message):
        AccuracySettings.from_environment(ENVIRONMENT | {name: value})
