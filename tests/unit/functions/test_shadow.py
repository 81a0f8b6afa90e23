"""Retry by class: what is tried again, what the model is charged with, what is our own mistake."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from functions.common.payload import Payload
from functions.replay.shadow import Answer, ShadowEndpoint, ShadowRefusedError, ShadowUnavailableError, runtime_client

REQUEST = Payload(b"1,2", "text/csv")


def error(code: str, status: int, **more: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": f"{code} happened"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, "InvokeEndpoint")


@dataclass
class Runtime:
    """Raises what it is given, in order, then answers."""

    failures: Iterator[Exception | None]
    calls: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        with self.lock:
            self.calls.append(request)
            failure = next(self.failures, None)
        if failure is not None:
            raise failure
        return {"Body": io.BytesIO(b"1"), "ContentType": "text/csv; charset=utf-8"}


@dataclass
class Clock:
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def read(self) -> float:
        self.now += 0.002
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def invoke(*failures: Exception, deadline: float = 1000.0) -> tuple[Answer, Runtime, Clock]:
    runtime, clock = Runtime(iter(failures)), Clock()
    endpoint = ShadowEndpoint(runtime, "shadow", clock.read, clock.sleep, jitter=lambda low, high: high)
    return endpoint.invoke(REQUEST, "text/csv", "event-1", deadline), runtime, clock


def test_an_answer_has_its_latency_and_content_type() -> None:
    answer, runtime, clock = invoke()
    assert (answer.payload, answer.status) == (Payload(b"1", "text/csv; charset=utf-8"), 200)
    assert answer.latency_ms == pytest.approx(2.0)
    assert clock.slept == []
    assert runtime.calls == [
        {
            "EndpointName": "shadow",
            "Body": b"1,2",
            "ContentType": "text/csv",
            "Accept": "text/csv",
            "InferenceId": "event-1",
        }
    ]


@pytest.mark.parametrize(
    "failure",
    [
        error("ThrottlingException", 400),
        error("ModelNotReadyException", 429),
        error("ServiceUnavailable", 503),
        error("InternalFailure", 500),
        error("InternalDependencyException", 530),
        error("503", 503),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
    ],
)
def test_throttling_and_absence_are_tried_again(failure: Exception) -> None:
    answer, runtime, clock = invoke(failure, failure)
    assert answer.status == 200
    assert len(runtime.calls) == 3
    assert clock.slept == [0.1, 0.2]
    assert answer.latency_ms == pytest.approx(2.0), "waiting is not the model's latency"


def test_the_pause_is_capped_and_drawn_from_zero() -> None:
    ranges: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        ranges.append((low, high))
        return 0.0

    runtime = Runtime(iter([error("ThrottlingException", 400)] * 8))
    ShadowEndpoint(runtime, "shadow", Clock().read, Clock().sleep, jitter).invoke(REQUEST, None, "e", 1000.0)
    assert ranges == [(0, pause) for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)]
    assert "Accept" not in runtime.calls[0]


def test_a_model_error_is_charged_to_the_model_at_once() -> None:
    failure = error("ModelError", 424, OriginalMessage="division by zero")
    answer, runtime, _ = invoke(failure)
    assert (answer.payload, answer.status) == (Payload(b"division by zero", "text/plain"), 424)
    assert answer.latency_ms == pytest.approx(2.0)
    assert len(runtime.calls) == 1


@pytest.mark.parametrize(("code", "status"), [("ValidationError", 400), ("AccessDeniedException", 403)])
def test_a_refused_call_is_not_the_model_s_fault(code: str, status: int) -> None:
    with pytest.raises(ShadowRefusedError, match=rf"endpoint shadow refused the request: .*{code}"):
        invoke(error(code, status))


def test_retries_end_at_the_deadline() -> None:
    with pytest.raises(ShadowUnavailableError, match=r"endpoint shadow was not available in 6 attempts.*Throttling"):
        invoke(*[error("ThrottlingException", 400)] * 100, deadline=5.0)


def test_an_id_that_the_api_would_refuse_is_left_out() -> None:
    runtime = Runtime(iter(()))
    ShadowEndpoint(runtime, "shadow").invoke(REQUEST, None, "e" * 65, 1e9)
    assert "InferenceId" not in runtime.calls[0]


def test_the_calls_fit_the_service_and_botocore_does_not_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client: Any = runtime_client(threads=8)
    assert client.meta.config.retries["total_max_attempts"] == 1
    expected = {
        "EndpointName": "shadow",
        "Body": b"1,2",
        "ContentType": "text/csv",
        "Accept": "text/csv",
        "InferenceId": "e",
    }
    body = StreamingBody(io.BytesIO(b"0"), 1)
    with Stubber(client) as stub:
        stub.add_client_error("invoke_endpoint", "ModelError", "boom", 424)
        stub.add_response("invoke_endpoint", {"Body": body, "ContentType": "text/csv"}, expected)
        endpoint = ShadowEndpoint(client, "shadow")
        assert endpoint.invoke(REQUEST, "text/csv", "e", 1e12).status == 424
        assert endpoint.invoke(REQUEST, "text/csv", "e", 1e12).payload.body == b"0"
        stub.assert_no_pending_responses()
