"""Pacing on a clock of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.common.pacing import Pacer

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.starts: list[float] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def starts(pacer: Pacer, clock: Clock, recorded_seconds: list[float], work_seconds: float = 0.0) -> list[float]:
    seen = []
    for offset in recorded_seconds:
        assert pacer.wait(START + timedelta(seconds=offset))
        seen.append(round(clock.now - 100, 6))
        clock.now += work_seconds
    return seen


def test_the_rate_spreads_requests() -> None:
    clock = Clock()
    pacer = Pacer(10, clock=clock.read, sleep=clock.sleep)
    assert starts(pacer, clock, [0, 0, 0, 0]) == [0, 0.1, 0.2, 0.3]


def test_a_slow_request_is_not_caught_up_by_a_burst() -> None:
    clock = Clock()
    pacer = Pacer(10, clock=clock.read, sleep=clock.sleep)
    assert starts(pacer, clock, [0, 0, 0], work_seconds=1) == [0, 1, 2]


@pytest.mark.parametrize(("speed", "expected"), [(1, [0, 1, 5]), (2, [0, 0.5, 2.5]), (0, [0, 0.01, 0.02])])
def test_speed_is_a_multiple_of_the_recorded_pace(speed: float, expected: list[float]) -> None:
    clock = Clock()
    pacer = Pacer(100, speed, clock=clock.read, sleep=clock.sleep)
    assert starts(pacer, clock, [0, 1, 5]) == expected


def test_the_rate_bounds_the_speed() -> None:
    clock = Clock()
    pacer = Pacer(1, 1000, clock=clock.read, sleep=clock.sleep)
    assert starts(pacer, clock, [0, 1, 2]) == [0, 1, 2]


def test_a_new_recording_starts_its_own_pace_but_keeps_the_rate() -> None:
    clock = Clock()
    pacer = Pacer(2, 1, clock=clock.read, sleep=clock.sleep)
    assert starts(pacer, clock, [0, 3]) == [0, 3]
    pacer.begin_recording()
    assert starts(pacer, clock, [3600, 3601]) == [3.5, 4.5]


def test_a_start_behind_the_deadline_is_refused_without_waiting() -> None:
    clock = Clock()
    pacer = Pacer(1, clock=clock.read, sleep=clock.sleep)
    assert pacer.wait(START, deadline=100.5)
    assert not pacer.wait(START, deadline=100.5)
    assert clock.now == 100.0


@pytest.mark.parametrize(("rate", "speed", "message"), [(0, 1, "requests per second is 0"), (1, -1, "speed is -1")])
def test_wrong_figures_are_refused(rate: float, speed: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pacer(rate, speed)
