"""Rules with a `rate()`: a Scheduled Event again and again; the interval is divided by the sandbox's speed."""

from __future__ import annotations

import re
import time

from moto.events.models import events_backends

from sandbox.cloud.actions import AwsError, Call, FallbackSignal
from sandbox.cloud.eventing import patterns
from sandbox.cloud.eventing.bus import EventBus
from sandbox.cloud.periodic import Periodic
from sandbox.cloud.ports import Cloud, Scope

TICK_SECONDS = 0.25
SHORTEST_SECONDS = 1.0
UNITS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


def check_rule(call: Call) -> None:
    """PutRule: refuses what would be stored and never happen; the rest is moto's."""
    schedule = call.get("ScheduleExpression")
    if schedule and _RATE.fullmatch(schedule) is None:
        raise AwsError("ValidationException", f"The sandbox runs rate() schedules only, not {schedule}")
    try:
        patterns.check(call.get("EventPattern"))
    except patterns.PatternError as error:
        raise AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}") from error
    raise FallbackSignal


class Schedules(Periodic):
    """One thread for all rates. A rule's first event comes one interval after it was first seen, as on AWS."""

    def __init__(self, cloud: Cloud, bus: EventBus) -> None:
        super().__init__("alarm-clock", TICK_SECONDS, self._tick)
        self._cloud = cloud
        self._bus = bus
        self._due: dict[str, float] = {}

    def _tick(self) -> None:
        now = time.monotonic()
        rules = self._rules()
        self._due = {arn: due for arn, due in self._due.items() if arn in rules}
        for arn, (scope, seconds) in rules.items():
            due = self._due.setdefault(arn, now + seconds)
            if now >= due:
                self._due[arn] = now + seconds
                self._bus.fire(scope, arn)

    def _rules(self) -> dict[str, tuple[Scope, float]]:
        """Scope and real interval of each enabled rule with a rate, by its ARN."""
        found: dict[str, tuple[Scope, float]] = {}
        with self._cloud.lock("events"):
            for account, regions in list(events_backends.items()):
                for region, backend in list(regions.items()):
                    for rule in backend.event_buses["default"].rules.values():
                        match = _RATE.fullmatch(rule.scheduled_expression or "")
                        if match and rule.state == "ENABLED":
                            seconds = self._cloud.seconds(int(match[1]) * UNITS[match[2]], floor=SHORTEST_SECONDS)
                            found[rule.arn] = (Scope(account, region), seconds)
        return found
