"""The comparison record: one JSON line a pair, written by the replay function and read by evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from functions.common.capture import parse_time
from functions.common.comparison import Comparison, Verdict
from functions.common.payload import Payload

SCHEMA = 1


@dataclass(frozen=True)
class ProductionSide:
    """What production answered. `latency_ms` is there only where production's entry point recorded it."""

    variant: str
    output: Payload | None
    latency_ms: float | None = None


@dataclass(frozen=True)
class ShadowSide:
    """What shadow answered; `status` is HTTP's; `output` is the body, or the error's text when status is not 200."""

    model_package_digest: str
    output: Payload
    status: int
    latency_ms: float


@dataclass(frozen=True)
class ComparisonRecord:
    """One request that went to both. `request_digest` is the SHA-256 of the request's content type and body."""

    service: str
    event_id: str
    inference_id: str | None
    inference_time: datetime
    request_digest: str
    production: ProductionSide
    shadow: ShadowSide
    comparison: Comparison
    transform: bool

    def to_json(self) -> str:
        """One line without its end, keys sorted."""
        production: dict[str, Any] = {"variant": self.production.variant, "output": _output(self.production.output)}
        if self.production.latency_ms is not None:
            production["latency_ms"] = self.production.latency_ms
        value = {
            "schema": SCHEMA,
            "service": self.service,
            "event_id": self.event_id,
            "inference_id": self.inference_id,
            "inference_time": self.inference_time.isoformat(),
            "request_digest": self.request_digest,
            "production": production,
            "shadow": {
                "model_package_digest": self.shadow.model_package_digest,
                "output": _output(self.shadow.output),
                "status": self.shadow.status,
                "latency_ms": self.shadow.latency_ms,
            },
            "verdict": self.comparison.verdict,
            "distance": self.comparison.distance,
            "transform": self.transform,
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str | bytes) -> ComparisonRecord:
        """Reverse of `to_json`. Raises ValueError for a line that is no record of this schema."""
        value = json.loads(line)
        try:
            if value["schema"] != SCHEMA:
                raise ValueError(f"comparison record has schema {value['schema']!r}, this program reads {SCHEMA}")
            return cls._of(value)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a comparison record: {error!r}") from error

    @classmethod
    def _of(cls, value: Mapping[str, Any]) -> ComparisonRecord:
        production, shadow = value["production"], value["shadow"]
        if value["verdict"] not in get_args(Verdict):
            raise ValueError(f"comparison record has verdict {value['verdict']!r}, not one of {get_args(Verdict)}")
        output = production["output"]
        return cls(
            service=value["service"],
            event_id=value["event_id"],
            inference_id=value["inference_id"],
            inference_time=parse_time(value["inference_time"]),
            request_digest=value["request_digest"],
            production=ProductionSide(
                production["variant"],
                None if output is None else Payload.from_json(output),
                production.get("latency_ms"),
            ),
            shadow=ShadowSide(
                shadow["model_package_digest"],
                Payload.from_json(shadow["output"]),
                shadow["status"],
                shadow["latency_ms"],
            ),
            comparison=Comparison(value["verdict"], value["distance"]),
            transform=value["transform"],
        )


def request_digest(request: Payload) -> str:
    """SHA-256 (hex) of content type and body: equal requests have equal digests."""
    return hashlib.sha256(request.content_type.encode() + b"\0" + request.body).hexdigest()


def _output(payload: Payload | None) -> dict[str, str] | None:
    return None if payload is None else payload.to_json()
