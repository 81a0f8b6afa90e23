"""What the statistics find: an estimate with its interval, and the percentiles of latencies.

Apart from `release.statistics`, whose libraries take a second to import: who only reads evidence does not need them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval, all in the estimate's unit."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Percentiles:
    """What a metric store knows of latencies: median and 99th percentile in milliseconds, and how many there were."""

    p50_ms: float
    p99_ms: float
    samples: int

    @classmethod
    def of(cls, latencies_ms: Sequence[float]) -> Percentiles:
        """Of the latencies themselves. Raises ValueError without any."""
        if not latencies_ms:
            raise ValueError("no latencies, no percentiles")
        import numpy as np  # only where it is computed: reading evidence takes no numpy

        p50, p99 = np.percentile(np.asarray(latencies_ms, dtype=np.float64), [50, 99])
        return cls(float(p50), float(p99), len(latencies_ms))
