"""CloudWatch's operations on metrics: PutMetricData, GetMetricData, GetMetricStatistics, ListMetrics."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.cloud.actions import AwsError, Call, Handler
from sandbox.cloud.monitoring import queries, statistics
from sandbox.cloud.monitoring.operations import ExpressionError, Value, as_series
from sandbox.cloud.monitoring.series import MetricStore, SeriesKey, Summary
from sandbox.cloud.monitoring.service import Monitoring

LIST_PAGE = 500
OLDEST_SECONDS = 14 * 86400
NEWEST_SECONDS = 2 * 3600


def epoch(moment: datetime) -> float:
    """Seconds since the epoch; AWS's times without a zone are UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def handlers(monitoring: Monitoring) -> dict[str, Handler]:
    stores = monitoring.stores
    return {
        "PutMetricData": lambda call: put_metric_data(stores.store(call.scope), call),
        "GetMetricData": lambda call: get_metric_data(stores.store(call.scope), call),
        "GetMetricStatistics": lambda call: get_metric_statistics(stores.store(call.scope), call),
        "ListMetrics": lambda call: list_metrics(stores.store(call.scope), call),
    }


def put_metric_data(store: MetricStore, call: Call) -> None:
    namespace: str = call["Namespace"]
    if namespace.startswith("AWS/"):
        raise AwsError("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
    data = call.get("MetricData") or []
    for index, datum in enumerate(data, 1):
        _check_datum(datum, f"MetricData.member.{index}")
    for datum in data:
        _store(store, namespace, datum)


def _check_datum(datum: Mapping[str, Any], where: str) -> None:
    given = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
    if not given:
        raise AwsError("MissingParameter", f"At least one of the parameters must be specified: {where}.Value")
    if len(given) > 1:
        raise AwsError(
            "InvalidParameterCombination",
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive and you have specified "
            "both.",
        )
    values, counts = datum.get("Values") or [], datum.get("Counts")
    if counts is not None and len(counts) != len(values):
        raise AwsError(
            "InvalidParameterValue", f"The parameters {where}.Values and {where}.Counts must be of the same size."
        )
    if len(values) > 150:
        raise AwsError("InvalidParameterValue", f"The collection {where}.Values must not have a size greater than 150.")
    for value in [*values, *([datum["Value"]] if "Value" in datum else [])]:
        if not math.isfinite(float(value)):
            raise AwsError("InvalidParameterValue", f"The value {value} for parameter {where}.Value is invalid.")
    if datum.get("Timestamp") is not None:
        age = time.time() - epoch(datum["Timestamp"])
        if age > OLDEST_SECONDS or age < -NEWEST_SECONDS:
            raise AwsError(
                "InvalidParameterValue",
                f"The parameter {where}.Timestamp must specify a time within the past two weeks and not more than "
                "two hours in the future.",
            )


def _store(store: MetricStore, namespace: str, datum: Mapping[str, Any]) -> None:
    dimensions = {item["Name"]: item["Value"] for item in datum.get("Dimensions") or ()}
    key = SeriesKey.of(namespace, datum["MetricName"], dimensions)
    at = epoch(datum["Timestamp"]) if datum.get("Timestamp") is not None else time.time()
    unit = datum.get("Unit") or "None"
    if datum.get("StatisticValues") is not None:
        given = datum["StatisticValues"]
        summary = Summary.of_statistic_set(
            float(given["SampleCount"]), float(given["Sum"]), float(given["Minimum"]), float(given["Maximum"])
        )
        store.put_summary(key, at, summary, unit=unit)
        return
    values = datum["Values"] if datum.get("Values") is not None else [datum["Value"]]
    counts = datum.get("Counts") or [1.0] * len(values)
    for value, count in zip(values, counts, strict=True):
        store.put(key, at, float(value), count=float(count), unit=unit)


def _range(call: Call, period: int) -> tuple[float, float]:
    start, end = epoch(call["StartTime"]), epoch(call["EndTime"])
    if start >= end:
        raise AwsError("ValidationError", "The parameter EndTime must be greater than StartTime.")
    return float(start // period * period), end


def get_metric_data(store: MetricStore, call: Call) -> dict[str, Any]:
    asked = call["MetricDataQueries"]
    try:
        queries.validate(asked)
        start, end = _range(call, queries.period_of(asked))
        values, context = queries.compute(asked, store, start, end)
    except (ExpressionError, statistics.UnsupportedStatisticError) as error:
        raise AwsError("ValidationError", str(error)) from error
    newest_first = call.get("ScanBy", "TimestampDescending") != "TimestampAscending"
    results = []
    for query in asked:
        if not query.get("ReturnData", True):
            continue
        value: Value = values[query["Id"]]
        many = value if isinstance(value, list) else [as_series(value, context)]
        for series in many:
            stamps = sorted(series, reverse=newest_first)
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label") or _label(query),
                    "Timestamps": [datetime.fromtimestamp(stamp, UTC) for stamp in stamps],
                    "Values": [series[stamp] for stamp in stamps],
                    "StatusCode": "Complete",
                }
            )
    return {"MetricDataResults": results, "Messages": []}


def _label(query: Mapping[str, Any]) -> str:
    return str(query["MetricStat"]["Metric"]["MetricName"] if query.get("MetricStat") else query["Id"])


def get_metric_statistics(store: MetricStore, call: Call) -> dict[str, Any]:
    simple, extended = call.get("Statistics") or [], call.get("ExtendedStatistics") or []
    if not simple and not extended:
        raise AwsError("MissingParameter", "Must specify either Statistics or ExtendedStatistics")
    period = int(call["Period"])
    start, end = _range(call, period)
    key = queries.series_key(call.parameters)
    points = []
    try:
        for stamp, (summary, unit) in sorted(store.windows(key, start, end, period, call.get("Unit")).items()):
            point: dict[str, Any] = {"Timestamp": datetime.fromtimestamp(stamp, UTC), "Unit": unit}
            point |= {name: statistics.value_of(summary, name) for name in simple}
            percentiles = {name: statistics.value_of(summary, name) for name in extended}
            known = {name: value for name, value in percentiles.items() if value is not None}
            points.append(point | ({"ExtendedStatistics": known} if known else {}))
    except statistics.UnsupportedStatisticError as error:
        raise AwsError("InvalidParameterValue", str(error)) from error
    return {"Label": call["MetricName"], "Datapoints": points}


def list_metrics(store: MetricStore, call: Call) -> dict[str, Any]:
    wanted = [(item["Name"], item.get("Value")) for item in call.get("Dimensions") or ()]

    def matches(key: SeriesKey) -> bool:
        dimensions = dict(key.dimensions)
        return (
            call.get("Namespace") in (None, key.namespace)
            and call.get("MetricName") in (None, key.name)
            and all(name in dimensions and value in (None, dimensions[name]) for name, value in wanted)
        )

    found = sorted(
        (key for key in store.all_keys() if matches(key)), key=lambda k: (k.namespace, k.name, sorted(k.dimensions))
    )
    offset = int(call.get("NextToken") or 0)
    page = [
        {
            "Namespace": key.namespace,
            "MetricName": key.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(key.dimensions)],
        }
        for key in found[offset : offset + LIST_PAGE]
    ]
    more = {"NextToken": str(offset + LIST_PAGE)} if len(found) > offset + LIST_PAGE else {}
    return {"Metrics": page, **more}
