"""Statistics, metric math and composite rules, without a server."""

from __future__ import annotations

import time

import pytest

from sandbox.cloud.monitoring import expressions, queries, rules
from sandbox.cloud.monitoring.operations import Context, ExpressionError, Value
from sandbox.cloud.monitoring.series import MetricStore, SeriesKey, Summary
from sandbox.cloud.monitoring.statistics import UnsupportedStatisticError, few_samples, value_of

ERRORS = {0.0: 1.0, 60.0: 0.0, 180.0: 4.0}
REQUESTS = {0.0: 10.0, 60.0: 0.0, 120.0: 10.0, 180.0: 8.0}
CONTEXT = Context({"errors": ERRORS, "requests": REQUESTS}, [0.0, 60.0, 120.0, 180.0], 60.0, ["errors", "requests"])


def compute(expression: str) -> Value:
    return expressions.parse(expression)(CONTEXT)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("2 ^ 3", 8.0),
        ("-2 + 5", 3.0),
        ("errors * 100", {0.0: 100.0, 60.0: 0.0, 180.0: 400.0}),
        ("100 * errors / requests", {0.0: 10.0, 180.0: 50.0}),
        ("requests > 5", {0.0: 1.0, 60.0: 0.0, 120.0: 1.0, 180.0: 1.0}),
        ("IF(requests > 5, 100 * errors / requests)", {0.0: 10.0, 180.0: 50.0}),
        ("IF(requests >= 10, 1, 0)", {0.0: 1.0, 60.0: 0.0, 120.0: 1.0, 180.0: 0.0}),
        ("IF(requests > 5 AND errors > 2, 1, 0)", {0.0: 0.0, 60.0: 0.0, 180.0: 1.0}),
        ("requests == 0 || requests == 8", {0.0: 0.0, 60.0: 1.0, 120.0: 0.0, 180.0: 1.0}),
        ("FILL(errors, 0)", {0.0: 1.0, 60.0: 0.0, 120.0: 0.0, 180.0: 4.0}),
        ("FILL(errors, REPEAT)", {0.0: 1.0, 60.0: 0.0, 120.0: 0.0, 180.0: 4.0}),
        ("FILL(errors, LINEAR)", {0.0: 1.0, 60.0: 0.0, 120.0: 2.0, 180.0: 4.0}),
        ("SUM(METRICS())", {0.0: 11.0, 60.0: 0.0, 120.0: 10.0, 180.0: 12.0}),
        ("MAX(METRICS('err'))", {0.0: 1.0, 60.0: 0.0, 180.0: 4.0}),
        ("SUM([errors, requests])", {0.0: 11.0, 60.0: 0.0, 120.0: 10.0, 180.0: 12.0}),
        ("AVG(requests)", 7.0),
        ("requests / PERIOD(requests)", {0.0: 10 / 60, 60.0: 0.0, 120.0: 10 / 60, 180.0: 8 / 60}),
        ("DIFF(requests)", {60.0: -10.0, 120.0: 10.0, 180.0: -2.0}),
        ("RUNNING_SUM(errors)", {0.0: 1.0, 60.0: 1.0, 180.0: 5.0}),
        ("CEIL(errors / 3)", {0.0: 1.0, 60.0: 0.0, 180.0: 2.0}),
    ],
)
def test_expressions(expression: str, expected: Value) -> None:
    assert compute(expression) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ANOMALY_DETECTION_BAND(errors)", "Unsupported function ANOMALY_DETECTION_BAND"),
        ("__import__('os')", "Unsupported function __import__"),
        ("errors +", "Unexpected end"),
        ("errors requests", "Unexpected 'requests'"),
        ("IF(errors)", "IF takes 2 or 3 arguments, not 1"),
        ("errors ; 1", "Unexpected '; 1' at position 6"),
        ("SUM(errors", "Expected ')' before 'the end'"),
    ],
)
def test_bad_expressions_are_refused_by_name(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        expressions.parse(expression)
    assert message in str(caught.value)


def test_an_undefined_id_is_refused() -> None:
    with pytest.raises(ExpressionError, match="undefined id \\['m2'\\]"):
        queries.validate([{"Id": "e1", "Expression": "m2 + 1"}])


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [("p50", 50.5), ("p90", 90.1), ("p99", 99.01), ("p99.9", 99.901), ("p100", 100.0), ("p0", 1.0), ("Sum", 5050.0)],
)
def test_percentiles_interpolate_between_ranks(statistic: str, expected: float) -> None:
    summary = Summary()
    for value in range(1, 101):
        summary.add(float(value))
    assert value_of(summary, statistic) == pytest.approx(expected)


def test_percentiles_count_values() -> None:
    summary = Summary()
    summary.add(1.0, 99.0)
    summary.add(1000.0)
    assert value_of(summary, "p98") == 1.0
    assert value_of(summary, "p100") == 1000.0


def test_a_mixed_statistic_set_has_no_percentile() -> None:
    assert value_of(Summary.of_statistic_set(3, 6, 1, 3), "p50") is None
    assert value_of(Summary.of_statistic_set(3, 6, 2, 2), "p50") == 2.0


@pytest.mark.parametrize("statistic", ["TM(10%:90%)", "p101", "median", "IQM"])
def test_unknown_statistics_are_refused(statistic: str) -> None:
    with pytest.raises(UnsupportedStatisticError, match="is not supported"):
        value_of(Summary(1, 1, 1, 1), statistic)


def test_few_samples_of_a_percentile() -> None:
    assert few_samples(Summary(999, 1, 1, 1), 0.99)
    assert not few_samples(Summary(1001, 1, 1, 1), 0.99)


def test_a_window_is_read_without_scanning_the_rest() -> None:
    store = MetricStore()
    key = SeriesKey.of("N", "m", {"a": "b"})
    for index in range(120_000):
        store.put(key, 1_000_000 + index // 100, 1.0)
    started = time.perf_counter()
    windows = store.windows(key, 1_000_100, 1_000_110, 2.0)
    assert time.perf_counter() - started < 0.05
    assert {stamp: summary.count for stamp, (summary, _) in windows.items()} == dict.fromkeys(
        [1_000_100.0, 1_000_102.0, 1_000_104.0, 1_000_106.0, 1_000_108.0], 200.0
    )


def test_points_that_arrive_late_are_found() -> None:
    store = MetricStore()
    key = SeriesKey.of("N", "m", {})
    for second in (105, 101, 103, 101):
        store.put(key, second, 1.0)
    assert queries.metric(store, key, "Sum", 100, 106, 2.0) == {100: 2.0, 102: 1.0, 104: 1.0}


@pytest.mark.parametrize(
    ("rule", "alarming", "expected"),
    [
        ("ALARM(a)", {"a"}, True),
        ("ALARM(a) OR ALARM(b)", {"b"}, True),
        ("ALARM(a) AND ALARM(b)", {"b"}, False),
        ("ALARM(a) AND NOT ALARM(b)", {"a"}, True),
        ('(ALARM("a") OR OK(b)) AND TRUE', set(), True),
        ("FALSE OR ALARM(arn:aws:cloudwatch:us-west-2:1:alarm:a)", {"a"}, True),
        ("INSUFFICIENT_DATA(missing)", set(), False),
    ],
)
def test_composite_rules(rule: str, alarming: set[str], expected: bool) -> None:
    states = {name: "ALARM" if name in alarming else "OK" for name in ("a", "b")}
    assert rules.parse(rule).holds(states) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["ALARM(a", "ALARM(a) XOR OK(b)", "AND", "(TRUE", ""])
def test_bad_composite_rules(rule: str) -> None:
    with pytest.raises(rules.AlarmRuleError, match="Error in AlarmRule"):
        rules.parse(rule)
