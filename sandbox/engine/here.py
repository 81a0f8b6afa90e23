"""Where a command runs: the project, the backend and the stack that is meant; and how commands print."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from sandbox.engine import backend, project
from sandbox.engine.arguments import Arguments
from sandbox.engine.backend import StackStore
from sandbox.engine.config import StackConfig
from sandbox.engine.errors import EngineError


def print_line(text: str) -> None:
    sys.stdout.write(text + "\n")


def to_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


class Here:
    """The project of the working directory, the backend, and the stack that is meant."""

    def __init__(self, arguments: Arguments) -> None:
        self.arguments = arguments
        self.project = project.find(Path.cwd())
        self.backend = backend.Backend(backend.backend_url())

    def stack_name(self, given: str | None = None) -> str:
        name = given or self.arguments.get("--stack") or os.environ.get("PULUMI_STACK")
        name = name or backend.selected(self.project.root, self.project.name)
        if not name:
            raise EngineError(
                "no stack selected; please use `pulumi stack select` or `pulumi stack init` to choose one"
            )
        parts = name.split("/")
        if len(parts) == 3 and parts[1] != self.project.name:
            raise EngineError(
                f"stack {name}: its project is {parts[1]}, the one in {self.project.root} {self.project.name}"
            )
        return parts[-1]

    def store(self, given: str | None = None) -> StackStore:
        """The stack's files. Raises EngineError when there is no such stack."""
        store = self.backend.stack(self.project.name, self.stack_name(given))
        if not store.exists():
            raise EngineError(f"no stack named '{store.name}' found")
        return store

    def config(self, name: str) -> StackConfig:
        return StackConfig(self.project, name, self.arguments.get("--config-file"))
