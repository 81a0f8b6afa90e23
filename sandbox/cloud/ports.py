"""What the sandbox's services may ask of each other.

The server builds one `Cloud`; every service of ours receives it. Timestamps are wall-clock; only durations
that AWS owns (rollout waits, alarm periods, capture and event delay, visibility) go through `Cloud.seconds`.

How a service plugs in
    A service is a package with `install(cloud: Cloud) -> None`, called once by `sandbox.cloud.server` before the
    first request (in the order of `server.SERVICES`). In it the service

    1. sets the port it implements (`cloud.metrics = …`, `cloud.logs = …`, `cloud.events = …`);
    2. replaces what moto only stubs: `actions.plug_in(CloudWatchResponse, {"PutMetricAlarm": put_metric_alarm, …})`,
       each handler `(call: Call) -> dict | None` in AWS's own member names (parsed and serialised from the service
       model, so every wire protocol is covered; see `sandbox.cloud.actions`), errors as `actions.AwsError(code, text)`;
    3. registers threads: `cloud.on_start(fn)` runs when `base_url` answers, `cloud.on_stop(stage, fn)` while it still
       does, stage after stage (see `Stage`). Start no thread at import or in `install` itself.

    moto is not thread-safe: requests to one moto service run one at a time under `cloud.lock("<moto's name>")`
    (`sqs`, `s3`, `events`, `lambda`, …). A thread that touches moto's backends in process takes the same (re-entrant)
    lock; it must not hold it while it waits or calls `base_url`. Actions that wait or call back are served outside
    the lock (`sandbox.cloud.wsgi.UNLOCKED`).

    Processes are started with `cloud.children.spawn(…)`, so that nothing outlives the sandbox. Credentials of a role:
    `identity.role_environment(role_arn, session, region)`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from sandbox.cloud.arrivals import Arrivals
from sandbox.cloud.children import Children

log = logging.getLogger(__name__)

ASGIScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[ASGIScope, Receive, Send], Awaitable[None]]
AlarmState = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]


class Stage(IntEnum):
    """When something ends, as the sandbox stops: what causes work before what does it, what records it last."""

    CAUSES = 1
    """Schedules, alarms, queue pollers, event deliveries: from here on nothing sets off new work."""
    WORK = 2
    """Functions, builds, training jobs, rollouts."""
    TRAFFIC = 3
    """The data plane: what is under way is answered, the rest refused."""
    RECORDS = 4
    """What was captured and measured is written; S3 still answers."""


@dataclass(frozen=True)
class Scope:
    """An account in a region."""

    account: str
    region: str


class Metrics(Protocol):
    """CloudWatch as its publishers see it."""

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
    ) -> None: ...

    def alarm_states(self, scope: Scope, names: Sequence[str]) -> dict[str, AlarmState]:
        """State by alarm name; a name that does not exist is left out."""
        ...


class Events(Protocol):
    """EventBridge's default bus as AWS services see it."""

    def publish(
        self, scope: Scope, source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str] = ()
    ) -> None: ...


class Logs(Protocol):
    """CloudWatch Logs as AWS services see it."""

    def append(self, scope: Scope, group: str, stream: str, lines: Sequence[str]) -> None:
        """Neither waits nor raises: who appends may be the only reader of a process's pipe."""
        ...


@dataclass
class Cloud:
    """One running sandbox.

    `base_url` answers all services (endpoint of plain boto3 clients, also for the sandbox's own look-ups),
    `directory` holds everything the sandbox writes, `speed` divides AWS's durations.
    """

    base_url: str
    directory: Path
    children: Children
    speed: float = 1.0
    instances_per_variant: int = 1
    """At most so many processes stand for a variant's instances (a laptop has fewer cores than a fleet)."""
    child_environment: Mapping[str, str] = field(default_factory=dict)
    """What functions, builds and training jobs get on top of their own environment, such as the endpoint URL."""
    attachments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By account, what an engine in a build there needs to find the aws provider; set once that runs."""
    build_environment: Mapping[str, str] = field(default_factory=dict)
    """What CodeBuild's image sets for every build."""
    metrics: Metrics = field(init=False)
    events: Events = field(init=False)
    logs: Logs = field(init=False)
    invocations: ASGIApp = field(init=False)
    """The data plane: answers `/endpoints/<name>/invocations` on the event loop."""
    loop: asyncio.AbstractEventLoop = field(init=False)
    """The event loop that answers requests; there once `on_start` callbacks run."""
    _starters: list[Callable[[], None]] = field(init=False, default_factory=list)
    stopping: threading.Event = field(init=False, default_factory=threading.Event)
    """Set when the sandbox starts to stop: whoever waits for something looks here."""
    arrivals: Arrivals = field(init=False, default_factory=Arrivals)
    """Wakes who waits for messages."""
    _stoppers: list[tuple[Stage, Callable[[], None]]] = field(init=False, default_factory=list)
    _locks: dict[str, threading.RLock] = field(init=False, default_factory=dict)
    _locks_guard: threading.Lock = field(init=False, default_factory=threading.Lock)

    def seconds(self, aws_seconds: float, floor: float = 0.0) -> float:
        """Real seconds that a duration owned by AWS takes here."""
        return max(floor, aws_seconds / self.speed)

    def lock(self, service: str) -> threading.RLock:
        """The lock under which one moto service (moto's own name of it) is used."""
        with self._locks_guard:
            return self._locks.setdefault(service, threading.RLock())

    def on_start(self, callback: Callable[[], None]) -> None:
        """Run `callback` once the cloud answers at `base_url`."""
        self._starters.append(callback)

    def on_stop(self, stage: Stage, callback: Callable[[], None]) -> None:
        """Run `callback` in its stage of stopping; in a stage the last registered runs first."""
        self._stoppers.append((stage, callback))

    def start(self) -> None:
        for callback in self._starters:
            callback()

    def stop(self) -> None:
        """Run all stages. What fails is said and does not keep the rest from ending; a second call does nothing."""
        self.stopping.set()
        self.arrivals.note()
        stoppers, self._stoppers = self._stoppers[::-1], []
        for _, callback in sorted(stoppers, key=lambda entry: entry[0]):
            try:
                callback()
            except Exception:
                log.exception("stopping: a part of the sandbox failed")
