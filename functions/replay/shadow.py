"""Invoking the shadow endpoint: what is retried, what is charged to the model, what is our own mistake."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from functions.common.payload import Payload

MAXIMUM_BODY_BYTES = 6_291_456
"""InvokeEndpoint's limit for a real-time endpoint."""

_RETRIED_CODES = frozenset(
    {
        "ThrottlingException",
        "ModelNotReadyException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "InternalFailure",
        "InternalDependencyException",
        "InternalServerException",
    }
)
_RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504, 530})
_BASE_SECONDS, _CAP_SECONDS = 0.1, 5.0


class ShadowUnavailableError(RuntimeError):
    """The endpoint throttled or was away until the time was up; the message must be delivered again."""


class ShadowRefusedError(RuntimeError):
    """The service refused the call itself: endpoint gone, no permission. Not the model's fault, and no retry helps."""


class Runtime(Protocol):
    """The part of boto3's `sagemaker-runtime` client that is used."""

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Answer:
    """`status` is 200, or 424 with the error's text as body; `latency_ms` is the last attempt's, seen from here."""

    payload: Payload
    status: int
    latency_ms: float


def runtime_client(threads: int) -> Runtime:
    """A client that does not retry by itself (retries here are by class) and has a connection for every thread."""
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=threads, connect_timeout=5, read_timeout=65)
    client: Runtime = boto3.client("sagemaker-runtime", config=config)
    return client


@dataclass(frozen=True)
class ShadowEndpoint:
    """An endpoint with its way of retrying; may be used from several threads."""

    runtime: Runtime
    endpoint_name: str
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float, float], float] = random.uniform

    def invoke(self, request: Payload, accept: str | None, inference_id: str, deadline: float) -> Answer:
        """Sends a request, and again on throttling or absence, with full jitter, until `deadline` on the clock.

        Raises ShadowUnavailableError when the next attempt would start after the deadline, ShadowRefusedError when
        the service refuses the call. A 424 (ModelError) is the model's answer, not an exception.
        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html#errors and
        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        attempt = 0
        while True:
            started = self.clock()
            try:
                return self._attempt(request, accept, inference_id, started)
            except (ClientError, HTTPClientError, NoConnectionError) as error:
                failed = self._model_error(error, started)
                if failed is not None:
                    return failed
                if not _retried(error):
                    raise ShadowRefusedError(f"endpoint {self.endpoint_name} refused the request: {error}") from error
                pause = self.jitter(0, min(_CAP_SECONDS, _BASE_SECONDS * 2**attempt))
                if self.clock() + pause >= deadline:
                    raise ShadowUnavailableError(
                        f"endpoint {self.endpoint_name} was not available in {attempt + 1} attempts: {error}"
                    ) from error
                self.sleep(pause)
                attempt = min(attempt + 1, 16)

    def _attempt(self, request: Payload, accept: str | None, inference_id: str, started: float) -> Answer:
        call: dict[str, Any] = {
            "EndpointName": self.endpoint_name,
            "Body": request.body,
            "ContentType": request.content_type,
        }
        if accept is not None:
            call["Accept"] = accept
        if len(inference_id) <= 64 and inference_id.isascii():  # the API's limits; SageMaker's own ids have 36
            call["InferenceId"] = inference_id
        response = self.runtime.invoke_endpoint(**call)
        body = response["Body"].read()
        latency_ms = (self.clock() - started) * 1000
        return Answer(
            Payload(body, response.get("ContentType") or accept or "application/octet-stream"), 200, latency_ms
        )

    def _model_error(self, error: Exception, started: float) -> Answer | None:
        if not isinstance(error, ClientError) or error.response.get("Error", {}).get("Code") != "ModelError":
            return None
        message = str(error.response.get("OriginalMessage") or error.response["Error"].get("Message", ""))
        return Answer(Payload(message.encode(), "text/plain"), 424, (self.clock() - started) * 1000)


def _retried(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return True  # no answer over HTTP: connection refused, closed or timed out
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return error.response.get("Error", {}).get("Code") in _RETRIED_CODES or status in _RETRIED_STATUSES
