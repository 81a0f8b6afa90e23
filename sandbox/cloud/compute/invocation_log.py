"""The lines Lambda itself writes around an invocation, as text or as JSON (LoggingConfig.LogFormat)."""

from __future__ import annotations

import json
from datetime import UTC, datetime


def now() -> str:
    """A time in Lambda's form, `2026-11-23T12:00:00.123Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def started(log_format: str, request_id: str, version: str) -> str:
    if log_format == "JSON":
        return _platform("platform.start", {"requestId": request_id, "version": version})
    return f"START RequestId: {request_id} Version: {version}"


def finished(
    log_format: str, request_id: str, milliseconds: float, memory: int, init_milliseconds: float | None, failed: bool
) -> list[str]:
    """What ends an invocation; `init_milliseconds` is None in a warm environment."""
    if log_format == "JSON":
        metrics = {"durationMs": round(milliseconds, 3), "memorySizeMB": memory}
        if init_milliseconds is not None:
            metrics["initDurationMs"] = round(init_milliseconds, 3)
        status = "error" if failed else "success"
        return [_platform("platform.report", {"requestId": request_id, "metrics": metrics, "status": status})]
    init = "" if init_milliseconds is None else f"\tInit Duration: {init_milliseconds:.2f} ms"
    return [
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\tBilled Duration: {milliseconds:.0f} ms\t"
        f"Memory Size: {memory} MB{init}",
    ]


def _platform(kind: str, record: dict[str, object]) -> str:
    return json.dumps({"time": now(), "type": kind, "record": record})
