"""Evidence: is the candidate as good as production on the same requests? Pure; plain data in, a frozen document out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from functions.common.comparison import number
from functions.common.payload import Payload, UnreadablePayloadError
from functions.common.quality import NoSuchValueError, Quality
from functions.common.records import ComparisonRecord
from release import findings, statistics
from release.estimates import Percentiles
from release.evidence_document import (
    Counts,
    Drift,
    Estimate,
    Evidence,
    EvidenceRules,
    Finding,
    LatencyEvidence,
    LatencyPercentiles,
    NoiseFloor,
    QualityEvidence,
    QualityRule,
    verdict_of,
)

__all__ = [
    "Evidence",
    "EvidenceRules",
    "NoiseFloor",
    "QualityRule",
    "Trial",
    "UnpairedLatency",
    "judge",
    "judge_without_baseline",
    "noise_floor",
]


class WrongRecordsError(ValueError):
    """Records of another service or another candidate: old evidence never speaks for a new one."""


@dataclass(frozen=True)
class UnpairedLatency:
    """Production's and the candidate's ModelLatency over a window each, for captures without production's latency.

    Both from the same metric, so that they are measured at the same point; without the candidate's, the latencies in
    the records are taken, which were measured by the replaying client and so are never too favourable.
    """

    production: Percentiles
    candidate: Percentiles | None = None


@dataclass(frozen=True)
class Trial:
    """One request to a candidate that has no production to compare with; `answer` is None unless `status` is 200."""

    request_digest: str
    answer: Payload | None
    status: int
    latency_ms: float
    truth: Payload | None = None


def judge(
    records: Iterable[ComparisonRecord],
    rules: EvidenceRules,
    *,
    service: str,
    candidate_digest: str,
    judged_at: datetime,
    labels: Mapping[str, Payload] | None = None,
    noise: NoiseFloor | None = None,
    latency: UnpairedLatency | None = None,
) -> Evidence:
    """Judges a candidate against production.

    `labels` are truths by inference id or event id; `noise` is production against itself; `latency` stands in where
    the records hold fewer than `minimum_pairs` latencies of production. A request that was recorded twice counts once.
    Raises WrongRecordsError for a record of another service or candidate.
    """
    given = list(records)
    pairs = _distinct_events(given, service, candidate_digest)
    verdicts = [pair.comparison.verdict for pair in pairs]
    quality, unusable_labels = _paired_quality(pairs, labels or {}, rules)
    comparable = [pair for pair in pairs if pair.comparison.verdict in ("match", "mismatch")]
    share = _agreement(comparable, rules.confidence)
    rate = None if not pairs else _share(verdicts.count("shadow_error"), len(pairs), rules)
    measured = _latency(pairs, latency, rules)
    counts = Counts(
        records=len(given),
        pairs=len(pairs),
        distinct_requests=len({pair.request_digest for pair in pairs}),
        matches=verdicts.count("match"),
        mismatches=verdicts.count("mismatch"),
        shadow_errors=verdicts.count("shadow_error"),
        not_comparable=verdicts.count("not_comparable"),
        labelled=0 if quality is None else quality.rows,
        unusable_labels=unusable_labels,
    )
    compared = counts.pairs - counts.not_comparable
    found: list[Finding] = [findings.data(compared, counts.distinct_requests, rules)]
    if rate is not None:
        found.append(findings.errors(rate, rules))
    of_quality = None if quality is None else findings.paired_quality(quality, rules)
    if of_quality is not None:
        found.append(of_quality)
    if share is not None:
        found.append(findings.agreement(share, rules, of_quality, noise))
    found.append(findings.latency(measured, rules, noise))
    verdict, reasons = verdict_of(tuple(found))
    return Evidence(
        service=service,
        candidate_digest=candidate_digest,
        baseline="production",
        judged_at=judged_at,
        counts=counts,
        agreement=share,
        error_rate=rate,
        latency=measured,
        quality=quality,
        drift=_drift(comparable, rules.quality.quality),
        noise_floor=noise,
        rules=rules,
        findings=tuple(found),
        verdict=verdict,
        reasons=reasons,
    )


def judge_without_baseline(
    trials: Sequence[Trial], rules: EvidenceRules, *, service: str, candidate_digest: str, judged_at: datetime
) -> Evidence:
    """Judges a first version by absolute rules: quality on held-out rows, errors and latency on sample requests."""
    failed = sum(trial.status != 200 for trial in trials)
    latencies = [trial.latency_ms for trial in trials if trial.status == 200]
    rate = None if not trials else _share(failed, len(trials), rules)
    quality = _trial_quality(trials, rules)
    candidate = LatencyPercentiles.of(Percentiles.of(latencies)) if latencies else None
    measured = LatencyEvidence(basis="absolute" if latencies else "none", candidate=candidate)
    found = [_quality_or_nothing(quality, rules)]
    if rate is not None:
        found.append(findings.errors(rate, rules))
    found.append(findings.absolute_latency(measured, rules))
    verdict, reasons = verdict_of(tuple(found))
    return Evidence(
        service=service,
        candidate_digest=candidate_digest,
        baseline="none",
        judged_at=judged_at,
        counts=Counts(
            records=len(trials),
            pairs=0,
            distinct_requests=len({trial.request_digest for trial in trials}),
            shadow_errors=failed,
            labelled=0 if quality is None else quality.rows,
        ),
        agreement=None,
        error_rate=rate,
        latency=measured,
        quality=quality,
        drift=None,
        noise_floor=None,
        rules=rules,
        findings=tuple(found),
        verdict=verdict,
        reasons=reasons,
    )


def noise_floor(records: Iterable[ComparisonRecord], confidence: float = 0.95) -> NoiseFloor | None:
    """From records of production's own version replayed in shadow; None without comparable pairs."""
    pairs = list({record.event_id: record for record in records}.values())
    comparable = [pair for pair in pairs if pair.comparison.verdict in ("match", "mismatch")]
    agreement = _agreement(comparable, confidence)
    if agreement is None:
        return None
    production, shadow = _paired_latencies(pairs)
    ratio = statistics.paired_ratio(production, shadow, confidence).interval if production else None
    return NoiseFloor(
        pairs=len(comparable), agreement=agreement, latency_ratio=None if ratio is None else Estimate.of(ratio)
    )


def _distinct_events(records: Sequence[ComparisonRecord], service: str, digest: str) -> list[ComparisonRecord]:
    first: dict[str, ComparisonRecord] = {}
    for record in records:
        if (record.service, record.shadow.model_package_digest) != (service, digest):
            raise WrongRecordsError(
                f"record of event {record.event_id} is of service {record.service}, candidate "
                f"{record.shadow.model_package_digest}, not of {service}, {digest}: replay this candidate first"
            )
        first.setdefault(record.event_id, record)
    return list(first.values())


def _share(successes: float, observations: int, rules: EvidenceRules) -> Estimate:
    return Estimate.of(statistics.wilson(successes, observations, rules.confidence))


def _agreement(comparable: Sequence[ComparisonRecord], confidence: float) -> Estimate | None:
    """Over distinct requests: one that came n times counts once, with the share of its matches."""
    matches: dict[str, list[bool]] = {}
    for pair in comparable:
        matches.setdefault(pair.request_digest, []).append(pair.comparison.verdict == "match")
    if not matches:
        return None
    total = math.fsum(sum(each) / len(each) for each in matches.values())
    return Estimate.of(statistics.wilson(min(total, len(matches)), len(matches), confidence))


def _paired_latencies(pairs: Sequence[ComparisonRecord]) -> tuple[list[float], list[float]]:
    both = [
        (pair.production.latency_ms, pair.shadow.latency_ms)
        for pair in pairs
        if pair.production.latency_ms is not None and pair.shadow.status == 200
    ]
    return [production for production, _ in both], [shadow for _, shadow in both]


def _latency(
    pairs: Sequence[ComparisonRecord], unpaired: UnpairedLatency | None, rules: EvidenceRules
) -> LatencyEvidence:
    production, shadow = _paired_latencies(pairs)
    if len(production) >= rules.minimum_pairs:
        test = statistics.paired_ratio(production, shadow, rules.confidence)
        return LatencyEvidence(
            basis="paired",
            ratio=Estimate.of(test.interval),
            p_value=test.p_value,
            pairs=test.pairs,
            production=LatencyPercentiles.of(Percentiles.of(production)),
            candidate=LatencyPercentiles.of(Percentiles.of(shadow)),
        )
    own = [pair.shadow.latency_ms for pair in pairs if pair.shadow.status == 200]
    candidate = Percentiles.of(own) if own else None
    if unpaired is not None:
        candidate = unpaired.candidate or candidate
    seen = None if candidate is None else LatencyPercentiles.of(candidate)
    if unpaired is None or candidate is None:
        return LatencyEvidence(basis="none", pairs=len(production), candidate=seen)
    known = LatencyPercentiles.of(unpaired.production)
    if min(unpaired.production.samples, candidate.samples) < rules.minimum_pairs:
        return LatencyEvidence(basis="none", pairs=len(production), production=known, candidate=seen)
    # One-sided at the level of significance, as the paired test.
    ratio = statistics.median_ratio(unpaired.production, candidate, 1 - 2 * rules.significance)
    return LatencyEvidence(
        basis="unpaired", ratio=Estimate.of(ratio), pairs=len(production), production=known, candidate=seen
    )


def _paired_quality(
    pairs: Sequence[ComparisonRecord], labels: Mapping[str, Payload], rules: EvidenceRules
) -> tuple[QualityEvidence | None, int]:
    """McNemar's table over distinct labelled rows, and how many labels were unusable; no answer is a wrong answer."""
    rows: dict[tuple[str, int], tuple[bool, bool]] = {}
    unusable = 0
    judge_one = rules.quality.quality
    for pair in pairs:
        truth = next((labels[name] for name in (pair.inference_id, pair.event_id) if name and name in labels), None)
        if truth is None or pair.production.output is None:
            continue
        try:
            production = judge_one.correct(pair.production.output, truth)
            shadow = judge_one.correct(pair.shadow.output if pair.shadow.status == 200 else None, truth)
        except (UnreadablePayloadError, NoSuchValueError):
            unusable += 1
            continue
        for row, right in enumerate(zip(production, shadow, strict=True)):
            rows.setdefault((pair.request_digest, row), right)
    if not rows:
        return None, unusable
    table = list(rows.values())
    only_production = sum(production and not shadow for production, shadow in table)
    only_candidate = sum(shadow and not production for production, shadow in table)
    evidence = QualityEvidence(
        rows=len(table),
        candidate=_share(sum(shadow for _, shadow in table), len(table), rules),
        production=_share(sum(production for production, _ in table), len(table), rules),
        difference=Estimate.of(
            statistics.paired_difference(only_candidate, only_production, len(table), rules.confidence)
        ),
        only_production_right=only_production,
        only_candidate_right=only_candidate,
        p_value_worse=statistics.mcnemar_midp(only_production, only_candidate),
    )
    return evidence, unusable


def _trial_quality(trials: Sequence[Trial], rules: EvidenceRules) -> QualityEvidence | None:
    rows: dict[tuple[str, int], bool] = {}
    for trial in trials:
        if trial.truth is not None:
            for row, right in enumerate(rules.quality.quality.correct(trial.answer, trial.truth)):
                rows.setdefault((trial.request_digest, row), right)
    if not rows:
        return None
    return QualityEvidence(rows=len(rows), candidate=_share(sum(rows.values()), len(rows), rules))


def _quality_or_nothing(quality: QualityEvidence | None, rules: EvidenceRules) -> Finding:
    if quality is None:
        return Finding(rule="quality", outcome="inconclusive", reason="no held-out rows with labels, so no quality")
    return findings.threshold(quality, rules)


def _drift(comparable: Sequence[ComparisonRecord], quality: Quality) -> Drift | None:
    distances = [pair.comparison.distance for pair in comparable if pair.comparison.distance is not None]
    if not distances:
        return None
    production = [v for pair in comparable if pair.production.output for v in _numbers(pair.production.output, quality)]
    candidate = [v for pair in comparable for v in _numbers(pair.shadow.output, quality)]
    return Drift(
        mean_distance=float(np.mean(distances)),
        p95_distance=float(np.percentile(distances, 95)),
        maximum_distance=max(distances),
        production_mean=float(np.mean(production)) if production else None,
        candidate_mean=float(np.mean(candidate)) if candidate else None,
    )


def _numbers(answer: Payload, quality: Quality) -> list[float]:
    try:
        values = [number(value) for value in quality.predictions(answer)]
    except (UnreadablePayloadError, NoSuchValueError):
        return []
    return [value for value in values if value is not None and math.isfinite(value)]
