"""The rules of evidence, one function a rule: numbers in, a finding with its numbers in words out.

A candidate is blocked by significance *and* effect: a difference that is only significant may be harmless, one that is
only large may be chance and stays inconclusive.
"""

from __future__ import annotations

from release.evidence_document import (
    Estimate,
    EvidenceRules,
    Finding,
    LatencyEvidence,
    NoiseFloor,
    Outcome,
    QualityEvidence,
)


def data(pairs: int, distinct_requests: int, rules: EvidenceRules) -> Finding:
    """Is there enough to say anything? Too little is inconclusive, whatever it looks like."""
    enough = pairs >= rules.minimum_pairs and distinct_requests >= rules.minimum_distinct_requests
    return Finding(
        rule="data",
        outcome="pass" if enough else "inconclusive",
        reason=f"{pairs} pairs of {distinct_requests} distinct requests (needed: {rules.minimum_pairs} pairs, "
        f"{rules.minimum_distinct_requests} distinct requests)",
    )


def errors(rate: Estimate, rules: EvidenceRules) -> Finding:
    """Errors charged to the candidate."""
    limit = rules.maximum_error_rate
    outcome: Outcome = "pass"
    if rate.estimate > limit:
        outcome = "fail" if rate.low is not None and rate.low > limit else "inconclusive"
    return Finding(rule="errors", outcome=outcome, reason=f"error rate {_share(rate)}, at most {limit:.2%} allowed")


def agreement(share: Estimate, rules: EvidenceRules, quality: Finding | None, noise: NoiseFloor | None) -> Finding:
    """Same answers as production; where labels show the candidate is not worse, other answers are no fault."""
    limit, why = rules.minimum_agreement, ""
    if noise is not None and noise.pairs >= rules.minimum_pairs and noise.agreement.estimate < limit:
        limit, why = noise.agreement.estimate, ", production's agreement with itself"
    reason = f"agreement {_share(share)}, at least {limit:.2%} needed{why}"
    if share.estimate >= limit:
        return Finding(rule="agreement", outcome="pass", reason=reason)
    if quality is not None and quality.outcome == "pass":
        return Finding(
            rule="agreement", outcome="pass", reason=f"{reason}; labels show that the candidate is not worse"
        )
    certain = share.high is not None and share.high < limit
    return Finding(rule="agreement", outcome="fail" if certain else "inconclusive", reason=reason)


def latency(measured: LatencyEvidence, rules: EvidenceRules, noise: NoiseFloor | None) -> Finding:
    """Candidate over production: blocks when longer for certain and by more than the limit."""
    if measured.ratio is None:
        return Finding(
            rule="latency",
            outcome="inconclusive",
            reason="no latency of production to compare with: neither in the capture nor from its ModelLatency metric",
        )
    limit, why = rules.maximum_latency_ratio, ""
    own = noise.latency_ratio if noise is not None and noise.pairs >= rules.minimum_pairs else None
    if own is not None and own.estimate > limit:
        limit, why = own.estimate, ", production's ratio to itself"
    ratio = measured.ratio
    p_value = "" if measured.p_value is None else f", p = {measured.p_value:.2g}"
    reason = f"{measured.basis} latency ratio {_number(ratio)}{p_value}, at most {limit:.2f} allowed{why}"
    if ratio.estimate <= limit:
        return Finding(rule="latency", outcome="pass", reason=reason)
    if measured.p_value is not None:
        certain = measured.p_value < rules.significance
    else:
        certain = ratio.low is not None and ratio.low > 1
    return Finding(rule="latency", outcome="fail" if certain else "inconclusive", reason=reason)


def absolute_latency(measured: LatencyEvidence, rules: EvidenceRules) -> Finding:
    """Without a baseline: the 99th percentile against an absolute limit, where the service has one."""
    if measured.candidate is None:
        return Finding(rule="latency", outcome="inconclusive", reason="no answer of the candidate, so no latency")
    seen = f"latency p50 {measured.candidate.p50_ms:.1f} ms, p99 {measured.candidate.p99_ms:.1f} ms"
    limit = rules.maximum_latency_p99_ms
    if limit is None:
        return Finding(rule="latency", outcome="pass", reason=f"{seen}; no limit is set")
    outcome: Outcome = "pass" if measured.candidate.p99_ms <= limit else "fail"
    return Finding(rule="latency", outcome=outcome, reason=f"{seen}, at most {limit:.1f} ms allowed")


def paired_quality(measured: QualityEvidence, rules: EvidenceRules) -> Finding | None:
    """Is the candidate not worse than production, and good enough? None where labels decide nothing.

    Too few labels decide nothing, and so does an interval that reaches beyond the margin while the estimate is inside
    it: then agreement decides, as it does without labels.
    """
    difference, margin = measured.difference, rules.non_inferiority_margin
    if measured.rows < rules.minimum_labels or difference is None or measured.p_value_worse is None:
        return None
    reason = (
        f"quality {_share(measured.candidate)} on {measured.rows} distinct labelled rows, {_points(difference)} points "
        f"from production (only production right: {measured.only_production_right}, only the candidate: "
        f"{measured.only_candidate_right}; p of worse = {measured.p_value_worse:.2g}), at most {margin:.1%} worse"
    )
    absolute = threshold(measured, rules)
    # A candidate that is better than production may pass below the threshold: refusing it keeps the worse one.
    if absolute.outcome == "fail" and difference.estimate < 0:
        return absolute
    if difference.estimate < -margin:
        outcome: Outcome = "fail" if measured.p_value_worse < rules.significance else "inconclusive"
    elif difference.low is not None and difference.low >= -margin:
        outcome = "pass"
    else:
        return None
    return Finding(rule="quality", outcome=outcome, reason=reason)


def threshold(measured: QualityEvidence, rules: EvidenceRules) -> Finding:
    """The candidate's share of right predictions against the use case's threshold."""
    share, limit = measured.candidate, rules.quality.threshold
    reason = f"quality {_share(share)} on {measured.rows} distinct labelled rows, at least {limit:.2%} needed"
    if measured.rows < rules.minimum_labels:
        few = f"{reason}; {rules.minimum_labels} rows needed"
        return Finding(rule="quality", outcome="inconclusive", reason=few)
    if share.estimate >= limit:
        return Finding(rule="quality", outcome="pass", reason=reason)
    certain = share.high is not None and share.high < limit
    return Finding(rule="quality", outcome="fail" if certain else "inconclusive", reason=reason)


def _share(value: Estimate) -> str:
    return f"{value.estimate:.2%} [{_bound(value.low, '.2%')}, {_bound(value.high, '.2%')}]"


def _number(value: Estimate) -> str:
    return f"{value.estimate:.3f} [{_bound(value.low, '.3f')}, {_bound(value.high, '.3f')}]"


def _points(value: Estimate) -> str:
    low, high = (None if bound is None else bound * 100 for bound in (value.low, value.high))
    return f"{value.estimate * 100:+.1f} [{_bound(low, '+.1f')}, {_bound(high, '+.1f')}]"


def _bound(value: float | None, form: str) -> str:
    return "open" if value is None else format(value, form)
