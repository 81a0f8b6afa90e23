"""The wire: property values as protobuf Structs, and the generated gRPC modules of the `pulumi` package.

On the wire secrets are `{SIG: SECRET_SIG, "value": v}` and an unknown is a magic string. Source:
sdk/go/common/resource/plugin/rpc.go in pulumi/pulumi, and pulumi/runtime/rpc.py.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

from google.protobuf import struct_pb2

from sandbox.engine.errors import EngineError
from sandbox.engine.urns import name_of, type_of
from sandbox.engine.values import (
    DESCEND,
    OUTPUT_SIG,
    REFERENCE_SIG,
    SECRET_SIG,
    SIG,
    UNKNOWN,
    UNKNOWN_TEXT,
    Properties,
    Secret,
    Value,
    rebuilt,
    secret,
)

GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # two instances of a provider never share a connection
]
_UNKNOWN_TEXTS = f"""{UNKNOWN_TEXT} 1c4a061d-8072-4f0a-a4cb-0ff528b18fe7 3eeb2bf0-c639-47a8-9e75-3b44932eb421
    6a19a0b0-7e62-4c92-b797-7f8e31da9cc2 030794c1-ac77-496b-92df-f27374a8bd58 e48ece36-62e2-4504-bad9-02848725956a
    dd056dcd-154b-4c76-9bd3-c8f88648b5ff""".split()
_WHOLE = 1e21  # beyond it Pulumi writes floats as floats


def load(name: str) -> Any:
    """`pulumi.runtime.proto.<name>`, without importing the SDK itself, which costs half of a short command's time.

    Stand-ins without content take the place of the packages above it.
    """
    if "pulumi" not in sys.modules:
        found = importlib.util.find_spec("pulumi")
        if found is None or not found.submodule_search_locations:
            raise EngineError("the `pulumi` package is not installed in the engine's interpreter")
        root = found.submodule_search_locations[0]
        for package, folder in (("pulumi", root), ("pulumi.runtime", f"{root}/runtime")):
            stand_in = types.ModuleType(package)
            stand_in.__path__ = [folder]
            sys.modules[package] = stand_in
    return importlib.import_module(f"pulumi.runtime.proto.{name}")


def from_struct(struct: Any) -> Properties:
    return {k: _decoded(v) for k, v in struct.fields.items()}


def to_struct(properties: Properties, *, secrets: bool = True, references: bool = True) -> Any:
    """Without `secrets` they travel as plain values, without `references` a resource reference becomes its id (a
    component's: its URN)."""

    def visit(v: Value) -> Value:
        if v is UNKNOWN:
            return UNKNOWN_TEXT
        if isinstance(v, Secret):
            inner = rebuilt(v.value, visit)
            return {SIG: SECRET_SIG, "value": inner} if secrets else inner
        if isinstance(v, dict) and v.get(SIG) == REFERENCE_SIG:
            return _named(v) if references else v.get("id", v.get("urn")) or UNKNOWN_TEXT
        return DESCEND

    out = struct_pb2.Struct()
    out.update(rebuilt(properties, visit))
    return out


def _named(reference: dict[str, Value]) -> dict[str, Value]:
    """A resource reference with the name and type that its URN tells."""
    return {**reference, "name": name_of(reference["urn"]), "type": type_of(reference["urn"])}


def _decoded(value: Any) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWN_TEXTS else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < _WHOLE else number
    if kind == "list_value":
        return [_decoded(v) for v in value.list_value.values]
    if kind != "struct_value":
        return value.bool_value if kind == "bool_value" else None
    found = from_struct(value.struct_value)
    sig = found.get(SIG)
    if sig == SECRET_SIG:
        return secret(found.get("value"))
    if sig == OUTPUT_SIG:
        inner = found.get("value", UNKNOWN)
        return secret(inner) if found.get("secret") else inner
    if sig == REFERENCE_SIG:
        known = {k: v for k, v in found.items() if k not in ("name", "type")}
        return known | {"id": ""} if found.get("id") is UNKNOWN else known
    return found
