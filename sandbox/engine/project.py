"""Pulumi.yaml, and where it is."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.engine.errors import EngineError, RefusedError

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SCHEMA = {"type", "default", "value", "description", "secret", "items"}  # what a declaration of a key may hold


@dataclass(frozen=True)
class Project:
    """A project. `defaults`: stack configuration that Pulumi.yaml gives every stack, by full key."""

    root: Path
    name: str
    main: str
    virtualenv: str
    defaults: dict[str, Any]
    required: set[str]

    @property
    def program(self) -> Path:
        """The folder that is run (`main`, else the project's)."""
        return (self.root / self.main).resolve() if self.main else self.root

    @property
    def interpreter(self) -> str:
        """The Python that runs the program: the named virtualenv's, PULUMI_PYTHON_CMD, or the engine's own.

        Raises EngineError when the virtualenv is not there.
        """
        if not self.virtualenv:
            return os.environ.get("PULUMI_PYTHON_CMD") or sys.executable
        folder = self.root / self.virtualenv
        python = folder / "bin" / "python"
        if not python.exists():
            raise EngineError(
                f"The 'virtualenv' option in Pulumi.yaml is set to {self.virtualenv!r}, but {folder} is not a virtual "
                f"environment; create it with `python -m venv {self.virtualenv}` and install the requirements"
            )
        return str(python)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; an empty file is an empty one. Raises EngineError with the place of a mistake."""
    try:
        raw = yaml.load(path.read_text("utf-8"), Loader=Loader)  # noqa: S506 - a safe loader, the C one if there
    except yaml.YAMLError as e:
        raise EngineError(f"{path}: not valid YAML: {e}") from e
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise EngineError(f"{path}: a mapping is expected, not {type(raw).__name__}")
    return raw


def find(start: Path) -> Project:
    """The project of a folder or the nearest one above it. Raises EngineError if there is none."""
    for folder in (start, *start.parents):
        path = folder / "Pulumi.yaml"
        if path.exists():
            return _load(path)
        for other in ("Pulumi.yml", "Pulumi.json"):
            if (folder / other).exists():
                raise RefusedError(f"a project file named {other}")
    raise EngineError(f"no Pulumi.yaml project file found (searching upwards from {start})")


def _load(path: Path) -> Project:
    raw = read_yaml(path)
    if not isinstance(raw.get("name"), str):
        raise EngineError(f"{path}: the project needs a `name`")
    runtime = raw.get("runtime")
    options = (runtime.get("options") or {}) if isinstance(runtime, dict) else {}
    runtime = runtime.get("name") if isinstance(runtime, dict) else runtime
    if runtime != "python":
        raise RefusedError(f"{path}: runtime {runtime!r}")
    if (toolchain := options.get("toolchain", "pip")) != "pip":
        raise RefusedError(f"{path}: toolchain {toolchain!r}")
    if feature := next((f for f in ("plugins", "packages") if raw.get(f)), None):
        raise RefusedError(f"{path}: `{feature}`")
    defaults, required = _configuration(raw["name"], raw.get("config") or {})
    return Project(path.parent, raw["name"], raw.get("main") or "", options.get("virtualenv") or "", defaults, required)


def _configuration(name: str, declared: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """(defaults, required keys) of the project's `config`."""
    defaults: dict[str, Any] = {}
    required: set[str] = set()
    for key, given in declared.items():
        full = key if ":" in key else f"{name}:{key}"
        if not (isinstance(given, dict) and given.keys() & SCHEMA):
            defaults[full] = given
        elif "value" in given or "default" in given:
            defaults[full] = given.get("value", given.get("default"))
        elif "type" in given:
            required.add(full)
    return defaults, required
