"""The state of a metric alarm, from its data points: CloudWatch's rules as a pure function.

An alarm with N evaluation periods looks at N + 2 windows (so real points can stand in for missing ones). What AWS's
user guide tabulates ("Configuring how CloudWatch alarms treat missing data") is pinned by the contract tests.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sandbox.cloud.ports import AlarmState

TreatMissingData = Literal["missing", "ignore", "breaching", "notBreaching"]

EXTRA_WINDOWS = 2
"""Windows retrieved beyond the evaluation periods."""


@dataclass(frozen=True)
class Comparison:
    breaches: Callable[[float, float], bool]
    words: str


COMPARISONS: Mapping[str, Comparison] = {
    "GreaterThanOrEqualToThreshold": Comparison(operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": Comparison(operator.gt, "greater than"),
    "LessThanThreshold": Comparison(operator.lt, "less than"),
    "LessThanOrEqualToThreshold": Comparison(operator.le, "less than or equal to"),
}


@dataclass(frozen=True)
class Point:
    """One window's value; None is a missing data point. `start` is in seconds since the epoch."""

    start: float
    value: float | None
    samples: float = 0.0


@dataclass(frozen=True)
class Threshold:
    """What of an alarm decides its state."""

    comparison: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    treat_missing_data: TreatMissingData = "missing"


@dataclass(frozen=True)
class Verdict:
    """The state to be in, why (AWS's words), and the points that decided, newest first."""

    state: AlarmState
    reason: str
    points: tuple[Point, ...] = ()


def evaluate(points: Sequence[Point], rule: Threshold, current: AlarmState) -> Verdict:
    """The verdict on the windows `points`, oldest first, one for each window of the evaluation range.

    The reason is only meant to be kept when the state differs from `current`. A case the guide leaves open: fewer real
    points than would decide, all breaching but too young for a premature alarm, keep the current state.
    """
    compare = COMPARISONS[rule.comparison]
    needed, periods = rule.datapoints_to_alarm, rule.evaluation_periods
    real = [point for point in points if point.value is not None]
    if not real:
        return _without_data(points, rule, current)
    if len(real) >= periods:
        decisive = real[-periods:]
        fills = 0
    else:
        decisive = real
        fills = periods - len(real)
    breaching = [p for p in decisive if p.value is not None and compare.breaches(p.value, rule.threshold)]
    in_alarm = len(breaching) + (fills if rule.treat_missing_data == "breaching" else 0) >= needed
    if fills and rule.treat_missing_data in ("missing", "ignore") and len(real) < needed:
        undecided = len(breaching) == len(real)
        in_alarm = rule.treat_missing_data == "missing" and _premature(points, rule, compare)
        if undecided and not in_alarm:
            return Verdict(current, "Insufficient data to change the state.", tuple(reversed(decisive)))
    state: AlarmState = "ALARM" if in_alarm else "OK"
    shown = breaching if in_alarm else [p for p in decisive if p not in breaching]
    return Verdict(state, _crossed(rule, compare, current, state, shown, len(decisive) + fills), tuple(decisive[::-1]))


def _premature(points: Sequence[Point], rule: Threshold, compare: Comparison) -> bool:
    """The oldest breaching point is at least DatapointsToAlarm old, and all newer ones are breaching or missing."""
    window = points[-rule.evaluation_periods :]
    ages = [
        len(window) - index
        for index, point in enumerate(window)
        if point.value is not None and compare.breaches(point.value, rule.threshold)
    ]
    if not ages or max(ages) < rule.datapoints_to_alarm:
        return False
    newer = window[len(window) - max(ages) :]
    return all(point.value is None or compare.breaches(point.value, rule.threshold) for point in newer)


def _without_data(points: Sequence[Point], rule: Threshold, current: AlarmState) -> Verdict:
    count = len(points)
    if rule.treat_missing_data == "ignore":
        return Verdict(current, "No data points were received; the state is kept.")
    if rule.treat_missing_data == "missing":
        words = "1 datapoint was unknown" if count == 1 else f"{count} datapoints were unknown"
        return Verdict("INSUFFICIENT_DATA", f"Insufficient Data: {words}.")
    state: AlarmState = "ALARM" if rule.treat_missing_data == "breaching" else "OK"
    treated = "Breaching" if rule.treat_missing_data == "breaching" else "NonBreaching"
    were = "1 missing datapoint was" if count == 1 else f"{count} missing datapoints were"
    periods = f"{count} period" + ("" if count == 1 else "s")
    return Verdict(
        state, f"Threshold Crossed: no datapoints were received for {periods} and {were} treated as [{treated}]."
    )


def _crossed(
    rule: Threshold, compare: Comparison, current: AlarmState, state: AlarmState, shown: Sequence[Point], total: int
) -> str:
    """AWS's words, such as `Threshold Crossed: 1 out of the last 1 datapoints [99.5 (02/10/19 16:59:00)] was …`."""
    values = ", ".join(
        f"{point.value} ({datetime.fromtimestamp(point.start, UTC):%d/%m/%y %H:%M:%S})" for point in reversed(shown)
    )
    if not shown:
        return f"Threshold Crossed: missing datapoints were treated as [{_treated(rule)}]."
    verb = "was" if len(shown) == 1 else "were"
    negation = "" if state == "ALARM" else "not "
    to_ok = rule.evaluation_periods - rule.datapoints_to_alarm + 1
    minimum, transition = (rule.datapoints_to_alarm, "OK -> ALARM") if state == "ALARM" else (to_ok, "ALARM -> OK")
    plural = "" if minimum == 1 else "s"
    return (
        f"Threshold Crossed: {len(shown)} out of the last {total} datapoints [{values}] "
        f"{verb} {negation}{compare.words} the threshold ({rule.threshold}) "
        f"(minimum {minimum} datapoint{plural} for {transition} transition)."
    )


def _treated(rule: Threshold) -> str:
    return "Breaching" if rule.treat_missing_data == "breaching" else "NonBreaching"
