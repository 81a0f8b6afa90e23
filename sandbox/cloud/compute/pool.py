"""Warm workers of one version of a function, a bounded number."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.cloud.compute.worker import Worker

WORKERS = 4
"""Processes a function has at most; invocations beyond wait, which real Lambda would not let them."""
PATIENCE_SECONDS = 0.3
"""How long an invocation waits for a busy process before it starts another: about what a start would take."""
IDLE_SECONDS = 300.0
SESSION_SECONDS = 6 * 3600.0
"""Workers older than this are replaced, as the role's credentials in their environment do not last."""


class PoolClosedError(Exception):
    """The function changed or was deleted while the invocation waited."""


@dataclass
class Pool:
    """`make` starts a worker; `most` bounds them."""

    make: Callable[[], Worker]
    most: int = WORKERS
    _idle: list[Worker] = field(default_factory=list)
    _busy: set[Worker] = field(default_factory=set)
    _starting: int = 0
    _closed: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def acquire(self) -> Worker:
        """The worker that was used last, or a new one; waits a little for a busy one, and while there are too many."""
        patient_until = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            stale = self._take_stale()
            worker = None
            while True:
                if self._closed:
                    break
                if self._idle:
                    worker = self._idle.pop()
                    self._busy.add(worker)
                    break
                count = len(self._busy) + self._starting
                patience = patient_until - time.monotonic()
                if count == 0 or (count < self.most and patience <= 0):
                    self._starting += 1
                    break
                self._changed.wait(patience if count < self.most else None)
            closed = self._closed
        for old in stale:
            old.close()
        if closed:
            raise PoolClosedError
        return worker or self._start()

    def release(self, worker: Worker) -> None:
        """Takes a worker back; one that died or whose function changed is closed."""
        with self._changed:
            self._busy.discard(worker)
            keep = worker.alive and not self._closed
            if keep:
                self._idle.append(worker)
            self._changed.notify()
        if not keep:
            worker.close()

    def close(self, *, running: bool = False) -> None:
        """Ends the idle workers, with `running` also the busy ones (their invocations fail)."""
        with self._changed:
            self._closed = True
            closing, self._idle = self._idle, []
            if running:
                closing = closing + list(self._busy)
            self._changed.notify_all()
        for worker in closing:
            worker.close()

    def _start(self) -> Worker:
        try:
            worker = self.make()
        except BaseException:
            with self._changed:
                self._starting -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._starting -= 1
            self._busy.add(worker)
        return worker

    def _take_stale(self) -> list[Worker]:
        now = time.monotonic()
        stale = [
            w for w in self._idle if now - w.used > IDLE_SECONDS or now - w.started > SESSION_SECONDS or not w.alive
        ]
        self._idle = [worker for worker in self._idle if worker not in stale]
        return stale
