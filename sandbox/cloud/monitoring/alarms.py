"""Alarms as they are kept: configuration, state, history, and what a change of state sets off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from sandbox.cloud.monitoring import rules
from sandbox.cloud.monitoring.evaluation import Threshold
from sandbox.cloud.ports import AlarmState, Scope

ACTIONS: Mapping[AlarmState, str] = {
    "OK": "OKActions",
    "ALARM": "AlarmActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
_CONFIGURATION = ("OKActions", "AlarmActions", "InsufficientDataActions")


@dataclass(frozen=True)
class HistoryItem:
    """One line of DescribeAlarmHistory."""

    alarm_name: str
    alarm_type: str
    timestamp: datetime
    kind: str
    """ConfigurationUpdate, StateUpdate or Action."""
    summary: str
    data: Mapping[str, Any]

    def describe(self) -> dict[str, Any]:
        return {
            "AlarmName": self.alarm_name,
            "AlarmType": self.alarm_type,
            "Timestamp": self.timestamp,
            "HistoryItemType": self.kind,
            "HistorySummary": self.summary,
            "HistoryData": json.dumps(self.data),
        }


@dataclass
class Alarm:
    """A metric or composite alarm; `parameters` are those of PutMetricAlarm or PutCompositeAlarm, without tags."""

    scope: Scope
    parameters: dict[str, Any]
    configuration_updated: datetime
    state: AlarmState = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str | None = None
    state_updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    tags: dict[str, str] = field(default_factory=dict)
    evaluated_until: float = 0.0
    """End of the newest window evaluated, seconds since the epoch."""

    @property
    def name(self) -> str:
        return str(self.parameters["AlarmName"])

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch:{self.scope.region}:{self.scope.account}:alarm:{self.name}"

    @property
    def composite(self) -> bool:
        return "AlarmRule" in self.parameters

    @property
    def kind(self) -> str:
        return "CompositeAlarm" if self.composite else "MetricAlarm"

    @property
    def rule(self) -> rules.AlarmRule:
        return rules.parse(self.parameters["AlarmRule"])

    @property
    def threshold(self) -> Threshold:
        periods = int(self.parameters["EvaluationPeriods"])
        return Threshold(
            comparison=self.parameters["ComparisonOperator"],
            threshold=float(self.parameters["Threshold"]),
            evaluation_periods=periods,
            datapoints_to_alarm=int(self.parameters.get("DatapointsToAlarm") or periods),
            treat_missing_data=self.parameters.get("TreatMissingData") or "missing",
        )

    @property
    def actions_enabled(self) -> bool:
        return bool(self.parameters.get("ActionsEnabled", True))

    def actions(self) -> list[str]:
        """Action ARNs of the state the alarm is in."""
        return list(self.parameters.get(ACTIONS[self.state]) or ())

    def describe(self) -> dict[str, Any]:
        """The API's MetricAlarm or CompositeAlarm structure."""
        result = {key: value for key, value in self.parameters.items() if value is not None}
        for key in _CONFIGURATION:
            result.setdefault(key, [])
        result |= {
            "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": self.configuration_updated,
            "ActionsEnabled": self.actions_enabled,
            "StateValue": self.state,
            "StateReason": self.reason,
            "StateUpdatedTimestamp": self.state_updated,
            "StateTransitionedTimestamp": self.state_updated,
        }
        if self.reason_data is not None:
            result["StateReasonData"] = self.reason_data
        if not self.composite and "Metrics" not in self.parameters:
            result.setdefault("Dimensions", [])
        return result


@dataclass(frozen=True)
class Transition:
    """A change of an alarm's state: what notifications and events tell."""

    alarm: Alarm
    parameters: Mapping[str, Any]
    """The alarm's configuration at that time."""
    state: AlarmState
    reason: str
    reason_data: str | None
    timestamp: datetime
    previous: AlarmState
    previous_reason: str
    previous_reason_data: str | None
    previous_timestamp: datetime
    triggering: tuple[tuple[str, AlarmState, datetime], ...] = ()
    """For composite alarms: ARN, state and time of the children that set it off."""


class AlarmBook:
    """All alarms of a sandbox. `on_transition` is called under the lock and must only take note."""

    def __init__(self, on_transition: Callable[[Transition], None]) -> None:
        self.lock = RLock()
        self._on_transition = on_transition
        self._alarms: dict[Scope, dict[str, Alarm]] = {}
        self._history: dict[Scope, list[HistoryItem]] = {}

    def alarms(self, scope: Scope) -> dict[str, Alarm]:
        with self.lock:
            return dict(self._alarms.get(scope, {}))

    def all(self) -> list[Alarm]:
        with self.lock:
            return [alarm for alarms in self._alarms.values() for alarm in alarms.values()]

    def history(self, scope: Scope) -> list[HistoryItem]:
        with self.lock:
            return list(self._history.get(scope, ()))

    def record(self, alarm: Alarm, kind: str, summary: str, data: Mapping[str, Any]) -> None:
        item = HistoryItem(alarm.name, alarm.kind, datetime.now(UTC), kind, summary, data)
        with self.lock:
            self._history.setdefault(alarm.scope, []).append(item)

    def put(self, scope: Scope, parameters: Mapping[str, Any]) -> Alarm:
        """Creates the alarm, or replaces its configuration and leaves its state."""
        now = datetime.now(UTC)
        kept = {key: value for key, value in parameters.items() if key != "Tags"}
        with self.lock:
            alarms = self._alarms.setdefault(scope, {})
            alarm = alarms.get(kept["AlarmName"])
            if alarm is None:
                alarm = alarms[kept["AlarmName"]] = Alarm(scope, kept, now)
                alarm.tags = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags") or ()}
                what = "created"
            else:
                alarm.parameters, alarm.configuration_updated, alarm.evaluated_until = kept, now, 0.0
                what = "updated"
            self.record(alarm, "ConfigurationUpdate", f'Alarm "{alarm.name}" {what}', {"version": "1.0", "type": what})
            if alarm.composite:
                self._evaluate_composite(alarm, None)
        return alarm

    def delete(self, scope: Scope, names: Iterable[str]) -> None:
        with self.lock:
            for name in names:
                alarm = self._alarms[scope].pop(name)
                self.record(
                    alarm, "ConfigurationUpdate", f'Alarm "{name}" deleted', {"version": "1.0", "type": "deleted"}
                )

    def set_state(
        self,
        alarm: Alarm,
        state: AlarmState,
        reason: str,
        reason_data: str | None = None,
        triggering: tuple[tuple[str, AlarmState, datetime], ...] = (),
    ) -> None:
        """Changes the state, records it and lets composite alarms follow; nothing happens if it is the same."""
        with self.lock:
            if state == alarm.state or self._alarms.get(alarm.scope, {}).get(alarm.name) is not alarm:
                return
            now = datetime.now(UTC)
            transition = Transition(
                alarm, dict(alarm.parameters), state, reason, reason_data, now,
                alarm.state, alarm.reason, alarm.reason_data, alarm.state_updated, triggering,
            )  # fmt: skip
            alarm.state, alarm.reason, alarm.reason_data, alarm.state_updated = state, reason, reason_data, now
            self.record(
                alarm,
                "StateUpdate",
                f"Alarm updated from {transition.previous} to {state}",
                {
                    "version": "1.0",
                    "oldState": {"stateValue": transition.previous, "stateReason": transition.previous_reason},
                    "newState": {"stateValue": state, "stateReason": reason},
                },
            )
            self._on_transition(transition)
            for parent in self._alarms[alarm.scope].values():
                if parent.composite and alarm.name in parent.rule.children:
                    self._evaluate_composite(parent, alarm)

    def _evaluate_composite(self, parent: Alarm, child: Alarm | None) -> None:
        states = {name: alarm.state for name, alarm in self._alarms[parent.scope].items()}
        state: AlarmState = "ALARM" if parent.rule.holds(states) else "OK"
        if child is None:
            reason = f"{parent.arn} was created and its alarm rule evaluates to {state}"
            triggering: tuple[tuple[str, AlarmState, datetime], ...] = ()
        else:
            when = child.state_updated
            reason = f"{child.arn} transitioned to {child.state} at {when:%A} {when.day:02d} {when:%B, %Y %H:%M:%S} UTC"
            triggering = ((child.arn, child.state, when),)
        data = {"triggeringAlarms": [{"arn": arn, "state": {"value": value, "timestamp": _stamp(when)}}
                                     for arn, value, when in triggering]}  # fmt: skip
        self.set_state(parent, state, reason, json.dumps(data), triggering)


def _stamp(when: datetime) -> str:
    """AWS's form of a time in alarm messages: `2026-11-23T12:00:00.123+0000`."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}+0000"


stamp = _stamp
