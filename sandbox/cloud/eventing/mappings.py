"""Lambda's event source mappings: the API, and one poller for each mapping that is on."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.sqs.models import Queue, sqs_backends

from sandbox.cloud.actions import AwsError, Call, FallbackSignal, Handler
from sandbox.cloud.eventing.delivery import Deliveries
from sandbox.cloud.eventing.functions import FunctionMissingError
from sandbox.cloud.eventing.poller import Poller, visibility_seconds
from sandbox.cloud.eventing.roles import role_allows
from sandbox.cloud.ports import Cloud, Scope

_CHANGEABLE = (
    "BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig", "FilterCriteria",
)  # fmt: skip


@dataclass
class Mapped:
    """A mapping: its scope, its configuration in the API's members, whether it is on, and its poller."""

    scope: Scope
    configuration: dict[str, Any]
    enabled: bool
    changed: datetime = field(default_factory=lambda: datetime.now(UTC))
    poller: Poller | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def describe(self, state: str | None = None) -> dict[str, Any]:
        return {
            "StartingPosition": None,
            "MaximumBatchingWindowInSeconds": 0,
            "FunctionResponseTypes": [],
            **self.configuration,
            "LastModified": self.changed,
            "State": state or ("Enabled" if self.enabled else "Disabled"),
            "StateTransitionReason": "USER_INITIATED",
        }


class Mappings:
    """All event source mappings of a sandbox."""

    def __init__(self, cloud: Cloud, deliveries: Deliveries) -> None:
        self._cloud = cloud
        self._deliveries = deliveries
        self._mappings: dict[str, Mapped] = {}
        self._lock = threading.RLock()
        self._stopped = False

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateEventSourceMapping": self.create,
            "UpdateEventSourceMapping": self.update,
            "DeleteEventSourceMapping": self.delete,
            "GetEventSourceMapping": lambda call: self._of(call).describe(),
            "ListEventSourceMappings": self.list,
            "ListTags": lambda call: {"Tags": dict(self._tags(call))},
            "TagResource": lambda call: self._tags(call).update(call["Tags"]),
            "UntagResource": self.untag,
        }

    def stop(self) -> None:
        """Receives nothing more; what was received goes on being worked on."""
        with self._lock:
            self._stopped = True
        for poller in self._pollers():
            poller.stop()

    def join(self) -> None:
        """Waits for what was received, which ends with its function."""
        for poller in self._pollers():
            poller.join()

    def _pollers(self) -> list[Poller]:
        with self._lock:
            return [mapping.poller for mapping in self._mappings.values() if mapping.poller is not None]

    def create(self, call: Call) -> dict[str, Any]:
        source = call.get("EventSourceArn") or ""
        if ":sqs:" not in source:
            raise AwsError("InvalidParameterValueException", f"The sandbox maps SQS queues only, not '{source}'.")
        function_arn = self._function_arn(call)
        configuration: dict[str, Any] = {
            "UUID": str(uuid.uuid4()),
            "BatchSize": 10,
            "EventSourceArn": source,
            "FunctionArn": function_arn,
        }
        configuration |= {key: call[key] for key in _CHANGEABLE if call.get(key) is not None}
        configuration["EventSourceMappingArn"] = (
            f"arn:aws:lambda:{call.scope.region}:{call.scope.account}:event-source-mapping:{configuration['UUID']}"
        )
        self._check(configuration)
        with self._lock:
            for other in self._mappings.values():
                same = (other.configuration["EventSourceArn"], other.configuration["FunctionArn"])
                if same == (source, function_arn):
                    raise AwsError(
                        "ResourceConflictException",
                        f'An event source mapping with SQS arn (" {source} ") and '
                        f'function (" {function_arn} ") '
                        "already exists. Please update or delete the existing mapping with UUID "
                        f"{other.configuration['UUID']}",
                    )
            mapping = Mapped(call.scope, configuration, bool(call.get("Enabled", True)))
            mapping.tags.update(call.get("Tags") or {})
            self._mappings[configuration["UUID"]] = mapping
            self._restart(mapping)
        return mapping.describe("Creating" if mapping.enabled else None)

    def update(self, call: Call) -> dict[str, Any]:
        mapping = self._of(call)
        changed = {key: call[key] for key in _CHANGEABLE if call.get(key) is not None}
        if call.get("FunctionName"):
            changed["FunctionArn"] = self._function_arn(call)
        self._check(mapping.configuration | changed)
        with self._lock:
            mapping.configuration |= changed
            mapping.enabled = bool(call.get("Enabled", mapping.enabled))
            mapping.changed = datetime.now(UTC)
            self._restart(mapping)
        return mapping.describe("Updating")

    def delete(self, call: Call) -> dict[str, Any]:
        mapping = self._of(call)
        with self._lock:
            del self._mappings[mapping.configuration["UUID"]]
            if mapping.poller is not None:
                mapping.poller.stop()
        return mapping.describe("Deleting")

    def list(self, call: Call) -> dict[str, Any]:
        name = call.get("FunctionName")
        wanted = self._function_arn(call) if name else None
        found = [
            mapping.describe()
            for mapping in list(self._mappings.values())
            if mapping.scope == call.scope
            and call.get("EventSourceArn") in (None, mapping.configuration["EventSourceArn"])
            and wanted in (None, mapping.configuration["FunctionArn"])
        ]
        return {"EventSourceMappings": found}

    def untag(self, call: Call) -> None:
        tags = self._tags(call)
        for key in call["TagKeys"]:
            tags.pop(key, None)

    def _tags(self, call: Call) -> dict[str, str]:
        """The tags of the mapping that the call names by its ARN; functions and layers are moto's."""
        _, separator, identifier = call["Resource"].partition(":event-source-mapping:")
        if not separator:
            raise FallbackSignal
        mapping = self._mappings.get(identifier)
        if mapping is None or mapping.scope != call.scope:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.")
        return mapping.tags

    def _restart(self, mapping: Mapped) -> None:
        if mapping.poller is not None:
            mapping.poller.stop()
            mapping.poller = None
        if mapping.enabled and not self._stopped:
            mapping.poller = Poller(self._cloud, self._deliveries, mapping.scope, dict(mapping.configuration))
            mapping.poller.start()

    def _of(self, call: Call) -> Mapped:
        mapping = self._mappings.get(call["UUID"])
        if mapping is None or mapping.scope != call.scope:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.")
        return mapping

    def _function_arn(self, call: Call) -> str:
        name = call["FunctionName"]
        prefix = f"arn:aws:lambda:{call.scope.region}:{call.scope.account}:function:"
        arn = name if name.startswith("arn:") else prefix + name.rsplit("function:", 1)[-1]
        try:
            self._deliveries.functions.timeout_seconds(arn)
        except FunctionMissingError as error:
            raise AwsError("ResourceNotFoundException", f"Function not found: {arn}") from error
        return str(arn)

    def _check(self, configuration: Mapping[str, Any]) -> None:
        """What Lambda refuses: a missing queue, too short a visibility timeout, a large batch without a window."""
        account, region, name = (configuration["EventSourceArn"].split(":")[index] for index in (4, 3, 5))
        with self._cloud.lock("sqs"):
            queue: Queue | None = sqs_backends[account][region].queues.get(name)
            visibility = 0.0 if queue is None else visibility_seconds(queue)
        if queue is None:
            raise AwsError(
                "InvalidParameterValueException",
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
                "SQS Error Message: The specified queue does not exist.",
            )
        timeout = self._deliveries.functions.timeout_seconds(configuration["FunctionArn"])
        if visibility < timeout:
            raise AwsError(
                "InvalidParameterValueException",
                f"Queue visibility timeout: {visibility:.0f} seconds is less than Function timeout: "
                f"{timeout:.0f} seconds",
            )
        role = self._deliveries.functions.role(configuration["FunctionArn"])
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            if not role_allows(self._cloud, role, f"sqs:{action}", configuration["EventSourceArn"]):
                raise AwsError(
                    "InvalidParameterValueException",
                    f"The provided execution role does not have permissions to call {action} on SQS",
                )
        if configuration["BatchSize"] > 10 and not configuration.get("MaximumBatchingWindowInSeconds"):
            raise AwsError(
                "InvalidParameterValueException",
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            )
