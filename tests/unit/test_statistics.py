"""The statistics against published values, scipy's own, and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from release import statistics
from release.estimates import Percentiles


def test_wilson_of_a_published_example() -> None:
    # Newcombe, Stat. Med. 17 (1998) 857, example 81 of 263, method 3.
    interval = statistics.wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


@settings(deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipy_s(counts: tuple[int, int]) -> None:
    interval = statistics.wilson(*counts)
    reference = stats.binomtest(*counts).proportion_ci(0.95, "wilson")
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-9)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


@pytest.mark.parametrize(("successes", "observations"), [(0, 0), (2, 1), (-1, 4)])
def test_no_share_without_observations(successes: int, observations: int) -> None:
    with pytest.raises(ValueError, match="give no share"):
        statistics.wilson(successes, observations)


def test_mcnemar_and_the_paired_difference_of_a_published_example() -> None:
    # Fagerland et al., BMC Med Res Methodol 13:91 (2013) and Stat. Med. 33 (2014): 21 children, 1 and 7 discordant.
    assert statistics.mcnemar_exact(1, 7) == pytest.approx(0.0703, abs=1e-4)
    assert 2 * statistics.mcnemar_midp(7, 1) == pytest.approx(0.0391, abs=1e-4)
    interval = statistics.paired_difference(1, 7, 21)
    assert interval.estimate == pytest.approx(-6 / 21)
    assert (interval.low, interval.high) == pytest.approx((-0.508, -0.013), abs=1e-3)


def test_mcnemar_without_discordant_pairs_says_nothing() -> None:
    assert statistics.mcnemar_midp(0, 0) == 1.0
    assert statistics.mcnemar_exact(0, 0) == 1.0
    assert statistics.mcnemar_midp(0, 9) > 0.99


def test_a_difference_needs_pairs() -> None:
    with pytest.raises(ValueError, match="5 \\+ 6 discordant of 10 pairs give no difference"):
        statistics.paired_difference(5, 6, 10)


DEPRESSION_BEFORE = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
DEPRESSION_AFTER = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]


def test_the_signed_rank_test_of_a_published_example() -> None:
    # Hollander & Wolfe, example 3.1, as R's `?wilcox.test` has it: p = 0.01953, estimate 0.46, interval 0.01 to 0.786.
    before, after = [math.exp(x) for x in DEPRESSION_BEFORE], [math.exp(x) for x in DEPRESSION_AFTER]
    result = statistics.paired_ratio(before, after)
    assert result.p_value == pytest.approx(0.01953, abs=1e-5)
    found = [math.log(value) for value in (result.interval.low, result.interval.estimate, result.interval.high)]
    assert found == pytest.approx([0.01, 0.46, 0.786], abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=60))
def test_the_estimate_is_the_median_of_all_averages(ratios: list[float]) -> None:
    logs = np.log(np.asarray(ratios))
    averages = [(logs[i] + logs[j]) / 2 for i in range(len(logs)) for j in range(i, len(logs))]
    result = statistics.paired_ratio([1.0] * len(ratios), ratios)
    assert math.log(result.interval.estimate) == pytest.approx(float(np.median(averages)), abs=1e-9)
    assert result.interval.low <= result.interval.estimate + 1e-12 <= result.interval.high + 2e-12


def test_equal_latencies_are_no_evidence_of_anything() -> None:
    result = statistics.paired_ratio([2.0] * 600, [2.0] * 600)
    assert (result.interval.estimate, result.p_value) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([], [], "0 and 0"),
        ([1.0], [1.0, 2.0], "1 and 2"),
        ([0.0], [1.0], "greater than 0"),
        ([math.nan], [1.0], "finite"),
    ],
)
def test_what_is_no_pair_of_latencies_is_refused(first: list[float], second: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        statistics.paired_ratio(first, second)


def test_power_and_false_alarms_of_five_hundred_pairs() -> None:
    """Promise 27 for the rule of significance and effect: at +25% at least 99% are found, at most 2% of A/A blocked."""
    random = np.random.default_rng(20261123)

    def blocked(slower: float) -> bool:
        first = random.lognormal(1, 0.4, 500)
        second = random.lognormal(1, 0.4, 500) * slower
        result = statistics.paired_ratio(first.tolist(), second.tolist())
        return result.p_value < 0.01 and result.interval.estimate > 1.10

    assert sum(blocked(1.25) for _ in range(200)) >= 198
    assert sum(blocked(1.0) for _ in range(200)) <= 4


def test_the_unpaired_interval_covers_the_ratio_of_medians() -> None:
    random = np.random.default_rng(20261123)
    covered = 0
    for _ in range(300):
        first, second = (Percentiles.of(random.lognormal(m, 0.4, 500).tolist()) for m in (1.0, 1.0 + math.log(1.2)))
        interval = statistics.median_ratio(first, second)
        covered += interval.low <= 1.2 <= interval.high
    assert covered / 300 == pytest.approx(0.95, abs=0.04)


def test_percentiles_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="no latencies, no percentiles"):
        Percentiles.of([])
    with pytest.raises(ValueError, match="are no percentiles of latencies"):
        statistics.median_ratio(Percentiles(0, 1, 5), Percentiles(1, 1, 5))


def test_pairs_needed_agrees_with_the_simulated_power() -> None:
    # FACTS 10: of +25% at sigma 0.4, n = 50 finds 63% and n = 200 finds 99.8%.
    assert 100 < statistics.pairs_needed(1.25, 0.4) < 200
    assert statistics.pairs_needed(1.25, 0.4, power=0.63) == pytest.approx(50, abs=5)
    with pytest.raises(ValueError, match="ratio 1 must be greater than 1"):
        statistics.pairs_needed(1, 0.4)
