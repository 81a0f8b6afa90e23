"""Lambda's asynchronous invocations: retries, then the failure destination or dead-letter queue."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.awslambda.models import lambda_backends

from sandbox.cloud.compute.functions import FunctionService
from sandbox.cloud.eventing.delivery import Deliveries, DeliveryError
from sandbox.cloud.eventing.functions import FunctionMissingError, InvocationResult, StoppingError, ThrottledError
from sandbox.cloud.eventing.workers import Workers
from sandbox.cloud.ports import Cloud

log = logging.getLogger(__name__)

RETRIES = 2
RETRY_SECONDS = (60.0, 120.0)
"""AWS waits a minute before the first retry and two before the second."""
OLDEST_SECONDS = 6 * 3600.0
WORKERS = 6


@dataclass(frozen=True)
class _Request:
    arn: str
    payload: bytes
    request_id: str
    since: float
    attempt: int = 0


class AsyncInvocations:
    """The whole `Functions` port: synchronous calls go through, asynchronous ones are queued here."""

    def __init__(self, cloud: Cloud, functions: FunctionService, deliveries: Deliveries) -> None:
        self._cloud = cloud
        self._functions = functions
        self._deliveries = deliveries
        self.workers = Workers("invoke", WORKERS)

    def stop(self) -> None:
        """Drops what waits, ends what runs."""
        self.workers.stop(0.0)
        self._functions.stop()
        self.workers.stop()

    def invoke(self, arn: str, payload: bytes) -> InvocationResult:
        return self._functions.invoke(arn, payload)

    def timeout_seconds(self, arn: str) -> float:
        return self._functions.timeout_seconds(arn)

    def role(self, arn: str) -> str:
        return self._functions.version(arn).role

    def policy(self, arn: str) -> str:
        return self._functions.policy(arn)

    def invoke_later(self, arn: str, payload: bytes) -> None:
        self._functions.version(arn)
        request = _Request(arn, payload, str(uuid.uuid4()), time.time())
        self.workers.submit(lambda: self._attempt(request))

    def _attempt(self, request: _Request) -> None:
        try:
            result = self._functions.invoke(request.arn, request.payload, request.request_id)
        except ThrottledError:
            # Throttled events go back to Lambda's queue and do not count as attempts.
            if time.time() - request.since < self._cloud.seconds(OLDEST_SECONDS):
                self.workers.submit(lambda: self._attempt(request), self._cloud.seconds(1.0, floor=0.1))
                return
            result = InvocationResult(b'{"errorMessage": "Rate Exceeded"}', "Throttled")
        except FunctionMissingError as error:
            log.error("asynchronous invocation lost: %s", error)
            return
        except StoppingError:
            return
        settings = self._settings(request.arn)
        if result.error is None:
            self._destination(request, result, settings, "OnSuccess", "Success")
            return
        log.warning("%s failed (attempt %d): %s", request.arn, request.attempt + 1, result.payload.decode()[:1000])
        oldest = self._cloud.seconds(settings.get("MaximumEventAgeInSeconds", OLDEST_SECONDS))
        if request.attempt < settings.get("MaximumRetryAttempts", RETRIES) and time.time() - request.since <= oldest:
            again = _Request(request.arn, request.payload, request.request_id, request.since, request.attempt + 1)
            self.workers.submit(lambda: self._attempt(again), self._cloud.seconds(RETRY_SECONDS[request.attempt]))
            return
        self._destination(request, result, settings, "OnFailure", "RetriesExhausted")
        self._dead_letter(request, result, settings)

    def _settings(self, arn: str) -> Mapping[str, Any]:
        """EventInvokeConfig's members, with `DeadLetterArn` of the function's DeadLetterConfig."""
        parts = arn.split(":")
        with self._cloud.lock("lambda"):
            function = lambda_backends[parts[4]][parts[3]].get_function(parts[6], None)
            configured = function.event_invoke_config[-1].config if function.event_invoke_config else {}
            dead_letter = getattr(function, "dead_letter_config", None) or {}
        return {**configured, "DeadLetterArn": dead_letter.get("TargetArn")}

    def _destination(
        self, request: _Request, result: InvocationResult, settings: Mapping[str, Any], kind: str, condition: str
    ) -> None:
        target = ((settings.get("DestinationConfig") or {}).get(kind) or {}).get("Destination")
        if not target:
            return
        record = {
            "version": "1.0",
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "requestContext": {
                "requestId": request.request_id,
                "functionArn": request.arn,
                "condition": condition,
                "approximateInvokeCount": request.attempt + 1,
            },
            "requestPayload": json.loads(request.payload or b"null"),
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": json.loads(result.payload or b"null"),
        }
        if result.error:
            record["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": result.error}
        self._send(target, json.dumps(record), {})

    def _dead_letter(self, request: _Request, result: InvocationResult, settings: Mapping[str, Any]) -> None:
        if settings["DeadLetterArn"]:
            message = str(json.loads(result.payload).get("errorMessage", ""))[:1024]
            attributes = {"RequestID": request.request_id, "ErrorCode": "200", "ErrorMessage": message or "none"}
            self._send(settings["DeadLetterArn"], request.payload.decode(), attributes)

    def _send(self, target: str, text: str, attributes: Mapping[str, str]) -> None:
        try:
            if ":sqs:" in target:
                given = {key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()}
                self._deliveries.to_queue(None, target, text, attributes=given)
            else:
                self._deliveries.deliver(None, target, text, {})
        except DeliveryError as error:
            log.error("destination %s: %s", target, error)
