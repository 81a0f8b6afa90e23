"""The one bash in which all commands of a build run, so that `cd` and `export` last."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sandbox.cloud.children import Children, Process
from sandbox.cloud.compute.worker import pipes

# Reads names of files and sources them; after each it says its exit status, marked so that no output passes for it.
_DRIVER = """
exec 9<&0 0</dev/null
while IFS= read -r -u 9 __command; do
  . "$__command" 9<&-
  printf '\\036%s:%s\\n' "$0" "$?"
done
"""
MARK = "\x1e"


class Shell:
    """`run` is for one thread; `kill` may come from any."""

    def __init__(
        self, children: Children, environment: Mapping[str, str], directory: Path, log: Callable[[str], None]
    ) -> None:
        self._children = children
        self._environment = dict(environment)
        self._directory = directory
        self._log = log
        self._token = uuid.uuid4().hex
        self._count = 0
        self._process: Process | None = None
        self._guard = threading.Lock()
        self._killed = False

    def run(self, command: str) -> int:
        """Runs a command and logs its output line by line; returns its exit status (that of the shell if it exits)."""
        process = self._running()
        if process is None:
            return 137
        requests, output_stream = pipes(process)
        self._count += 1
        file = self._directory.parent / f"command-{self._count}.sh"
        file.write_text(command + "\n")
        try:
            requests.write(f"{file}\n".encode())
            requests.flush()
        except BrokenPipeError:
            return self._ended(process)
        for raw in output_stream:
            line = raw.decode(errors="replace").rstrip("\n")
            output, mark, rest = line.partition(MARK)
            if output or not mark:
                self._log(output)
            token, _, status = rest.partition(":")
            if mark and token == self._token:
                return int(status)
            if mark:
                self._log(rest)
        return self._ended(process)

    def set(self, name: str, value: str) -> None:
        """Exports a variable for the commands that follow; the value has no quotes in it."""
        self._environment[name] = value
        self.run(f"export {name}='{value}'")

    def kill(self) -> None:
        """Ends the shell and what it started; later commands do not run."""
        with self._guard:
            self._killed = True
            process = self._process
        if process is not None:
            self._children.terminate(process, 1.0)

    def close(self) -> None:
        with self._guard:
            process, self._process = self._process, None
        if process is not None:
            self._release(process)

    def _running(self) -> Process | None:
        with self._guard:
            if self._killed:
                return None
            if self._process is None:
                self._process = self._children.spawn(
                    ["/bin/bash", "-c", _DRIVER, self._token],
                    env=self._environment,
                    cwd=self._directory,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            return self._process

    def _ended(self, process: Process) -> int:
        """The command ended the shell itself (`exit 3`); the next one gets a new shell."""
        code = process.wait()
        with self._guard:
            self._process = None
        self._release(process)
        return code if code >= 0 else 128 - code

    def _release(self, process: Process) -> None:
        self._children.terminate(process, 1.0)
        requests, output_stream = pipes(process)
        output_stream.close()
        # The name of a command may still be on its way to a shell that ended.
        with suppress(BrokenPipeError):
            requests.close()
