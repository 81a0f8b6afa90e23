"""The planner's words: what is registered, what providers are asked, and the steps that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.engine.errors import EngineError
from sandbox.engine.state import Resource
from sandbox.engine.values import Properties, Secret

INIT_ERROR = "#initerror"  # stands for "it did not become ready" in replace_on_changes


@dataclass(eq=False)
class Goal(Resource):
    """What the program registered: the resource it wants (`import_id`: that object), and what only planning needs.

    `aliases`: URNs it may have had. `conflicts`: why it cannot have its URN, or what was under an alias.
    `delete_before_replace` None: the provider decides.
    """

    aliases: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    delete_before_replace: bool | None = None


@dataclass
class PropertyChange:
    kind: str  # add, delete or update, with -replace where it asks for a replacement
    input: bool = True

    @property
    def inverted(self) -> PropertyChange:
        """The change back."""
        kind, *rest = self.kind.split("-")
        return PropertyChange("-".join([{"add": "delete", "delete": "add"}.get(kind, kind), *rest]), self.input)


@dataclass
class DiffAnswer:
    """A provider's Diff. `changes` None: it does not know (DIFF_UNKNOWN); `detailed` None: it tells no details."""

    changes: bool | None
    replaces: list[str] = field(default_factory=list)
    diffs: list[str] = field(default_factory=list)
    delete_before_replace: bool = False
    detailed: dict[str, PropertyChange] | None = None

    @property
    def replace(self) -> bool:
        return bool(self.replaces) or any(c.kind.endswith("-replace") for c in (self.detailed or {}).values())


# -- questions ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Check:
    """Answer: (checked inputs, failures as (property, reason))."""

    resource: Resource
    olds: Properties
    news: Properties


@dataclass(frozen=True)
class Diff:
    """Answer: DiffAnswer. `old` is the entry of the state, `news` what its inputs would become."""

    old: Resource
    new: Resource | None
    news: Properties


@dataclass(frozen=True)
class ConfigDiff:
    """Whether going from one provider instance to another asks for replacements. Answer: DiffAnswer."""

    old: str
    new: str


@dataclass(frozen=True)
class Load:
    """The provider of what is to make room will be needed as it was, whether or not it is asked. No answer."""

    provider: str


@dataclass(eq=False)
class Step:
    """One operation. `logical`: counted in the summary."""

    op: str
    urn: str
    old: Resource | None = None
    new: Resource | None = None
    keys: list[str] = field(default_factory=list)
    diffs: list[str] = field(default_factory=list)
    detailed: dict[str, PropertyChange] | None = None
    logical: bool = True
    condemns_old: bool = False  # the old object is deleted at the end, once this step succeeded
    early: bool = False  # a delete that makes room: its entry stays, pending, until the replacement is there

    @property
    def resource(self) -> Resource:
        found = self.new or self.old
        if found is None:
            raise AssertionError(f"step {self.op} {self.urn} has no resource")
        return found

    def settle(self) -> None:
        """Notes on the old entry what the step, now over, means for it."""
        if self.old and self.condemns_old:
            self.old.delete = True
        if self.old and self.early:
            self.old.pending_replacement = True


Question = Check | Diff | ConfigDiff | Load | Step  # a Step is carried out before the planning goes on


class CheckError(EngineError):
    """A registration that is refused: it concerns one resource and ends the deployment without `update failed`."""

    def __init__(self, urn: str, *messages: str) -> None:
        super().__init__("\n".join(messages))
        self.urn, self.messages = urn, messages


def failure_text(r: Resource, news: Properties, prop: str, reason: str) -> str:
    """A failed Check in Pulumi's words."""
    where = f": property {prop} value {{{_shown(news.get(prop))}}}" if prop else ""
    return f"{r.type} resource '{r.name}'{where} has a problem: {reason}"


def _shown(value: Any) -> str:
    if isinstance(value, Secret):
        return "[secret]"
    if value is None or isinstance(value, bool):
        return {None: "<nil>", True: "true", False: "false"}[value]
    return str(value)


def difference_text(old: Resource, new: Resource, key: str) -> str:
    return f"{key}: {{{_shown(old.inputs.get(key))}}} => {{{_shown(new.inputs.get(key))}}}"


def waves(steps: list[Step]) -> list[list[Step]]:
    """Deletes in the order they may run: a resource goes in a later wave than everything that needs it.

    As in Pulumi a wave is a distance from the roots, so what nothing needs, and needs nothing, goes last. Of
    entries with one URN (replaced ones that could not be deleted) the newest starts first; `steps` has it last.
    """
    left = list(steps)
    out: list[list[Step]] = []
    while left:
        urns = {s.urn for s in left}
        wave = [s for s in left if not (s.resource.needs() - {s.urn}) & urns] or left
        out.append(wave[::-1])
        left = [s for s in left if s not in wave]
    return out[::-1]
