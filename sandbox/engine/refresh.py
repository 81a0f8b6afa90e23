"""Refresh: the state's objects as they are now."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.engine.apply import finish
from sandbox.engine.errors import EngineError
from sandbox.engine.state import Resource, Snapshot
from sandbox.engine.steps import Step
from sandbox.engine.values import equal

if TYPE_CHECKING:
    from sandbox.engine.executor import Executor


class Refresh:
    """`counted`: the summary tells what came of each resource; not so when it comes before an update."""

    def __init__(self, executor: Executor, *, counted: bool) -> None:
        self._executor, self._counted, self._failed = executor, counted, False

    def run(self) -> None:
        """Reads every object of the state; the state then holds what was read, without what is gone."""
        executor = self._executor
        base = executor.base
        with ThreadPoolExecutor(executor.parallel) as pool:
            found = [r for r in pool.map(self._refreshed, base.resources) if r is not None]
        read = Snapshot(without_missing(found), base.pending, base.metadata)
        executor.journal.replace_base(read)
        executor.rebase(read)
        if self._failed:
            executor.stop("failed")

    def _refreshed(self, old: Resource) -> Resource | None:
        """The resource as read, None when it is gone; on an error the resource as it was."""
        executor, started = self._executor, time.monotonic()
        step = Step("refresh", old.urn, old, old, logical=False)
        executor.report.before(step)
        op = "same"
        try:
            if executor.stopped.is_set():
                return old
            if old.provider:
                executor.instances.get(old.provider)
            if old.custom and not old.is_provider and not old.pending_replacement:  # that one is known to be gone
                op = self._reread(step, old)
        except EngineError as e:
            executor.report_failure(step, e, started)
            self._failed = True  # the others are read all the same
            return old
        if self._counted:
            step.op = op
            if not old.is_default_provider:
                executor.count(op)
        executor.report.after(step, time.monotonic() - started)
        return step.new

    def _reread(self, step: Step, old: Resource) -> str:
        """Reads one object into `step.new`; what came of it: same, update or delete.

        Diff is asked the other way round, as Pulumi does: how would the state's inputs change what was read.
        """
        instances = self._executor.instances
        found = instances.get(old.provider).read(old, old.inputs, old.outputs)
        if found is None:
            step.new = None
            return "delete"
        step.new = new = replace(old, id=found.id, init_errors=found.init_errors)
        finish(new, found.outputs)
        if found.inputs is not None:
            new.inputs = found.inputs
        if found.init_errors:
            reasons = "\n* ".join(["Refreshed resource is in an unhealthy state:", *found.init_errors])
            self._executor.report.diagnostic("warning", reasons, old.urn)
        if old.external:
            return "same" if equal(old.outputs, new.outputs) else "update"
        diff = instances.diff(new, new, old.inputs)
        step.diffs, step.detailed = diff.diffs, {p: c.inverted for p, c in (diff.detailed or {}).items()}
        return "update" if diff.changes else "same"


def without_missing(resources: list[Resource]) -> list[Resource]:
    """The resources without references to what is gone. An entry refers to what comes before it: of two with one URN
    the later one does not help those between them."""
    all_urns = {r.urn for r in resources}
    there: set[str] = set()
    out = []
    for r in resources:
        by_property = {k: [d for d in v if d in there] for k, v in r.property_dependencies.items()}
        kept = replace(r, property_dependencies={k: v for k, v in by_property.items() if v})
        kept.dependencies = [d for d in r.dependencies if d in there]
        kept.parent = r.parent if r.parent in all_urns else ""
        kept.deleted_with = r.deleted_with if r.deleted_with in there else ""
        there.add(r.urn)
        out.append(kept)
    return out
