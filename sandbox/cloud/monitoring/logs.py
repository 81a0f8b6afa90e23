"""CloudWatch Logs for the sandbox's own writers; reading goes through moto's API."""

from __future__ import annotations

import time
from collections.abc import Sequence

from moto.logs.models import logs_backends

from sandbox.cloud.monitoring import emf
from sandbox.cloud.ports import Cloud, Scope


class LogStore:
    """Appends to moto's log groups, which are made on first use as Lambda and CodeBuild make theirs.

    Metrics embedded in the lines (EMF) are published.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def append(self, scope: Scope, group: str, stream: str, lines: Sequence[str]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines if line]
        if not events:
            return
        with self._cloud.lock("logs"):
            backend = logs_backends[scope.account][scope.region]
            backend.ensure_log_group(group)
            backend.ensure_log_stream(group, stream)
            backend.put_log_events(group, stream, events)
        for event in events:
            for sample in emf.samples(str(event["message"])):
                self._cloud.metrics.put(
                    scope,
                    sample.namespace,
                    sample.name,
                    sample.dimensions,
                    sample.value,
                    unit=sample.unit,
                    timestamp=sample.timestamp,
                )
