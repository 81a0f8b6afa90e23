"""Sampling: stable, uniform, nested."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.common import sampling

IDS = [f"event-{number}" for number in range(20_000)]


@settings(deadline=None)
@given(st.text(), st.floats(min_value=0, max_value=100))
def test_the_same_id_is_always_decided_the_same_and_a_larger_percentage_only_adds(
    event_id: str, percent: float
) -> None:
    chosen = sampling.selected(event_id, percent)
    assert chosen == sampling.selected(event_id, percent)
    assert sampling.selected(event_id, 100)
    assert not sampling.selected(event_id, 0)
    if chosen:
        assert sampling.selected(event_id, (percent + 100) / 2)


def test_known_ids_keep_their_place() -> None:
    # Pinned: another hash would replay other requests after an upgrade.
    assert sampling.position("event-1") == pytest.approx(80.551948, abs=1e-6)


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_the_share_is_the_percentage(percent: int) -> None:
    share = sum(sampling.selected(name, percent) for name in IDS) / len(IDS) * 100
    # Four standard errors of a binomial share.
    assert abs(share - percent) < 4 * (percent * (100 - percent) / len(IDS)) ** 0.5


def test_places_are_uniform() -> None:
    tenths = [0] * 10
    for name in IDS:
        tenths[int(sampling.position(name) // 10)] += 1
    expected = len(IDS) / 10
    # The 99.9th percentile of chi squared with 9 degrees of freedom.
    assert sum((seen - expected) ** 2 / expected for seen in tenths) < 27.88


@pytest.mark.parametrize("percent", [-1, 100.5, float("nan")])
def test_another_percentage_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="must be between 0 and 100"):
        sampling.selected("e", percent)
