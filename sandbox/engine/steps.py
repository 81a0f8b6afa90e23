"""The planner's words: what is registered, what providers are asked, and the steps that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.engine.errors import EngineError
from sandbox.engine.state import PROVIDER_PREFIX, STACK_TYPE, Resource
from sandbox.engine.values import Properties, differences

INIT_ERROR = "#initerror"  # stands for "it did not become ready" in replace_on_changes


@dataclass
class Goal:
    """What the program registered. `delete_before_replace` None: the provider decides. `id`: import this one."""

    urn: str
    type: str
    custom: bool
    inputs: Properties
    parent: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    provider: str = ""
    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool | None = None
    deleted_with: str = ""
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    hide_diffs: list[str] = field(default_factory=list)
    id: str = ""

    def resource(self, inputs: Properties) -> Resource:
        return Resource(
            urn=self.urn,
            type=self.type,
            custom=self.custom,
            inputs=inputs,
            parent=self.parent,
            dependencies=self.dependencies,
            property_dependencies=self.property_dependencies,
            provider=self.provider,
            protect=self.protect,
            retain_on_delete=self.retain_on_delete,
            deleted_with=self.deleted_with,
            additional_secret_outputs=self.additional_secret_outputs,
            custom_timeouts=self.custom_timeouts,
            ignore_changes=self.ignore_changes,
            replace_on_changes=self.replace_on_changes,
            hide_diff=self.hide_diffs,
        )


@dataclass(frozen=True)
class PropertyChange:
    kind: str  # add, delete or update, with -replace where it asks for a replacement
    input: bool = True


@dataclass
class DiffAnswer:
    """A provider's Diff. `changes` None: it does not know (DIFF_UNKNOWN)."""

    changes: bool | None
    replaces: list[str] = field(default_factory=list)
    diffs: list[str] = field(default_factory=list)
    delete_before_replace: bool = False
    detailed: dict[str, PropertyChange] = field(default_factory=dict)

    @property
    def replace(self) -> bool:
        return bool(self.replaces) or any(c.kind.endswith("-replace") for c in self.detailed.values())


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
    ignore_changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfigDiff:
    """Whether going from one provider instance to another asks for replacements. Answer: DiffAnswer."""

    old: str
    new: str


Question = Check | Diff | ConfigDiff


@dataclass(eq=False)
class Step:
    """One operation. `logical`: counted in the summary."""

    op: str
    urn: str
    old: Resource | None = None
    new: Resource | None = None
    keys: list[str] = field(default_factory=list)
    diffs: list[str] = field(default_factory=list)
    detailed: dict[str, PropertyChange] = field(default_factory=dict)
    logical: bool = True
    condemns_old: bool = False  # the old object is deleted at the end, once this step succeeded
    early: bool = False  # a delete that makes room: its entry stays, pending, until the replacement is there
    ignore_changes: list[str] = field(default_factory=list)
    follow_up: Step | None = None  # an import that differs from the program is updated next

    @property
    def resource(self) -> Resource:
        found = self.new or self.old
        if found is None:
            raise AssertionError(f"step {self.op} {self.urn} has no resource")
        return found


class CheckError(EngineError):
    """A registration that is refused: it concerns one resource and ends the deployment without `update failed`."""

    def __init__(self, urn: str, messages: list[str]) -> None:
        super().__init__("\n".join(messages))
        self.urn, self.messages = urn, messages


def failure_text(r: Resource, news: Properties, prop: str, reason: str) -> str:
    if not prop:
        return f"{r.type} resource '{r.name}' has a problem: {reason}"
    value = news.get(prop)
    text = _shown(value)
    return f"{r.type} resource '{r.name}': property {prop} value {text} has a problem: {reason}"


def _shown(value: Any) -> str:
    if value is None:
        return "{<nil>}"
    if isinstance(value, bool):
        return "{true}" if value else "{false}"
    if isinstance(value, (str, int, float)):
        return f"{{{value}}}"
    return "{[secret]}" if type(value).__name__ == "Secret" else f"{{{value!r}}}"


def changed_keys(old: Properties, new: Properties) -> list[str]:
    """Top-level keys whose value differs; going from absent to None is no change."""
    return [k for k in sorted(old.keys() | new.keys()) if any(True for _ in differences(old.get(k), new.get(k)))]


def waves(steps: list[Step]) -> list[list[Step]]:
    """Deletes in the order they may run: a resource goes in a later wave than everything that needs it.

    As in Pulumi a wave is a distance from the roots, so what nothing needs, and needs nothing, goes last.
    """
    left = list(steps)
    out: list[list[Step]] = []
    while left:
        urns = {s.urn for s in left}
        wave = [s for s in left if not (s.resource.needs() - {s.urn}) & urns] or left
        out.append(wave)
        left = [s for s in left if s not in wave]
    return out[::-1]


# -- URNs -------------------------------------------------------------------------------------------------------
def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """urn:pulumi:<stack>::<project>::[<parent's types>$]<type>::<name>; the Stack is left out of the types."""
    chain = parent.split("::")[2] if parent else ""
    qualified = f"{chain}${type_}" if chain and chain != STACK_TYPE else type_
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def package_of(type_: str) -> str:
    """`aws:s3/bucket:Bucket` -> `aws`; a provider's own type names its package."""
    return type_.removeprefix(PROVIDER_PREFIX) if type_.startswith(PROVIDER_PREFIX) else type_.split(":", 1)[0]
