"""Reads a queue for a function, as Lambda's event source mapping does.

Durations: the batching window and the visibility timeout are AWS's, so the sandbox's speed divides them. While a batch
is being worked on its messages stay invisible for at least the function's real timeout, or they would be worked on
twice; what fails becomes visible again once the queue's (divided) visibility timeout has passed since it was received.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, sqs_backends

from sandbox.cloud.eventing import patterns
from sandbox.cloud.eventing.delivery import Deliveries
from sandbox.cloud.eventing.functions import FunctionMissingError, InvocationResult, StoppingError, ThrottledError
from sandbox.cloud.ports import Cloud, Scope

log = logging.getLogger(__name__)

DEFAULT_CONCURRENCY = 5
"""Batches at a time without ScalingConfig; AWS starts with five, too."""
RECEIVE = 10
BUSY_SECONDS, IDLE_SECONDS, MISSING_SECONDS = 0.02, 0.25, 5.0


class Poller:
    """A thread that receives, and one a batch that invokes."""

    def __init__(self, cloud: Cloud, deliveries: Deliveries, scope: Scope, configuration: Mapping[str, Any]) -> None:
        self._cloud = cloud
        self._deliveries = deliveries
        self._region = scope.region
        self._configuration = configuration
        parts = configuration["EventSourceArn"].split(":")
        self._backend = sqs_backends[parts[4]][parts[3]]
        self._queue_name = parts[5]
        self._function_arn: str = configuration["FunctionArn"]
        scaling = configuration.get("ScalingConfig") or {}
        self._slots = threading.Semaphore(int(scaling.get("MaximumConcurrency") or DEFAULT_CONCURRENCY))
        self._stopped = threading.Event()
        self._working: set[threading.Thread] = set()
        self._thread = threading.Thread(target=self._run, name=f"poll-{self._queue_name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._cloud.arrivals.note()

    def join(self, seconds: float = 5.0) -> None:
        """Waits for the thread and its batches, together so long at most."""
        deadline = time.monotonic() + seconds
        for thread in (self._thread, *self._working):
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._slots.acquire(timeout=IDLE_SECONDS):
                continue
            seen = self._cloud.arrivals.count
            batch = self._batch()
            if batch:
                name = f"batch-{self._queue_name}"
                thread = threading.Thread(target=self._work, args=(batch, time.monotonic()), name=name, daemon=True)
                self._working = {one for one in self._working if one.is_alive()} | {thread}
                thread.start()
            else:
                self._slots.release()
                self._cloud.arrivals.wait(seen, IDLE_SECONDS)

    def _batch(self) -> list[Message]:
        """Messages to work on; none after a while, if there is no function to work on them."""
        try:
            return self._gather()
        except FunctionMissingError as error:
            # The mapping outlived its function: AWS reports a problem and goes on trying, too.
            log.warning("mapping of %s: %s", self._queue_name, error)
        except Exception:
            log.exception("mapping of %s: receiving failed", self._queue_name)
        self._stopped.wait(MISSING_SECONDS)
        return []

    def _gather(self) -> list[Message]:
        """Up to BatchSize messages; waits for more up to the batching window once there is one."""
        size = int(self._configuration["BatchSize"])
        window = self._cloud.seconds(float(self._configuration.get("MaximumBatchingWindowInSeconds") or 0))
        batch = self._receive(min(size, RECEIVE))
        deadline = time.monotonic() + window
        while batch and len(batch) < size:
            more = self._receive(min(size - len(batch), RECEIVE))
            batch.extend(more)
            if not more and (time.monotonic() >= deadline or self._stopped.wait(BUSY_SECONDS)):
                break
        return self._filtered(batch)

    def _receive(self, count: int) -> list[Message]:
        # Lambda's lock before SQS's, never inside it: the mappings' handlers take them in that order.
        timeout = self._deliveries.functions.timeout_seconds(self._function_arn)
        with self._cloud.lock("sqs"):
            queue = self._backend.queues.get(self._queue_name)
            if queue is None:
                return []
            hidden = math.ceil(max(timeout, self._cloud.seconds(visibility_seconds(queue))) + 1)
            messages: list[Message] = self._backend.receive_message(self._queue_name, count, 0, hidden, ["All"])
            return messages

    def _filtered(self, batch: list[Message]) -> list[Message]:
        """FilterCriteria: what matches no filter is deleted unseen, as Lambda does."""
        filters = (self._configuration.get("FilterCriteria") or {}).get("Filters") or []
        if not filters:
            return batch
        wanted = [json.loads(item["Pattern"]) for item in filters]
        kept = [m for m in batch if any(patterns.matches(pattern, _filterable(m)) for pattern in wanted)]
        self._delete([message for message in batch if message not in kept])
        return kept

    def _work(self, batch: Sequence[Message], received: float) -> None:
        try:
            failed = self._invoke(batch)
            self._delete([message for message in batch if message.id not in failed])
            self._give_back([message for message in batch if message.id in failed], received)
        except StoppingError:
            # The queue ends with the sandbox, too.
            return
        except Exception:
            log.exception("mapping of %s: a batch could not be worked on", self._queue_name)
        finally:
            self._slots.release()

    def _invoke(self, batch: Sequence[Message]) -> set[str]:
        """Ids of the messages to be tried again."""
        everything = {message.id for message in batch}
        event = {"Records": [self._record(message) for message in batch]}
        try:
            result = self._deliveries.functions.invoke(self._function_arn, json.dumps(event).encode())
        except (FunctionMissingError, ThrottledError) as error:
            log.warning("mapping of %s: %s: %s", self._queue_name, type(error).__name__, error)
            return everything
        if result.error is not None:
            log.warning("mapping of %s: %s failed: %s", self._queue_name, self._function_arn, result.payload.decode())
            return everything
        if "ReportBatchItemFailures" not in (self._configuration.get("FunctionResponseTypes") or ()):
            return set()
        return failures(result, everything)

    def _record(self, message: Message) -> dict[str, Any]:
        attributes = {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        }
        if message.group_id:
            attributes |= {
                "MessageGroupId": message.group_id,
                "MessageDeduplicationId": message.deduplication_id or "",
                "SequenceNumber": message.sequence_number or "",
            }
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": {key: _attribute(value) for key, value in message.message_attributes.items()},
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._configuration["EventSourceArn"],
            "awsRegion": self._region,
        }

    def _delete(self, messages: Sequence[Message]) -> None:
        with self._cloud.lock("sqs"):
            for message in messages:
                if self._queue_name in self._backend.queues:
                    self._settle(lambda handle: self._backend.delete_message(self._queue_name, handle), message)

    def _give_back(self, messages: Sequence[Message], received: float) -> None:
        with self._cloud.lock("sqs"):
            queue = self._backend.queues.get(self._queue_name)
            if queue is None:
                return
            hidden = self._cloud.seconds(visibility_seconds(queue)) - (time.monotonic() - received)
            seconds = math.ceil(max(0.0, hidden))
            for message in messages:
                self._settle(
                    lambda handle: self._backend.change_message_visibility(self._queue_name, handle, seconds), message
                )

    def _settle(self, change: Any, message: Message) -> None:
        try:
            change(message.receipt_handle)
        except ReceiptHandleIsInvalid:
            # Someone purged the queue or deleted the message meanwhile: nothing is left to do.
            log.info("mapping of %s: message %s is gone", self._queue_name, message.id)


def visibility_seconds(queue: Queue) -> float:
    """The queue's VisibilityTimeout, which moto sets as an attribute of the object."""
    return float(getattr(queue, "visibility_timeout"))  # noqa: B009 - moto sets it by name, unseen by the type checker


def failures(result: InvocationResult, everything: set[str]) -> set[str]:
    """Ids a function reported in `batchItemFailures`; an answer that makes no sense fails the whole batch.

    Source: AWS Lambda Developer Guide, "Handling errors for an SQS event source".
    """
    try:
        answer = json.loads(result.payload or b"null")
        listed = (answer or {}).get("batchItemFailures") or []
        reported = {item["itemIdentifier"] for item in listed}
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        log.warning("batchItemFailures could not be read, the whole batch counts as failed: %r", error)
        return everything
    if not reported <= everything:
        log.warning("batchItemFailures names unknown messages, the whole batch counts as failed: %s", reported)
        return everything
    return reported


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if value.get("StringValue") is not None:
        result["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        raw = value["BinaryValue"]
        result["binaryValue"] = base64.b64encode(raw).decode() if isinstance(raw, bytes) else raw
    return result


def _filterable(message: Message) -> dict[str, Any]:
    try:
        return {"body": json.loads(message.body)}
    except ValueError:
        return {"body": message.body}
