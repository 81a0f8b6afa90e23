"""What evidence is judged from: answers of the present version only, and latencies from the fairest place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.common.comparison import Comparison
from functions.common.payload import Payload
from functions.common.records import ComparisonRecord, ProductionSide, ShadowSide
from model_package.manifest import Manifest
from release import comparing
from release.comparing import Candidate
from release.console import Output
from release.errors import MissingError
from release.estimates import Percentiles
from release.production import Baseline
from tests.unit.release.conftest import World, arn, package

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DIGEST, OWN = "4" * 64, "1" * 64
BASE = Baseline(arn(1), "tumor-triage-prod", NOW)
MANIFEST = Manifest.model_validate(
    {
        "schema": 1,
        "framework": {"name": "xgboost", "version": "3.0-5"},
        "contentTypes": ["text/csv"],
        "sample": {"contentType": "text/csv", "body": "1,2"},
        "quality": {"task": "classification", "threshold": 0.9, "label": "label"},
        "comparison": {"minimumPairs": 60, "columns": ["label", "probability"]},
    }
)


def record(number: int, digest: str = DIGEST, minutes: int = 1) -> ComparisonRecord:
    answer = Payload(b'{"label": 1}', "application/json")
    return ComparisonRecord(
        service="tumor-triage",
        event_id=f"event-{number}",
        inference_id=f"inference-{number}",
        inference_time=NOW + timedelta(minutes=minutes),
        request_digest=f"{number}",
        production=ProductionSide("ProductionVariant", answer),
        shadow=ShadowSide(digest, answer, 200, 5.0),
        comparison=Comparison("match", 0.0),
        transform=False,
    )


class Store:
    """Objects by prefix, in memory."""

    def __init__(self, records: list[ComparisonRecord], own: list[ComparisonRecord]) -> None:
        self.objects = {
            f"comparisons/tumor-triage/{DIGEST}/": [record.to_json() for record in records],
            f"comparisons/tumor-triage/{OWN}/": [record.to_json() for record in own],
            "ground-truth/tumor-triage/": [
                f'{{"groundTruthData": {{"data": "1", "encoding": "CSV"}}, "eventMetadata": '
                f'{{"eventId": "inference-{number}"}}, "eventVersion": "0"}}'
                for number in range(100)
            ],
        }

    def keys(self, bucket: str, prefix: str, since: datetime | None = None) -> list[str]:
        return [prefix]

    def lines(self, bucket: str, keys: list[str]) -> list[bytes]:
        return [line.encode() for key in keys for line in self.objects[key]]

    def written(self, bucket: str, prefix: str) -> list[datetime]:
        return [NOW + timedelta(minutes=5)] if self.objects[prefix] else []


@pytest.fixture
def found(world: World, monkeypatch: pytest.MonkeyPatch) -> Candidate:
    world.packages[arn(1)] = package(1)
    world.engine.outputs = {"recordsBucket": "records", "trainingBucket": "training"}
    world.file.write_text(world.file.read_text() + "  understudy:replay: {source: captures}\n")
    monkeypatch.setattr(comparing, "describe", lambda name: world.packages[name])
    return Candidate("tumor-triage", DIGEST, arn(4), "tumor-triage-shadow", world.project.environment("prod"), MANIFEST)


@pytest.fixture
def latencies(monkeypatch: pytest.MonkeyPatch) -> dict[str, Percentiles]:
    """ModelLatency by endpoint."""
    known = {"tumor-triage-prod": Percentiles(10.0, 20.0, 500), "tumor-triage-shadow": Percentiles(10.1, 20.0, 500)}
    monkeypatch.setattr(comparing, "model_latency", lambda endpoint, *window: known.get(endpoint))
    return known


def judge(found: Candidate, records: list[ComparisonRecord], own: list[ComparisonRecord]) -> Any:
    return comparing._judge_against(found, BASE, Store(records, own), Output())  # type: ignore[arg-type]


def test_pairs_labels_and_latencies_make_the_evidence(found: Candidate, latencies: dict[str, Percentiles]) -> None:
    evidence = judge(found, [record(number) for number in range(100)], [])
    assert (evidence.verdict, evidence.baseline, evidence.candidate_digest) == ("pass", "production", DIGEST)
    assert (evidence.counts.pairs, evidence.counts.labelled) == (100, 100)
    assert evidence.latency.ratio.estimate == pytest.approx(1.01)
    assert evidence.noise_floor is None


def test_columns_of_a_csv_answer_come_from_the_manifest(found: Candidate) -> None:
    assert found.manifest.comparison.columns == found.rules.quality.columns == ("label", "probability")


def test_what_an_earlier_version_answered_is_left_out(found: Candidate, latencies: dict[str, Percentiles]) -> None:
    records = [record(number, minutes=-1 if number < 50 else 1) for number in range(100)]
    evidence = judge(found, records, [])
    assert evidence.counts.pairs == 50
    assert evidence.verdict == "inconclusive"
    with pytest.raises(MissingError, match="was compared with the candidate yet"):
        judge(found, records[:50], [])


def test_production_in_shadow_is_the_fairer_latency_and_the_noise_floor(
    found: Candidate, latencies: dict[str, Percentiles]
) -> None:
    """Production's machines are three times as quick; in shadow the two versions are alike."""
    latencies["tumor-triage-prod"] = Percentiles(3.0, 20.0, 500)
    records = [record(number) for number in range(100)]
    assert judge(found, records, []).verdict == "fail"
    evidence = judge(found, records, [record(number, OWN) for number in range(80)])
    assert evidence.verdict == "pass"
    assert evidence.latency.ratio.estimate == pytest.approx(1.0)
    assert evidence.noise_floor.pairs == 80


def test_without_any_latency_there_is_no_pass(found: Candidate, latencies: dict[str, Percentiles]) -> None:
    latencies.clear()
    evidence = judge(found, [record(number) for number in range(100)], [])
    assert evidence.verdict == "inconclusive"
    assert any("no latency of production" in reason for reason in evidence.reasons)
