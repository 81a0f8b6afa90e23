"""The thread that does something again and again."""

from __future__ import annotations

import logging
import threading

import pytest

from sandbox.cloud.periodic import Periodic


def test_goes_on_after_a_round_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []
    enough = threading.Event()

    def action() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise ValueError("the first one is bad")
        enough.set()

    periodic = Periodic("looks", 0.001, action)
    with caplog.at_level(logging.ERROR):
        periodic.start()
        assert enough.wait(10)
        periodic.stop()
    assert "looks: one round failed" in caplog.text
    assert "the first one is bad" in caplog.text


def test_the_last_round_comes_after_all_others() -> None:
    seen: list[str] = []
    begun = threading.Event()

    def action() -> None:
        seen.append("round")
        begun.set()

    periodic = Periodic("writes", 0.001, action, last=lambda: seen.append("last"))
    periodic.start()
    assert begun.wait(10)
    periodic.stop()
    assert seen[-1] == "last"
    assert seen.count("last") == 1
    before = len(seen)
    threading.Event().wait(0.02)
    assert len(seen) == before


def test_stopping_what_never_started_does_nothing() -> None:
    seen: list[str] = []
    Periodic("idle", 0.001, lambda: None, last=lambda: seen.append("last")).stop()
    assert seen == []
