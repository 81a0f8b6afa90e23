"""Property values <-> protobuf Structs."""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2

from sandbox.engine.values import Properties, Value, from_wire, to_wire


def from_struct(struct: Any) -> Properties:
    return {k: from_wire(_decoded(v)) for k, v in struct.fields.items()}


def to_struct(properties: Properties, *, secrets: bool = True, references: bool = True) -> Any:
    """Without `secrets` they travel as plain values, without `references` resource references as ids."""
    out = struct_pb2.Struct()
    for key, value in properties.items():
        _encode(to_wire(value, secrets=secrets, references=references), out.fields[key])
    return out


def _decoded(value: Any) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {k: _decoded(v) for k, v in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_decoded(v) for v in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def _encode(value: Value, into: Any) -> None:
    if value is None:
        into.null_value = 0
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, (int, float)):
        into.number_value = value
    elif isinstance(value, list):
        into.list_value.SetInParent()
        for item in value:
            _encode(item, into.list_value.values.add())
    elif isinstance(value, dict):
        into.struct_value.SetInParent()
        for key, item in value.items():
            _encode(item, into.struct_value.fields[key])
    else:
        raise TypeError(f"{type(value).__name__} cannot be sent as a property value")
