"""Capture and ground-truth files: what is read, and what a bad line does."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.common import capture, groundtruth
from functions.common.capture import CaptureKey, CaptureRecord
from functions.common.groundtruth import Label
from functions.common.jsonlines import MalformedLine
from functions.common.payload import Payload


def line(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "1,2",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": '{"label": 1}',
                "encoding": "JSON",
            },
        },
        "eventMetadata": {"eventId": "e-1", "inferenceId": "i-1", "inferenceTime": "2026-11-23T12:30:00Z"},
        "eventVersion": "0",
    }
    return value | changes


def read_one(value: object) -> CaptureRecord | MalformedLine:
    (item,) = capture.read([json.dumps(value)])
    return item


def test_a_line_becomes_a_record() -> None:
    record = read_one(line())
    assert record == CaptureRecord(
        line=1,
        event_id="e-1",
        inference_id="i-1",
        inference_time=datetime(2026, 11, 23, 12, 30, tzinfo=UTC),
        request=Payload(b"1,2", "text/csv"),
        response=Payload(b'{"label": 1}', "application/json"),
    )
    assert isinstance(record, CaptureRecord)
    assert record.ids == ("i-1", "e-1")


def test_base64_is_decoded_and_keeps_its_content_type() -> None:
    value = line()
    data = base64.b64encode(b"\x93NUMPY\xff").decode()
    value["captureData"]["endpointInput"] = {
        "observedContentType": "application/x-npy",
        "mode": "INPUT",
        "data": data,
        "encoding": "BASE64",
    }
    record = read_one(value)
    assert isinstance(record, CaptureRecord)
    assert record.request == Payload(b"\x93NUMPY\xff", "application/x-npy")


def test_production_without_an_answer_is_no_malformed_line() -> None:
    value = line()
    del value["captureData"]["endpointOutput"]
    record = read_one(value)
    assert isinstance(record, CaptureRecord)
    assert record.response is None


def test_latency_is_read_where_a_container_recorded_it() -> None:
    value = line()
    value["eventMetadata"]["customAttributes"] = ["trace=1", "understudy-latency-ms=3.5"]
    record = read_one(value)
    assert isinstance(record, CaptureRecord)
    assert record.latency_ms == 3.5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"captureData": None}, "captureData is missing"),
        ({"eventMetadata": {"eventId": 7, "inferenceTime": "2026-11-23T12:30:00Z"}}, "eventId is a int, not a str"),
        ({"eventMetadata": {"eventId": "", "inferenceTime": "2026-11-23T12:30:00Z"}}, "eventId is empty"),
        ({"eventMetadata": {"eventId": "e", "inferenceTime": "noon"}}, "'noon' is no ISO 8601 time"),
        (
            {"captureData": {"endpointInput": {"data": "x", "encoding": "XML"}}},
            "endpointInput.encoding is 'XML', not one of CSV, JSON, BASE64",
        ),
        (
            {"captureData": {"endpointInput": {"data": "%%%", "encoding": "BASE64"}}},
            "endpointInput.data: not base64",
        ),
    ],
)
def test_a_bad_field_names_itself(change: dict[str, Any], reason: str) -> None:
    item = read_one(line(**change))
    assert isinstance(item, MalformedLine)
    assert item.reason.startswith(reason)


def test_bad_lines_do_not_stop_the_good_ones() -> None:
    good = json.dumps(line()).encode()
    items = list(capture.read([good, b"{broken", b"", b"[1]", b"\xff\xfe", good]))
    assert [(type(item).__name__, item.line) for item in items] == [
        ("CaptureRecord", 1),
        ("MalformedLine", 2),
        ("MalformedLine", 4),
        ("MalformedLine", 5),
        ("CaptureRecord", 6),
    ]
    assert isinstance(items[1], MalformedLine)
    assert items[1].excerpt == "{broken"
    assert "not JSON" in items[1].reason


def test_deeply_nested_json_is_a_malformed_line_too() -> None:
    (item,) = capture.read(["[" * 200_000])
    assert isinstance(item, MalformedLine)


def test_lines_are_numbered_from_where_a_reader_starts() -> None:
    (item,) = capture.read([json.dumps(line())], first_line=401)
    assert item.line == 401


def test_a_key_tells_endpoint_variant_and_hour() -> None:
    key = CaptureKey.parse("capture/tumor-triage-prod/ProductionVariant/2026/11/23/12/30-15-abc.jsonl")
    assert key == CaptureKey("tumor-triage-prod", "ProductionVariant", "2026/11/23/12")


@pytest.mark.parametrize("key", ["a.jsonl", "capture/e/v/2026/11/23/xx/f.jsonl", "capture/e/v/2026/11/23/12/f.csv"])
def test_another_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is no capture file: expected <prefix>/<endpoint>/<variant>"):
        CaptureKey.parse(key)


def test_labels_as_sagemaker_merges_them() -> None:
    truth = '"groundTruthData": {"data": "1", "encoding": "CSV"}'
    text = f'{{{truth}, "eventMetadata": {{"eventId": "i-1"}}, "eventVersion": "0"}}'
    assert list(groundtruth.read([text])) == [Label(1, "i-1", Payload(b"1", "text/csv"))]


def test_a_label_may_say_when_the_prediction_was_made() -> None:
    text = json.dumps(
        {
            "groundTruthData": {"data": '{"label": 1}', "encoding": "JSON"},
            "eventMetadata": {"eventId": "i-1", "inferenceTime": "2026-11-23T12:30:00"},
        }
    )
    (label,) = groundtruth.read([text])
    assert isinstance(label, Label)
    assert label.inference_time == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    assert label.truth.content_type == "application/json"


def test_a_bad_label_names_its_line() -> None:
    items = list(groundtruth.read(["{}", '{"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {}}']))
    assert [(item.line, item.reason) for item in items if isinstance(item, MalformedLine)] == [
        (1, "eventMetadata is missing"),
        (2, "eventId is missing"),
    ]
