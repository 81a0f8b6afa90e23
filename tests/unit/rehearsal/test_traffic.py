"""The rehearsal's clients: what counts as a failure."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from release.rehearsal.traffic import CRASH, RUSH, Row, Traffic, label_line, percentile, same_answer

ROWS = [Row("1,2", 1.0)]
GOOD = {"label": 1.0, "probability": 0.9}


class Runtime:
    """A sagemaker-runtime client that answers, or raises, what it is told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Body": io.BytesIO(json.dumps(self.answer).encode())}


class Session:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def client(self, name: str, config: object) -> Runtime:
        assert name == "sagemaker-runtime"
        return self.runtime


def one_request(answer: Any, **live: Any) -> Traffic:
    traffic = Traffic(Session(Runtime(answer)), "e", ROWS, rate=10, put_labels=lambda lines: None)
    traffic.live({name: [given] for name, given in live.items()})
    traffic._request(0)
    return traffic


def test_an_answer_of_a_live_version_is_counted_for_it() -> None:
    tally = one_request(GOOD, v1={"label": 0.0, "probability": 0.1}, v2=GOOD).tally
    assert (tally.requests, tally.failures, dict(tally.answered)) == (1, [], {"v2": 1})
    assert len(tally.latencies_ms) == 1


def test_an_answer_that_no_live_version_gives_is_a_failure() -> None:
    tally = one_request({"label": 0.0, "probability": 0.2}, v1=GOOD).tally
    assert len(tally.failures) == 1
    assert "row 0, live ['v1']" in tally.failures[0]
    assert not tally.answered


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ModelError", "Message": "Received server error (500)"}}, "InvokeEndpoint"),
        ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "busy"}}, "InvokeEndpoint"),
        ReadTimeoutError(endpoint_url="u"),
    ],
)
def test_an_error_is_a_failure(error: Exception) -> None:
    assert len(one_request(error, v1=GOOD).tally.failures) == 1


def test_a_crash_that_a_live_version_is_known_for_counts_as_the_canarys() -> None:
    error = ClientError({"Error": {"Code": "ModelError", "Message": "Received server error (500)"}}, "InvokeEndpoint")
    tally = one_request(error, v2=GOOD, v4=CRASH).tally
    assert (tally.canary_failures, tally.failures) == (1, [])


def test_numbers_agree_within_float_noise_and_keys_must_match() -> None:
    assert same_answer({"value": 1.0000001}, {"value": 1.0})
    assert not same_answer({"value": 1.1}, {"value": 1.0})
    assert not same_answer({"value": 1.0, "more": 2}, {"value": 1.0})
    assert not same_answer("Throttled: slow down", {"value": 1.0})


def test_a_label_line_is_what_sagemaker_merges() -> None:
    assert json.loads(label_line("abc", 1.0)) == {
        "groundTruthData": {"data": "1", "encoding": "CSV"},
        "eventMetadata": {"eventId": "abc"},
        "eventVersion": "0",
    }


def test_percentiles_are_nearest_rank() -> None:
    assert percentile([], 99) == 0
    assert percentile(list(range(1, 101)), 99) == 99
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0


def test_who_waits_for_requests_waits_in_a_rush_hour() -> None:
    intervals = []

    class Watched(Runtime):
        def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
            intervals.append(traffic._interval)
            return super().invoke_endpoint(**request)

    traffic = Traffic(Session(Watched(GOOD)), "e", ROWS, rate=30, put_labels=lambda lines: None)
    traffic.live({"v1": [GOOD]})
    traffic.start()
    try:
        assert traffic.wait_for("v1", 12, 10) >= 12
    finally:
        traffic.stop()
    assert min(intervals) == pytest.approx(traffic._interval / RUSH)
