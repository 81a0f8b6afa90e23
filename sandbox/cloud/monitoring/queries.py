"""MetricDataQueries (of GetMetricData and of metric-math alarms) computed over a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.cloud.monitoring import expressions, statistics
from sandbox.cloud.monitoring.operations import Context, ExpressionError, Value
from sandbox.cloud.monitoring.series import MetricStore, SeriesKey

Query = Mapping[str, Any]


def series_key(metric: Mapping[str, Any]) -> SeriesKey:
    """From the API's Metric structure {Namespace, MetricName, Dimensions[{Name, Value}]}."""
    dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions") or ()}
    return SeriesKey.of(metric["Namespace"], metric["MetricName"], dimensions)


def period_of(queries: Sequence[Query]) -> int:
    """The coarsest period of the queries in seconds; expressions are computed at it."""
    periods = [int(q["MetricStat"]["Period"]) if q.get("MetricStat") else int(q.get("Period") or 0) for q in queries]
    return max([*periods, 1])


def validate(queries: Sequence[Query]) -> None:
    """Refuses what cannot be computed, before anything is stored.

    Raises:
        ExpressionError: duplicate or undefined ids, cycles, bad expressions.
        statistics.UnsupportedStatisticError
    """
    ids = [query["Id"] for query in queries]
    if len(set(ids)) != len(ids):
        raise ExpressionError("The Ids of the metric data queries must be unique")
    for query in queries:
        if query.get("MetricStat"):
            statistics.percentile_of(query["MetricStat"]["Stat"])
        elif query.get("Expression"):
            expressions.parse(query["Expression"])
        else:
            raise ExpressionError(f"Query '{query['Id']}' needs either MetricStat or Expression")
    _in_order(queries)


def compute(
    queries: Sequence[Query], store: MetricStore, start: float, end: float, width: float | None = None
) -> tuple[dict[str, Value], Context]:
    """The value of each query by its Id over windows in [start, end).

    `width` overrides the periods of all queries (alarms run faster in the sandbox); otherwise a metric uses its own.
    """
    common = width or float(period_of(queries))
    context_windows = _starts(start, end, common)
    values: dict[str, Value] = {}
    metric_ids = [query["Id"] for query in queries if query.get("MetricStat")]
    for query in _in_order(queries):
        if query.get("MetricStat"):
            stat = query["MetricStat"]
            own = width or float(stat["Period"])
            key = series_key(stat["Metric"])
            values[query["Id"]] = metric(store, key, stat["Stat"], start, end, own, stat.get("Unit"))
        else:
            context = Context(values, context_windows, common, metric_ids)
            values[query["Id"]] = expressions.parse(query["Expression"])(context)
    return values, Context(values, context_windows, common, metric_ids)


def metric(
    store: MetricStore, key: SeriesKey, statistic: str, start: float, end: float, width: float, unit: str | None = None
) -> dict[float, float]:
    """One statistic by window start; windows without a value are absent."""
    windows = store.windows(key, start, end, width, unit)
    computed = {stamp: statistics.value_of(summary, statistic) for stamp, (summary, _) in sorted(windows.items())}
    return {stamp: value for stamp, value in computed.items() if value is not None}


def _starts(start: float, end: float, width: float) -> list[float]:
    count = int(-(-(end - start) // width))
    return [start + index * width for index in range(count)]


def _in_order(queries: Sequence[Query]) -> list[Query]:
    """Metrics first, then each expression after those it refers to."""
    done: list[Query] = [query for query in queries if query.get("MetricStat")]
    known = {query["Id"] for query in done}
    waiting = [query for query in queries if not query.get("MetricStat")]
    while waiting:
        ready = [query for query in waiting if expressions.names(query["Expression"]) <= known]
        if not ready:
            undefined = expressions.names(waiting[0]["Expression"]) - {query["Id"] for query in queries}
            what = f"undefined id {sorted(undefined)}" if undefined else "circular references"
            raise ExpressionError(f"Expression '{waiting[0]['Expression']}' of '{waiting[0]['Id']}' has {what}")
        done.extend(ready)
        known.update(query["Id"] for query in ready)
        waiting = [query for query in waiting if query not in ready]
    return done
