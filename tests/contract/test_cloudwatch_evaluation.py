"""The pure evaluator of alarms against the tables of the CloudWatch User Guide."""

from __future__ import annotations

from typing import get_args

import pytest

from sandbox.cloud.monitoring.evaluation import Point, Threshold, TreatMissingData, evaluate
from sandbox.cloud.ports import AlarmState

TREATMENTS: tuple[TreatMissingData, ...] = get_args(TreatMissingData)
OK, ALARM, INSUFFICIENT, KEEP = "OK", "ALARM", "INSUFFICIENT_DATA", "keep"

# DatapointsToAlarm of 3 periods, five windows oldest first (X breaching, 0 not, - missing),
# states for missing, ignore, breaching, notBreaching
TABLE = [
    (3, "0 - X - X", OK, OK, OK, OK),
    (3, "0 - - - -", OK, OK, OK, OK),
    (3, "- - - - -", INSUFFICIENT, KEEP, ALARM, OK),
    (3, "0 X X - X", ALARM, ALARM, ALARM, ALARM),
    (3, "- - X - -", ALARM, KEEP, ALARM, OK),
    (2, "0 - X - X", ALARM, ALARM, ALARM, ALARM),
    (2, "0 0 X 0 X", ALARM, ALARM, ALARM, ALARM),
    (2, "0 - X - -", OK, OK, ALARM, OK),
    (2, "- - - - 0", OK, OK, ALARM, OK),
    (2, "- - - X -", ALARM, KEEP, ALARM, OK),
]
# From "Avoiding premature transitions to alarm state": too young to alarm.
PREMATURE = [(3, "- - - - X"), (3, "- - - X -")]


def points(row: str) -> list[Point]:
    values = {"X": 10.0, "0": 0.0, "-": None}
    return [Point(60.0 * index, values[mark]) for index, mark in enumerate(row.split())]


def rule(needed: int, treatment: TreatMissingData = "missing", periods: int = 3) -> Threshold:
    return Threshold("GreaterThanThreshold", 5.0, periods, needed, treatment)


@pytest.mark.parametrize("current", [OK, ALARM, INSUFFICIENT])
@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize(("needed", "row", "missing", "ignore", "breaching", "not_breaching"), TABLE)
def test_truth_table(
    needed: int,
    row: str,
    missing: str,
    ignore: str,
    breaching: str,
    not_breaching: str,
    treatment: TreatMissingData,
    current: AlarmState,
) -> None:
    expected = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}[treatment]
    verdict = evaluate(points(row), rule(needed, treatment), current)
    assert verdict.state == (current if expected == KEEP else expected)


@pytest.mark.parametrize(("needed", "row"), PREMATURE)
def test_a_young_breach_alone_does_not_alarm(needed: int, row: str) -> None:
    assert evaluate(points(row), rule(needed), "OK").state == "OK"


@pytest.mark.parametrize(
    ("comparison", "value", "breaches"),
    [
        ("GreaterThanThreshold", 5.0, False),
        ("GreaterThanOrEqualToThreshold", 5.0, True),
        ("LessThanThreshold", 5.0, False),
        ("LessThanOrEqualToThreshold", 5.0, True),
        ("LessThanThreshold", 4.9, True),
    ],
)
def test_comparisons_at_the_threshold(comparison: str, value: float, breaches: bool) -> None:
    threshold = Threshold(comparison, 5.0, 1, 1)
    verdict = evaluate([Point(0, None), Point(60, None), Point(120, value)], threshold, "INSUFFICIENT_DATA")
    assert verdict.state == ("ALARM" if breaches else "OK")


def test_reason_of_an_alarm_is_awss() -> None:
    stamp = 1570035540.0
    verdict = evaluate(
        [Point(stamp - 120, None), Point(stamp - 60, None), Point(stamp, 99.5)],
        Threshold("GreaterThanThreshold", 50.0, 1, 1),
        "OK",
    )
    assert verdict.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [99.5 (02/10/19 16:59:00)] was greater than the threshold "
        "(50.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )


def test_reason_of_several_points_names_them_newest_first() -> None:
    verdict = evaluate(points("0 0 X 0 X"), rule(2), "OK")
    assert verdict.reason.startswith(
        "Threshold Crossed: 2 out of the last 3 datapoints [10.0 (01/01/70 00:04:00), 10.0 (01/01/70 00:02:00)] were "
        "greater than the threshold (5.0) (minimum 2 datapoints"
    )


def test_reasons_without_data() -> None:
    nothing = points("- - - - -")
    assert evaluate(nothing, rule(3), "OK").reason == "Insufficient Data: 5 datapoints were unknown."
    assert evaluate(nothing, rule(3, "breaching"), "OK").reason == (
        "Threshold Crossed: no datapoints were received for 5 periods and 5 missing datapoints were treated as "
        "[Breaching]."
    )


def test_an_ok_after_an_alarm_says_how_many_points_it_takes() -> None:
    verdict = evaluate(points("X X 0 0 0"), rule(2), "ALARM")
    assert verdict.state == "OK"
    assert (
        "were not greater than the threshold (5.0) (minimum 2 datapoints for ALARM -> OK transition)" in verdict.reason
    )
