"""A thread that does something again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

STOP_SECONDS = 5


class Periodic:
    """Calls `action` every `seconds`, in a thread of its own, and after `stop` once more when `last` is given.

    What an action raises is logged, and the next one is tried: one bad alarm must not end all of them.
    """

    def __init__(
        self, name: str, seconds: float, action: Callable[[], None], last: Callable[[], None] | None = None
    ) -> None:
        self._seconds, self._action, self._last = seconds, action, last
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits for the action that runs; for the last one as long as it takes, as nothing may be lost."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(None if self._last else STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self._try(self._action)
        if self._last:
            self._try(self._last)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:
            log.exception("%s: one round failed", self._thread.name)
