"""CloudWatch's statistics of a window: Sum, Average, Minimum, Maximum, SampleCount and percentiles (p0 to p100)."""

from __future__ import annotations

import re

from sandbox.cloud.monitoring.series import Summary

SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")


class UnsupportedStatisticError(ValueError):
    """The statistic is none of `SIMPLE` and no percentile."""

    def __init__(self, statistic: str) -> None:
        super().__init__(f"The value {statistic} for parameter Stat is not supported.")


def percentile_of(statistic: str) -> float | None:
    """The fraction a percentile statistic asks for (`p99` → 0.99), None for the others.

    Raises:
        UnsupportedStatisticError: trimmed means, percentile ranks and unknown names.
    """
    if statistic in SIMPLE:
        return None
    match = _PERCENTILE.fullmatch(statistic)
    if match is None:
        raise UnsupportedStatisticError(statistic)
    return float(match[1]) / 100


def value_of(summary: Summary, statistic: str) -> float | None:
    """The statistic of a window with points; None where AWS gives none (a percentile of a mixed statistic set)."""
    fraction = percentile_of(statistic)
    if fraction is not None:
        return None if summary.values is None else _percentile(summary.values, fraction)
    if statistic == "Average":
        return summary.sum / summary.count
    return {
        "SampleCount": summary.count,
        "Sum": summary.sum,
        "Minimum": summary.minimum,
        "Maximum": summary.maximum,
    }[statistic]


def _percentile(values: dict[float, float], fraction: float) -> float:
    """Linear interpolation between the closest ranks, over counted values."""
    ordered = sorted(values.items())
    rank = fraction * (sum(values.values()) - 1)
    seen = 0.0
    for index, (value, count) in enumerate(ordered):
        if rank <= seen + count - 1 or index == len(ordered) - 1:
            return value
        if rank < seen + count:
            following = ordered[index + 1][0]
            return value + (following - value) * (rank - (seen + count - 1))
        seen += count
    raise AssertionError("a window without points has no percentile")


def few_samples(summary: Summary, fraction: float) -> bool:
    """Whether a percentile rests on too few samples to mean much: below 10/(1-p), or 10/p under the median."""
    tail = 1 - fraction if fraction >= 0.5 else fraction
    return tail > 0 and summary.count < 10 / tail
