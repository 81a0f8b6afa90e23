"""Metric data points, kept so that a window is read without scanning the rest.

A series is one namespace, name and exact set of dimensions. Its points are folded into one-second buckets (CloudWatch's
finest resolution) with their value distribution, so percentiles stay exact. Buckets are found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import RLock


@dataclass(frozen=True)
class SeriesKey:
    """Identity of a metric; dimensions are matched exactly, never as a subset."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> SeriesKey:
        return cls(namespace, name, frozenset(dimensions.items()))


@dataclass
class Summary:
    """Statistic set of some points; `values` counts each value, or is None when only a statistic set is known."""

    count: float = 0.0
    sum: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")
    values: dict[float, float] | None = field(default_factory=dict)

    def add(self, value: float, count: float = 1.0) -> None:
        self.count += count
        self.sum += value * count
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)
        if self.values is not None:
            self.values[value] = self.values.get(value, 0.0) + count

    def merge(self, other: Summary) -> None:
        self.count += other.count
        self.sum += other.sum
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if self.values is None or other.values is None:
            self.values = None
            return
        for value, count in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + count

    @classmethod
    def of_statistic_set(cls, count: float, total: float, minimum: float, maximum: float) -> Summary:
        """From PutMetricData's StatisticValues; the distribution is known only if there is a single value in it."""
        values = {minimum: count} if minimum == maximum or count == 1 else None
        return cls(count, total, minimum, maximum, values)


class _Series:
    def __init__(self) -> None:
        self.seconds: list[int] = []
        self.buckets: dict[int, dict[str, Summary]] = {}

    def bucket(self, second: int, unit: str) -> Summary:
        by_unit = self.buckets.get(second)
        if by_unit is None:
            by_unit = self.buckets[second] = {}
            if not self.seconds or second > self.seconds[-1]:
                self.seconds.append(second)
            else:
                insort(self.seconds, second)
        return by_unit.setdefault(unit, Summary())

    def between(self, start: float, end: float) -> Iterator[tuple[int, dict[str, Summary]]]:
        first, last = bisect_left(self.seconds, start), bisect_left(self.seconds, end)
        for second in self.seconds[first:last]:
            yield second, self.buckets[second]


class MetricStore:
    """All series of one account and region; safe to use from several threads."""

    def __init__(self) -> None:
        self._series: dict[SeriesKey, _Series] = {}
        self._lock = RLock()

    def put(self, key: SeriesKey, timestamp: float, value: float, *, count: float = 1.0, unit: str = "None") -> None:
        """Adds `count` samples of `value` at `timestamp` (seconds since the epoch)."""
        with self._lock:
            self._series.setdefault(key, _Series()).bucket(int(timestamp), unit).add(value, count)

    def put_summary(self, key: SeriesKey, timestamp: float, summary: Summary, *, unit: str = "None") -> None:
        with self._lock:
            self._series.setdefault(key, _Series()).bucket(int(timestamp), unit).merge(summary)

    def windows(
        self, key: SeriesKey, start: float, end: float, width: float, unit: str | None = None
    ) -> dict[float, tuple[Summary, str]]:
        """Points of [start, end) folded into windows of `width` seconds that begin at `start`.

        Returns {window's start: (summary, a unit of its points)}; windows without points are absent.
        """
        result: dict[float, tuple[Summary, str]] = {}
        with self._lock:
            series = self._series.get(key)
            for second, by_unit in series.between(start, end) if series else ():
                window = start + (second - start) // width * width
                for point_unit, summary in by_unit.items():
                    if unit is None or unit == point_unit:
                        result.setdefault(window, (Summary(), point_unit))[0].merge(summary)
        return result

    def all_keys(self) -> Iterable[SeriesKey]:
        with self._lock:
            return list(self._series)
