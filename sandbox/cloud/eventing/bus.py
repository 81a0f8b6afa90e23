"""EventBridge: events in, rules matched, targets served, with retries and dead-letter queues."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.events.models import events_backends

from sandbox.cloud import identity
from sandbox.cloud.actions import AwsError, Call
from sandbox.cloud.eventing import inputs, patterns
from sandbox.cloud.eventing.delivery import Deliveries, DeliveryError, Sender
from sandbox.cloud.ports import Cloud, Scope
from sandbox.cloud.resource_policies import Principal, Request, refusal

log = logging.getLogger(__name__)

SERVICE = "events.amazonaws.com"
MOST_RETRIES = 185
OLDEST_SECONDS = 86400.0
LONGEST_BACKOFF_SECONDS = 60.0
ENTRIES = 10


@dataclass(frozen=True)
class _Attempt:
    """One event on its way to one target."""

    sender: Sender
    target: Mapping[str, Any]
    event: Mapping[str, Any]
    since: float
    number: int = 0


class EventBus:
    """The `Events` port, and PutEvents."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.deliveries = Deliveries(cloud)

    def publish(
        self, scope: Scope, source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str] = ()
    ) -> None:
        """Puts an AWS service's event on the account's default bus; rules are matched in another thread."""
        event = _event(scope, source, detail_type, json.loads(json.dumps(detail, default=str)), resources)
        self.deliveries.workers.submit(lambda: self._route(scope, "default", event, forwarded=False))

    def put_events(self, call: Call) -> dict[str, Any]:
        if len(call["Entries"]) > ENTRIES:
            raise AwsError(
                "ValidationException",
                "1 validation error detected: Value '[PutEventsRequestEntry]' at 'entries' failed to satisfy "
                f"constraint: Member must have length less than or equal to {ENTRIES}",
            )
        results = [self._put(call.scope, entry, identity.principal(call.caller)) for entry in call["Entries"]]
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def _put(self, scope: Scope, entry: Mapping[str, Any], caller: Principal) -> dict[str, str]:
        for name in ("Source", "DetailType", "Detail"):
            if not entry.get(name):
                message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
                return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
        if entry["Source"].startswith("aws."):
            return {
                "ErrorCode": "NotAuthorizedForSourceException",
                "ErrorMessage": "Not authorized for the source.",
            }
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            detail = None
        if not isinstance(detail, dict):
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        bus_scope, name = self._bus(scope, entry.get("EventBusName") or "default", caller)
        event = _event(
            scope, entry["Source"], entry["DetailType"], detail, entry.get("Resources") or (), entry.get("Time")
        )
        self.deliveries.workers.submit(
            lambda: self._route(bus_scope, name, event, forwarded=bus_scope.account != scope.account)
        )
        return {"EventId": event["id"]}

    def _bus(self, scope: Scope, name_or_arn: str, caller: Principal) -> tuple[Scope, str]:
        """Where a bus is; raises AwsError where it is missing, or another account's that does not let the caller."""
        name, bus_scope = name_or_arn, scope
        if name_or_arn.startswith("arn:"):
            parts = name_or_arn.split(":")
            bus_scope, name = Scope(parts[4], parts[3]), parts[5].removeprefix("event-bus/")
        bus = events_backends[bus_scope.account][bus_scope.region].event_buses.get(name)
        if bus is None:
            raise AwsError("ResourceNotFoundException", f"Event bus {name} does not exist.")
        if bus_scope.account != scope.account:
            refused = refusal(bus.policy, Request(caller, "events:PutEvents", bus.arn))
            if refused is not None:
                raise AwsError("AccessDeniedException", refused)
        return bus_scope, name

    def _route(self, scope: Scope, bus_name: str, event: Mapping[str, Any], *, forwarded: bool) -> None:
        """Starts a delivery for each target of each enabled rule that matches."""
        with self.cloud.lock("events"):
            bus = events_backends[scope.account][scope.region].event_buses.get(bus_name)
            rules = [
                (rule.arn, rule.event_pattern.get_pattern(), [dict(target) for target in rule.targets])
                for rule in (bus.rules.values() if bus else ())
                if rule.state.startswith("ENABLED") and rule.event_pattern.get_pattern()
            ]
        for rule_arn, pattern, targets in rules:
            try:
                matched = patterns.matches(pattern, event)
            except patterns.PatternError:
                log.exception("rule %s", rule_arn)
                continue
            for target in targets if matched else ():
                attempt = _Attempt(Sender(SERVICE, rule_arn, scope), target, event, time.time())
                if ":event-bus/" in target["Arn"]:
                    self._forward(attempt, forwarded)
                else:
                    self.deliveries.workers.submit(lambda attempt=attempt: self._attempt(attempt))  # type: ignore[misc]

    def fire(self, scope: Scope, rule_arn: str) -> None:
        """A Scheduled Event to the targets of one rule of the default bus."""
        event = _event(scope, "aws.events", "Scheduled Event", {}, [rule_arn])
        with self.cloud.lock("events"):
            rules = events_backends[scope.account][scope.region].event_buses["default"].rules.values()
            targets = [dict(target) for rule in rules if rule.arn == rule_arn for target in rule.targets]
        for target in targets:
            attempt = _Attempt(Sender(SERVICE, rule_arn, scope), target, event, time.time())
            self.deliveries.workers.submit(lambda attempt=attempt: self._attempt(attempt))  # type: ignore[misc]

    def _forward(self, attempt: _Attempt, forwarded: bool) -> None:
        """To another bus. Events of a foreign account go no further, as on AWS."""
        if forwarded:
            return
        origin = attempt.sender.scope
        try:
            scope, name = self._bus(origin, attempt.target["Arn"], _forwarder(attempt))
        except AwsError as error:
            code = "NO_PERMISSIONS" if error.code == "AccessDeniedException" else "NO_RESOURCE"
            self._give_up(attempt, DeliveryError(code, error.message))
            return
        foreign = scope.account != origin.account
        self.deliveries.workers.submit(lambda: self._route(scope, name, attempt.event, forwarded=foreign))

    def _attempt(self, attempt: _Attempt) -> None:
        target = attempt.target
        try:
            text = inputs.target_input(target, attempt.event, attempt.sender.arn)
            self.deliveries.deliver(attempt.sender, target["Arn"], text, target)
        except DeliveryError as error:
            self._give_up(attempt, error)
        except Exception as error:
            self._retry(attempt, error)

    def _retry(self, attempt: _Attempt, error: Exception) -> None:
        policy = attempt.target.get("RetryPolicy") or {}
        retries = policy.get("MaximumRetryAttempts", MOST_RETRIES)
        oldest = self.cloud.seconds(policy.get("MaximumEventAgeInSeconds", OLDEST_SECONDS))
        log.warning("delivery %d to %s failed", attempt.number + 1, attempt.target["Arn"], exc_info=error)
        if attempt.number >= retries or time.time() - attempt.since > oldest:
            self._give_up(attempt, DeliveryError("SDK_CLIENT_ERROR", f"{type(error).__name__}: {error}"))
            return
        again = _Attempt(attempt.sender, attempt.target, attempt.event, attempt.since, attempt.number + 1)
        backoff = min(2.0**attempt.number, LONGEST_BACKOFF_SECONDS)
        self.deliveries.workers.submit(lambda: self._attempt(again), self.cloud.seconds(backoff, floor=0.05))

    def _give_up(self, attempt: _Attempt, error: DeliveryError) -> None:
        """The event goes to the target's dead-letter queue, or is lost; either way it is said."""
        log.error("rule %s: %s", attempt.sender.arn, error)
        queue = (attempt.target.get("DeadLetterConfig") or {}).get("Arn")
        if queue is None:
            return
        attributes = {
            "RULE_ARN": attempt.sender.arn,
            "TARGET_ARN": attempt.target["Arn"],
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": str(error),
            "RETRY_ATTEMPTS": str(attempt.number),
        }
        try:
            self.deliveries.to_queue(
                attempt.sender,
                queue,
                inputs.compact(attempt.event),
                attributes={key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()},
            )
        except DeliveryError as second:
            log.error("rule %s: the dead-letter queue failed too, the event is lost: %s", attempt.sender.arn, second)


def _forwarder(attempt: _Attempt) -> Principal:
    """Who puts a forwarded event: the target's role; without one the rule's account (rules from before March 2023)."""
    role_arn = attempt.target.get("RoleArn")
    if role_arn:
        return identity.role_principal(role_arn, "events")
    account = attempt.sender.scope.account
    return Principal(account, f"arn:aws:iam::{account}:root")


def _event(
    scope: Scope,
    source: str,
    detail_type: str,
    detail: Mapping[str, Any],
    resources: Sequence[str],
    moment: datetime | None = None,
) -> dict[str, Any]:
    """An event as targets see it; its time has whole seconds."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": scope.account,
        "time": (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": scope.region,
        "resources": list(resources),
        "detail": detail,
    }
