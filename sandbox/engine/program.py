"""The user's program as a child process."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from sandbox.engine.errors import EngineError
from sandbox.engine.project import Project
from sandbox.engine.runner import REPORTED

THREADS = 128  # registrations the SDK sends at once; the engine bounds what runs


class Program:
    """Starts loading at once; `begin` tells it where the engine is."""

    def __init__(self, project: Project) -> None:
        self._project = project
        if not (project.program / "__main__.py").exists():
            raise EngineError(f"{project.program}: no __main__.py, so there is no program to run")
        self._process = subprocess.Popen(
            [project.interpreter, "-u", str(Path(__file__).with_name("runner.py"))],
            cwd=project.program,
            env={**os.environ, "PULUMI_PROJECT": project.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers: list[threading.Thread] = []

    def begin(self, job: dict[str, Any], on_line: Callable[[str, str], None]) -> None:
        """`on_line` gets (severity, line) for what the program prints."""
        for stream, severity in ((self._process.stdout, "info"), (self._process.stderr, "info#err")):
            reader = threading.Thread(target=_read, args=(stream, severity, on_line), daemon=True)
            reader.start()
            self._readers.append(reader)
        job = job | {"program": str(self._project.program), "root": str(self._project.root), "threads": THREADS}
        stdin = self._process.stdin
        if stdin is None:
            raise AssertionError("the program's stdin is a pipe")
        try:
            stdin.write(json.dumps(job) + "\n")
            stdin.close()
        except BrokenPipeError:
            return  # it ended already; its exit code and stderr tell why

    def wait(self) -> int:
        code = self._process.wait()
        for reader in self._readers:
            reader.join(10)
        return code

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def failure(code: int) -> str | None:
    """What is to be said about a program that ended with `code`; None when it said so itself."""
    return None if code == REPORTED else f"an unhandled error occurred: program exited with non-zero exit code: {code}"


def _read(stream: IO[str], severity: str, on_line: Callable[[str, str], None]) -> None:
    with stream:
        for line in stream:
            on_line(severity, line)
