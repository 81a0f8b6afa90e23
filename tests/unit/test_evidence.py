"""Evidence: what passes, what fails, and what stays open for want of data."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from functions.common.comparison import SHADOW_ERROR, Rules, compare
from functions.common.payload import Payload
from functions.common.records import ComparisonRecord, ProductionSide, ShadowSide
from release.estimates import Percentiles
from release.evidence import (
    Evidence,
    EvidenceRules,
    QualityRule,
    Trial,
    UnpairedLatency,
    WrongRecordsError,
    judge,
    judge_without_baseline,
    noise_floor,
)
from release.evidence_document import digest_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DIGEST = "d" * 64
RULES = EvidenceRules(quality=QualityRule(task="classification", label="label", threshold=0.9))
SAME_LATENCY = UnpairedLatency(Percentiles(5, 12, 1000), Percentiles(5, 12, 1000))


def answer(label: int) -> Payload:
    return Payload(json.dumps({"label": label}).encode(), "application/json")


def record(number: int, **changes: Any) -> ComparisonRecord:
    """One pair; 200 distinct requests, then they repeat."""
    production, shadow = answer(changes.get("production", 1)), answer(changes.get("shadow", 1))
    status = changes.get("status", 200)
    return ComparisonRecord(
        service=changes.get("service", "tumor-triage"),
        event_id=f"event-{number}",
        inference_id=f"i-{number}",
        inference_time=NOW,
        request_digest=f"request-{number % changes.get('distinct', 200)}",
        production=ProductionSide("ProductionVariant", production, changes.get("production_ms")),
        shadow=ShadowSide(changes.get("digest", DIGEST), shadow, status, changes.get("shadow_ms", 5.0)),
        comparison=compare(production, shadow, Rules()) if status == 200 else SHADOW_ERROR,
        transform=False,
    )


def records(
    count: int, change: Callable[[int], dict[str, Any]] = lambda number: {}, **all_: Any
) -> list[ComparisonRecord]:
    return [record(number, **{**all_, **change(number)}) for number in range(count)]


def judged(pairs: list[ComparisonRecord], **options: Any) -> Evidence:
    given: dict[str, Any] = {"rules": RULES, "latency": SAME_LATENCY} | options
    return judge(pairs, service="tumor-triage", candidate_digest=DIGEST, judged_at=NOW, **given)


def outcomes(evidence: Evidence) -> dict[str, str]:
    return {finding.rule: finding.outcome for finding in evidence.findings}


def truths(labels: dict[int, int]) -> dict[str, Payload]:
    return {f"i-{number}": Payload(str(truth).encode(), "text/csv") for number, truth in labels.items()}


def test_the_same_model_passes() -> None:
    evidence = judged(records(600))
    assert evidence.verdict == "pass"
    assert (evidence.counts.pairs, evidence.counts.distinct_requests, evidence.counts.matches) == (600, 200, 600)
    assert evidence.agreement is not None
    assert evidence.agreement.estimate == 1
    assert outcomes(evidence) == {"data": "pass", "errors": "pass", "agreement": "pass", "latency": "pass"}


@pytest.mark.parametrize(("count", "distinct"), [(0, 200), (499, 200), (600, 49)])
def test_too_little_data_is_inconclusive_however_good_it_looks(count: int, distinct: int) -> None:
    evidence = judged(records(count, distinct=distinct))
    assert evidence.verdict == "inconclusive"
    assert (
        f"{count} pairs of {min(count, distinct)} distinct requests (needed: 500 pairs, 50 distinct"
        in evidence.reasons[0]
    )


def test_a_request_recorded_twice_counts_once() -> None:
    evidence = judged(records(400) + records(400))
    assert (evidence.counts.records, evidence.counts.pairs, evidence.verdict) == (800, 400, "inconclusive")


def test_other_answers_fail_with_the_numbers() -> None:
    evidence = judged(records(600, lambda n: {"shadow": n % 2}))
    assert evidence.verdict == "fail"
    assert evidence.reasons == ("agreement 50.00% [43.14%, 56.86%], at least 90.00% needed",)
    assert evidence.drift is not None
    assert (evidence.drift.production_mean, evidence.drift.candidate_mean, evidence.drift.mean_distance) == (
        1,
        0.5,
        0.5,
    )


def test_agreement_that_may_be_chance_is_inconclusive() -> None:
    # 178 of 200 distinct requests: 89%, and 90% is well inside the interval.
    evidence = judged(records(600, lambda n: {"shadow": 0 if n % 200 < 22 else 1}))
    assert outcomes(evidence)["agreement"] == "inconclusive"
    assert evidence.verdict == "inconclusive"


@pytest.mark.parametrize(("failing", "outcome"), [(6, "pass"), (8, "inconclusive"), (30, "fail")])
def test_errors_are_judged_by_size_and_certainty(failing: int, outcome: str) -> None:
    evidence = judged(records(600, lambda n: {"status": 424} if n < failing else {}))
    assert outcomes(evidence)["errors"] == outcome
    assert evidence.counts.shadow_errors == failing


def test_a_better_candidate_passes_although_its_answers_differ() -> None:
    """Production is right on 80%, the candidate on all: agreement 80% is no fault."""
    pairs = records(600, lambda n: {"production": 0 if n % 5 == 0 else 1})
    labels = truths(dict.fromkeys(range(600), 1))
    without, evidence = judged(pairs), judged(pairs, labels=labels)
    assert without.verdict == "fail"
    assert evidence.verdict == "pass"
    assert evidence.quality is not None
    assert (evidence.quality.rows, evidence.quality.only_candidate_right, evidence.quality.only_production_right) == (
        200,
        40,
        0,
    )
    assert any("labels show that the candidate is not worse" in reason for reason in evidence.reasons)


def test_a_better_candidate_may_pass_below_the_threshold() -> None:
    """Production 60%, candidate 80%, threshold 90%: refusing would keep the worse one."""
    pairs = records(600, lambda n: {"production": int(n % 5 < 3), "shadow": int(n % 5 < 4)})
    evidence = judged(pairs, labels=truths(dict.fromkeys(range(600), 1)))
    assert (outcomes(evidence)["quality"], evidence.verdict) == ("pass", "pass")


def test_a_worse_candidate_fails_by_its_labels() -> None:
    pairs = records(600, lambda n: {"shadow": 0 if n % 10 == 0 else 1})
    evidence = judged(pairs, labels=truths(dict.fromkeys(range(600), 1)))
    assert evidence.verdict == "fail"
    assert evidence.reasons[0].startswith("quality 90.00%")
    assert "only production right: 20, only the candidate: 0" in evidence.reasons[0]
    assert "p of worse = 4.8e-07" in evidence.reasons[0]


def test_a_crash_is_a_wrong_answer() -> None:
    pairs = records(600, lambda n: {"status": 424} if n % 4 == 0 else {})
    evidence = judged(pairs, labels=truths(dict.fromkeys(range(600), 1)))
    assert evidence.quality is not None
    assert evidence.quality.candidate.estimate == 0.75


def test_few_or_undecided_labels_leave_it_to_agreement() -> None:
    few = judged(records(600), labels=truths(dict.fromkeys(range(49), 1)))
    assert "quality" not in outcomes(few)
    assert (few.counts.labelled, few.verdict) == (49, "pass")
    labels = truths(dict.fromkeys(range(60), 1))
    undecided = judged(records(600, lambda n: {"shadow": 0 if n % 200 < 2 else 1}), labels=labels)
    assert "quality" not in outcomes(undecided)
    assert undecided.verdict == "pass"
    # Four of sixty are more than the margin, but may be chance.
    doubtful = judged(records(600, lambda n: {"shadow": 0 if n % 200 < 4 else 1}), labels=labels)
    assert (outcomes(doubtful)["quality"], doubtful.verdict) == ("inconclusive", "inconclusive")


def test_labels_that_cannot_be_used_are_counted() -> None:
    evidence = judged(records(600), labels={"i-1": Payload(b"", "text/csv")})
    assert (evidence.counts.unusable_labels, evidence.counts.labelled) == (1, 0)


def latencies(slower: float, seed: int = 1) -> Callable[[int], dict[str, Any]]:
    random = np.random.default_rng(seed)
    first, second = random.lognormal(1, 0.4, 600), random.lognormal(1, 0.4, 600) * slower
    return lambda n: {"production_ms": float(first[n]), "shadow_ms": float(second[n])}


@pytest.mark.parametrize(("slower", "outcome"), [(0.8, "pass"), (1.0, "pass"), (1.04, "pass"), (1.25, "fail")])
def test_paired_latency_needs_significance_and_effect(slower: float, outcome: str) -> None:
    evidence = judged(records(600, latencies(slower)), latency=None)
    assert evidence.latency.basis == "paired"
    assert evidence.latency.ratio is not None
    assert evidence.latency.ratio.estimate == pytest.approx(slower, rel=0.06)
    assert outcomes(evidence)["latency"] == outcome


@pytest.mark.parametrize(
    ("candidate", "outcome"),
    [(Percentiles(5.2, 12, 1000), "pass"), (Percentiles(6.5, 15, 1000), "fail"), (Percentiles(6.5, 200, 501), "fail")],
)
def test_without_production_s_latency_the_basis_is_unpaired(candidate: Percentiles, outcome: str) -> None:
    evidence = judged(records(600), latency=UnpairedLatency(Percentiles(5, 12, 1000), candidate))
    assert evidence.latency.basis == "unpaired"
    assert outcomes(evidence)["latency"] == outcome


def test_a_large_ratio_that_may_be_chance_is_inconclusive() -> None:
    wide = UnpairedLatency(Percentiles(5, 500, 500), Percentiles(5.6, 560, 500))
    assert outcomes(judged(records(600), latency=wide))["latency"] == "inconclusive"


def test_without_the_candidate_s_metric_its_recorded_latencies_count() -> None:
    evidence = judged(records(600, shadow_ms=9.0), latency=UnpairedLatency(Percentiles(5, 12, 1000)))
    assert evidence.latency.candidate is not None
    assert (evidence.latency.candidate.p50_ms, outcomes(evidence)["latency"]) == (9.0, "fail")


@pytest.mark.parametrize("latency", [None, UnpairedLatency(Percentiles(5, 12, 499), Percentiles(5, 12, 1000))])
def test_no_latency_of_production_is_inconclusive(latency: UnpairedLatency | None) -> None:
    evidence = judged(records(600), latency=latency)
    assert (evidence.latency.basis, evidence.verdict) == ("none", "inconclusive")
    assert "no latency of production to compare with" in evidence.reasons[0]


def test_no_rule_asks_more_than_production_gives_itself() -> None:
    noise = noise_floor(records(600, lambda n: {"shadow": 0 if n % 200 < 30 else 1}))
    assert noise is not None
    assert noise.agreement.estimate == 0.85
    evidence = judged(records(600, lambda n: {"shadow": 0 if n % 200 < 30 else 1}), noise=noise)
    assert outcomes(evidence)["agreement"] == "pass"
    assert any("production's agreement with itself" in reason for reason in evidence.reasons)
    assert noise_floor([]) is None


def test_a_handful_of_pairs_of_noise_loosens_nothing() -> None:
    noise = noise_floor(records(499, lambda n: {"shadow": n % 2}))
    evidence = judged(records(600, lambda n: {"shadow": n % 2}), noise=noise)
    assert outcomes(evidence)["agreement"] == "fail"


def test_production_s_own_latency_noise_is_no_fault_of_the_candidate() -> None:
    noise = noise_floor(records(600, latencies(1.25)))
    evidence = judged(records(600, latencies(1.2)), latency=None, noise=noise)
    assert outcomes(evidence)["latency"] == "pass"
    assert any("production's ratio to itself" in reason for reason in evidence.reasons)


@pytest.mark.parametrize("change", [{"service": "other"}, {"digest": "e" * 64}])
def test_records_of_another_candidate_never_speak_for_this_one(change: dict[str, str]) -> None:
    with pytest.raises(WrongRecordsError, match="replay this candidate first"):
        judged([*records(600), record(601, **change)])


def test_identical_models_are_blocked_at_most_twice_in_a_hundred() -> None:
    """Promise 27 and failure 5 over the whole judgement."""
    verdicts = [judged(records(600, latencies(1.0, seed)), latency=None).verdict for seed in range(100)]
    assert verdicts.count("pass") >= 98


def test_the_document_carries_its_digest_and_comes_back_whole() -> None:
    evidence = judged(records(600, latencies(1.0)), labels=truths(dict.fromkeys(range(600), 1)))
    document = json.loads(json.dumps(evidence.document()))
    assert document["digest"] == evidence.digest == digest_of({k: v for k, v in document.items() if k != "digest"})
    assert (document["schema"], document["candidate_digest"], document["baseline"]) == (1, DIGEST, "production")
    assert Evidence.from_document(document) == evidence
    document["verdict"] = "fail"
    with pytest.raises(ValueError, match="it was changed after it was judged"):
        Evidence.from_document(document)
    with pytest.raises(ValidationError, match="frozen"):
        evidence.verdict = "fail"  # type: ignore[misc]


def trials(count: int, wrong: int = 0, failed: int = 0, latency_ms: float = 5.0) -> list[Trial]:
    truth = Payload(b"1", "text/csv")
    return [
        Trial(f"request-{n}", None, 424, latency_ms, truth)
        if n < failed
        else Trial(f"request-{n}", answer(0 if n < failed + wrong else 1), 200, latency_ms, truth)
        for n in range(count)
    ]


def first(given: list[Trial], rules: EvidenceRules = RULES) -> Evidence:
    return judge_without_baseline(given, rules, service="tumor-triage", candidate_digest=DIGEST, judged_at=NOW)


@pytest.mark.parametrize(
    ("given", "verdict", "rule"),
    [
        (trials(114, wrong=5), "pass", "quality"),
        (trials(114, wrong=15), "inconclusive", "quality"),
        (trials(114, wrong=60), "fail", "quality"),
        (trials(49), "inconclusive", "quality"),
        (trials(114, failed=10), "fail", "errors"),
        ([], "inconclusive", "quality"),
    ],
)
def test_a_first_version_is_judged_by_absolute_rules(given: list[Trial], verdict: str, rule: str) -> None:
    evidence = first(given)
    assert (evidence.baseline, evidence.verdict) == ("none", verdict)
    assert outcomes(evidence)[rule] == verdict
    assert Evidence.from_document(evidence.document()) == evidence


def test_a_first_version_without_labels_is_inconclusive() -> None:
    unlabelled = [Trial(f"r-{n}", answer(1), 200, 5.0) for n in range(200)]
    assert first(unlabelled).reasons == ("no held-out rows with labels, so no quality",)


@pytest.mark.parametrize(("limit", "outcome"), [(None, "pass"), (20.0, "pass"), (4.0, "fail")])
def test_a_first_version_s_latency_has_an_absolute_limit(limit: float | None, outcome: str) -> None:
    rules = RULES.model_copy(update={"maximum_latency_p99_ms": limit})
    assert outcomes(first(trials(114), rules))["latency"] == outcome
