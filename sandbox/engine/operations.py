"""preview, up, refresh and destroy: a deployment from its lock to its history entry."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.engine.backend import Backend, StackStore
from sandbox.engine.config import Entry, StackConfig
from sandbox.engine.display import Display
from sandbox.engine.errors import EngineError, ProviderError
from sandbox.engine.events import EventLog
from sandbox.engine.executor import Executor, Options
from sandbox.engine.journal import Journal
from sandbox.engine.monitor import Target, serve
from sandbox.engine.plugins import Plugins
from sandbox.engine.program import Program, failure
from sandbox.engine.project import Project
from sandbox.engine.refresh import Refresh
from sandbox.engine.report import Report
from sandbox.engine.state import DYNAMIC_PACKAGE, STACK_TYPE, Snapshot, provider_urn
from sandbox.engine.values import Value

SHORTEST_MASKED = 3  # as in Pulumi: masking every "a" would say more than it hides


@dataclass
class Request:
    """One operation as asked for on the command line. `kind`: preview, update, refresh or destroy."""

    kind: str
    options: Options
    event_log: str | None = None
    message: str = ""
    json: bool = False
    expect_no_changes: bool = False
    colour: bool = False


@dataclass
class Outcome:
    ok: bool
    changes: dict[str, int]
    seconds: float


class Operation:
    def __init__(self, project: Project, backend: Backend, store: StackStore, config: StackConfig) -> None:
        self.project, self.backend, self.store, self.config = project, backend, store, config
        self.stack_outputs: dict[str, Value] = {}

    def run(self, request: Request) -> int:
        """The exit code. What goes wrong is said on stderr or in the report."""
        program = Program(self.project) if request.kind in ("preview", "update") else None
        try:
            return self._locked(request, program)
        finally:
            if program:
                program.kill()

    def _locked(self, request: Request, program: Program | None) -> int:
        if missing := self.config.missing():
            raise EngineError(
                f"Stack '{self.store.name}' is missing configuration value '{missing[0]}'; set it with "
                f"`pulumi config set {missing[0]} <value>`"
            )
        lock = None if request.options.preview else self.store.lock()
        try:
            return self._deploy(request, program)
        finally:
            if lock:
                lock.release()

    def _deploy(self, request: Request, program: Program | None) -> int:
        started = time.time()
        loaded = self.store.load()
        entries = self.config.entries()
        crypter = loaded.crypter or self.config.crypter()
        preview = request.options.preview
        secrets = [e.text for e in entries.values() if e.secret and len(e.text) >= SHORTEST_MASKED]
        display = Display(preview=preview, quiet=request.json, secrets=secrets, colour=request.colour)
        report = Report(EventLog(request.event_log, secrets), display, preview=preview)
        plugins = Plugins(self.project.interpreter, self.project.program, self.project.name, self._outputs_of)
        journal = Journal(loaded.snapshot, lambda s: self.store.save(s, crypter))
        executor = Executor(loaded.snapshot, request.options, plugins, journal, report)
        try:
            report.log.add(
                "preludeEvent", {"config": {k: "[secret]" if e.secret else e.text for k, e in entries.items()}}
            )
            if loaded.snapshot.pending and request.kind in ("preview", "update"):
                report.diagnostic("warning", _pending_warning(len(loaded.snapshot.pending)))
            with _interruptible(executor):
                if request.options.refresh or request.kind == "refresh":
                    Refresh(executor, counted=request.kind == "refresh").run()
                if program and not executor.stopped.is_set():
                    self._run_program(program, executor, report, entries, loaded.snapshot)
                if request.kind != "refresh" and not executor.stopped.is_set():
                    executor.delete_the_rest()
            if executor.saw_error:
                executor.stop("failed")
            if executor.error in ("failed", "canceled"):
                report.diagnostic("error", f"{'preview' if preview else 'update'} {executor.error}")
            return self._finish(request, executor, report, entries, started)
        finally:
            plugins.close()
            report.log.close()

    def _run_program(
        self, program: Program, executor: Executor, report: Report, entries: dict[str, Entry], base: Snapshot
    ) -> None:
        if any(f":{DYNAMIC_PACKAGE}::" in provider_urn(r.provider) for r in base.resources):
            executor.plugins.prepare_dynamic_host()
        server, address = serve(executor, Target(self.project.name, self.store.name, entries, self.project.program))

        def said(severity: str, line: str) -> None:
            if not executor.stopped.is_set():
                report.diagnostic(severity, line)

        try:
            program.begin(
                {
                    "address": address,
                    "project": self.project.name,
                    "stack": self.store.name,
                    "organization": "organization",
                    "preview": executor.preview,
                    "parallel": executor.options.parallel,
                    "config": {k: e.text for k, e in entries.items()},
                    "secret_keys": [k for k, e in entries.items() if e.secret],
                },
                said,
            )
            ended = threading.Event()
            codes: list[int] = []

            def waiter() -> None:
                codes.append(program.wait())
                ended.set()
                executor.stopped_or_ended.set()

            threading.Thread(target=waiter, daemon=True).start()
            executor.stopped_or_ended.wait()
            if executor.stopped.is_set():
                executor.wait_idle()
                program.kill()
                return
            executor.wait_idle()
            if codes[0] != 0 and not executor.stopped.is_set():
                text = failure(codes[0])
                if text:
                    report.diagnostic("error", text)
                executor.stop("refused")
            if not executor.stopped.is_set():
                executor.program_succeeded()
        finally:
            server.stop(0)

    def _finish(
        self,
        request: Request,
        executor: Executor,
        report: Report,
        entries: dict[str, Entry],
        started: float,
    ) -> int:
        ok = not executor.error
        changes = {op: n for op, n in sorted(executor.counts.items())}
        body: dict[str, Any] = {
            "maybeCorrupt": executor.maybe_corrupt,
            "durationSeconds": int(time.time() - started),
            "resourceChanges": changes,
            "PolicyPacks": {},
            "isPreview": executor.preview,
            "result": "succeeded" if ok else "failed",
        }
        report.log.add("summaryEvent", body)
        if not executor.preview:
            self.store.add_history(
                {
                    "kind": request.kind,
                    "startTime": int(started),
                    "message": request.message,
                    "environment": {"exec.kind": os.environ.get("PULUMI_EXEC_KIND", "cli")},
                    "config": self.config.values(),
                    "result": "succeeded" if ok else "failed",
                    "endTime": int(time.time()),
                    "resourceChanges": changes or None,
                }
            )
        if request.json:
            self._print_json(report, entries, changes)
        before, after = executor.stack_before(), executor.stack_after()
        report.display.summary(changes, time.time() - started, before, after)
        if ok and request.expect_no_changes and any(n for op, n in changes.items() if op != "same"):
            sys.stderr.write("error: no changes were expected but changes were proposed\n")
            return 1
        return 0 if ok else 1

    def _print_json(self, report: Report, entries: dict[str, Entry], changes: dict[str, int]) -> None:
        import json

        steps = [report.step_document(s) for s in report.shown_steps]
        document: dict[str, Any] = {}
        if entries:
            document["config"] = {k: "[secret]" if e.secret else e.text for k, e in entries.items()}
        document |= {"steps": steps, "changeSummary": changes}
        if report.diagnostics:
            document["diagnostics"] = [
                d | {"message": f"{d['severity']}: {d['message']}"} if d["severity"] in ("error", "warning") else d
                for d in report.diagnostics
            ]
        sys.stdout.write(json.dumps(document, indent=4) + "\n")

    def _outputs_of(self, name: str) -> dict[str, Value]:
        """Another stack's outputs. Raises EngineError when there is no such stack."""
        parts = name.split("/")
        project, stack = (parts[-2] if len(parts) > 1 else self.project.name), parts[-1]
        store = self.backend.stack(project, stack)
        if not store.exists():
            raise ProviderError(f'unknown stack "{name}"')
        for r in store.load().snapshot.resources:
            if r.type == STACK_TYPE and not r.delete:
                return r.outputs
        return {}


def _pending_warning(n: int) -> str:
    return (
        f"Attempting to deploy or update resources with {n} pending operations from previous deployment.\n"
        "Resources in unknown state; refresh to see what became of them.\n"
        "Note that `pulumi refresh` will need to be run interactively to clear pending CREATE operations."
    )


@contextlib.contextmanager
def _interruptible(executor: Executor) -> Iterator[None]:
    """SIGINT and SIGTERM: what runs ends, nothing new starts."""
    before = {}

    def cancel(signum: int, frame: Any) -> None:
        executor.stop("canceled")

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, cancel)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
