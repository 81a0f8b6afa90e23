"""Alarm specifications: what `aws.cloudwatch.MetricAlarm` takes, as pure functions.

ModelLatency is in microseconds. InvocationModelErrors counts every answer of the container that is not 2xx, the
client's own mistakes (4xx) and time-outs included, so the error rate leaves the 4xx out; Invocation5XXErrors is a
part of it, and the larger of the two counts.

What no data means: a period without requests, without labels, or with too few of either to judge, counts as good. So a
quiet deployment may finish its rollout unjudged by these alarms; that it was good is for evidence to show beforehand
and for the monitor to watch afterwards. The error rate needs a minimum of requests because one failure in a quiet
minute of a canary would be a rate of 100%.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from settings import Alarms, PredictionAccuracy

MICROSECONDS = 1_000
"""Microseconds a millisecond."""

SAGEMAKER = "AWS/SageMaker"
NAMESPACE = "Understudy"
ACCURACY_METRIC = "PredictionAccuracy"
WATCH_PERIODS = 3
"""Periods in a row before the monitor acts: one slow minute is no reason to go back."""

Dimensions = Mapping[str, Any]


def latency_alarm(alarms: Alarms, dimensions: Dimensions, periods: int) -> dict[str, Any]:
    """p99 of the model's latency above the limit. Call it only where there is a limit."""
    if alarms.latency_p99_milliseconds is None:
        raise ValueError("there is no latency limit: alarms.latencyP99Milliseconds is not set")
    return {
        "alarm_description": f"p99 model latency above {alarms.latency_p99_milliseconds:g} ms",
        "namespace": SAGEMAKER,
        "metric_name": "ModelLatency",
        "dimensions": dict(dimensions),
        "extended_statistic": "p99",
        "unit": "Microseconds",
        "threshold": alarms.latency_p99_milliseconds * MICROSECONDS,
        **_rule("GreaterThanThreshold", periods),
        "period": alarms.period_seconds,
    }


def error_alarm(alarms: Alarms, dimensions: Dimensions, periods: int) -> dict[str, Any]:
    """Share of requests that the model failed, in percent, above the limit; too few requests count as none failed."""
    sums = {
        "invocations": "Invocations",
        "server_errors": "Invocation5XXErrors",
        "model_errors": "InvocationModelErrors",
        "client_errors": "Invocation4XXErrors",
    }
    metrics = [_metric(key, SAGEMAKER, name, dimensions, alarms, "Sum") for key, name in sums.items()]
    rate = _expression("error_rate", error_rate(alarms.minimum_requests), "failed requests, percent")
    return {
        "alarm_description": (
            f"more than {alarms.error_rate_percent:g}% of at least {alarms.minimum_requests} requests a period failed"
        ),
        "metric_queries": [*metrics, rate],
        "threshold": alarms.error_rate_percent,
        **_rule("GreaterThanThreshold", periods),
    }


def error_rate(minimum_requests: int) -> str:
    """Failed requests, percent, by the sums that `error_alarm` names; 0 below the minimum."""
    failed = "MAX([FILL(server_errors, 0), FILL(model_errors, 0) - FILL(client_errors, 0)])"
    return f"IF(invocations >= {minimum_requests}, 100 * {failed} / invocations, 0)"


def accuracy_alarm(alarms: Alarms, accuracy: PredictionAccuracy, dimensions: Dimensions) -> dict[str, Any]:
    """Share of right predictions below the threshold; a period with too few labels counts as right."""
    metrics = [
        _metric("accuracy", NAMESPACE, ACCURACY_METRIC, dimensions, alarms, "Average"),
        _metric("labels", NAMESPACE, ACCURACY_METRIC, dimensions, alarms, "SampleCount"),
    ]
    judged = _expression(
        "judged_accuracy", f"IF(labels >= {accuracy.minimum_labels}, accuracy, 1)", "accuracy with enough labels"
    )
    return {
        "alarm_description": (
            f"accuracy below {accuracy.threshold:g} in {accuracy.evaluation_periods} periods in a row "
            f"of at least {accuracy.minimum_labels} labels"
        ),
        "metric_queries": [*metrics, judged],
        "threshold": accuracy.threshold,
        **_rule("LessThanThreshold", accuracy.evaluation_periods),
    }


def any_of(alarm_names: list[str]) -> str:
    """A composite alarm's rule."""
    return " OR ".join(f'ALARM("{name}")' for name in alarm_names)


def _rule(comparison_operator: str, periods: int) -> dict[str, Any]:
    """No traffic and no labels are no fault of the model; whoever needs evidence asks for data, not for silence."""
    return {
        "comparison_operator": comparison_operator,
        "evaluation_periods": periods,
        "datapoints_to_alarm": periods,
        "treat_missing_data": "notBreaching",
    }


def _metric(
    key: str, namespace: str, metric_name: str, dimensions: Dimensions, alarms: Alarms, stat: str
) -> dict[str, Any]:
    metric = {
        "namespace": namespace,
        "metric_name": metric_name,
        "dimensions": dict(dimensions),
        "period": alarms.period_seconds,
        "stat": stat,
    }
    return {"id": key, "metric": metric, "return_data": False}


def _expression(key: str, expression: str, label: str) -> dict[str, Any]:
    return {"id": key, "expression": expression, "label": label, "return_data": True}
