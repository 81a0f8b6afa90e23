"""What a change of an alarm's state looks like outside: the SNS message and the EventBridge event.

Sources: CloudWatch User Guide, "Alarm events and EventBridge"; messages of real alarms for the SNS form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader

from sandbox.cloud.monitoring.alarms import Transition, stamp


@cache
def region_name(region: str) -> str:
    """`US East (N. Virginia)` for `us-east-1`; the code itself for a region botocore does not know."""
    for partition in Loader().load_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return str(partition["regions"][region]["description"])
    return region


def subject(transition: Transition) -> str:
    """SNS subjects hold at most 100 characters."""
    alarm = transition.alarm
    return f'{transition.state}: "{alarm.name}" in {region_name(alarm.scope.region)}'[:100]


def sns_message(transition: Transition) -> str:
    """The JSON that CloudWatch publishes to a topic."""
    alarm, parameters = transition.alarm, transition.parameters
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": parameters.get("AlarmDescription"),
        "AWSAccountId": alarm.scope.account,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configuration_updated),
        "NewStateValue": transition.state,
        "NewStateReason": transition.reason,
        "StateChangeTime": stamp(transition.timestamp),
        "Region": region_name(alarm.scope.region),
        "AlarmArn": alarm.arn,
        "OldStateValue": transition.previous,
        "OKActions": parameters.get("OKActions") or [],
        "AlarmActions": parameters.get("AlarmActions") or [],
        "InsufficientDataActions": parameters.get("InsufficientDataActions") or [],
    }
    if alarm.composite:
        message["AlarmRule"] = parameters["AlarmRule"]
        message["TriggeringChildren"] = [
            {"Arn": arn, "State": {"Value": value, "Timestamp": stamp(when)}}
            for arn, value, when in transition.triggering
        ]
    else:
        message["Trigger"] = _trigger(parameters)
    return json.dumps(message)


def _trigger(parameters: Mapping[str, Any]) -> dict[str, Any]:
    common = {
        "Period": parameters.get("Period"),
        "EvaluationPeriods": parameters["EvaluationPeriods"],
        "DatapointsToAlarm": parameters.get("DatapointsToAlarm") or parameters["EvaluationPeriods"],
        "ComparisonOperator": parameters["ComparisonOperator"],
        "Threshold": parameters["Threshold"],
        "TreatMissingData": parameters.get("TreatMissingData") or "missing",
        "EvaluateLowSampleCountPercentile": parameters.get("EvaluateLowSampleCountPercentile") or "",
    }
    if parameters.get("Metrics"):
        common["Period"] = max(
            [query["MetricStat"]["Period"] for query in parameters["Metrics"] if query.get("MetricStat")], default=60
        )
        return common | {"Metrics": [_query(query) for query in parameters["Metrics"]]}
    trigger: dict[str, Any] = {"MetricName": parameters["MetricName"], "Namespace": parameters["Namespace"]}
    if parameters.get("ExtendedStatistic"):
        trigger |= {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": parameters["ExtendedStatistic"]}
    else:
        spelled = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameters["Statistic"]).upper()
        trigger |= {"StatisticType": "Statistic", "Statistic": spelled}
    return trigger | {"Unit": parameters.get("Unit"), "Dimensions": _dimensions(parameters)} | common


def _dimensions(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"value": item["Value"], "name": item["Name"]} for item in parameters.get("Dimensions") or ()]


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    result = {key: value for key, value in query.items() if key != "MetricStat"}
    result["ReturnData"] = query.get("ReturnData", True)
    if query.get("MetricStat"):
        stat = query["MetricStat"]
        result["MetricStat"] = {**stat, "Metric": {**stat["Metric"], "Dimensions": _dimensions(stat["Metric"])}}
    return result


def event_detail(transition: Transition) -> dict[str, Any]:
    """`detail` of `CloudWatch Alarm State Change`."""
    parameters = transition.parameters
    configuration: dict[str, Any] = {"description": parameters.get("AlarmDescription") or ""}
    if transition.alarm.composite:
        configuration["alarmRule"] = parameters["AlarmRule"]
    else:
        configuration["metrics"] = [_event_metric(query) for query in _queries(parameters)]
    previous = {
        "value": transition.previous,
        "reason": transition.previous_reason,
        "timestamp": stamp(transition.previous_timestamp),
    }
    state = {"value": transition.state, "reason": transition.reason, "timestamp": stamp(transition.timestamp)}
    if transition.previous_reason_data is not None:
        previous["reasonData"] = transition.previous_reason_data
    if transition.reason_data is not None:
        state["reasonData"] = transition.reason_data
    return {
        "alarmName": transition.alarm.name,
        "configuration": configuration,
        "previousState": previous,
        "state": state,
    }


def _queries(parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if parameters.get("Metrics"):
        return list(parameters["Metrics"])
    metric = {key: parameters.get(key) for key in ("Namespace", "MetricName", "Dimensions")}
    stat = parameters.get("Statistic") or parameters.get("ExtendedStatistic")
    return [{"Id": "m1", "MetricStat": {"Metric": metric, "Period": parameters["Period"], "Stat": stat}}]


def _event_metric(query: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if query.get("Expression"):
        return result | {"expression": query["Expression"], "label": query.get("Label") or query["Id"]}
    stat = query["MetricStat"]
    metric = stat["Metric"]
    dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions") or ()}
    result["metricStat"] = {
        "metric": {"namespace": metric["Namespace"], "name": metric["MetricName"], "dimensions": dimensions},
        "period": stat["Period"],
        "stat": stat["Stat"],
    }
    return result
