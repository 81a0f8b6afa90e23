"""Between Pulumi's property names and botocore's shapes.

Pulumi says `kmsMasterKeyId`, AWS `KMSMasterKeyID`: names are matched without regard to case, going out by the
operation's input shape, coming back by camelCase. What does not match so is a `renames` entry of the type.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from botocore.model import Shape

_CAPITALS = re.compile(r"([A-Z])([A-Z]+)(?=[A-Z][a-z]|[^A-Za-z]|$)")
_PAIRS = ("Key", "Name", "TagKey", "key", "name")


@cache
def camel(name: str) -> str:
    """AWS's member name as Pulumi spells it: `SSEAlgorithm` → `sseAlgorithm`, `VolumeSizeInGB` → `volumeSizeInGb`."""
    folded = _CAPITALS.sub(lambda match: match[1] + match[2].lower(), name)
    return folded[:1].lower() + folded[1:]


def member(shape: Shape, name: str) -> str | None:
    """The member of a structure that `name` means, None if there is none."""
    if name in shape.members:
        return name
    return _folded(shape).get(name.lower())


def locate(shape: Shape, dotted: str) -> tuple[tuple[str, ...], Shape] | None:
    """The members that a dotted name means and the shape at their end, None if one is missing."""
    path: list[str] = []
    for part in dotted.split("."):
        found = member(shape, part) if shape.type_name == "structure" else None
        if found is None:
            return None
        path.append(found)
        shape = shape.members[found]
    return tuple(path), shape


def put(holder: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Sets a value at a path of members."""
    for part in path[:-1]:
        holder = holder.setdefault(part, {})
    holder[path[-1]] = value


def outgoing(value: Any, shape: Shape, renames: Mapping[str, str], path: str) -> Any:
    """A Pulumi value as the argument AWS takes; names without a member are left out (Check has refused them).

    Shapes decide: floats become ints, a map becomes a list of key and value pairs, a list of one a structure.
    """
    kind = shape.type_name
    if kind == "structure":
        if isinstance(value, list):
            value = value[0] if value else {}
        sent: dict[str, Any] = {}
        for name, item in value.items():
            place = locate(shape, renames.get(f"{path}.{name}", name))
            if place is not None and item is not None:
                put(sent, place[0], outgoing(item, place[1], renames, f"{path}.{name}"))
        return sent
    if kind == "list":
        if isinstance(value, Mapping):
            return _pairs(value, shape.member)
        items = value if isinstance(value, list) else [value]
        return [outgoing(item, shape.member, renames, path) for item in items]
    if kind == "map":
        return {str(key): outgoing(item, shape.value, renames, path) for key, item in value.items()}
    return _scalar(value, kind)


def incoming(value: Any, shape: Shape | None) -> Any:
    """AWS's answer with camelCase members; the keys of maps stay, times are RFC 3339, bytes base64."""
    kind = shape.type_name if shape is not None else None
    if shape is not None and kind == "structure" and isinstance(value, Mapping):
        return {camel(name): incoming(item, shape.members.get(name)) for name, item in value.items()}
    if shape is not None and kind == "list" and isinstance(value, list):
        return [incoming(item, shape.member) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def unmatched(value: Any, shape: Shape, renames: Mapping[str, str], path: str) -> Iterator[str]:
    """The paths of a Pulumi value that no member of the shape takes."""
    if isinstance(value, list):
        inner = shape.member if shape.type_name == "list" else shape
        for index, item in enumerate(value):
            yield from unmatched(item, inner, renames, f"{path}[{index}]")
    elif isinstance(value, Mapping) and shape.type_name == "structure":
        plain = re.sub(r"\[\d+\]", "", path)
        for name, item in value.items():
            place = locate(shape, renames.get(f"{plain}.{name}", name))
            if place is None:
                yield f"{path}.{name}"
            else:
                yield from unmatched(item, place[1], renames, f"{path}.{name}")


def restored(value: Any, renames: Mapping[str, str], path: str) -> Any:
    """An answer's value with the nested names that `renames` gives it in Pulumi."""
    if isinstance(value, list):
        return [restored(item, renames, path) for item in value]
    if not isinstance(value, Mapping):
        return value
    rest = dict(value)
    named: dict[str, Any] = {}
    for full, dotted in renames.items():
        parent, _, name = full.rpartition(".")
        if parent != path:
            continue
        found = _take(rest, [camel(part) for part in dotted.split(".")])
        if found is not None:
            named[name] = found
    return {name: restored(item, renames, f"{path}.{name}") for name, item in {**rest, **named}.items()}


def pairs_to_map(value: Any) -> Any:
    """A list of key and value pairs (tags, dimensions) as a map."""
    if not isinstance(value, list):
        return value
    keys = ("key", "name", "tagKey")
    found = {}
    for pair in value:
        key = next(name for name in keys if name in pair)
        content = [item for name, item in pair.items() if name != key]
        found[pair[key]] = content[0] if content else ""
    return found


def _take(holder: dict[str, Any], path: list[str]) -> Any:
    """Removes and returns the value at a path; blocks that are empty then go too."""
    if len(path) == 1:
        return holder.pop(path[0], None)
    inner = holder.get(path[0])
    if not isinstance(inner, Mapping):
        return None
    inner = dict(inner)
    found = _take(inner, path[1:])
    holder[path[0]] = inner
    if not inner:
        del holder[path[0]]
    return found


@cache
def _folded(shape: Shape) -> dict[str, str]:
    return {name.lower(): name for name in shape.members}


def _pairs(value: Mapping[str, Any], shape: Shape) -> list[dict[str, str]]:
    key = next(name for name in _PAIRS if name in shape.members)
    content = next(name for name in shape.members if name != key)
    return [{key: name, content: str(item)} for name, item in value.items()]


def _scalar(value: Any, kind: str) -> Any:
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "string" and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value
