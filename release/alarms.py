"""CloudWatch alarms as the release rules ask about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from release import access
from release.errors import MissingError


def states(names: Iterable[str], region: str | None = None, *, role: str | None = None) -> dict[str, str]:
    """State by name: OK, ALARM or INSUFFICIENT_DATA; an alarm that does not exist is `missing`.

    `role` looks at alarms of another account.
    """
    wanted = sorted(set(names))
    found = {alarm["AlarmName"]: str(alarm["StateValue"]) for alarm in _describe(wanted, region, role)}
    return {name: found.get(name, "missing") for name in wanted}


def fired_at(name: str, region: str) -> datetime:
    """When the alarm last changed its state. Raises `MissingError` for an unknown one."""
    alarms = _describe([name], region)
    if not alarms:
        raise MissingError(
            f"There is no alarm {name!r}.", where=region, do="`understudy status` lists the alarms of each service."
        )
    fired: datetime = alarms[0]["StateUpdatedTimestamp"]
    return fired


def _describe(names: list[str], region: str | None, role: str | None = None) -> list[dict[str, Any]]:
    """API: DescribeAlarms, at most 100 names a call."""
    client = access.client("cloudwatch", role, region_name=region)
    found: list[dict[str, Any]] = []
    for start in range(0, len(names), 100):
        answer = client.describe_alarms(
            AlarmNames=names[start : start + 100], AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
        )
        found += answer["MetricAlarms"] + answer["CompositeAlarms"]
    return found
