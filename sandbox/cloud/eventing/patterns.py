"""EventBridge's event patterns: does an event match?

Operators: exact values, prefix and suffix (also equals-ignore-case inside), anything-but, exists, numeric, wildcard,
equals-ignore-case, cidr, and $or. An unknown operator is refused, never ignored.

Source: Amazon EventBridge User Guide, "Comparison operators for use in event patterns".
"""

from __future__ import annotations

import ipaddress
import json
import operator
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

_MISSING = object()
_NUMERIC = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


OPERATORS = {
    "exists", "anything-but", "numeric", "prefix", "suffix", "equals-ignore-case", "wildcard", "cidr",
}  # fmt: skip


class PatternError(ValueError):
    """The pattern uses something that does not exist."""


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Every field of the pattern must match the event.

    Raises:
        PatternError: an unknown operator, or a leaf that is no list.
    """
    for key, condition in pattern.items():
        if key == "$or" and isinstance(condition, list):
            if not any(matches(alternative, event) for alternative in condition):
                return False
            continue
        value = event.get(key, _MISSING) if isinstance(event, Mapping) else _MISSING
        if isinstance(condition, Mapping):
            if not _matches_nested(condition, value):
                return False
        elif isinstance(condition, list):
            if not _matches_any(condition, value):
                return False
        else:
            raise PatternError(f"Event pattern: '{key}' must be an object or a list, not {condition!r}")
    return True


def check(pattern: str | None) -> None:
    """Raises PatternError for a pattern (JSON) that is none, or uses an operator that does not exist."""
    if pattern is None:
        return
    try:
        document = json.loads(pattern)
    except ValueError as error:
        raise PatternError(f"Event pattern: {error}") from error
    if not isinstance(document, dict):
        raise PatternError("Event pattern: it must be a JSON object")
    _check(document)


def _check(pattern: Mapping[str, Any]) -> None:
    for key, condition in pattern.items():
        if isinstance(condition, Mapping):
            _check(condition)
        elif not isinstance(condition, list) or not condition:
            raise PatternError(f"Event pattern: '{key}' must be an object or a list that is not empty")
        elif key == "$or":
            for alternative in condition:
                _check(alternative)
        else:
            for item in condition:
                if isinstance(item, Mapping) and (len(item) != 1 or not set(item) <= OPERATORS):
                    raise PatternError(f"Event pattern: unknown operator in {dict(item)}")


def _matches_nested(condition: Mapping[str, Any], value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, Mapping) and matches(condition, item) for item in value)
    return matches(condition, value if isinstance(value, Mapping) else {})


def _matches_any(conditions: Sequence[Any], value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    if not values:
        values = [_MISSING]
    return any(_matches_one(condition, item) for condition in conditions for item in values)


def _matches_one(condition: Any, value: Any) -> bool:
    if not isinstance(condition, Mapping):
        return _equal_number(condition, value) or (type(value) is type(condition) and bool(value == condition))
    if len(condition) != 1:
        raise PatternError(f"Event pattern: {dict(condition)} must have exactly one operator")
    (name, operand), *_ = condition.items()
    if name == "exists":
        return bool(operand) == (value is not _MISSING)
    if value is _MISSING:
        return False
    if name == "anything-but":
        return not _excluded(operand, value)
    return _compare(name, operand, value)


def _equal_number(condition: Any, value: Any) -> bool:
    numbers = (int, float)
    return (
        isinstance(condition, numbers)
        and isinstance(value, numbers)
        and not isinstance(condition, bool)
        and not isinstance(value, bool)
        and condition == value
    )


def _excluded(operand: Any, value: Any) -> bool:
    if isinstance(operand, Mapping):
        (name, inner), *_ = operand.items()
        return any(_compare(name, item, value) for item in (inner if isinstance(inner, list) else [inner]))
    return value in operand if isinstance(operand, list) else value == operand


def _compare(name: str, operand: Any, value: Any) -> bool:
    if name == "numeric":
        return _numeric(operand, value)
    if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard", "cidr"):
        raise PatternError(f"Event pattern: unknown operator '{name}'")
    if not isinstance(value, str):
        return False
    if name == "cidr":
        return _in_network(operand, value)
    wanted = operand
    if isinstance(operand, Mapping):
        wanted, value = operand["equals-ignore-case"].lower(), value.lower()
    wanted = str(wanted)
    if name == "prefix":
        return bool(value.startswith(wanted))
    if name == "suffix":
        return bool(value.endswith(wanted))
    if name == "wildcard":
        return fnmatchcase(value, wanted.replace("[", "[[]").replace("?", "[?]"))
    return bool(value.lower() == wanted.lower())


def _numeric(operand: Sequence[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    pairs = list(zip(operand[::2], operand[1::2], strict=True))
    unknown = [symbol for symbol, _ in pairs if symbol not in _NUMERIC]
    if unknown:
        raise PatternError(f"Event pattern: unknown numeric comparison {unknown}")
    return all(_NUMERIC[symbol](value, number) for symbol, number in pairs)


def _in_network(network: str, value: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(network)
    except ValueError:
        return False
