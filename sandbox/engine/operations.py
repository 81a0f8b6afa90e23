"""preview, up, refresh and destroy: a deployment from its lock to its history entry."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from sandbox.engine.arguments import Arguments
from sandbox.engine.backend import StackStore
from sandbox.engine.config import Entry
from sandbox.engine.display import Display
from sandbox.engine.errors import ConfirmationError, EngineError, ProviderError, RefusedError
from sandbox.engine.executor import Executor, Options
from sandbox.engine.journal import Journal
from sandbox.engine.monitor import Target, serve
from sandbox.engine.plugins import Plugins
from sandbox.engine.program import Program
from sandbox.engine.refresh import Refresh
from sandbox.engine.report import EventLog, Report
from sandbox.engine.state import DYNAMIC_PACKAGE, provider_urn
from sandbox.engine.values import Value
from sandbox.engine.workspace import Workspace

SHORTEST_MASKED = 3  # as in Pulumi: masking every "a" would say more than it hides
MOST_AT_ONCE = 16


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
    options = Options(
        preview=preview,
        parallel=a.number("--parallel", MOST_AT_ONCE),
        refresh=a.has("--refresh") or a.command == "refresh",
        replace=tuple(v for _, v in a.given("--replace")),
        exclude_protected=a.has("--exclude-protected"),
    )
    runs_program = a.command in ("preview", "up")
    if unknown := next((o for o in ("--run-program", "--remove") if a.has(o) and not runs_program), None):
        raise RefusedError(f"option {unknown}")
    program = Program(here.project) if runs_program else None
    try:
        with contextlib.nullcontext() if preview else store.lock():
            operation = Operation(here, store, options, program)
            if options.exclude_protected and not program and not operation.anything_to_delete():
                a.print("There were no unprotected resources to destroy.")
                return 0
            return operation.run()
    finally:
        if program:
            program.kill()


class Operation:
    def __init__(self, here: Workspace, store: StackStore, options: Options, program: Program | None) -> None:
        self.here, self.store, self.options, self.program = here, store, options, program
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
        self.report = self._report()
        project = here.project
        self.plugins = Plugins(project.interpreter, project.program, project.name, self._outputs_of)
        journal = Journal(self.base, lambda s: store.save(s, sealing))
        self.executor = Executor(self.base, options, self.plugins, journal, self.report)

    def _report(self) -> Report:
        a, preview = self.arguments, self.options.preview
        secrets = [e.text for e in self.entries.values() if e.secret and len(e.text) >= SHORTEST_MASKED]
        secrets.sort(key=len, reverse=True)
        colours = {"always": True, "never": False, "raw": False}
        colour = colours.get(a.get("--color") or "auto", sys.stdout.isatty())
        display = Display(preview=preview, quiet=a.has("--json"), secrets=secrets, colour=colour)
        return Report(EventLog(a.get("--event-log"), secrets), display, preview=preview)

    def anything_to_delete(self) -> bool:
        planned = self.executor.planner.deletions(exclude_protected=True)
        return any(step.op != "same" for step in planned)

    def run(self) -> int:
        executor, report = self.executor, self.report
        try:
            report.log.add("preludeEvent", {"config": self._shown_config()})
            if self.base.pending and not self.options.refresh and not self.options.preview:
                report.diagnostic("warning", _pending_warning(len(self.base.pending)))
            with _interruptible(executor):
                if self.options.refresh:
                    Refresh(executor, counted=not self.program and self.arguments.command == "refresh").run()
                if self.program and not executor.stopped.is_set() and self._targets_are_there():
                    self._run_program(self.program)
                if self.arguments.command != "refresh" and not executor.stopped.is_set():
                    executor.delete_the_rest()
            executor.finish_stack()
            if executor.saw_error:
                executor.stop("failed")
            if executor.error in ("failed", "canceled"):
                report.diagnostic("error", f"{'preview' if self.options.preview else 'update'} {executor.error}")
            return self._finish()
        finally:
            self.plugins.close()
            report.log.close()

    def _targets_are_there(self) -> bool:
        known = {r.urn for r in self.executor.planner.base.resources}
        missing = [urn for urn in self.options.replace if "*" not in urn and urn not in known]
        for urn in missing:
            hint = "" if "$" in urn else " Did you forget to escape $ in your shell?"
            self.report.diagnostic("error", f"Target '{urn}' could not be found in the stack.{hint}")
            self.executor.stop("refused")
        return not missing

    def _run_program(self, program: Program) -> None:
        executor, project, name = self.executor, self.here.project, self.store.name
        if any(f":{DYNAMIC_PACKAGE}::" in provider_urn(r.provider) for r in self.base.resources):
            self.plugins.prepare_dynamic_host()
        server, address = serve(executor, Target(project.name, name, self.entries, project.program))
        job = {
            "settings": {
                "project": project.name,
                "stack": name,
                "organization": "organization",
                "dry_run": executor.preview,
                "parallel": executor.options.parallel,
                "monitor": address,
                "engine": address,
                "root_directory": str(project.root),
            },
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
            if executor.stopped.is_set():
                return
            if program.exit_code:
                if text := program.failure():
                    self.report.diagnostic("error", text)
                executor.stop("refused")
        finally:
            program.kill()
            server.stop(0)
            executor.wait_idle()  # registrations that came meanwhile: the providers are closed next

    def _finish(self) -> int:
        a, executor, report = self.arguments, self.executor, self.report
        ok = not executor.error
        result = "succeeded" if ok else "failed"
        changes = dict(sorted(executor.counts.items()))
        seconds = time.time() - self.started
        summary: dict[str, Any] = {"maybeCorrupt": executor.maybe_corrupt, "durationSeconds": int(seconds)}
        summary |= {"resourceChanges": changes, "PolicyPacks": {}, "isPreview": executor.preview, "result": result}
        report.log.add("summaryEvent", summary)
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
            a.print_json(report.document(self._shown_config(), changes))
        report.display.summary(changes, seconds, *executor.stacks())
        if ok and a.has("--expect-no-changes") and any(n for op, n in changes.items() if op != "same"):
            sys.stderr.write("error: no changes were expected but changes were proposed\n")
            return 1
        return 0 if ok else 1

    def _shown_config(self) -> dict[str, str]:
        return {k: "[secret]" if e.secret else e.text for k, e in self.entries.items()}

    def _outputs_of(self, name: str) -> dict[str, Value]:
        """Another stack's outputs. Raises ProviderError when there is no such stack."""
        *above, stack = name.split("/")
        store = StackStore(self.here.backend, above[-1] if above else self.here.project.name, stack)
        if not store.exists():
            raise ProviderError(f'unknown stack "{name}"')
        stack_of_it = store.load()[0].stack
        return stack_of_it.outputs if stack_of_it else {}


def _pending_warning(n: int) -> str:
    return (
        f"Attempting to deploy or update resources with {n} pending operations from previous deployment.\n"
        "Resources in unknown state; refresh to see what became of them.\n"
        "Note that `pulumi refresh` will need to be run interactively to clear pending CREATE operations."
    )


@contextlib.contextmanager
def _interruptible(executor: Executor) -> Iterator[None]:
    """SIGINT and SIGTERM: what runs ends, nothing new starts."""

    def cancel(signum: int, frame: Any) -> None:
        executor.stop("canceled")

    before = {number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
