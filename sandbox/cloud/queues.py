"""SQS, where moto differs: long polls wait for what is sent, and changing some attributes keeps the others."""

from __future__ import annotations

import time
from typing import Any

from moto.sqs.models import Message, Queue, SQSBackend

from sandbox.cloud.eventing.overrides import Method, override
from sandbox.cloud.ports import Cloud

LOOK_SECONDS = 0.2
"""A message whose delay or visibility timeout ends is seen this late at most; a sent one at once."""


def install(cloud: Cloud) -> None:
    """Note what is sent, and let long polls wait for it without SQS's lock, so that a sender is not kept out."""
    override(Queue, "add_message", lambda add: _noting(cloud, add))
    override(SQSBackend, "receive_message", lambda receive: _waiting(cloud, receive))
    override(SQSBackend, "set_queue_attributes", _keeping_policy)


def _noting(cloud: Cloud, add: Method) -> Method:
    def add_message(queue: Queue, message: Message) -> None:
        add(queue, message)
        cloud.arrivals.note()

    return add_message


def _waiting(cloud: Cloud, receive: Method) -> Method:
    def receive_message(
        backend: SQSBackend, queue_name: str, count: int, wait_seconds_timeout: int, *rest: Any, **named: Any
    ) -> list[Message]:
        deadline = time.monotonic() + int(wait_seconds_timeout or 0)
        while True:
            seen = cloud.arrivals.count
            with cloud.lock("sqs"):
                messages: list[Message] = receive(backend, queue_name, count, 0, *rest, **named)
            left = deadline - time.monotonic()
            if messages or left <= 0 or cloud.stopping.is_set():
                return messages
            cloud.arrivals.wait(seen, min(left, LOOK_SECONDS))

    return receive_message


def _keeping_policy(change: Method) -> Method:
    """moto takes a request without Policy for one that removes it."""

    def set_queue_attributes(backend: SQSBackend, queue_name: str, attributes: dict[str, Any]) -> Queue:
        if "Policy" not in attributes:
            attributes = {**attributes, "Policy": backend.get_queue(queue_name).policy}
        changed: Queue = change(backend, queue_name, attributes)
        return changed

    return set_queue_attributes
