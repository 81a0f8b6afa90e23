"""The snapshot while a deployment changes it, saved after every step.

The new snapshot lists first what this deployment produced, in the order it did (so dependencies come first), then
what it has not touched yet. Source: pkg/backend/snapshot.go in pulumi/pulumi.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sandbox.engine.state import Operation, Resource, Snapshot
from sandbox.engine.steps import Step

_PENDING = {
    "create": "creating",
    "create-replacement": "creating",
    "update": "updating",
    "delete": "deleting",
    "delete-replaced": "deleting",
    "read": "reading",
    "read-replacement": "reading",
    "import": "importing",
    "import-replacement": "importing",
}


class Journal:
    def __init__(self, base: Snapshot, save: Callable[[Snapshot], None]) -> None:
        self._base = base
        self._save = save
        self._new: list[Resource] = []
        self._done: set[Resource] = set()
        self._running: list[Operation] = []
        self._lock = threading.RLock()

    def snapshot(self) -> Snapshot:
        with self._lock:
            rest = [r for r in self._base.resources if r not in self._done]
            leftover = [o for o in self._base.pending if o.type == "creating"]
            return Snapshot([*self._new, *rest], [*leftover, *self._running], self._base.metadata)

    def begin(self, step: Step) -> None:
        """Notes that an operation starts: should the process die, the state tells so."""
        kind = _PENDING.get(step.op)
        if kind is None:
            return
        with self._lock:
            self._running.append(Operation(step.resource, kind))
            self.save()

    def end(self, step: Step, succeeded: bool) -> None:
        with self._lock:
            self._running = [o for o in self._running if o.resource is not step.resource]
            changed = True
            if succeeded:
                changed = self._record(step)
            if changed:
                self.save()

    def changed(self) -> None:
        """A resource that is in the snapshot was altered in place."""
        with self._lock:
            self.save()

    def replace_base(self, resources: list[Resource]) -> None:
        """After a refresh: the base is what was read."""
        with self._lock:
            self._base = Snapshot(resources, self._base.pending, self._base.metadata)
            self._done = set()
            self.save()

    def save(self) -> None:
        self._save(self.snapshot())

    def _record(self, step: Step) -> bool:
        """Whether the snapshot differs from the one before in content, not only in order."""
        old, new = step.old, step.new
        match step.op:
            case "same":
                self._mark(old, new)
                return bool(old is None or new is None or not _alike(old, new))
            case "create" | "update" | "import" | "read":
                self._mark(old, new)
            case "create-replacement" | "import-replacement" | "read-replacement":
                self._mark(old if old and old.pending_replacement else None, new)
            case "delete" | "discard" | "remove-pending-replace":
                self._mark(old, None)
            case "delete-replaced" | "discard-replaced":
                if old and not old.pending_replacement:
                    self._mark(old, None)
            case _:
                return False
        return True

    def _mark(self, old: Resource | None, new: Resource | None) -> None:
        if old is not None:
            self._done.add(old)
            self._new = [r for r in self._new if r is not old]
        if new is not None:
            self._new.append(new)


def _alike(old: Resource, new: Resource) -> bool:
    ignored = {"modified": "", "text": ""}
    return {**vars(old), **ignored} == {**vars(new), **ignored}
