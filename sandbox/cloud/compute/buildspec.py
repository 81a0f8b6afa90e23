"""CodeBuild's buildspec, version 0.2: the parts that run.

Source: AWS CodeBuild User Guide, "Build specification reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
_TOP = {"version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache"}
_REFUSED = ("run-as", "proxy", "batch", "reports")
_ENV = {"shell", "variables", "parameter-store", "exported-variables", "git-credential-helper"}
_PHASE = {"commands", "finally", "on-failure", "runtime-versions"}


class BuildspecError(ValueError):
    """The buildspec cannot be used; the build fails with YAML_FILE_ERROR."""


@dataclass(frozen=True)
class Phase:
    """Commands run one by one in the build's shell; `cleanup` are those of `finally`."""

    commands: tuple[str, ...] = ()
    cleanup: tuple[str, ...] = ()
    on_failure: Literal["ABORT", "CONTINUE"] | None = None


@dataclass(frozen=True)
class Buildspec:
    """Phases by name, plain variables, and variables that name a parameter."""

    phases: Mapping[str, Phase]
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> Buildspec:
    """Raises BuildspecError for what is wrong, and for what the sandbox would have to leave out."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BuildspecError(f"YAML_FILE_ERROR: {error}") from error
    if not isinstance(document, dict):
        raise BuildspecError("YAML_FILE_ERROR: the buildspec is no mapping")
    if str(document.get("version")) != "0.2":
        raise BuildspecError(f"YAML_FILE_ERROR: version must be 0.2, not {document.get('version')}")
    _known(document, _TOP, "buildspec")
    for name in _REFUSED:
        if name in document:
            raise BuildspecError(f"YAML_FILE_ERROR: the sandbox does not have '{name}'")
    environment = _mapping(document, "env")
    _known(environment, _ENV, "env")
    if environment.get("shell", "bash") not in ("bash", "/bin/sh"):
        raise BuildspecError(f"YAML_FILE_ERROR: shell {environment['shell']} is not supported")
    phases = _mapping(document, "phases")
    _known(phases, set(PHASES), "phases")
    return Buildspec(
        {name: _phase(name, phases[name] or {}) for name in PHASES if name in phases},
        {key: _text(value) for key, value in _mapping(environment, "variables").items()},
        {key: str(value) for key, value in _mapping(environment, "parameter-store").items()},
    )


def _phase(name: str, content: Mapping[str, Any]) -> Phase:
    _known(content, _PHASE, name)
    on_failure = content.get("on-failure")
    if on_failure not in (None, "ABORT", "CONTINUE"):
        raise BuildspecError(f"YAML_FILE_ERROR: on-failure of {name} must be ABORT or CONTINUE, not {on_failure}")
    return Phase(_commands(name, content, "commands"), _commands(name, content, "finally"), on_failure)


def _commands(phase: str, content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    commands = content.get(key) or []
    if not isinstance(commands, list) or any(isinstance(command, dict | list) for command in commands):
        raise BuildspecError(f"YAML_FILE_ERROR: {key} of {phase} must be a list of strings (quote those with ': ')")
    return tuple(_text(command) for command in commands)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise BuildspecError(f"YAML_FILE_ERROR: {key} must be a mapping")
    return value


def _known(content: Mapping[str, Any], names: set[str], where: str) -> None:
    unknown = sorted(set(content) - names)
    if unknown:
        raise BuildspecError(f"YAML_FILE_ERROR: unknown keys in {where}: {', '.join(map(str, unknown))}")
