"""The user's program as a child process."""

from __future__ import annotations

import contextlib
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
DRAIN_SECONDS = 10  # for what it printed last


class Program:
    """Starts loading at once; `begin` tells it where the engine is."""

    def __init__(self, project: Project) -> None:
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

    def begin(self, job: dict[str, Any], said: Callable[[str, str], None], ended: Callable[[], None]) -> None:
        """`said` gets (severity, line) for what the program prints; `ended` is called when it is over."""
        process = self._process
        if not (process.stdin and process.stdout and process.stderr):
            raise AssertionError("the program's streams are pipes")
        readers = self._readers = [
            threading.Thread(target=_read, args=(stream, severity, said), daemon=True)
            for stream, severity in ((process.stdout, "info"), (process.stderr, "info#err"))
        ]

        def wait() -> None:
            process.wait()
            for reader in readers:
                reader.join(DRAIN_SECONDS)
            ended()

        for thread in (*readers, threading.Thread(target=wait, daemon=True)):
            thread.start()
        # It may have ended already; its exit code and stderr tell why.
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(job | {"threads": THREADS}) + "\n")

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    def failure(self) -> list[str]:
        """What is to be said about a program that failed; nothing when it said so itself."""
        text = f"an unhandled error occurred: program exited with non-zero exit code: {self.exit_code}"
        return [] if self.exit_code == REPORTED else [text]

    def kill(self) -> None:
        process = self._process
        if process.poll() is None:
            process.kill()
            process.wait()
        # Once it has begun, each stream is closed by the one who uses it.
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream and not self._readers:
                stream.close()


def _read(stream: IO[str], severity: str, on_line: Callable[[str, str], None]) -> None:
    with stream:
        for line in stream:
            on_line(severity, line)
