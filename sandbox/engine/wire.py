"""Loads the gRPC modules of the `pulumi` package without importing the SDK itself.

`import pulumi` costs half of a short command's time and the engine needs nothing of it but the generated messages.
While they are imported, stand-ins without content take the place of the packages above them.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

from sandbox.engine.errors import EngineError

MODULES = ("provider_pb2", "provider_pb2_grpc", "resource_pb2", "resource_pb2_grpc", "engine_pb2", "engine_pb2_grpc")
GRPC_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.max_send_message_length", -1)]


def load(name: str) -> Any:
    """`pulumi.runtime.proto.<name>`."""
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
