"""What each step does to its object: the one place where providers are asked to change something."""

from __future__ import annotations

import uuid

from sandbox.engine.errors import EngineError, InitError, ProtectedError
from sandbox.engine.plugins import Instances, public
from sandbox.engine.state import Resource, now
from sandbox.engine.steps import Step
from sandbox.engine.values import Properties, Secret, secret, without_unknowns


class Applier:
    """`going`: whose object this deployment deletes, kept up to date by the planner."""

    def __init__(self, instances: Instances, going: set[Resource], *, preview: bool) -> None:
        self._instances, self._going, self._preview = instances, going, preview

    def apply(self, step: Step) -> None:
        old, new = step.old, step.new
        match step.op:
            case "same" if old and new:
                new.id, new.external = old.id, old.external
                finish(new, old.outputs)
                new.created, new.modified = old.created, old.modified
                if new.is_provider:
                    self._instances.adopt(new, old.inputs, unchanged=True)
            case "create" | "create-replacement" if new:
                self._write(new, None)
            case "update" if old and new:
                self._write(new, old)
            case "import" | "import-replacement" if new:
                self._read(new, imported=True)
            case "read" | "read-replacement" if new:
                self._read(new, imported=False)
            case "delete" | "delete-replaced" if old:
                self._delete(step, old)
            case "replace" | "discard" | "discard-replaced" | "remove-pending-replace":
                pass
            case _:
                raise AssertionError(f"step {step.op} of {step.urn} is malformed")

    def _write(self, new: Resource, old: Resource | None) -> None:
        """Creates the object, or updates `old`."""
        if old:
            new.id, new.created = old.id, old.created
        if new.is_provider:
            new.id = new.id or ("" if self._preview else str(uuid.uuid4()))
            new.outputs = public(new.inputs)
            self._instances.adopt(new, new.inputs)
        elif new.custom:
            provider = self._instances.get(new.provider)
            try:
                if old:
                    outputs = provider.update(new, old, preview=self._preview)
                else:
                    new.id, outputs = provider.create(new, preview=self._preview)
            except InitError as e:
                if old:
                    new.inputs = old.inputs  # what was asked for did not come about
                new.id, new.init_errors = e.id or new.id, e.reasons
                finish(new, e.outputs)
                raise
            finish(new, outputs)
        elif old:
            new.outputs = old.outputs
        self._stamp(new)

    def _stamp(self, new: Resource) -> None:
        if not self._preview:
            new.modified = now()
            new.created = new.created or new.modified

    def _read(self, new: Resource, *, imported: bool) -> None:
        """Reads the object `new.id` into `new`. One that is imported is taken as it is."""
        known = {} if imported else without_unknowns(new.inputs)
        found = self._instances.get(new.provider).read(new, known, known)
        if found is None:
            raise EngineError(f"resource '{new.id}' does not exist")
        if imported and found.inputs is None:
            raise EngineError("provider does not support importing resources; please try updating its plugin")
        new.id, new.init_errors = found.id or new.id, found.init_errors
        if imported:
            new.inputs = found.inputs or {}
            self._stamp(new)
        finish(new, found.outputs)
        if found.init_errors and not imported:
            raise InitError(new.id, {}, found.outputs, found.init_errors)

    def _delete(self, step: Step, old: Resource) -> None:
        if old.protect and step.op == "delete":
            raise ProtectedError(old.urn)
        if self._preview or not old.custom or old.is_provider or old.external or old.retain_on_delete:
            return
        if old.deleted_with and any(other.urn == old.deleted_with for other in self._going):
            return
        self._instances.get(old.provider).delete(old)


def finish(new: Resource, outputs: Properties) -> None:
    """Stores outputs; secret are those the program calls so, and those whose input is."""
    named = {*new.additional_secret_outputs, *(k for k, v in new.inputs.items() if isinstance(v, Secret))}
    new.outputs = {k: secret(v) if k in named else v for k, v in outputs.items()}
