"""When each request may start: a schedule of tokens, the later of the rate's and the recorded pace's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime


class Pacer:
    """Spreads requests at `requests_per_second`, and at `speed` times the pace they were recorded at.

    Both bounds hold: the rate protects the endpoint, `speed` replays the load's shape. `speed` 0 ignores the recorded
    pace. Threads may share a pacer; a request that comes late does not let later ones catch up in a burst.
    """

    def __init__(
        self,
        requests_per_second: float,
        speed: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if requests_per_second <= 0:
            raise ValueError(f"requests per second is {requests_per_second}, must be greater than 0")
        if speed < 0:
            raise ValueError(f"speed is {speed}, must be at least 0 (0: as fast as the rate allows)")
        self._interval = 1 / requests_per_second
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = float("-inf")
        self._origin: tuple[float, datetime] | None = None

    def begin_recording(self) -> None:
        """The next request's recorded time is where the pace is counted from; the rate goes on as before."""
        with self._lock:
            self._origin = None

    def wait(self, recorded: datetime, deadline: float = float("inf")) -> bool:
        """Sleeps until a request recorded at that time may start; False, at once, when that is after `deadline`."""
        with self._lock:
            now = self._clock()
            if self._origin is None:
                self._origin = (max(now, self._next), recorded)
            start = max(now, self._next, self._recorded_start(recorded))
            if start >= deadline:
                return False
            self._next = start + self._interval
        if start > now:
            self._sleep(start - now)
        return True

    def _recorded_start(self, recorded: datetime) -> float:
        if self._speed == 0 or self._origin is None:
            return float("-inf")
        began, first = self._origin
        return began + (recorded - first).total_seconds() / self._speed
