"""The snapshot while a deployment changes it, saved after every step.

The new snapshot lists first what this deployment produced, in the order it did (so dependencies come first), then
what it has not touched yet. Source: pkg/backend/snapshot.go in pulumi/pulumi.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from sandbox.engine.state import Operation, Resource, Snapshot
from sandbox.engine.steps import Step
from sandbox.engine.urns import STACK_TYPE, make_urn, stack_and_project, type_of

# the first word of an operation -> what is pending while it runs
_PENDING = {"create": "creating", "update": "updating", "delete": "deleting", "read": "reading", "import": "importing"}


class Journal:
    """Saves by one thread at a time; those that waited meanwhile find their change saved already.

    A preview's has no `save`.
    """

    def __init__(self, base: Snapshot, save: Callable[[Snapshot], None] | None) -> None:
        self._base = base
        self._save = save
        self.former: Mapping[str, str] = {}  # URN -> the alias it was found under
        self._new: dict[Resource, None] = {}  # in order
        self._done: set[Resource] = set()
        self._running: list[tuple[Step, str]] = []
        self._lock = threading.RLock()
        self._saving = threading.Lock()
        self._changes = self._saved = 0

    def snapshot(self) -> Snapshot:
        with self._lock:
            rest = [r for r in self._base.resources if r not in self._done]
            pending = [o for o in self._base.pending if o.type == "creating"]
            pending += [Operation(step.resource, kind) for step, kind in self._running]
            return Snapshot(self._renamed([*self._new, *rest]), pending, self._base.metadata)

    def _renamed(self, resources: list[Resource]) -> list[Resource]:
        """What was taken over under another URN is called so everywhere, and so are those below it."""
        if not self.former:
            return resources
        names: dict[str, str] = {}
        for r in resources:
            if r in self._new and r.urn in self.former:
                names[self.former[r.urn]] = r.urn
            above = names.get(r.parent, "")
            if above and type_of(above) != STACK_TYPE:
                names[r.urn] = make_urn(*stack_and_project(r.urn), above, r.type, r.name)
        return [r.referring(lambda urn: names.get(urn, urn)) for r in resources]

    def begin(self, step: Step) -> None:
        """Notes that an operation starts: should the process die, the state tells so."""
        if kind := _PENDING.get(step.op.split("-")[0]):
            with self._lock:
                self._running.append((step, kind))
            self.changed()

    def end(self, step: Step, *, succeeded: bool) -> None:
        with self._lock:
            running = len(self._running)
            self._running = [(s, kind) for s, kind in self._running if s is not step]
            if succeeded:
                step.settle()
            changed = self._record(step) if succeeded else running != len(self._running)
        if changed:
            self.changed()

    def replace_base(self, base: Snapshot) -> None:
        """After a refresh: the base is what was read."""
        with self._lock:
            self._base, self._done = base, set()
        self.changed()

    def changed(self) -> None:
        """Something in the snapshot is another: returns when it is saved."""
        if self._save is None:
            return
        with self._lock:
            self._changes += 1
            mine = self._changes
        with self._saving:
            if self._saved >= mine:
                return
            with self._lock:
                snapshot, covered = self.snapshot(), self._changes
            self._save(snapshot)
            self._saved = covered

    def _record(self, step: Step) -> bool:
        """Whether the snapshot differs from the one before in content, not only in order."""
        old, new = step.old, step.new
        match step.op:
            case "same" | "create" | "update" | "import" | "read" | "read-replacement":
                self._mark(old, new)
            case "create-replacement" | "import-replacement":
                self._mark(old if old and old.pending_replacement else None, new)
            case "delete" | "discard" | "remove-pending-replace":
                self._mark(old, None)
            case "delete-replaced" | "discard-replaced" if old and not old.pending_replacement:
                self._mark(old, None)
            case "replace":
                return False
        return not (step.op == "same" and old and new and old.alike(new))

    def _mark(self, old: Resource | None, new: Resource | None) -> None:
        if old is not None:
            self._done.add(old)
            self._new.pop(old, None)
        if new is not None:
            self._new[new] = None
