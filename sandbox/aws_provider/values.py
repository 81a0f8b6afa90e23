"""Pulumi's property values as the provider works with them: plain Python, from and to the wire.

Plain means: None is left out, secrets and outputs are unwrapped, resource references are their ids, whole floats are
ints. Unknown values stay the engine's marker string; assets and archives stay dictionaries with their signature.
The wire itself is the engine's (`sandbox.engine.wire`); a provider needs less of it than an engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct

from sandbox.engine import values, wire

UNKNOWN = values.UNKNOWN_TEXT
SIGNATURE = values.SIG
SECRET = values.SECRET_SIG
OUTPUT = values.OUTPUT_SIG
REFERENCE = values.REFERENCE_SIG
ASSET = values.ASSET_SIG
ARCHIVE = values.ARCHIVE_SIG
DEFAULTS = "__defaults"


def from_struct(struct: Struct) -> dict[str, Any]:
    """A request's properties as plain values."""
    return dict(_plain(wire.from_struct(struct)))


def to_struct(properties: Mapping[str, Any]) -> Struct:
    """Plain values (and what `secret` wrapped) as a response's properties."""
    struct: Struct = wire.to_struct(_present(properties))
    return struct


def secret(value: Any) -> dict[str, Any]:
    """The value, marked secret."""
    return {SIGNATURE: SECRET, "value": value}


def is_unknown(value: Any) -> bool:
    """Whether the value itself is not known yet."""
    return isinstance(value, str) and value == UNKNOWN


def has_unknown(value: Any) -> bool:
    """Whether the value or something in it is not known yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return is_unknown(value)


def is_asset(value: Any) -> bool:
    """Whether the value is an asset or an archive."""
    return isinstance(value, Mapping) and value.get(SIGNATURE) in (ASSET, ARCHIVE)


def without_defaults(value: Any) -> Any:
    """The value without the engine's and the provider's notes (`__defaults`), at every depth."""
    if isinstance(value, Mapping):
        return {name: without_defaults(item) for name, item in value.items() if name != DEFAULTS}
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    return value


def at(value: Any, path: str) -> Any:
    """The value at a dotted path, None when something on the way is absent."""
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def places(value: Any, path: str) -> Iterator[dict[str, Any]]:
    """The dictionaries that hold the last name of `path`; `name[]` on the way is every item of a list."""
    head, _, rest = path.partition(".")
    if not rest:
        if isinstance(value, dict) and not is_asset(value):
            yield value
        return
    inner = value.get(head.removesuffix("[]")) if isinstance(value, dict) else None
    for item in inner if head.endswith("[]") and isinstance(inner, list) else [inner]:
        yield from places(item, rest)


def _plain(value: Any) -> Any:
    """What the wire gave, without the marks of an engine; unknown values of every kind become one marker."""
    if isinstance(value, values.Secret):
        return _plain(value.value)
    if value is values.UNKNOWN:
        return UNKNOWN
    if isinstance(value, list):
        return [item for item in map(_plain, value) if item is not None]
    if not isinstance(value, dict):
        return value
    if value.get(SIGNATURE) == REFERENCE:
        return _plain(value.get("id")) or UNKNOWN
    return {name: item for name, inner in value.items() if (item := _plain(inner)) is not None}


def _present(value: Any) -> Any:
    """The value without None, at every depth."""
    if isinstance(value, Mapping):
        return {name: _present(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_present(item) for item in value if item is not None]
    return value
