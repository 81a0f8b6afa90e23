"""What capture and ground-truth files share: one JSON object a line, where a bad line never stops the good ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_EXCERPT_CHARACTERS = 200


@dataclass(frozen=True)
class MalformedLine:
    """A line that could not be read: `line` counts from 1, `excerpt` is its beginning."""

    line: int
    reason: str
    excerpt: str

    @classmethod
    def of(cls, line: int, text: str, reason: str) -> MalformedLine:
        return cls(line, reason, text[:_EXCERPT_CHARACTERS])

    def to_json(self) -> dict[str, Any]:
        return {"line": self.line, "reason": self.reason, "excerpt": self.excerpt}


class UnusableLineError(ValueError):
    """Why one line cannot be used; becomes a MalformedLine."""


def objects(
    lines: Iterable[str | bytes], first_line: int = 1
) -> Iterator[tuple[int, str, dict[str, Any] | UnusableLineError]]:
    """(line number, text, object or the reason why it is none); empty lines are left out."""
    for number, raw in enumerate(lines, start=first_line):
        text = raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else raw
        text = text.strip()
        if not text:
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield number, text, UnusableLineError(f"not JSON: {error}")
            continue
        yield number, text, value if isinstance(value, dict) else UnusableLineError("not a JSON object")


def field(value: Mapping[str, Any], name: str, kind: type) -> Any:
    """A required field of a given type. Raises UnusableLineError naming it."""
    found = value.get(name)
    if not isinstance(found, kind):
        what = "missing" if found is None else f"a {type(found).__name__}, not a {kind.__name__}"
        raise UnusableLineError(f"{name} is {what}")
    return found


def optional_text(value: Mapping[str, Any], name: str) -> str | None:
    """An optional text. Raises UnusableLineError when it is there and not text."""
    return None if value.get(name) is None else str(field(value, name, str))
