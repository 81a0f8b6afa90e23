"""Which engine the Automation API drives: the Pulumi CLI, or the embedded one.

`UNDERSTUDY_ENGINE` chooses: `cli` (a `pulumi` on PATH), `embedded` (`python -m sandbox.engine`, for rehearsals and
tests), or `auto`, the default: the CLI if it is on PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from typing import IO

from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from release.errors import MissingError, UsageError

VARIABLE = "UNDERSTUDY_ENGINE"
_CHOICES = ("auto", "cli", "embedded")


def engine_name() -> str:
    """`cli` or `embedded`. Raises `UsageError` for another choice, `MissingError` when the engine is not there."""
    choice = os.environ.get(VARIABLE, "auto")
    if choice not in _CHOICES:
        raise UsageError(f"Unknown engine {choice!r}.", where=VARIABLE, do=f"Use one of {', '.join(_CHOICES)}.")
    has_cli = shutil.which("pulumi") is not None
    if choice == "cli" and not has_cli:
        raise MissingError(
            "There is no `pulumi` on PATH.",
            where=f"{VARIABLE}=cli",
            do=f"Install the Pulumi CLI, or set {VARIABLE}=embedded for a rehearsal.",
        )
    if choice == "cli" or (choice == "auto" and has_cli):
        return "cli"
    if find_spec("sandbox.engine") is None:
        raise MissingError(
            "The embedded engine is not installed.",
            where=f"{VARIABLE}={choice}",
            do="Install the Pulumi CLI; real environments use it.",
        )
    return "embedded"


def pulumi_command() -> PulumiCommand | None:
    """The engine for `LocalWorkspace(pulumi_command=…)`; None is the Pulumi CLI, found by the Automation API."""
    return None if engine_name() == "cli" else EmbeddedEngine()


class EmbeddedEngine(PulumiCommand):
    """`python -m sandbox.engine` in the place of the `pulumi` executable.

    It runs as a process in the workspace's directory, so that the program and the engine come from that project.
    """

    def __init__(self) -> None:  # the base class would look for a `pulumi` here
        self.command = f"{sys.executable} -m sandbox.engine"

    @cached_property
    def version(self) -> VersionInfo:  # type: ignore[override]
        """The Pulumi version whose command line the engine speaks."""
        text = subprocess.run(
            [*self._argv, "version"], check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()
        return VersionInfo.parse(text.removeprefix("v"))

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Runs one engine command. Raises the Automation API's `CommandError` family on a non-zero exit."""
        process = subprocess.Popen(
            [*self._argv, "--non-interactive", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"},
            encoding="utf-8",
        )
        with process:
            stdout = _Reader(process.stdout, on_output)
            stderr = _Reader(process.stderr, on_error)
            result = CommandResult(stdout=stdout.text(), stderr=stderr.text(), code=process.wait())
        if result.code != 0:
            raise create_command_error(result)
        return result

    @property
    def _argv(self) -> list[str]:
        return [sys.executable, "-m", "sandbox.engine"]


class _Reader:
    """Reads a pipe on a thread of its own, so that neither pipe fills while the other is read."""

    def __init__(self, stream: IO[str] | None, callback: OnOutput | None) -> None:
        assert stream is not None  # noqa: S101 - opened with PIPE above
        self._stream = stream
        self._callback = callback
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._stream:
            stripped = line.rstrip()
            self._lines.append(stripped)
            if self._callback:
                self._callback(stripped)

    def text(self) -> str:
        """Everything the pipe said; waits for its end."""
        self._thread.join()
        return "\n".join(self._lines)
