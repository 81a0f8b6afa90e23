"""Pulumi's property values: between protobuf and plain Python.

Plain means: None is left out, secrets and outputs are unwrapped, resource references are their ids, whole floats are
ints. Unknown values stay the engine's marker string; assets and archives stay dictionaries with their signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# One marker for each kind of value the engine can be missing (string, number, boolean, array, object, …).
UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type signature, not a secret
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
DEFAULTS = "__defaults"

_ABSENT = object()


def from_struct(struct: Struct) -> dict[str, Any]:
    """A request's properties as plain values."""
    plain = ((name, _plain(value)) for name, value in struct.fields.items())
    return {name: value for name, value in plain if value is not _ABSENT}


def to_struct(properties: Mapping[str, Any]) -> Struct:
    """Plain values (and what `secret` wrapped) as a response's properties."""
    struct = Struct()
    for name, value in properties.items():
        if value is not None:
            struct.fields[name].CopyFrom(_value(value))
    return struct


def secret(value: Any) -> dict[str, Any]:
    """The value, marked secret."""
    return {SIGNATURE: SECRET, "value": value}


def is_unknown(value: Any) -> bool:
    """Whether the value itself is not known yet."""
    return isinstance(value, str) and value in UNKNOWNS


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


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        items = [_plain(item) for item in value.list_value.values]
        return [item for item in items if item is not _ABSENT]
    if kind == "struct_value":
        return _unwrapped(from_struct(value.struct_value))
    return _ABSENT


def _unwrapped(fields: dict[str, Any]) -> Any:
    signature = fields.get(SIGNATURE)
    if signature == SECRET:
        return fields.get("value", _ABSENT)
    if signature == OUTPUT:
        return fields.get("value", UNKNOWN)
    if signature == REFERENCE:
        return fields.get("id") or UNKNOWN
    return fields


def _value(value: Any) -> Value:
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int | float):
        return Value(number_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=to_struct(value))
    if isinstance(value, list | tuple):
        return Value(list_value=ListValue(values=[_value(item) for item in value if item is not None]))
    raise TypeError(f"{type(value).__name__} is not a property value: {value!r}")
