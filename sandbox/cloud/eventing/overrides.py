"""Replaces methods of moto's classes; a second sandbox in the process replaces ours and does not stack on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Method = Callable[..., Any]


def override(owner: type, name: str, make: Callable[[Method], Method]) -> None:
    """Sets `owner.name` to `make(moto's own method)`."""
    current: Method = getattr(owner, name)
    original: Method = getattr(current, "overridden", current)
    ours: Any = make(original)
    ours.overridden = original
    setattr(owner, name, ours)
