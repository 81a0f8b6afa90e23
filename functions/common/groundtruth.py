"""Ground-truth files as SageMaker merges them, one label a line.

Format: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-merge.html
`{"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "<id>"}, "eventVersion": "0"}`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.common.capture import parse_time
from functions.common.jsonlines import MalformedLine, UnusableLineError, field, objects, optional_text
from functions.common.payload import Payload, UnreadablePayloadError, decode_base64

_CONTENT_TYPES = {"CSV": "text/csv", "JSON": "application/json"}


@dataclass(frozen=True)
class Label:
    """The truth about one request; `event_id` is the inference id where the caller sent one, else SageMaker's event id.

    `inference_time` narrows the search for the prediction when the labels' owner knows it.
    """

    line: int
    event_id: str
    truth: Payload
    inference_time: datetime | None = None


def read(lines: Iterable[str | bytes]) -> Iterator[Label | MalformedLine]:
    """Labels in file order; a line that cannot be read is given as MalformedLine and the rest goes on."""
    for number, text, value in objects(lines):
        if isinstance(value, UnusableLineError):
            yield MalformedLine.of(number, text, str(value))
            continue
        try:
            yield _label(number, value)
        except (UnusableLineError, UnreadablePayloadError) as error:
            yield MalformedLine.of(number, text, str(error))


def _label(number: int, value: Mapping[str, Any]) -> Label:
    metadata = field(value, "eventMetadata", dict)
    event_id = field(metadata, "eventId", str)
    if not event_id:
        raise UnusableLineError("eventId is empty")
    time = optional_text(metadata, "inferenceTime")
    truth = field(value, "groundTruthData", dict)
    return Label(number, event_id, _truth(truth), None if time is None else parse_time(time))


def _truth(part: Mapping[str, Any]) -> Payload:
    data, encoding = field(part, "data", str), field(part, "encoding", str)
    if encoding == "BASE64":
        return Payload(decode_base64(data), "text/csv")
    if encoding not in _CONTENT_TYPES:
        raise UnusableLineError(f"groundTruthData.encoding is {encoding!r}, not one of CSV, JSON, BASE64")
    return Payload(data.encode("utf-8"), _CONTENT_TYPES[encoding])
