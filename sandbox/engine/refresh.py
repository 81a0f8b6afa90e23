"""Refresh: the state's objects as they are now."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sandbox.engine.apply import finish
from sandbox.engine.errors import EngineError
from sandbox.engine.state import Resource, Snapshot, copied
from sandbox.engine.steps import Step, changed_keys
from sandbox.engine.values import equal

if TYPE_CHECKING:
    from sandbox.engine.executor import Executor


class Refresh:
    """`counted`: the summary tells what came of each resource; not so when it comes before an update."""

    def __init__(self, executor: Executor, *, counted: bool) -> None:
        self._executor, self._counted = executor, counted

    def run(self) -> None:
        """Reads every object of the state; the state then holds what was read, without what is gone."""
        base = self._executor.planner.base
        results: dict[Resource, Resource | None] = {}
        with ThreadPoolExecutor(self._executor.options.parallel) as pool:
            for old, new in zip(base.resources, pool.map(lambda r: self._refreshed(r), base.resources), strict=True):
                results[old] = new
        resources = without_missing([r for r in results.values() if r is not None])
        self._executor.rebase(Snapshot(resources, base.pending, base.metadata))

    def _refreshed(self, old: Resource) -> Resource | None:
        """The resource as read, None when it is gone; on an error the resource as it was."""
        step = Step("refresh", old.urn, old, old, logical=False)
        started = time.monotonic()
        self._executor.reporter.before(step)
        op = "same"
        try:
            if old.custom and not old.is_provider and not old.pending_replacement:  # that one is known to be gone
                if self._executor.stopped.is_set():
                    return old
                op = self._reread(step, old)
        except EngineError as e:
            self._executor.report_failure(step, e, started)
            self._executor.stop("failed")
            return old
        if self._counted and not old.is_default_provider:
            self._executor.counts[op] = self._executor.counts.get(op, 0) + 1
        self._executor.reporter.after(step, op if self._counted else "refresh", time.monotonic() - started)
        return step.new

    def _reread(self, step: Step, old: Resource) -> str:
        """Reads one object into `step.new`; what came of it: same, update or delete.

        Diff is asked the other way round, as Pulumi does: how would the state's inputs change what was read.
        """
        provider = self._executor.instances.get(old.provider)
        ident, inputs, outputs = provider.read(old, old.id, old.inputs, old.outputs)
        if not ident:
            step.new = None
            return "delete"
        step.new = new = copied(old, id=ident, init_errors=[])
        finish(new, outputs)
        if inputs is not None:
            new.inputs = inputs
        if old.external:
            return "same" if equal(old.outputs, new.outputs) else "update"
        diff = provider.diff(new, new.inputs, new.outputs, old.inputs, tuple(old.ignore_changes))
        if diff.changes is None:
            diff.diffs = changed_keys(new.inputs, old.inputs)
            diff.changes = bool(diff.diffs)
        if not diff.changes:
            return "same"
        step.diffs, step.detailed = diff.diffs, diff.detailed
        return "update"


def without_missing(resources: list[Resource]) -> list[Resource]:
    """The resources with references to others that are gone taken out."""
    there = {r.urn for r in resources}
    out = []
    for r in resources:
        kept = copied(r, dependencies=[d for d in r.dependencies if d in there])
        kept.property_dependencies = {k: [d for d in v if d in there] for k, v in r.property_dependencies.items()}
        kept.property_dependencies = {k: v for k, v in kept.property_dependencies.items() if v}
        if kept.deleted_with not in there:
            kept.deleted_with = ""
        out.append(kept)
    return out
