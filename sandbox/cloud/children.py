"""Child processes that never outlive the sandbox.

Every child leads a process group of its own, so its descendants go with it. A watchdog process holds the other end
of a pipe: when the sandbox dies without saying goodbye (SIGKILL, crash), the pipe closes and the watchdog ends the
groups. This works on every POSIX system; Linux's parent-death signal follows the *thread* that forked, so it would
end children of short-lived threads.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

Process = subprocess.Popen[bytes]


class Children:
    """The process groups of one sandbox."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._groups: dict[int, Process] = {}
        self._watchdog = subprocess.Popen(
            [sys.executable, "-S", "-E", str(Path(__file__).with_name("watchdog.py"))],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._pipe = cast(IO[bytes], self._watchdog.stdin)

    def spawn(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: int | IO[Any] | None = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> Process:
        """Start a child with exactly this environment; the caller ends it with `terminate`."""
        process = subprocess.Popen(
            list(arguments),
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        with self._guard:
            self._groups[process.pid] = process
            self._tell(f"+{process.pid}")
        return process

    def terminate(self, process: Process, grace_seconds: float = 5.0) -> None:
        """End a child and its descendants: SIGTERM, then SIGKILL after the grace. Also releases one that ended."""
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        with self._guard:
            if self._groups.pop(process.pid, None) is not None:
                self._tell(f"-{process.pid}")

    def close(self, grace_seconds: float = 5.0) -> None:
        """End all children that are left, together, then the watchdog."""
        with self._guard:
            left = list(self._groups.values())
        for process in left:
            _signal_group(process.pid, signal.SIGTERM)
        for process in left:
            self.terminate(process, grace_seconds)
        with self._guard:
            self._pipe.close()
            self._watchdog.wait()

    def _tell(self, line: str) -> None:
        if not self._pipe.closed:
            self._pipe.write(line.encode() + b"\n")
            self._pipe.flush()


def _signal_group(group: int, number: int) -> None:
    """Signal a process group; one that is gone is what the caller wanted."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
    except PermissionError:
        # macOS answers so for a group whose only member is a zombie.
        return
