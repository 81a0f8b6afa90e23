"""Where a command runs: the project, its configuration, the backend, and the stack that is meant."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cached_property
from pathlib import Path

from sandbox.engine import project
from sandbox.engine.arguments import Arguments
from sandbox.engine.backend import ORGANIZATION, Backend, StackStore
from sandbox.engine.config import StackConfig
from sandbox.engine.errors import EngineError, NoStackError, RefusedError

NAMING = ("cancel", "stack init", "stack select", "stack rm")  # commands whose first word may be a stack


def home() -> Path:
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")


def backend_url() -> str:
    """PULUMI_BACKEND_URL, else what `pulumi login` stored. Only file backends are known."""
    url = os.environ.get("PULUMI_BACKEND_URL")
    if not url:
        stored = home() / "credentials.json"
        url = json.loads(stored.read_text("utf-8")).get("current") if stored.exists() else None
    if not url:
        raise EngineError("no backend is chosen; set PULUMI_BACKEND_URL=file://<folder>")
    if not url.startswith("file://"):
        raise RefusedError(f"backend {url.split(':', maxsplit=1)[0]}://")
    return url


class Workspace:
    """The project of the working directory, the backend, and the stack that the command line means."""

    def __init__(self, arguments: Arguments) -> None:
        self.arguments = arguments
        self.project = project.find(Path.cwd())
        digest = hashlib.sha1(str(self.project.root / "Pulumi.yaml").encode(), usedforsecurity=False).hexdigest()
        self._file = home() / "workspaces" / f"{self.project.name}-{digest}-workspace.json"

    @cached_property
    def backend(self) -> Backend:
        return Backend(backend_url())

    # -- the selected stack
    @property
    def selected(self) -> str | None:
        """The stack that `stack select` chose for this folder."""
        name = json.loads(self._file.read_text("utf-8")).get("stack") if self._file.exists() else None
        return str(name).rsplit("/", 1)[-1] if name else None

    def select(self, name: str | None) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        chosen = {"stack": f"{ORGANIZATION}/{self.project.name}/{name}"} if name else {}
        self._file.write_text(json.dumps(chosen), "utf-8")

    # -- the stack that is meant
    def stack_name(self) -> str:
        """By argument, `--stack`, PULUMI_STACK or selection. Raises EngineError when there is none of them."""
        a = self.arguments
        given = a.positional[0] if a.positional and a.command in NAMING else None
        name = given or a.get("--stack") or os.environ.get("PULUMI_STACK") or self.selected
        if not name:
            raise EngineError("no stack selected; choose one with `pulumi stack select` or `pulumi stack init`")
        parts = name.split("/")
        if len(parts) == 3 and parts[1] != self.project.name:
            raise EngineError(f"stack {name} is not of {self.project.name}, the project in {self.project.root}")
        return parts[-1]

    def anystore(self) -> StackStore:
        return StackStore(self.backend, self.project.name, self.stack_name())

    def store(self) -> StackStore:
        """The stack's files. Raises EngineError when there is no such stack."""
        store = self.anystore()
        if not store.path.exists():
            raise NoStackError(f"no stack named '{store.name}' found")
        return store

    def config(self) -> StackConfig:
        return StackConfig(self.project, self.stack_name(), self.arguments.get("--config-file"))
