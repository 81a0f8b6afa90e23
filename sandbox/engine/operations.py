"""preview, up, refresh and destroy: a deployment from its lock to its history entry."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import Any

from sandbox.engine.arguments import Arguments
from sandbox.engine.backend import ORGANIZATION, StackStore
from sandbox.engine.config import Entry
from sandbox.engine.errors import ConfirmationError, EngineError, ProviderError
from sandbox.engine.executor import Executor
from sandbox.engine.journal import Journal
from sandbox.engine.monitor import serve
from sandbox.engine.plugins import Plugins
from sandbox.engine.program import Program
from sandbox.engine.refresh import Refresh
from sandbox.engine.report import Report
from sandbox.engine.state import DYNAMIC_PACKAGE, provider_urn
from sandbox.engine.values import Value
from sandbox.engine.workspace import Workspace

SHORTEST_MASKED = 3  # as in Pulumi: masking every "a" would say more than it hides
MOST_AT_ONCE = 16
PENDING = """Attempting to deploy or update resources with {} pending operations from previous deployment.
Resources in unknown state; refresh to see what became of them.
Note that `pulumi refresh` will need to be run interactively to clear pending CREATE operations."""


def deploy(a: Arguments) -> int:
    """The exit code. What goes wrong on the way is said in the report."""
    here = Workspace(a)
    store = here.store()
    preview = a.command == "preview" or a.has("--preview-only")
    if not preview and not a.has("--yes") and not a.has("--skip-preview"):
        raise ConfirmationError(
            "--yes or --skip-preview or --preview-only must be passed in to proceed when running in "
            "non-interactive mode"
        )
    program = Program(here.project) if a.command in ("preview", "up") else None
    try:
        with contextlib.nullcontext() if preview else store.lock():
            return Operation(here, store, program, preview=preview).run()
    finally:
        if program:
            program.kill()


class Operation:
    def __init__(self, here: Workspace, store: StackStore, program: Program | None, *, preview: bool) -> None:
        self.here, self.store, self.program = here, store, program
        self.arguments, self.started = here.arguments, time.time()
        self.config = here.config()
        if missing := self.config.missing():
            raise EngineError(
                f"Stack '{store.name}' is missing configuration value '{missing[0]}'; set it with "
                f"`pulumi config set {missing[0]} <value>`"
            )
        self.base, crypter = store.load()
        self.entries: dict[str, Entry] = self.config.entries()
        sealing = crypter or self.config.crypter()
        sealing.key()  # a wrong passphrase is said before anything is done
        a, project = self.arguments, here.project
        secrets = [e.text for e in self.entries.values() if e.secret and len(e.text) >= SHORTEST_MASKED]
        colour = {"always": True, "never": False, "raw": False}.get(a.get("--color") or "auto", sys.stdout.isatty())
        self.report = Report(a.get("--event-log"), secrets, preview=preview, quiet=a.has("--json"), colour=colour)
        self.plugins = Plugins(project, self._outputs_of)
        journal = Journal(self.base, None if preview else lambda s: store.save(s, sealing))
        parallel = a.number("--parallel", MOST_AT_ONCE)
        self.executor = Executor(self.base, self.plugins, journal, self.report, preview=preview, parallel=parallel)

    def run(self) -> int:
        executor, report, command = self.executor, self.report, self.arguments.command
        refresh = self.arguments.has("--refresh") or command == "refresh"
        try:
            report.event("preludeEvent", {"config": self._shown_config()})
            if self.base.pending and not refresh and not executor.preview:
                report.diagnostic("warning", PENDING.format(len(self.base.pending)))
            for number in (signal.SIGINT, signal.SIGTERM):  # what runs ends, nothing new starts
                signal.signal(number, lambda *_: executor.stop("canceled"))
            if refresh:
                Refresh(executor, counted=command == "refresh").run()
            if self.program and not executor.stopped.is_set():
                self._run_program(self.program)
            if command != "refresh" and not executor.stopped.is_set():
                executor.delete_the_rest()
            executor.finish_stack()
            if executor.saw_error:
                executor.stop("failed")
            if executor.error in ("failed", "canceled"):
                report.diagnostic("error", f"{'preview' if executor.preview else 'update'} {executor.error}")
            return self._finish()
        finally:
            self.plugins.close()
            report.close()

    def _run_program(self, program: Program) -> None:
        executor, project, stack = self.executor, self.here.project, self.store.name
        if any(f":{DYNAMIC_PACKAGE}::" in provider_urn(r.provider) for r in self.base.resources):
            self.plugins.prepare_dynamic_host()
        server, address = serve(executor, project, stack, self.entries)
        settings = {"project": project.name, "stack": stack, "organization": ORGANIZATION, "dry_run": executor.preview}
        settings |= {"parallel": executor.parallel, "monitor": address, "engine": address}
        job = {
            "settings": settings | {"root_directory": str(project.root)},
            "program": str(project.program),
            "config": {k: e.text for k, e in self.entries.items()},
            "secret_keys": [k for k, e in self.entries.items() if e.secret],
        }

        def said(severity: str, line: str) -> None:
            if not executor.stopped.is_set():
                self.report.diagnostic(severity, line)

        try:
            program.begin(job, said, executor.stopped_or_ended.set)
            executor.stopped_or_ended.wait()
            executor.wait_idle()
            if program.exit_code and not executor.stopped.is_set():
                executor.refuse("", *program.failure())
        finally:
            program.kill()
            server.stop(0)
            executor.wait_idle()  # registrations that came meanwhile: the providers are closed next

    def _finish(self) -> int:
        a, executor, seconds = self.arguments, self.executor, time.time() - self.started
        result = "failed" if executor.error else "succeeded"
        changes = dict(sorted(executor.counts.items()))
        summary: dict[str, Any] = {"maybeCorrupt": executor.maybe_corrupt, "durationSeconds": int(seconds)}
        summary |= {"resourceChanges": changes, "PolicyPacks": {}, "isPreview": executor.preview, "result": result}
        self.report.summary(summary, *executor.stack_outputs(), seconds)
        if not executor.preview:
            self.store.add_history(
                {
                    "kind": "update" if a.command == "up" else a.command,
                    "startTime": int(self.started),
                    "message": a.get("--message") or "",
                    "environment": {"exec.kind": os.environ.get("PULUMI_EXEC_KIND", "cli")},
                    "config": self.config.values(),
                    "result": result,
                    "endTime": int(time.time()),
                    "resourceChanges": changes or None,
                }
            )
        if a.has("--json"):
            a.answer("", self.report.document(self._shown_config(), changes))
        unexpected = a.has("--expect-no-changes") and any(op != "same" for op in changes)
        if unexpected and not executor.error:
            sys.stderr.write("error: no changes were expected but changes were proposed\n")
        return 1 if executor.error or unexpected else 0

    def _shown_config(self) -> dict[str, str]:
        return {k: "[secret]" if e.secret else e.text for k, e in self.entries.items()}

    def _outputs_of(self, name: str) -> dict[str, Value]:
        """Another stack's outputs. Raises ProviderError when there is no such stack."""
        *above, stack = name.split("/")
        store = StackStore(self.here.backend, above[-1] if above else self.here.project.name, stack)
        if not store.path.exists():
            raise ProviderError(f'unknown stack "{name}"')
        found = store.load()[0].stack
        return found.outputs if found else {}
