"""Delivers a text to a queue, function, topic or build project, and checks that the receiver's policy allows it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.exceptions import JsonRESTError, ServiceException
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from sandbox.cloud.eventing import permissions
from sandbox.cloud.eventing.functions import Builds, FunctionMissingError, Functions
from sandbox.cloud.eventing.workers import Workers
from sandbox.cloud.ports import Cloud, Scope

log = logging.getLogger(__name__)

WORKERS = 8


class DeliveryError(Exception):
    """A delivery that will not succeed by trying again; `code` is EventBridge's ERROR_CODE."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Sender:
    """Who delivers, for the receiver's policy: a service principal, on behalf of a resource in a scope."""

    service: str
    arn: str
    scope: Scope


@dataclass
class Deliveries:
    """The receivers. `functions` and `builds` are set by `sandbox.cloud.compute`."""

    cloud: Cloud
    workers: Workers = field(default_factory=lambda: Workers("delivery", WORKERS))
    functions: Functions = field(init=False)
    builds: Builds = field(init=False)

    def deliver(self, sender: Sender | None, arn: str, text: str, parameters: Mapping[str, Any]) -> None:
        """Hands `text` to the resource `arn`; `parameters` are those of an EventBridge target.

        Without a sender the receiver's policy is not asked (a function's destinations are allowed by its role).

        Raises:
            DeliveryError: it is not there, not allowed, or of a kind the sandbox does not deliver to.
        """
        service = arn.split(":")[2]
        if service == "sqs":
            group = (parameters.get("SqsParameters") or {}).get("MessageGroupId")
            self.to_queue(sender, arn, text, group_id=group)
        elif service == "lambda":
            self.to_function(sender, arn, text)
        elif service == "sns":
            self.to_topic(sender, arn, text)
        elif service == "codebuild":
            self.to_build(arn, text)
        else:
            raise DeliveryError("UNSUPPORTED_TARGET", f"The sandbox does not deliver to {arn}")

    def to_queue(
        self,
        sender: Sender | None,
        arn: str,
        text: str,
        *,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Sends a message. `attributes` are SQS message attributes."""
        account, region, name = _account_region_name(arn)
        with self.cloud.lock("sqs"):
            queue = sqs_backends[account][region].queues.get(name)
            if queue is None:
                raise DeliveryError("NO_RESOURCE", f"Queue {arn} does not exist")
            self._check(sender, "sqs:SendMessage", arn, queue.policy)
            try:
                sqs_backends[account][region].send_message(
                    name,
                    text,
                    message_attributes=dict(attributes or {}),
                    group_id=group_id,
                    deduplication_id=deduplication_id,
                    validate_group_id=False,
                )
            except (ServiceException, JsonRESTError) as error:
                raise DeliveryError("INVALID_PARAMETER", f"Queue {arn} refused the message: {error}") from error

    def to_function(self, sender: Sender | None, arn: str, text: str) -> None:
        try:
            self._check(sender, "lambda:InvokeFunction", arn, self.functions.policy(arn))
            self.functions.invoke_later(arn, text.encode())
        except FunctionMissingError as error:
            raise DeliveryError("NO_RESOURCE", f"Function {arn} does not exist") from error

    def to_topic(self, sender: Sender | None, arn: str, text: str) -> None:
        account, region, _ = _account_region_name(arn)
        with self.cloud.lock("sns"):
            topic = sns_backends[account][region].topics.get(arn)
            if topic is None:
                raise DeliveryError("NO_RESOURCE", f"Topic {arn} does not exist")
            self._check(sender, "sns:Publish", arn, topic.policy)
            topic.publish(text)

    def to_build(self, arn: str, text: str) -> None:
        try:
            parameters = json.loads(text)
        except ValueError:
            parameters = {}
        # EventBridge passes the input as StartBuild's parameters; a plain event has none of them.
        overrides = {key: value for key, value in parameters.items() if key.endswith("Override")}
        try:
            self.builds.start_build(arn, overrides)
        except LookupError as error:
            raise DeliveryError("NO_RESOURCE", str(error)) from error

    def _check(self, sender: Sender | None, action: str, arn: str, policy: str | None) -> None:
        if sender is None:
            return
        request = permissions.ServiceRequest(sender.service, action, arn, sender.arn, sender.scope.account)
        if not permissions.allows(policy, request):
            raise DeliveryError(
                "NO_PERMISSIONS",
                f"The policy of {arn} does not allow {action} to {sender.service} for {sender.arn}: "
                "add a statement for it",
            )


def _account_region_name(arn: str) -> tuple[str, str, str]:
    parts = arn.split(":")
    return parts[4], parts[3], parts[5]
