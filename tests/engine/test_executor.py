"""The executor alone, with providers that answer when they are told to."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import Mock

import pytest

from sandbox.engine.executor import Executor, StoppedError
from sandbox.engine.journal import Journal
from sandbox.engine.state import Snapshot
from sandbox.engine.steps import Goal


def test_it_is_not_idle_while_a_registration_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends a deployment closes the providers next, and gRPC does not survive a call that begins meanwhile."""
    base = Snapshot()
    executor = Executor(base, Mock(), Journal(base, Mock()), Mock(), preview=False, parallel=16)
    asked, told, idle = threading.Event(), threading.Event(), threading.Event()

    def answer(question: object) -> tuple[dict[str, Any], list[Any]]:
        asked.set()
        assert told.wait(10)
        return {}, []

    def register() -> None:
        with pytest.raises(StoppedError):
            executor.register(Goal("urn:pulumi:dev::conf::testing:index:Thing::a", "testing:index:Thing", True))

    def wait() -> None:
        executor.wait_idle()
        idle.set()

    monkeypatch.setattr(executor.instances, "answer", answer)
    threads = [threading.Thread(target=register), threading.Thread(target=wait)]
    threads[0].start()
    assert asked.wait(10)
    executor.stop("refused")
    threads[1].start()
    assert not idle.wait(0.2)
    told.set()
    assert idle.wait(10)
    for thread in threads:
        thread.join(10)
