"""A request against the constraints of its service model, answered in AWS's words.

AWS validates before it acts: `1 validation error detected: Value 'X' at 'productionVariants.1.member.modelName' failed
to satisfy constraint: Member must satisfy regular expression pattern: …`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.model import ServiceModel, Shape


def violations(model: ServiceModel, operation: str, parameters: Mapping[str, Any]) -> str:
    """AWS's message for what is wrong with `parameters`; empty if nothing is."""
    shape = model.operation_model(operation).input_shape
    if shape is None:
        return ""
    problems = list(_check(shape, parameters, ""))
    if not problems:
        return ""
    count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
    return count + "; ".join(problems)


def _check(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name in shape.required_members:
            if value.get(name) is None:
                yield _problem(None, _member(path, name), "Member must not be null")
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _check(member, value[name], _member(path, name))
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _length(shape, value, path)
        for index, item in enumerate(value, start=1):
            yield from _check(shape.member, item, f"{path}.{index}.member")
    elif shape.type_name == "map" and isinstance(value, Mapping):
        yield from _length(shape, value, path)
        yield from _entries(shape, value, path)
    elif shape.type_name == "string" and isinstance(value, str):
        yield from _length(shape, value, path)
        yield from _text(shape, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _range(shape, value, path)


def _entries(shape: Shape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    """A map's keys and values; AWS reports each of the two once, with all its constraints."""
    shown = "{" + ", ".join(f"{key}={item}" for key, item in value.items()) + "}"
    for part, member, items in (("keys", shape.key, value), ("value", shape.value, value.values())):
        if member.type_name == "string" and any(problem for item in items for problem in _check(member, item, path)):
            yield _problem(shown, path, f"Map {part} must satisfy constraint: [{', '.join(_rules(member))}]")
    if shape.value.type_name != "string":
        for key, item in value.items():
            yield from _check(shape.value, item, f"{path}.{key}.member")


def _rules(shape: Shape) -> Iterator[str]:
    """All constraints of a string."""
    metadata = shape.metadata
    if "max" in metadata:
        yield f"Member must have length less than or equal to {metadata['max']}"
    if "min" in metadata:
        yield f"Member must have length greater than or equal to {metadata['min']}"
    if "pattern" in metadata:
        yield f"Member must satisfy regular expression pattern: {metadata['pattern']}"
    if "enum" in metadata:
        yield f"Member must satisfy enum value set: [{', '.join(metadata['enum'])}]"


def _text(shape: Shape, value: str, path: str) -> Iterator[str]:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield _problem(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    pattern = shape.metadata.get("pattern")
    compiled = _compiled(pattern) if pattern else None
    if compiled is not None and not compiled.fullmatch(value):
        yield _problem(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        yield _problem(value, path, f"Member must have length greater than or equal to {least}")
    if most is not None and len(value) > most:
        yield _problem(value, path, f"Member must have length less than or equal to {most}")


def _range(shape: Shape, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield _problem(value, path, f"Member must have value greater than or equal to {least}")
    if most is not None and value > most:
        yield _problem(value, path, f"Member must have value less than or equal to {most}")


def _problem(value: Any, path: str, constraint: str) -> str:
    shown = "Value" if value is None else f"Value '{value}'"
    return f"{shown} at '{path}' failed to satisfy constraint: {constraint}"


def _member(path: str, name: str) -> str:
    # AWS shows members in lower camel case, whatever their name on the wire.
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, or None where it is written in Java's syntax (`\\p{L}`, `\\uD83D`), which `re` does not read."""
    try:
        return re.compile(pattern)
    except re.error:
        return None
