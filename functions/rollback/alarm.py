"""CloudWatch's alarm as SNS brings it.

Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html; `Sns.Message` is a JSON
string. A composite alarm has `AlarmRule` and no `Trigger`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


class NotAnAlarmError(ValueError):
    """The message is no alarm of CloudWatch."""


@dataclass(frozen=True)
class Alarm:
    """A state change of an alarm. `changed_at` has its zone."""

    name: str
    state: str
    reason: str
    changed_at: datetime

    @property
    def key(self) -> str:
        """The same for every delivery of this state change."""
        return f"{self.name}@{self.changed_at.isoformat()}"

    @classmethod
    def parse(cls, message: str) -> Alarm:
        """From `Sns.Message`. Raises NotAnAlarmError naming what is wrong."""
        try:
            value = json.loads(message)
        except ValueError as error:
            raise NotAnAlarmError(f"SNS message is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise NotAnAlarmError("SNS message is no JSON object")
        try:
            # CloudWatch writes 2026-11-23T12:30:00.000+0000.
            changed_at = datetime.fromisoformat(_text(value, "StateChangeTime"))
        except ValueError as error:
            raise NotAnAlarmError(f"alarm's StateChangeTime: {error}") from error
        if changed_at.tzinfo is None:
            raise NotAnAlarmError(f"alarm's StateChangeTime {changed_at.isoformat()} has no zone")
        return cls(
            name=_text(value, "AlarmName"),
            state=_text(value, "NewStateValue"),
            reason=str(value.get("NewStateReason") or "no reason given"),
            changed_at=changed_at,
        )


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise NotAnAlarmError(f"alarm has no {name}; it has {', '.join(sorted(value))}")
    return text
