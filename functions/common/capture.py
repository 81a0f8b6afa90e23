"""SageMaker's data capture files, one JSON object an invocation.

Format: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
Keys: `<prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.common.jsonlines import MalformedLine, UnusableLineError, field, objects, optional_text
from functions.common.payload import Payload, UnreadablePayloadError, decode_base64

LATENCY_ATTRIBUTE = "understudy-latency-ms"
"""Custom attribute `understudy-latency-ms=<number>`: capture itself has no latency, a container may record it."""

_DEFAULT_CONTENT_TYPES = {"JSON": "application/json", "CSV": "text/csv", "BASE64": "application/octet-stream"}


@dataclass(frozen=True)
class CaptureRecord:
    """One captured invocation.

    `response` is None when production gave no answer. `latency_ms` is production's, where somebody recorded it.
    """

    line: int
    event_id: str
    inference_id: str | None
    inference_time: datetime
    request: Payload
    response: Payload | None
    latency_ms: float | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids a label may name, the caller's own first."""
        return (self.event_id,) if self.inference_id is None else (self.inference_id, self.event_id)


@dataclass(frozen=True)
class CaptureKey:
    """What a capture file's key tells."""

    endpoint: str
    variant: str
    hour: str
    """`yyyy/mm/dd/hh`, UTC."""

    @classmethod
    def parse(cls, key: str) -> CaptureKey:
        """Raises ValueError when the key has not the form of a capture file."""
        parts = key.rsplit("/", 7)
        if len(parts) != 8 or not key.endswith(".jsonl") or not all(part.isdigit() for part in parts[3:7]):
            raise ValueError(
                f"{key!r} is no capture file: expected <prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl"
            )
        return cls(endpoint=parts[1], variant=parts[2], hour="/".join(parts[3:7]))


def read(lines: Iterable[str | bytes], first_line: int = 1) -> Iterator[CaptureRecord | MalformedLine]:
    """Records in file order; a line that cannot be read is given as MalformedLine and the rest goes on.

    `first_line` is the number of the first line, for a reader that starts in the middle of a file.
    """
    for number, text, value in objects(lines, first_line):
        if isinstance(value, UnusableLineError):
            yield MalformedLine.of(number, text, str(value))
            continue
        try:
            yield _record(number, value)
        except (UnusableLineError, UnreadablePayloadError) as error:
            yield MalformedLine.of(number, text, str(error))


def _record(number: int, value: Mapping[str, Any]) -> CaptureRecord:
    data = field(value, "captureData", dict)
    metadata = field(value, "eventMetadata", dict)
    output = data.get("endpointOutput")
    return CaptureRecord(
        line=number,
        event_id=_identifier(field(metadata, "eventId", str)),
        inference_id=optional_text(metadata, "inferenceId") or None,
        inference_time=parse_time(field(metadata, "inferenceTime", str)),
        request=_payload("endpointInput", field(data, "endpointInput", dict)),
        response=None if output is None else _payload("endpointOutput", field(data, "endpointOutput", dict)),
        latency_ms=_latency(metadata.get("customAttributes")),
    )


def _identifier(value: str) -> str:
    if not value:
        raise UnusableLineError("eventId is empty")
    return value


def _payload(name: str, part: Mapping[str, Any]) -> Payload:
    data, encoding = field(part, "data", str), field(part, "encoding", str)
    if encoding not in _DEFAULT_CONTENT_TYPES:
        raise UnusableLineError(f"{name}.encoding is {encoding!r}, not one of CSV, JSON, BASE64")
    content_type = optional_text(part, "observedContentType") or _DEFAULT_CONTENT_TYPES[encoding]
    try:
        body = decode_base64(data) if encoding == "BASE64" else data.encode("utf-8")
    except (UnreadablePayloadError, UnicodeEncodeError) as error:
        raise UnusableLineError(f"{name}.data: {error}") from error
    return Payload(body, content_type)


def parse_time(text: str) -> datetime:
    """ISO 8601 with a zone; without one it is UTC, as SageMaker writes. Raises UnusableLineError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnusableLineError(f"{text!r} is no ISO 8601 time") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _latency(attributes: object) -> float | None:
    if not isinstance(attributes, list):
        return None
    for attribute in attributes:
        name, _, number = str(attribute).partition("=")
        if name.strip() == LATENCY_ATTRIBUTE:
            try:
                latency = float(number)
            except ValueError as error:
                raise UnusableLineError(f"custom attribute {LATENCY_ATTRIBUTE}={number!r} is no number") from error
            if not 0 < latency < float("inf"):
                raise UnusableLineError(f"custom attribute {LATENCY_ATTRIBUTE}={number!r} is no positive number")
            return latency
    return None
