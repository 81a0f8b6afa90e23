"""Lambda: functions and layers, whose code is an archive."""

from __future__ import annotations

from typing import Any

from sandbox.aws_provider import assets
from sandbox.aws_provider.resource import Resource
from sandbox.aws_provider.table import Call


class Function(Resource):
    """A function; code goes as a zip file, and one update must end before the next begins."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        archive = self.inputs.get("code")
        if call.call == "CreateFunction" and archive is not None:
            arguments.setdefault("Code", {})["ZipFile"] = assets.content(archive, self.directory)
        if call.call == "UpdateFunctionCode" and archive is not None:
            arguments["ZipFile"] = assets.content(archive, self.directory)
        return arguments

    def answer(self, found: dict[str, Any]) -> dict[str, Any]:
        environment = found.get("environment")
        if environment is not None and not environment.get("variables"):
            found = {name: value for name, value in found.items() if name != "environment"}
        concurrency = found.get("concurrency")
        return {**found, "reservedConcurrentExecutions": -1 if concurrency is None else concurrency}

    def _update_call(self, call: Call, changed: set[str], before: Any) -> bool:
        called = super()._update_call(call, changed, before)
        if called and call is not self.spec.update[-1]:
            self._await_ready()
        return called


class Layer(Resource):
    """A layer version: every change publishes the next one."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        archive = self.inputs.get("code")
        if call.call == "PublishLayerVersion" and archive is not None:
            arguments.setdefault("Content", {})["ZipFile"] = assets.content(archive, self.directory)
        return arguments
