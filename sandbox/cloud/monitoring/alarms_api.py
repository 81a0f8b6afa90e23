"""CloudWatch's operations on alarms: put, describe, history, delete, set state, actions on and off, tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.cloud.actions import AwsError, Call, Handler
from sandbox.cloud.monitoring import queries, rules, statistics
from sandbox.cloud.monitoring.alarms import Alarm, AlarmBook
from sandbox.cloud.monitoring.evaluation import COMPARISONS
from sandbox.cloud.monitoring.metrics_api import epoch
from sandbox.cloud.monitoring.operations import ExpressionError
from sandbox.cloud.monitoring.service import Monitoring

TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
PAGE = 50


def handlers(monitoring: Monitoring) -> dict[str, Handler]:
    api = AlarmsApi(monitoring.book)
    return {
        "PutMetricAlarm": api.put_metric_alarm,
        "PutCompositeAlarm": api.put_composite_alarm,
        "DescribeAlarms": api.describe_alarms,
        "DescribeAlarmsForMetric": api.describe_alarms_for_metric,
        "DescribeAlarmHistory": api.describe_alarm_history,
        "DeleteAlarms": api.delete_alarms,
        "SetAlarmState": api.set_alarm_state,
        "EnableAlarmActions": lambda call: api.set_actions_enabled(call, True),
        "DisableAlarmActions": lambda call: api.set_actions_enabled(call, False),
        "TagResource": api.tag_resource,
        "UntagResource": api.untag_resource,
        "ListTagsForResource": api.list_tags_for_resource,
    }


class AlarmsApi:
    """Handlers over one book of alarms."""

    def __init__(self, book: AlarmBook) -> None:
        self._book = book

    def put_metric_alarm(self, call: Call) -> None:
        _check_threshold(call.parameters)
        if call.get("Metrics"):
            _check_queries(call.parameters)
        else:
            _check_metric(call.parameters)
        self._book.put(call.scope, call.parameters)

    def put_composite_alarm(self, call: Call) -> None:
        if call.get("ActionsSuppressor"):
            raise AwsError("ValidationError", "The sandbox does not support ActionsSuppressor; leave it out.")
        try:
            rule = rules.parse(call["AlarmRule"])
        except rules.AlarmRuleError as error:
            raise AwsError("ValidationError", str(error)) from error
        alarms = self._book.alarms(call.scope)
        missing = [name for name in rule.children if name not in alarms]
        if missing:
            names = ", ".join(missing)
            raise AwsError(
                "ValidationError",
                f"Could not save the composite alarm as alarms [{names}] in the alarm rule do not exist",
            )
        if _reaches(call["AlarmName"], rule.children, alarms):
            raise AwsError("ValidationError", f"AlarmRule of {call['AlarmName']} would form a cycle")
        self._book.put(call.scope, call.parameters)

    def describe_alarms(self, call: Call) -> dict[str, Any]:
        types = call.get("AlarmTypes") or ["MetricAlarm"]
        named, prefix = call.get("AlarmNames"), call.get("AlarmNamePrefix")
        found = [
            alarm
            for _, alarm in sorted(self._book.alarms(call.scope).items())
            if alarm.kind in types
            and (not named or alarm.name in named)
            and (prefix is None or alarm.name.startswith(prefix))
            and call.get("StateValue") in (None, alarm.state)
            and _has_action(alarm, call.get("ActionPrefix"))
        ]
        page, more = _page(found, call)
        return {
            "MetricAlarms": [alarm.describe() for alarm in page if not alarm.composite],
            "CompositeAlarms": [alarm.describe() for alarm in page if alarm.composite],
            **more,
        }

    def describe_alarms_for_metric(self, call: Call) -> dict[str, Any]:
        wanted = queries.series_key(call.parameters)
        found = [
            alarm.describe()
            for alarm in self._book.alarms(call.scope).values()
            if alarm.parameters.get("MetricName") and queries.series_key(alarm.parameters) == wanted
        ]
        return {"MetricAlarms": found}

    def describe_alarm_history(self, call: Call) -> dict[str, Any]:
        start, end = call.get("StartDate"), call.get("EndDate")
        types = call.get("AlarmTypes") or ["MetricAlarm"]
        items = [
            item
            for item in self._book.history(call.scope)
            if call.get("AlarmName") in (None, item.alarm_name)
            and item.alarm_type in types
            and call.get("HistoryItemType") in (None, item.kind)
            and (start is None or item.timestamp.timestamp() >= epoch(start))
            and (end is None or item.timestamp.timestamp() <= epoch(end))
        ]
        if call.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            items.reverse()
        page, more = _page(items, call)
        return {"AlarmHistoryItems": [item.describe() for item in page], **more}

    def delete_alarms(self, call: Call) -> None:
        alarms = self._book.alarms(call.scope)
        missing = [name for name in call["AlarmNames"] if name not in alarms]
        if missing:
            raise AwsError("ResourceNotFound", f"The alarms {missing} do not exist; no alarm was deleted.")
        self._book.delete(call.scope, call["AlarmNames"])

    def set_alarm_state(self, call: Call) -> None:
        alarm = self._book.alarms(call.scope).get(call["AlarmName"])
        if alarm is None:
            raise AwsError("ResourceNotFound", f"Alarm {call['AlarmName']} does not exist")
        data = call.get("StateReasonData")
        if data is not None:
            try:
                json.loads(data)
            except ValueError as error:
                raise AwsError("InvalidFormat", f"StateReasonData is not JSON: {error}") from error
        self._book.set_state(alarm, call["StateValue"], call["StateReason"], data)

    def set_actions_enabled(self, call: Call, enabled: bool) -> None:
        alarms = self._book.alarms(call.scope)
        with self._book.lock:
            for name in call["AlarmNames"]:
                if name in alarms:
                    alarms[name].parameters["ActionsEnabled"] = enabled

    def tag_resource(self, call: Call) -> None:
        self._by_arn(call).tags.update({tag["Key"]: tag["Value"] for tag in call["Tags"]})

    def untag_resource(self, call: Call) -> None:
        alarm = self._by_arn(call)
        for key in call["TagKeys"]:
            alarm.tags.pop(key, None)

    def list_tags_for_resource(self, call: Call) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(self._by_arn(call).tags.items())]}

    def _by_arn(self, call: Call) -> Alarm:
        for alarm in self._book.alarms(call.scope).values():
            if alarm.arn == call["ResourceARN"]:
                return alarm
        raise AwsError("ResourceNotFoundException", f"{call['ResourceARN']} does not exist")


def _page(found: Sequence[Any], call: Call) -> tuple[Sequence[Any], dict[str, str]]:
    offset, size = int(call.get("NextToken") or 0), int(call.get("MaxRecords") or PAGE)
    more = {"NextToken": str(offset + size)} if len(found) > offset + size else {}
    return found[offset : offset + size], more


def _has_action(alarm: Alarm, prefix: str | None) -> bool:
    keys = ("OKActions", "AlarmActions", "InsufficientDataActions")
    return prefix is None or any(arn.startswith(prefix) for key in keys for arn in alarm.parameters.get(key) or ())


def _reaches(name: str, children: Iterable[str], alarms: Mapping[str, Alarm]) -> bool:
    return any(
        child == name or (alarms[child].composite and _reaches(name, alarms[child].rule.children, alarms))
        for child in children
        if child in alarms
    )


def _check_threshold(parameters: Mapping[str, Any]) -> None:
    if parameters.get("ThresholdMetricId"):
        raise AwsError("ValidationError", "The sandbox does not support anomaly detection (ThresholdMetricId).")
    if parameters["ComparisonOperator"] not in COMPARISONS:
        raise AwsError(
            "ValidationError", f"ComparisonOperator {parameters['ComparisonOperator']} is for anomaly detection only"
        )
    if parameters.get("Threshold") is None:
        raise AwsError("ValidationError", "Threshold is required")
    periods, needed = parameters["EvaluationPeriods"], parameters.get("DatapointsToAlarm")
    if needed is not None and needed > periods:
        raise AwsError(
            "ValidationError", f"DatapointsToAlarm ({needed}) must not be greater than EvaluationPeriods ({periods})"
        )
    treatment = parameters.get("TreatMissingData")
    if treatment is not None and treatment not in TREATMENTS:
        raise AwsError(
            "ValidationError",
            f"Option {treatment} is not supported. Supported options for parameter TreatMissingData are breaching, "
            "notBreaching, ignore and missing.",
        )
    low = parameters.get("EvaluateLowSampleCountPercentile")
    if low is not None and low not in ("evaluate", "ignore"):
        raise AwsError(
            "ValidationError",
            f"Option {low} is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are "
            "evaluate and ignore.",
        )


def _check_metric(parameters: Mapping[str, Any]) -> None:
    for name in ("MetricName", "Namespace", "Period"):
        if parameters.get(name) is None:
            raise AwsError("ValidationError", f"The parameter {name} is required for an alarm on a metric")
    statistic, extended = parameters.get("Statistic"), parameters.get("ExtendedStatistic")
    if (statistic is None) == (extended is None):
        raise AwsError("ValidationError", "Exactly one of Statistic and ExtendedStatistic must be given")
    _check_period(int(parameters["Period"]))
    try:
        statistics.percentile_of(statistic or extended or "")
    except statistics.UnsupportedStatisticError as error:
        raise AwsError("ValidationError", str(error)) from error
    if int(parameters["Period"]) * parameters["EvaluationPeriods"] > 7 * 86400:
        raise AwsError("ValidationError", "Metrics cannot be checked across more than seven days")


def _check_period(period: int) -> None:
    if period not in (10, 20, 30) and period % 60:
        raise AwsError("ValidationError", f"Period {period} must be 10, 20, 30 or a multiple of 60 seconds")


def _check_queries(parameters: Mapping[str, Any]) -> None:
    both = [name for name in ("MetricName", "Namespace", "Period", "Statistic", "ExtendedStatistic", "Dimensions")
            if parameters.get(name)]  # fmt: skip
    if both:
        raise AwsError("ValidationError", f"Metrics and {', '.join(both)} are mutually exclusive")
    asked = parameters["Metrics"]
    if sum(bool(query.get("ReturnData", True)) for query in asked) != 1:
        raise AwsError("ValidationError", "Exactly one element of the metrics list should return data.")
    try:
        queries.validate(asked)
    except (ExpressionError, statistics.UnsupportedStatisticError) as error:
        raise AwsError("ValidationError", str(error)) from error
    for query in asked:
        if query.get("MetricStat"):
            _check_period(int(query["MetricStat"]["Period"]))
