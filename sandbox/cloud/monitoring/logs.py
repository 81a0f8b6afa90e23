"""CloudWatch Logs for the sandbox's own writers; reading goes through moto's API."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from moto.logs.models import logs_backends

from sandbox.cloud.monitoring import emf
from sandbox.cloud.ports import Cloud, Scope

log = logging.getLogger(__name__)

MOST_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class _Lines:
    scope: Scope
    group: str
    stream: str
    lines: Sequence[str]
    milliseconds: int


class LogStore:
    """Appends to moto's log groups, which are made on first use as Lambda and CodeBuild make theirs.

    Who appends reads a process's pipe as a rule, and that process stands still while nobody reads: so `append` only
    notes the lines, and a thread writes them. Metrics embedded in the lines (EMF) are published.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._waiting: queue.Queue[_Lines | None] = queue.Queue(MOST_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)

    def append(self, scope: Scope, group: str, stream: str, lines: Sequence[str]) -> None:
        """Neither waits nor raises. What comes faster than it is written is dropped, and the sandbox's log says so."""
        wanted = [line for line in lines if line]
        if not wanted:
            return
        try:
            self._waiting.put_nowait(_Lines(scope, group, stream, wanted, int(time.time() * 1000)))
        except queue.Full:
            self._dropped += len(wanted)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Writes what waits."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (entry := self._waiting.get()) is not None:
            try:
                self._write(entry)
            except Exception:
                log.exception("lines for %s could not be written", entry.group)
            dropped, self._dropped = self._dropped, 0
            if dropped:
                log.warning("%d log lines came too fast and were dropped", dropped)

    def _write(self, entry: _Lines) -> None:
        events = [{"timestamp": entry.milliseconds, "message": line} for line in entry.lines]
        with self._cloud.lock("logs"):
            backend = logs_backends[entry.scope.account][entry.scope.region]
            backend.ensure_log_group(entry.group)
            backend.ensure_log_stream(entry.group, entry.stream)
            backend.put_log_events(entry.group, entry.stream, events)
        for line in entry.lines:
            for sample in emf.samples(line):
                self._cloud.metrics.put(
                    entry.scope,
                    sample.namespace,
                    sample.name,
                    sample.dimensions,
                    sample.value,
                    unit=sample.unit,
                    timestamp=sample.timestamp,
                )
