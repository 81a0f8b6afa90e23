"""Capture lines and records for tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = "capture/tumor-triage-prod/ProductionVariant/2026/11/23/12/part-1.jsonl"


def capture_line(
    number: int,
    *,
    answer: str | None = '{"label": 1}',
    body: str | None = None,
    at: datetime | None = None,
    inference_id: str | None = None,
) -> bytes:
    """A line of a capture file; event `event-<number>`, a second after the one before."""
    data: dict[str, Any] = {
        "endpointInput": {
            "observedContentType": "text/csv",
            "mode": "INPUT",
            "data": f"{number},2.5" if body is None else body,
            "encoding": "CSV",
        }
    }
    if answer is not None:
        data["endpointOutput"] = {
            "observedContentType": "application/json",
            "mode": "OUTPUT",
            "data": answer,
            "encoding": "JSON",
        }
    metadata = {
        "eventId": f"event-{number}",
        "inferenceTime": (at or NOON + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if inference_id is not None:
        metadata["inferenceId"] = inference_id
    return json.dumps({"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}).encode() + b"\n"
