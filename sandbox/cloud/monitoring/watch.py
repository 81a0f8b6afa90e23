"""The thread that evaluates metric alarms.

Window semantics: an alarm with a period of P seconds is evaluated over real windows of P divided by the sandbox's
speed, rounded to whole seconds and never under 2. At speed 60 a 60 s period is a 2 s window, so a sum over a minute is
what 2 s of real traffic give. Windows are aligned to multiples of their width and evaluated once complete.
GetMetricData and GetMetricStatistics are not affected: they use the period they are asked for.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, datetime

from sandbox.cloud.monitoring import evaluation, queries, statistics
from sandbox.cloud.monitoring.alarms import Alarm, AlarmBook, stamp
from sandbox.cloud.monitoring.evaluation import EXTRA_WINDOWS, Point
from sandbox.cloud.monitoring.operations import ExpressionError, as_series
from sandbox.cloud.monitoring.series import MetricStore
from sandbox.cloud.periodic import Periodic
from sandbox.cloud.ports import Cloud, Scope

log = logging.getLogger(__name__)

SHORTEST_WINDOW_SECONDS = 2.0
GRACE_SECONDS = 0.3
"""A window is read this long after its end, for points that are still under way."""
TICK_SECONDS = 0.1


class AlarmWatch(Periodic):
    """Evaluates every metric alarm once per window."""

    def __init__(self, cloud: Cloud, book: AlarmBook, stores: StoresOfScopes) -> None:
        super().__init__("alarms", TICK_SECONDS, lambda: self.evaluate_due(time.time() - GRACE_SECONDS))
        self._cloud = cloud
        self._book = book
        self._stores = stores

    def evaluate_due(self, now: float) -> None:
        """Evaluates the alarms that have a complete window they have not seen; `now` in seconds since the epoch."""
        for alarm in self._book.all():
            if alarm.composite:
                continue
            with self._book.lock:
                try:
                    width = window_seconds(self._cloud, _period(alarm))
                    until = now // width * width
                    if until > alarm.evaluated_until:
                        alarm.evaluated_until = until
                        evaluate(alarm, self._book, self._stores.store(alarm.scope), until, width)
                except Exception:
                    log.exception("alarm %s could not be evaluated", alarm.arn)


class StoresOfScopes:
    """A metric store for each account and region."""

    def __init__(self) -> None:
        self._stores: dict[Scope, MetricStore] = {}
        self._lock = threading.Lock()

    def store(self, scope: Scope) -> MetricStore:
        with self._lock:
            return self._stores.setdefault(scope, MetricStore())


def window_seconds(cloud: Cloud, period: float) -> float:
    """The real length of an alarm period of `period` seconds."""
    return float(max(SHORTEST_WINDOW_SECONDS, round(cloud.seconds(period))))


def evaluate(alarm: Alarm, book: AlarmBook, store: MetricStore, until: float, width: float) -> None:
    """Evaluates the windows that end at `until` and changes the alarm's state where that asks for it."""
    rule = alarm.threshold
    start = until - width * (rule.evaluation_periods + EXTRA_WINDOWS)
    points, too_few = _points(alarm, store, start, until, width)
    if too_few:
        return
    verdict = evaluation.evaluate(points, rule, alarm.state)
    if verdict.state == alarm.state:
        return
    shown = [point for point in verdict.points if point.value is not None]
    data = {
        "version": "1.0",
        "queryDate": stamp(datetime.now(UTC)),
        "startDate": stamp(datetime.fromtimestamp(points[0].start, UTC)),
        "period": int(_period(alarm)),
        "recentDatapoints": [point.value for point in reversed(shown)],
        "threshold": rule.threshold,
        "evaluatedDatapoints": [
            {"timestamp": stamp(datetime.fromtimestamp(point.start, UTC)), "value": point.value} for point in shown
        ],
    }
    statistic = alarm.parameters.get("Statistic") or alarm.parameters.get("ExtendedStatistic")
    book.set_state(
        alarm, verdict.state, verdict.reason, json.dumps(data | ({"statistic": statistic} if statistic else {}))
    )


def _period(alarm: Alarm) -> float:
    if alarm.parameters.get("Metrics"):
        return float(queries.period_of(alarm.parameters["Metrics"]))
    return float(alarm.parameters["Period"])


def _points(alarm: Alarm, store: MetricStore, start: float, until: float, width: float) -> tuple[list[Point], bool]:
    """One point a window, oldest first, and whether a percentile rests on too few samples to be judged."""
    starts = [start + width * index for index in range(round((until - start) / width))]
    parameters = alarm.parameters
    if parameters.get("Metrics"):
        values, context = queries.compute(parameters["Metrics"], store, start, until, width)
        returned = next(query["Id"] for query in parameters["Metrics"] if query.get("ReturnData", True))
        try:
            series = as_series(values[returned], context)
        except ExpressionError:
            log.exception("alarm %s: its expression is no single time series", alarm.arn)
            raise
        return [Point(begin, series.get(begin)) for begin in starts], False
    statistic = parameters.get("Statistic") or parameters["ExtendedStatistic"]
    windows = store.windows(queries.series_key(parameters), start, until, width, parameters.get("Unit"))
    points = [
        Point(begin, statistics.value_of(windows[begin][0], statistic)) if begin in windows else Point(begin, None)
        for begin in starts
    ]
    fraction = statistics.percentile_of(statistic)
    newest = max(windows, default=None)
    too_few = (
        fraction is not None
        and newest is not None
        and parameters.get("EvaluateLowSampleCountPercentile") == "ignore"
        and statistics.few_samples(windows[newest][0], fraction)
    )
    return points, too_few
