"""The statistics of evidence, thin over scipy. Pure; every function names its source.

Rates count distinct requests, latencies count pairs; who calls decides what an observation is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from release.estimates import Interval, Percentiles

_EXACT_PAIRS = 50
_BISECTIONS = 80


def wilson(successes: float, observations: int, confidence: float = 0.95) -> Interval:
    """Share of successes (0-1) with Wilson's score interval; `successes` may be a sum of shares.

    Raises ValueError without observations.
    Source: E. B. Wilson, JASA 22 (1927); without continuity correction, as `scipy.stats.binomtest(...).proportion_ci`.
    """
    if observations < 1 or not 0 <= successes <= observations:
        raise ValueError(f"{successes} successes of {observations} observations give no share")
    z = float(stats.norm.ppf((1 + confidence) / 2))
    share, shrink = successes / observations, 1 + z * z / observations
    centre = (share + z * z / (2 * observations)) / shrink
    half = z * math.sqrt(share * (1 - share) / observations + z * z / (4 * observations**2)) / shrink
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def mcnemar_midp(only_first: int, only_second: int) -> float:
    """One-sided mid-p of "the first is right more often than the second" from the discordant pairs.

    Source: Fagerland, Lydersen, Laake, BMC Med Res Methodol 13:91 (2013), who give the two-sided form; twice this one.
    """
    discordant = only_first + only_second
    if discordant == 0:
        return 1.0
    law = stats.binom(discordant, 0.5)
    return float(law.sf(only_first) + law.pmf(only_first) / 2)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p that both are right equally often. Source: as `mcnemar_midp`; a binomial test with p = 1/2."""
    discordant = only_first + only_second
    return 1.0 if discordant == 0 else float(stats.binomtest(only_first, discordant, 0.5).pvalue)


def paired_difference(only_first: int, only_second: int, pairs: int, confidence: float = 0.95) -> Interval:
    """Difference of two paired shares, first minus second, with the adjusted Wald interval of Bonett and Price.

    Raises ValueError without pairs or with more discordant ones than pairs.
    Source: Bonett, Price, J. Educ. Behav. Stat. 37 (2012), recommended by Fagerland et al., Stat. Med. 33 (2014).
    """
    if pairs < 1 or min(only_first, only_second) < 0 or only_first + only_second > pairs:
        raise ValueError(f"{only_first} + {only_second} discordant of {pairs} pairs give no difference")
    z = float(stats.norm.ppf((1 + confidence) / 2))
    one, other = (only_first + 1) / (pairs + 2), (only_second + 1) / (pairs + 2)
    half = z * math.sqrt((one + other - (one - other) ** 2) / (pairs + 2))
    estimate = (only_first - only_second) / pairs
    centre = one - other
    return Interval(estimate, max(-1.0, min(estimate, centre - half)), min(1.0, max(estimate, centre + half)))


@dataclass(frozen=True)
class PairedRatio:
    """How many times as long the second takes as the first, with the one-sided p of "it takes longer"."""

    interval: Interval
    p_value: float
    pairs: int


def paired_ratio(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> PairedRatio:
    """Wilcoxon's signed-rank test on the logs of `second / first`, with the Hodges-Lehmann estimate and its interval.

    Both in the same unit, all greater than 0. Raises ValueError for sequences that are empty, unequal or not positive.
    Source: Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3rd ed., 3.1-3.3; `scipy.stats.wilcoxon`.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} latencies are no pairs")
    before, after = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not (np.isfinite(before).all() and np.isfinite(after).all() and (before > 0).all() and (after > 0).all()):
        raise ValueError("latencies must be finite and greater than 0")
    ratios = np.log(after) - np.log(before)
    p_value = float(stats.wilcoxon(ratios, alternative="greater").pvalue) if ratios.any() else 1.0
    low, estimate, high = (math.exp(value) for value in _hodges_lehmann(np.sort(ratios), confidence))
    return PairedRatio(Interval(estimate, low, high), p_value, len(ratios))


def _hodges_lehmann(ordered: npt.NDArray[np.float64], confidence: float) -> tuple[float, float, float]:
    """(low, estimate, high) of the centre of symmetry: order statistics of the averages of all pairs."""
    count = len(ordered)
    averages = count * (count + 1) // 2
    below = _critical_rank(count, (1 - confidence) / 2)
    middle = (_walsh(ordered, (averages + 1) // 2) + _walsh(ordered, averages // 2 + 1)) / 2
    if below < 1:
        return -math.inf, middle, math.inf
    return _walsh(ordered, below), middle, _walsh(ordered, averages + 1 - below)


def _critical_rank(count: int, tail: float) -> int:
    """The largest rank with P(T < rank) <= tail for the signed-rank statistic T; 0 when even T = 0 is likelier."""
    if count > _EXACT_PAIRS:
        mean, variance = count * (count + 1) / 4, count * (count + 1) * (2 * count + 1) / 24
        return math.floor(mean + float(stats.norm.ppf(tail)) * math.sqrt(variance))
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    return int(np.searchsorted(np.cumsum(ways) / 2.0**count, tail, side="right"))


def _walsh(ordered: npt.NDArray[np.float64], rank: int) -> float:
    """The rank-th smallest (from 1) of the averages of all pairs i <= j, by bisection: n² of them would not fit."""
    low, high = float(ordered[0]), float(ordered[-1])
    own = np.arange(len(ordered))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        reach = np.searchsorted(ordered, 2 * middle - ordered, side="right")
        # Pairs i <= j with an average of at most `middle`; j runs from i up to `reach`.
        if int(np.maximum(reach - own, 0).sum()) >= rank:
            high = middle
        else:
            low = middle
    return high


def median_ratio(first: Percentiles, second: Percentiles, confidence: float = 0.95) -> Interval:
    """Second median over first, of unpaired latencies known by their percentiles, with an approximate interval.

    The variance of a sample's median is 1 / (4 n f(m)²); with lognormal latencies, whose sigma is read off p99/p50,
    the log of the median has variance pi sigma² / (2 n). Raises ValueError unless 0 < p50 <= p99 and samples > 0.
    Source: Serfling, Approximation Theorems of Mathematical Statistics, 2.3.3.
    """
    for side in (first, second):
        if not (0 < side.p50_ms <= side.p99_ms < math.inf and side.samples > 0):
            raise ValueError(f"{side} are no percentiles of latencies")
    variance = sum(math.pi / 2 * _lognormal_sigma(side) ** 2 / side.samples for side in (first, second))
    half = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance)
    ratio = second.p50_ms / first.p50_ms
    return Interval(ratio, ratio * math.exp(-half), ratio * math.exp(half))


def _lognormal_sigma(side: Percentiles) -> float:
    return math.log(side.p99_ms / side.p50_ms) / float(stats.norm.ppf(0.99))


def pairs_needed(ratio: float, sigma: float, significance: float = 0.01, power: float = 0.99) -> int:
    """Pairs for the signed-rank test to find a latency ratio, when one latency's log has standard deviation `sigma`.

    Normal approximation with the test's relative efficiency 3/pi; FACTS' simulation (sigma 0.4, +25%) is its check.
    Source: Noether, JASA 82 (1987). Raises ValueError unless ratio > 1 and sigma > 0.
    """
    if ratio <= 1 or sigma <= 0:
        raise ValueError(f"ratio {ratio} must be greater than 1 and sigma {sigma} greater than 0")
    z = float(stats.norm.ppf(1 - significance) + stats.norm.ppf(power))
    return math.ceil((z * sigma * math.sqrt(2) / math.log(ratio)) ** 2 * math.pi / 3)
