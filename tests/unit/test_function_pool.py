"""Warm workers of a function: no more processes than the load needs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sandbox.cloud.compute import pool
from sandbox.cloud.compute.pool import Pool, PoolClosedError
from sandbox.cloud.compute.worker import Worker


@dataclass(eq=False)
class FakeWorker:
    alive: bool = True
    used: float = field(default_factory=time.monotonic)
    started: float = field(default_factory=time.monotonic)
    closed: bool = False

    def close(self) -> None:
        self.closed = True


def a_pool(**options: Any) -> Pool:
    return Pool(lambda: cast(Worker, FakeWorker()), **options)


def test_a_short_invocation_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PATIENCE_SECONDS", 20.0)
    workers = a_pool()
    first = workers.acquire()
    timer = threading.Timer(0.1, workers.release, [first])
    timer.start()
    assert workers.acquire() is first


def test_a_long_one_is_not_and_there_are_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PATIENCE_SECONDS", 0.02)
    workers = a_pool(most=2)
    first, second = workers.acquire(), workers.acquire()
    assert first is not second
    threading.Timer(0.1, workers.release, [second]).start()
    assert workers.acquire() is second


def test_who_waits_when_the_function_changes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PATIENCE_SECONDS", 20.0)
    workers = a_pool()
    first = workers.acquire()
    threading.Timer(0.1, workers.close).start()
    with pytest.raises(PoolClosedError):
        workers.acquire()
    workers.release(first)
    assert cast(FakeWorker, first).closed
