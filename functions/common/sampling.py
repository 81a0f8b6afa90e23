"""Which requests are replayed: decided by the event id alone, so every retry and every worker decides the same."""

from __future__ import annotations

import hashlib


def position(event_id: str) -> float:
    """A stable, uniform place in [0, 100) for an event id (first 8 bytes of its SHA-256)."""
    number = int.from_bytes(hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    # 53 bits, so that the float is exact and never rounds up to 100.
    return (number >> 11) / 2**53 * 100


def selected(event_id: str, percent: float) -> bool:
    """Whether the request belongs to the sample; a larger percentage only ever adds requests.

    Raises ValueError unless 0 <= percent <= 100.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"traffic percentage is {percent}, must be between 0 and 100")
    return position(event_id) < percent
