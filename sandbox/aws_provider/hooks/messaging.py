"""SQS and SNS: attributes are texts, and some may not be sent at all."""

from __future__ import annotations

import json
from typing import Any

from sandbox.aws_provider import waits
from sandbox.aws_provider.resource import Resource
from sandbox.aws_provider.table import Call

_CONFIRMATION_SECONDS = 120


class Queue(Resource):
    """A queue. Attributes that are false or empty are left out at create: AWS refuses `FifoQueue=false`."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call.call == "CreateQueue":
            arguments["Attributes"] = _texts(self, self.inputs)
        return arguments

    def answer(self, found: dict[str, Any]) -> dict[str, Any]:
        attributes = dict(found["attributes"])
        attributes.setdefault("KmsDataKeyReusePeriodSeconds", "300")
        return {**found, "attributes": attributes}


class Topic(Resource):
    """A topic: what only CreateTopic takes goes there, every other attribute has its own call."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call.call == "CreateTopic" and self.inputs.get("fifoTopic"):
            arguments["Attributes"] = {"FifoTopic": "true"}
        return arguments

    def _await_ready(self) -> None:
        if not self.state:
            names = [name for name in self.spec.attributes if name not in ("fifoTopic", "arn")]
            given = {name: self.inputs[name] for name in names if self.inputs.get(name) not in (None, "", False)}
            self.send_attributes(self.spec.update[0], given)


class TopicPolicy(Resource):
    """A topic always has a policy: deleting writes AWS's default one back."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call in self.spec.delete:
            arguments["AttributeValue"] = json.dumps(_default_policy(self.id, self.session.account))
        return arguments


class Subscription(Resource):
    """A subscription; `filterPolicyScope` comes before a body filter, and waits for its confirmation."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call.call == "Subscribe":
            texts = _texts(self, self.inputs)
            if texts:
                arguments["Attributes"] = texts
        return arguments

    def send_attributes(self, call: Call, values: Any) -> None:
        given = {name: "{}" if name == "filterPolicy" and not value else value for name, value in values.items()}
        body_first = given.get("filterPolicyScope") == "MessageBody"
        ordered = sorted(given, key=lambda name: (name == "filterPolicyScope") is not body_first)
        super().send_attributes(call, {name: given[name] for name in ordered})

    def _await_ready(self) -> None:
        protocol = str(self.inputs.get("protocol", ""))
        silent = protocol.startswith("http") and not self.inputs.get("endpointAutoConfirms")
        if self.state or silent or protocol.startswith("email"):
            return
        seconds = _CONFIRMATION_SECONDS
        if protocol.startswith("http"):
            seconds = 60 * int(self.inputs["confirmationTimeoutInMinutes"])
        complaint = f"the subscription of {self.inputs['endpoint']} is still not confirmed"
        waits.until(self._confirmed, seconds, complaint, self.alive)

    def _confirmed(self) -> bool:
        found = self.fetch() or {}
        return bool((found.get("attributes") or {}).get("PendingConfirmation") != "true")


def _texts(resource: Resource, inputs: dict[str, Any]) -> dict[str, str]:
    texts = {}
    for name, entry in resource.spec.attributes.items():
        value = inputs.get(name)
        if value not in (None, "", False):
            texts[entry.split(" ")[1]] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts


def _default_policy(arn: str, account: str) -> dict[str, Any]:
    actions = ["GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic"]
    actions += ["Subscribe", "ListSubscriptionsByTopic", "Publish"]
    return {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [f"SNS:{name}" for name in actions],
                "Resource": arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
            }
        ],
    }
