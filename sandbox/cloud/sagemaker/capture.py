"""Data capture: requests and answers as JSON lines in S3.

Key `<prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/<mm-ss-mmm-uuid>.jsonl`. SageMaker delivers after minutes; here after
that delay divided by the sandbox's speed, and at the latest when the sandbox stops.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.cloud.periodic import Periodic
from sandbox.cloud.ports import Cloud, Scope
from sandbox.cloud.sagemaker.storage import Storage
from sandbox.cloud.sagemaker.store import now

DELIVERY_SECONDS = 60.0
DELIVERY_FLOOR_SECONDS = 1.0
CHECK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to a variant and its answer."""

    event_id: str
    inference_id: str | None
    moment: datetime
    content_type: str
    request: bytes
    answer_type: str
    answer: bytes


@dataclass(frozen=True)
class Destination:
    """Where the lines of one variant go."""

    scope: Scope
    role_arn: str
    url: str
    endpoint: str
    variant: str
    kms_key: str | None


@dataclass
class _Batch:
    due: float
    exchanges: list[tuple[Exchange, Mapping[str, Any]]] = field(default_factory=list)


class Capture(Periodic):
    """Collects exchanges and writes them in the background."""

    def __init__(self, cloud: Cloud, storage: Storage) -> None:
        super().__init__("capture", CHECK_SECONDS, lambda: self._write(time.monotonic()), self._write_all)
        self._delay = cloud.seconds(DELIVERY_SECONDS, DELIVERY_FLOOR_SECONDS)
        self._cloud = cloud
        self._storage = storage
        self._guard = threading.Lock()
        self._batches: dict[Destination, _Batch] = {}

    def record(self, config: Mapping[str, Any], destination: Destination, exchange: Exchange) -> None:
        """Keep an exchange; the caller sampled it."""
        with self._guard:
            batch = self._batches.get(destination)
            if batch is None:
                batch = self._batches[destination] = _Batch(time.monotonic() + self._delay)
            batch.exchanges.append((exchange, config))

    def _write_all(self) -> None:
        self._write(float("inf"))

    def _write(self, moment: float) -> None:
        with self._guard:
            due = {destination: batch for destination, batch in self._batches.items() if batch.due <= moment}
            for destination in due:
                del self._batches[destination]
        for destination, batch in due.items():
            body = "".join(line(exchange, config) for exchange, config in batch.exchanges).encode()
            self._put(destination, batch.exchanges[0][0].moment, body)

    def _put(self, destination: Destination, moment: datetime, body: bytes) -> None:
        url = f"{destination.url.rstrip('/')}/{_key(destination, moment)}"
        members = {}
        if destination.kms_key:
            members = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": destination.kms_key}
        try:
            self._storage.write(body, url, destination.role_arn, destination.scope, **members)
        except (BotoCoreError, ClientError) as error:
            # As on AWS, invocations go on; the endpoint's log says why nothing arrives.
            group = f"/aws/sagemaker/Endpoints/{destination.endpoint}"
            text = f"Data capture could not write {url}: {error}"
            self._cloud.logs.append(destination.scope, group, f"{destination.variant}/data-log", [text])


def sampled(config: Mapping[str, Any]) -> bool:
    """Whether this request is captured, by InitialSamplingPercentage."""
    return bool(config.get("EnableCapture")) and random.random() * 100 < config["InitialSamplingPercentage"]  # noqa: S311


def line(exchange: Exchange, config: Mapping[str, Any]) -> str:
    """SageMaker's line for an exchange, with its end of line."""
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    header = config.get("CaptureContentTypeHeader", {})
    data: dict[str, Any] = {}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _side(exchange.content_type, "INPUT", exchange.request, header)
    if modes & {"Output", "InputAndOutput"}:
        data["endpointOutput"] = _side(exchange.answer_type, "OUTPUT", exchange.answer, header)
    metadata = {"eventId": exchange.event_id}
    if exchange.inference_id:
        metadata["inferenceId"] = exchange.inference_id
    metadata["inferenceTime"] = exchange.moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    record = {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n"


def _side(content_type: str, mode: str, body: bytes, header: Mapping[str, list[str]]) -> dict[str, str]:
    encoding, data = _encoded(content_type, body, header)
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}


def _encoded(content_type: str, body: bytes, header: Mapping[str, list[str]]) -> tuple[str, str]:
    """Text for the listed content types, base64 for all others (and for what is no text)."""
    plain = content_type.split(";", 1)[0].strip().lower()
    for encoding, listed in (("CSV", header.get("CsvContentTypes", [])), ("JSON", header.get("JsonContentTypes", []))):
        if plain in {item.lower() for item in listed}:
            try:
                return encoding, body.decode()
            except UnicodeDecodeError:
                break
    return "BASE64", base64.b64encode(body).decode()


def _key(destination: Destination, moment: datetime) -> str:
    written = now()
    name = f"{written:%M-%S}-{written.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
    return f"{destination.endpoint}/{destination.variant}/{moment:%Y/%m/%d/%H}/{name}"
