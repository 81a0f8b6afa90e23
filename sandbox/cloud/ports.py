"""What the sandbox's services may ask of each other.

The server builds one `Cloud`; every service of ours receives it. Timestamps are wall-clock; only durations
that AWS owns (rollout waits, alarm periods, capture and event delay, visibility) go through `Cloud.seconds`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

AlarmState = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]


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

    def append(self, scope: Scope, group: str, stream: str, lines: Sequence[str]) -> None: ...


@dataclass
class Cloud:
    """One running sandbox.

    `base_url` answers all services (endpoint of plain boto3 clients, also for the sandbox's own look-ups),
    `directory` holds everything the sandbox writes, `speed` divides AWS's durations.
    """

    base_url: str
    directory: Path
    speed: float = 1.0
    child_environment: Mapping[str, str] = field(default_factory=dict)
    """Environment that functions, builds and training jobs get on top of their own: endpoint URL, provider attachment."""
    metrics: Metrics = field(init=False)
    events: Events = field(init=False)
    logs: Logs = field(init=False)

    def seconds(self, aws_seconds: float, floor: float = 0.0) -> float:
        """Real seconds that a duration owned by AWS takes here."""
        return max(floor, aws_seconds / self.speed)
