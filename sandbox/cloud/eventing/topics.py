"""SNS: what is published reaches queues, functions and HTTP endpoints asynchronously, in AWS's envelopes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import requests
from moto.sns.models import Subscription

from sandbox.cloud.eventing.delivery import Deliveries, DeliveryError, Sender
from sandbox.cloud.eventing.overrides import override
from sandbox.cloud.ports import Cloud, Scope

log = logging.getLogger(__name__)

SERVICE = "sns.amazonaws.com"
ATTEMPTS = 4
RETRY_SECONDS = 20.0
HTTP_SECONDS = 15.0

Attributes = Mapping[str, Mapping[str, Any]]


class Topics:
    """Takes over moto's delivery to subscriptions."""

    def __init__(self, cloud: Cloud, deliveries: Deliveries) -> None:
        self._cloud = cloud
        self._deliveries = deliveries

    def install(self) -> None:
        override(Subscription, "publish", lambda _: self._publish())

    def _publish(self) -> Callable[..., None]:
        def publish(
            subscription: Subscription,
            message: str,
            message_id: str,
            subject: str | None = None,
            message_attributes: dict[str, Any] | None = None,
            group_id: str | None = None,
            deduplication_id: str | None = None,
            message_structure: str | None = None,
        ) -> None:
            matcher = subscription._filter_policy_matcher
            if matcher is not None and not matcher.matches(message_attributes, message):
                return
            if message_structure == "json":
                message = subscription._parse_message_structure(message, subscription.protocol)
            attributes = dict(message_attributes or {})
            self._later(subscription, (message, message_id, subject, attributes, group_id, deduplication_id), 0)

        return publish

    def _later(self, subscription: Subscription, content: tuple[Any, ...], attempt: int) -> None:
        delay = self._cloud.seconds(RETRY_SECONDS) if attempt else 0.0
        self._deliveries.workers.submit(lambda: self._attempt(subscription, content, attempt), delay)

    def _attempt(self, subscription: Subscription, content: tuple[Any, ...], attempt: int) -> None:
        try:
            self._deliver(subscription, *content)
        except DeliveryError as error:
            log.error("subscription %s: %s", subscription.arn, error)
            self._to_dead_letters(subscription, content[0])
        except requests.RequestException as error:
            if attempt + 1 < ATTEMPTS:
                self._later(subscription, content, attempt + 1)
                return
            log.error("subscription %s: gave up after %d attempts: %s", subscription.arn, ATTEMPTS, error)
            self._to_dead_letters(subscription, content[0])

    def _deliver(
        self,
        subscription: Subscription,
        message: str,
        message_id: str,
        subject: str | None,
        attributes: Attributes,
        group_id: str | None,
        deduplication_id: str | None,
    ) -> None:
        sender, endpoint = self._sender(subscription), subscription.endpoint
        raw = str(subscription.attributes.get("RawMessageDelivery", "")).lower() == "true"
        if subscription.protocol == "sqs" and raw:
            given = {key: _raw_attribute(value) for key, value in attributes.items()}
            self._deliveries.to_queue(
                sender, endpoint, message, group_id=group_id, deduplication_id=deduplication_id, attributes=given
            )
            return
        if subscription.protocol not in ("sqs", "lambda", "http", "https"):
            log.warning("subscription %s: the sandbox sends no %s", subscription.arn, subscription.protocol)
            return
        with self._cloud.lock("sns"):
            envelope = subscription.get_post_data(message, message_id, subject, message_attributes=dict(attributes))
        if subscription.protocol == "sqs":
            text = json.dumps(envelope, indent=2)
            self._deliveries.to_queue(sender, endpoint, text, group_id=group_id, deduplication_id=deduplication_id)
        elif subscription.protocol == "lambda":
            self._deliveries.to_function(sender, endpoint, json.dumps(lambda_event(subscription.arn, envelope)))
        else:
            headers = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
            requests.post(endpoint, data=json.dumps(envelope), headers=headers, timeout=HTTP_SECONDS).raise_for_status()

    def _to_dead_letters(self, subscription: Subscription, message: str) -> None:
        policy = subscription.attributes.get("RedrivePolicy")
        if not policy:
            return
        queue = json.loads(policy)["deadLetterTargetArn"]
        try:
            self._deliveries.to_queue(self._sender(subscription), queue, message)
        except DeliveryError as error:
            log.error("subscription %s: the dead-letter queue failed too: %s", subscription.arn, error)

    @staticmethod
    def _sender(subscription: Subscription) -> Sender:
        parts = subscription.topic.arn.split(":")
        return Sender(SERVICE, subscription.topic.arn, Scope(parts[4], parts[3]))


def lambda_event(subscription_arn: str, envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The event a function gets for one SNS message (always one record)."""
    renamed = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}
    content = {renamed.get(key, key): value for key, value in envelope.items()}
    content.setdefault("Subject", None)
    content.setdefault("MessageAttributes", {})
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription_arn,
                "Sns": content,
            }
        ]
    }


def _raw_attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(value["Type"])
    if kind.startswith("Binary"):
        return {"DataType": kind, "BinaryValue": value["Value"]}
    return {"DataType": kind, "StringValue": str(value["Value"])}
