"""Production as a baseline: whether there is one, which version, since when, and how quick it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from release import access
from release.estimates import Percentiles
from release.ledger import brought_in, releases
from release.workspace import Project, engine_errors

MINUTE = timedelta(minutes=1)
_MOST_POINTS = 1440
"""GetMetricStatistics: datapoints of one answer."""


@dataclass(frozen=True)
class Baseline:
    """The version production runs. Requests answered before `since` were answered by another one."""

    arn: str
    endpoint: str
    since: datetime
    reader_role: str | None = None
    """What may look at it from another account."""


def baseline(project: Project, service: str, stack: str) -> Baseline | None:
    """None when the service does not run in that stack, or the stack is not there."""
    environment = project.environment_if_any(stack)
    if environment is None or service not in environment.services():
        return None
    outputs = environment.services()[service]
    arn = str(outputs["modelPackageArn"])
    with engine_errors(stack):
        current = brought_in(releases(environment.stack.history(show_secrets=False), stack, service), arn)
    # Without an update that says so (an imported stack), nothing before now counts as this version's.
    since = current.ended if current and current.ended else datetime.now(UTC)
    return Baseline(arn, str(outputs["endpointName"]), since, access.reader_role(environment.outputs))


def model_latency(
    endpoint: str, variant: str, start: datetime, end: datetime, role: str | None = None
) -> Percentiles | None:
    """ModelLatency of an endpoint's variant over a window, which is widened to whole minutes; None without data.

    API: GetMetricStatistics, minute by minute (longer where the window is over a day), as a longer period would reach
    back to another version. The metric is in microseconds. `role` reads where the endpoint is in another account.
    """
    first = start.replace(second=0, microsecond=0)
    seconds = max(60, math.ceil((end - first) / MINUTE) * 60)
    query = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ModelLatency",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}],
        "StartTime": first,
        "EndTime": first + timedelta(seconds=seconds),
        "Period": math.ceil(seconds / _MOST_POINTS / 60) * 60,
    }
    cloudwatch = access.client("cloudwatch", role)
    counted = cloudwatch.get_metric_statistics(**query, Statistics=["SampleCount"])["Datapoints"]
    ranked = cloudwatch.get_metric_statistics(**query, ExtendedStatistics=["p50", "p99"])["Datapoints"]
    counts = {point["Timestamp"]: point["SampleCount"] for point in counted}
    return combined(
        [
            (counts[point["Timestamp"]], point["ExtendedStatistics"]["p50"], point["ExtendedStatistics"]["p99"])
            for point in ranked
            if counts.get(point["Timestamp"])
        ]
    )


def combined(points: Sequence[tuple[float, float, float]]) -> Percentiles | None:
    """One window's percentiles, in milliseconds, from its periods' (samples, p50, p99) in microseconds.

    Means weighted by samples: what can be said without the latencies themselves, and the same for either side.
    """
    total = math.fsum(samples for samples, _, _ in points)
    if not total:
        return None
    p50 = math.fsum(samples * p50 for samples, p50, _ in points) / total
    p99 = math.fsum(samples * p99 for samples, _, p99 in points) / total
    return Percentiles(p50 / 1000, p99 / 1000, int(total))
