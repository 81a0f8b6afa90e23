"""Waiting for messages of SQS queues, without asking again and again."""

from __future__ import annotations

import threading


class Arrivals:
    """Tells waiting receivers that a message was sent to some queue."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """How many there were: to be read before looking into a queue."""
        return self._count

    def note(self) -> None:
        """Wakes all who wait."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Returns after the time, or once `count` is more than `seen`."""
        with self._changed:
            self._changed.wait_for(lambda: self._count != seen, seconds)
