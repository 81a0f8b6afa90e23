"""One warm environment of a function: a process that runs one invocation at a time."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sandbox.cloud.children import Children, Process
from sandbox.cloud.compute.bootstrap import RECORD_SEPARATOR

LOG_FLUSH_SECONDS = 1.0
LOG_BATCH = 100


class WorkerDiedError(Exception):
    """The process ended during an invocation."""


class WorkerTimeoutError(Exception):
    """The invocation took longer than the function's timeout; the process was killed."""


@dataclass(frozen=True)
class Answer:
    error: str | None
    payload: str
    init_milliseconds: float | None


def pipes(process: Process) -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output of a child that was started with pipes for both."""
    if process.stdin is None or process.stdout is None:
        raise ValueError(f"process {process.pid} was started without pipes")
    return process.stdin, process.stdout


class Worker:
    """Owns the process and the threads that read its log and its answers."""

    def __init__(
        self,
        children: Children,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        log: Callable[[Sequence[str]], None],
    ) -> None:
        self.log_stream = environment["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._children = children
        self._log = log
        self.started = time.monotonic()
        self.used = self.started
        self._process = children.spawn(
            arguments,
            env=environment,
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._requests, self._output = pipes(self._process)
        self._answered = threading.Condition()
        self._answers: dict[str, Answer] = {}
        self._ended: set[str] = set()
        self._closed = False
        self._noise: list[str] = []
        self._log_reader = threading.Thread(target=self._read_log, name="function-log", daemon=True)
        self._answer_reader = threading.Thread(target=self._read_answers, name="function-answers", daemon=True)
        self._log_reader.start()
        self._answer_reader.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def invoke(self, request: Mapping[str, Any], timeout_seconds: float) -> Answer:
        """Runs the handler once.

        Raises:
            WorkerTimeoutError, WorkerDiedError: the process is gone then.
        """
        request_id = str(request["id"])
        deadline = time.monotonic() + timeout_seconds
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        except OSError as error:
            raise self._died() from error
        with self._answered:
            while request_id not in self._answers:
                if self._closed:
                    raise self._died()
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._answered.wait(left)
            answer = self._answers.pop(request_id, None)
            if answer is not None:
                self._answered.wait_for(lambda: request_id in self._ended or self._closed, LOG_FLUSH_SECONDS)
                self._ended.discard(request_id)
        if answer is None:
            self.close(grace_seconds=0.0)
            raise WorkerTimeoutError
        self.used = time.monotonic()
        return answer

    def close(self, grace_seconds: float = 1.0) -> None:
        self._children.terminate(self._process, grace_seconds)
        self._log_reader.join(LOG_FLUSH_SECONDS)
        self._answer_reader.join(LOG_FLUSH_SECONDS)
        # A request may have been written that the process did not live to read.
        with suppress(BrokenPipeError):
            self._requests.close()

    def _died(self) -> WorkerDiedError:
        self.close(grace_seconds=0.0)
        code = self._process.returncode
        how = f"signal: {-code}" if code < 0 else f"exit status {code}"
        self._log(self._noise)
        return WorkerDiedError(how)

    def _read_answers(self) -> None:
        if self._process.stderr is None:
            raise ValueError("a worker is started with a pipe for its answers")
        with self._process.stderr as stream:
            for raw in stream:
                line = raw.decode(errors="replace")
                if not line.startswith("{"):
                    # The interpreter itself failed before the channel was set up.
                    self._noise.append(line.rstrip("\n"))
                    continue
                message = json.loads(line)
                with self._answered:
                    self._answers[message["id"]] = Answer(message["error"], message["payload"], message["init_ms"])
                    self._answered.notify_all()
        with self._answered:
            self._closed = True
            self._answered.notify_all()

    def _read_log(self) -> None:
        lines: list[str] = []
        with self._output as stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip("\n")
                if RECORD_SEPARATOR not in line:
                    lines.append(line)
                    if len(lines) < LOG_BATCH:
                        continue
                before, _, request_id = line.partition(RECORD_SEPARATOR)
                if request_id and before:
                    lines.append(before)
                self._log(lines)
                lines = []
                if request_id:
                    with self._answered:
                        self._ended.add(request_id)
                        self._answered.notify_all()
        self._log(lines)
