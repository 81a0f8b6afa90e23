"""S3's `Object Created` as EventBridge delivers it. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class NotAnObjectEventError(ValueError):
    """The event does not name an object of S3."""


@dataclass(frozen=True)
class ObjectCreated:
    """Which object is there. The key is plain, not URL-encoded."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, event: object) -> ObjectCreated:
        """Raises NotAnObjectEventError naming what is missing."""
        detail = event.get("detail") if isinstance(event, Mapping) else None
        bucket, key = _name(detail, "bucket", "name"), _name(detail, "object", "key")
        return cls(bucket, key)


def _name(detail: Any, part: str, name: str) -> str:
    holder = detail.get(part) if isinstance(detail, Mapping) else None
    value = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(value, str) or not value:
        raise NotAnObjectEventError(
            "expected S3's event with detail.bucket.name and detail.object.key as EventBridge delivers it; "
            f"detail.{part}.{name} is missing"
        )
    return value
