"""The project on disk and its stacks, through the Automation API."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pulumi.automation import LocalWorkspace, Stack
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

from release.engine import pulumi_command
from release.errors import FailedError, MissingError, StackLockedError, UsageError
from release.stackfile import StackFile

PROJECT_FILE = "Pulumi.yaml"
USE_CASES = "use_cases"
_PROGRESS = re.compile(
    r"\s*([-+~]{1,2}\s|(create|update|delete|replace|read|refresh|import|same|discard)[a-z-]*\s+[a-z])"
)
"""A line about a resource's step, of either engine."""
_PROGRAM_ENDED = "an unhandled error occurred: program exited with non-zero exit code"
"""What both engines add below the sentence that the program ended with."""


def find_root(start: Path) -> Path:
    """The nearest folder upwards that holds Pulumi.yaml. Raises `MissingError`."""
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise MissingError(
        f"There is no {PROJECT_FILE} here or above.",
        where=str(start),
        do="Run understudy inside your project's checkout.",
    )


@dataclass(frozen=True)
class Project:
    """A checkout: `root` holds Pulumi.yaml, the stack files and `use_cases/`."""

    root: Path

    @classmethod
    def open(cls, start: Path | None = None) -> Project:
        """The project around `start` (default: the current directory).

        Raises `UsageError` when this code was imported from another checkout: its rules and the program's would differ.
        """
        root = find_root((start or Path.cwd()).resolve())
        code = Path(__file__).resolve().parents[1]
        if code != root:
            raise UsageError(
                "understudy's code comes from another checkout than the project.",
                where=f"code {code}, project {root}",
                do=f"Run `{Path(sys.executable).name} -m release …` in {root}.",
            )
        return cls(root)

    @cached_property
    def workspace(self) -> LocalWorkspace:
        """The Automation API's workspace over this checkout."""
        return LocalWorkspace(work_dir=str(self.root), pulumi_command=pulumi_command())

    def use_case(self, name: str) -> Path:
        """The folder of a use case. Raises `UsageError` that lists the known ones."""
        folder = self.root / USE_CASES / name
        if name and "/" not in name and (folder / "package.yaml").is_file():
            return folder
        raise UsageError(
            f"Unknown use case {name!r}.", where=str(self.root / USE_CASES), do=f"Known: {_listed(self.use_cases())}."
        )

    def use_cases(self) -> list[str]:
        """Names of the folders below `use_cases/` that hold a package.yaml."""
        return sorted(manifest.parent.name for manifest in (self.root / USE_CASES).glob("*/package.yaml"))

    def stack_file(self, stack: str) -> StackFile:
        """Raises `MissingError` that lists the known stacks when `Pulumi.<stack>.yaml` is not there."""
        path = self.root / f"Pulumi.{stack}.yaml"
        if path.is_file():
            return StackFile(path)
        raise MissingError(
            f"There is no stack {stack!r}.", where=str(path), do=f"Known stacks: {_listed(self.stacks())}."
        )

    def stacks(self) -> list[str]:
        """Names of the stacks that have a file."""
        return sorted(path.name.split(".")[1] for path in self.root.glob("Pulumi.*.yaml"))

    def environment(self, stack: str, *, create: bool = False) -> Environment:
        """The stack to read or, with `create`, to deploy. Raises `MissingError` when it has no file."""
        file = self.stack_file(stack)
        with engine_errors(stack):
            handle = (Stack.create_or_select if create else Stack.select)(stack, self.workspace)
        return Environment(self, stack, file, handle)

    def environment_if_any(self, stack: str) -> Environment | None:
        """The stack, or None when it has no file or was never deployed."""
        if not (self.root / f"Pulumi.{stack}.yaml").is_file():
            return None
        with engine_errors(stack):
            try:
                return Environment(self, stack, self.stack_file(stack), Stack.select(stack, self.workspace))
            except StackNotFoundError:
                return None


@dataclass(frozen=True)
class Environment:
    """A stack of the project. Outputs are read with secrets masked, and only once."""

    project: Project
    name: str
    file: StackFile
    stack: Stack
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Stack outputs, secrets as `[secret]`; empty before the first `up`."""
        if "outputs" not in self._cache:
            with engine_errors(self.name):
                result = self.project.workspace.pulumi_command.run(
                    ["stack", "output", "--json", "--stack", self.name], str(self.project.root), {}
                )
            self._cache["outputs"] = json.loads(result.stdout or "{}")
        outputs: Mapping[str, Any] = self._cache["outputs"]
        return outputs

    def forget(self) -> None:
        """After an `up`: the outputs are read anew."""
        self._cache.clear()

    def output(self, key: str) -> str:
        """One output. Raises `MissingError` when this stack has not been deployed yet."""
        if key not in self.outputs:
            raise MissingError(
                f"Stack {self.name!r} has no output {key!r} yet.",
                where=self.file.path.name,
                do=f"Deploy it first: `understudy deploy --stack {self.name}` or `pulumi up --stack {self.name}`.",
            )
        return str(self.outputs[key])

    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """What runs, by service."""
        services: Mapping[str, Mapping[str, Any]] = self.outputs.get("services") or {}
        return services

    def service(self, service: str) -> Mapping[str, Any]:
        """Outputs of a service. Raises `MissingError` that says why it was skipped, or which services there are."""
        if service in self.services():
            return self.services()[service]
        skipped = (self.outputs.get("skipped") or {}).get(service)
        raise MissingError(
            f"Service {service!r} does not run in stack {self.name!r}" + (f": {skipped}" if skipped else "."),
            where=self.file.path.name,
            do=f"Running there: {_listed(sorted(self.services()))}.",
        )


@contextlib.contextmanager
def engine_errors(stack: str) -> Iterator[None]:
    """Turn the Automation API's errors into ours: locked, missing, or failed with the engine's own words."""
    try:
        yield
    except ConcurrentUpdateError as error:
        raise StackLockedError(
            f"Stack {stack!r} is locked by another update.",
            where=lock_holder(str(error)),
            do=f"Wait for it; if that process is dead, `pulumi cancel --stack {stack}` clears the lock.",
        ) from error
    except StackNotFoundError as error:
        raise MissingError(
            f"Stack {stack!r} was never deployed.", do=f"Deploy it first: `understudy deploy --stack {stack}`."
        ) from error
    except CommandError as error:
        raise FailedError(
            f"The engine failed on stack {stack!r}:\n{engine_reason(str(error))}",
            do="Read the lines above; `pulumi up` repeats the run once the cause is mended.",
        ) from error


def lock_holder(text: str) -> str:
    """Who holds the lock, from the engine's message: `user@host (pid 7) at …` where it says so."""
    lines = [line.strip() for line in text.splitlines()]
    holders = [line for line in lines if "created by" in line]
    if holders:
        return "; ".join(line[line.index("created by") :] for line in holders)
    return next((line for line in lines if "locked" in line or "Conflict" in line), "holder unknown")


def engine_reason(text: str, limit: int = 20) -> str:
    """The lines of an engine's output that tell why it failed: each `error:` and what is indented below it."""
    reason: list[str] = []
    indent: int | None = None
    for given in text.splitlines():
        line = given.removeprefix(" stdout: ").removeprefix(" stderr: ")  # as the Automation API's error has them
        depth = len(line) - len(line.lstrip())
        if _PROGRAM_ENDED in line.lower():
            indent = None
        elif "error:" in line.lower():
            indent = depth
        elif not line.strip() or indent is None or depth <= indent or _PROGRESS.match(line):
            indent = None
        if indent is not None and line.strip() not in reason:
            reason.append(line.strip())
    return "\n".join(reason[:limit] or [line.strip() for line in text.splitlines() if line.strip()][-limit:])


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
