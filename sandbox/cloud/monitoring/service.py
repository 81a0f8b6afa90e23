"""CloudWatch as the rest of the sandbox sees it (the `Metrics` port) and what its API handlers share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from sandbox.cloud.monitoring.actions import AlarmActions
from sandbox.cloud.monitoring.alarms import AlarmBook
from sandbox.cloud.monitoring.series import SeriesKey
from sandbox.cloud.monitoring.watch import AlarmWatch, StoresOfScopes
from sandbox.cloud.ports import AlarmState, Cloud, Scope


class Monitoring:
    """Metric stores, alarms and the threads that serve them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.stores = StoresOfScopes()
        self.actions = AlarmActions(cloud)
        self.book = AlarmBook(self.actions.note)
        self.actions.book = self.book
        self.watch = AlarmWatch(cloud, self.book, self.stores)

    def put(
        self,
        scope: Scope,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        value: float,
        *,
        unit: str = "None",
        timestamp: datetime | None = None,
    ) -> None:
        """Adds one sample, now unless `timestamp` says otherwise."""
        at = time.time() if timestamp is None else timestamp.timestamp()
        self.stores.store(scope).put(SeriesKey.of(namespace, name, dimensions), at, float(value), unit=unit)

    def alarm_states(self, scope: Scope, names: Sequence[str]) -> dict[str, AlarmState]:
        """State by alarm name; a name that does not exist is left out."""
        alarms = self.book.alarms(scope)
        return {name: alarms[name].state for name in names if name in alarms}

    def start(self) -> None:
        self.actions.start()
        self.watch.start()

    def stop(self) -> None:
        self.watch.stop()
        self.actions.stop()
