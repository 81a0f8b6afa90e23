"""The use case's own change of a captured request: `use_case_replay.py` at the root of the zip, where there is one."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from functions.common.capture import CaptureRecord
from functions.common.payload import Payload, UnreadablePayloadError

Transform = Callable[[dict[str, Any]], dict[str, Any] | None]

_MODULE = "use_case_replay"


class TransformError(ValueError):
    """The use case's transform failed on one record, or gave something that is no request."""


def load() -> Transform | None:
    """The use case's `transform`, or None when the zip has no `use_case_replay.py`. Raises TransformError."""
    if importlib.util.find_spec(_MODULE) is None:
        return None
    transform = getattr(importlib.import_module(_MODULE), "transform", None)
    if not callable(transform):
        raise TransformError("replay.py of the use case has no function transform(record: dict) -> dict | None")
    return transform  # type: ignore[no-any-return]  # a use case's code has no types we could rely on


def apply(transform: Transform | None, record: CaptureRecord) -> Payload | None:
    """The request to send to shadow; None when the use case leaves this one out. Raises TransformError."""
    if transform is None:
        return record.request
    try:
        changed = transform(_as_dict(record))
    except Exception as error:
        raise TransformError(f"transform of the use case's replay.py raised {type(error).__name__}: {error}") from error
    return None if changed is None else _request(changed)


def _as_dict(record: CaptureRecord) -> dict[str, Any]:
    try:
        body: str | bytes = record.request.text
    except UnreadablePayloadError:
        body = record.request.body
    return {
        "event_id": record.event_id,
        "inference_id": record.inference_id,
        "inference_time": record.inference_time.isoformat(),
        "content_type": record.request.content_type,
        "body": body,
    }


def _request(changed: object) -> Payload:
    if not isinstance(changed, dict):
        raise TransformError(
            f"transform of the use case's replay.py gave a {type(changed).__name__}, not a dict or None"
        )
    body, content_type = changed.get("body"), changed.get("content_type")
    if not isinstance(body, str | bytes) or not isinstance(content_type, str) or not content_type:
        raise TransformError(
            "transform of the use case's replay.py must give `body` (str or bytes) and `content_type` (str)"
        )
    return Payload(body.encode("utf-8") if isinstance(body, str) else body, content_type)
