"""Threads that carry out deliveries, now or later, so that nothing happens inside a caller's request."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

Task = Callable[[], None]


class Workers:
    """A fixed number of threads over tasks ordered by when they are due."""

    def __init__(self, name: str, count: int) -> None:
        self._due: list[tuple[float, int, Task]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{index}", daemon=True) for index in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task, delay_seconds: float = 0.0) -> None:
        """Runs `task` after the delay; its errors are logged. After `stop` tasks are dropped."""
        with self._changed:
            if not self._stopped:
                heapq.heappush(self._due, (time.monotonic() + delay_seconds, next(self._order), task))
                self._changed.notify()

    def stop(self, grace_seconds: float = 5.0) -> None:
        """Drops what waits and lets what runs finish within the grace."""
        with self._changed:
            self._stopped = True
            self._due.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + grace_seconds
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _next(self) -> Task | None:
        with self._changed:
            while not self._stopped:
                if not self._due:
                    self._changed.wait()
                    continue
                wait = self._due[0][0] - time.monotonic()
                if wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
            return None

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:
                log.exception("a delivery failed")
