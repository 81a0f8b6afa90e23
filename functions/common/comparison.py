"""Production's answer and shadow's answer to the same request, compared field by field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from functions.common.payload import JsonValue, Payload, UnreadablePayloadError

Verdict = Literal["match", "mismatch", "shadow_error", "not_comparable"]

_EVIDENCE_KEYS = frozenset({"minimumPairs", "minimumAgreement", "maximumErrorRate", "maximumLatencyRatio"})
# No leading zeros: "007" and "7" are two identifiers, "0.50" and "0.5" are one number.
_NUMERIC = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity"})


@dataclass(frozen=True)
class Rules:
    """When two answers are the same; the `comparison` part of `package.yaml`.

    `ignored_fields` are dotted paths (`meta.timestamp`); positions in lists are not part of a path.
    `columns` names the columns of a CSV answer; a column without a name is called by its number from 0.
    A number matches when it is within `absolute_tolerance` or within `relative_tolerance` times production's.
    """

    ignored_fields: frozenset[str] = frozenset()
    absolute_tolerance: float = 0.0
    relative_tolerance: float = 0.0
    columns: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Rules:
        """From `package.yaml`'s `comparison` as JSON (camelCase); the keys that only evidence needs are passed over.

        Raises ValueError that names the wrong key.
        """
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError(f"comparison rules must be a JSON object, got {text[:80]!r}")
        unknown = value.keys() - {"ignoredFields", "absoluteTolerance", "relativeTolerance", "columns"} - _EVIDENCE_KEYS
        if unknown:
            raise ValueError(f"comparison rules have unknown keys: {', '.join(sorted(unknown))}")
        return cls(
            ignored_fields=frozenset(_names(value, "ignoredFields")),
            absolute_tolerance=_tolerance(value, "absoluteTolerance"),
            relative_tolerance=_tolerance(value, "relativeTolerance"),
            columns=tuple(_names(value, "columns")),
        )


@dataclass(frozen=True)
class Comparison:
    """`distance`: the largest relative difference of any compared field, 0 (equal) to 1; None without a counterpart."""

    verdict: Verdict
    distance: float | None


SHADOW_ERROR = Comparison("shadow_error", None)
NOT_COMPARABLE = Comparison("not_comparable", None)


def compare(production: Payload, shadow: Payload, rules: Rules) -> Comparison:
    """Compares two answers (one or several rows, JSON, JSON lines or CSV).

    An answer of production that cannot be parsed is compared byte by byte; unequal bytes are not comparable.
    An answer of shadow that cannot be parsed although production's can, or is of another kind, is a mismatch.
    """
    if production.body == shadow.body and production.kind == shadow.kind:
        return Comparison("match", 0.0)
    try:
        expected = production.document()
    except UnreadablePayloadError:
        return NOT_COMPARABLE
    if production.kind != shadow.kind:
        return Comparison("mismatch", 1.0)
    try:
        observed = shadow.document()
    except UnreadablePayloadError:
        return Comparison("mismatch", 1.0)
    if production.kind == "csv":
        expected, observed = named_rows(expected, rules.columns), named_rows(observed, rules.columns)
    try:
        differences = list(_differences("", expected, observed, rules))
    except RecursionError:
        return NOT_COMPARABLE
    verdict: Verdict = "match" if all(within for _, within in differences) else "mismatch"
    return Comparison(verdict, max((distance for distance, _ in differences), default=0.0))


def named_rows(rows: list[list[str]], columns: tuple[str, ...]) -> list[dict[str, str]]:
    """CSV rows as objects, so that fields have the same paths as in JSON."""
    return [{columns[i] if i < len(columns) else str(i): cell for i, cell in enumerate(row)} for row in rows]


def _differences(path: str, expected: JsonValue, observed: JsonValue, rules: Rules) -> Iterator[tuple[float, bool]]:
    """(distance, within tolerance) of every leaf that is not ignored."""
    if path and path in rules.ignored_fields:
        return
    if isinstance(expected, dict) and isinstance(observed, dict):
        for key in expected.keys() | observed.keys():
            below = f"{path}.{key}" if path else key
            if key in expected and key in observed:
                yield from _differences(below, expected[key], observed[key], rules)
            elif below not in rules.ignored_fields:
                yield 1.0, False
    elif isinstance(expected, list) and isinstance(observed, list):
        if len(expected) != len(observed):
            yield 1.0, False
            return
        for one, other in zip(expected, observed, strict=True):
            yield from _differences(path, one, other, rules)
    else:
        yield _leaf(expected, observed, rules)


def _leaf(expected: JsonValue, observed: JsonValue, rules: Rules) -> tuple[float, bool]:
    if _json_type(expected) != _json_type(observed):
        return 1.0, False
    one, other = number(expected), number(observed)
    if one is None or other is None:
        return (0.0, True) if expected == observed else (1.0, False)
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0, True
    if not (math.isfinite(one) and math.isfinite(other)):
        return 1.0, False
    # Halved, as the difference of two large finite numbers may overflow.
    difference = abs(one / 2 - other / 2) * 2
    within = difference <= max(rules.absolute_tolerance, rules.relative_tolerance * abs(one))
    return min(1.0, difference / max(abs(one), abs(other))), within


def number(value: JsonValue) -> float | None:
    """A JSON number, or a text that is one, as a float; None for everything else (booleans too)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.copysign(math.inf, value)
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _NOT_FINITE or _NUMERIC.fullmatch(text):
            return float(text)
    return None


def _json_type(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _names(value: Mapping[str, Any], key: str) -> list[str]:
    names = value.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"comparison rules: {key} must be a list of names, got {names!r}")
    return names


def _tolerance(value: Mapping[str, Any], key: str) -> float:
    tolerance = value.get(key, 0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise ValueError(f"comparison rules: {key} must be a number of at least 0, got {tolerance!r}")
    return float(tolerance)
