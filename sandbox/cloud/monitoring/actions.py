"""What a change of state sets off: the actions of the alarm and its EventBridge event, outside any request or lock."""

from __future__ import annotations

import json
import logging
import queue
import threading

from moto.sns.models import sns_backends

from sandbox.cloud.eventing import permissions
from sandbox.cloud.monitoring import messages
from sandbox.cloud.monitoring.alarms import AlarmBook, Transition
from sandbox.cloud.ports import Cloud

log = logging.getLogger(__name__)


class ActionError(Exception):
    """An action could not be executed; the message says why."""


class AlarmActions:
    """Carries out transitions one after the other, in their order."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._waiting: queue.SimpleQueue[Transition | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="alarm-actions", daemon=True)
        self.book: AlarmBook
        """Set by the one who makes both: the book needs `note`, this its history."""

    def note(self, transition: Transition) -> None:
        self._waiting.put(transition)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        while (transition := self._waiting.get()) is not None:
            try:
                self._carry_out(transition)
            except Exception:
                log.exception("transition of %s could not be carried out", transition.alarm.arn)

    def _carry_out(self, transition: Transition) -> None:
        alarm = transition.alarm
        detail = messages.event_detail(transition)
        self._cloud.events.publish(alarm.scope, "aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm.arn])
        if not transition.parameters.get("ActionsEnabled", True):
            return
        keys = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
        for action in transition.parameters.get(keys[transition.state]) or ():
            data = {"actionState": "Succeeded", "stateUpdateTimestamp": transition.timestamp.timestamp() * 1000}
            summary = f"Successfully executed action {action}"
            try:
                self._publish(action, transition)
            except ActionError as error:
                log.error("alarm %s: %s", alarm.arn, error)
                summary = f"Failed to execute action {action}. Received error: {json.dumps(str(error))}"
                data |= {"actionState": "Failed", "error": str(error)}
            self.book.record(alarm, "Action", summary, {**data, "notificationResource": action})

    def _publish(self, action: str, transition: Transition) -> None:
        parts = action.split(":")
        if len(parts) != 6 or parts[2] != "sns":
            raise ActionError(f"The sandbox carries out SNS topics only, not {action}")
        with self._cloud.lock("sns"):
            topic = sns_backends[parts[4]][parts[3]].topics.get(action)
            if topic is None:
                raise ActionError(f"Topic {action} does not exist")
            alarm = transition.alarm
            request = permissions.ServiceRequest(
                "cloudwatch.amazonaws.com", "sns:Publish", action, alarm.arn, alarm.scope.account
            )
            if not permissions.allows(topic.policy, request):
                raise ActionError(f"CloudWatch Alarms is not authorized to perform: SNS:Publish on resource: {action}")
            topic.publish(messages.sns_message(transition), subject=messages.subject(transition))
