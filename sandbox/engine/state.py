"""The state: resources, what they need of each other, and when a snapshot of them is valid."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sandbox.engine.urns import PROVIDER_PREFIX, STACK_TYPE, name_of
from sandbox.engine.values import UNKNOWN_TEXT, Properties

DYNAMIC_PACKAGE = "pulumi-python"


@dataclass(eq=False)
class Resource:
    """One resource of the state; equality is identity, as two entries may share a URN during a replacement.

    Its values are replaced, never altered in place. `edition` is another one after each change, so that the text it
    was saved as is known to be good still.
    """

    edition: ClassVar[object] = None

    urn: str
    type: str
    custom: bool = False
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    id: str = ""
    parent: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    provider: str = ""
    protect: bool = False
    external: bool = False
    delete: bool = False
    pending_replacement: bool = False
    retain_on_delete: bool = False
    deleted_with: str = ""
    init_errors: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    import_id: str = ""
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    hide_diff: list[str] = field(default_factory=list)
    created: str = ""
    modified: str = ""
    extra: dict[str, Any] = field(default_factory=dict)  # fields of newer formats, kept as they are

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        object.__setattr__(self, "edition", object())

    @property
    def name(self) -> str:
        return name_of(self.urn)

    @property
    def is_provider(self) -> bool:
        return self.type.startswith(PROVIDER_PREFIX)

    @property
    def is_default_provider(self) -> bool:
        return self.is_provider and self.name.startswith("default") and not self.parent

    @property
    def reference(self) -> str:
        """How other resources name this provider instance."""
        return f"{self.urn}::{self.id or UNKNOWN_TEXT}"

    def needs(self) -> set[str]:
        """URNs that must exist as long as this resource does."""
        out = {*self.dependencies, self.parent, self.deleted_with, provider_urn(self.provider)}
        return out.union(*self.property_dependencies.values()) - {""}

    def referring(self, renamed: Callable[[str], str]) -> Resource:
        """The resource with every URN in it, its own too, as `renamed` has it; itself if none is another one."""
        urn, _, ident = self.provider.rpartition("::")
        fields: dict[str, Any] = {
            "urn": renamed(self.urn),
            "parent": renamed(self.parent),
            "provider": f"{renamed(urn)}::{ident}" if urn else "",
            "dependencies": [renamed(d) for d in self.dependencies],
            "property_dependencies": {k: [renamed(d) for d in v] for k, v in self.property_dependencies.items()},
            "deleted_with": renamed(self.deleted_with),
        }
        changes = {k: v for k, v in fields.items() if v != getattr(self, k)}
        return dataclasses.replace(self, **changes) if changes else self

    def alike(self, other: Resource) -> bool:
        """Whether both would be saved alike, but for the time."""
        return all(getattr(self, f) == getattr(other, f) for f in FIELDS if f != "modified")


FIELDS = tuple(f.name for f in dataclasses.fields(Resource))


@dataclass
class Operation:
    """An operation that had begun when the state was written."""

    resource: Resource
    type: str


@dataclass
class Snapshot:
    resources: list[Resource] = field(default_factory=list)
    pending: list[Operation] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def stack(self) -> Resource | None:
        return next((r for r in self.resources if r.type == STACK_TYPE and not r.delete), None)

    def needed_by(self, r: Resource) -> set[Resource]:
        """What the resource needs, and what that needs. Of two entries with one URN an entry that is to be deleted
        needs the one that is too."""
        entries = {(each.urn, each.delete): each for each in self.resources}
        out: set[Resource] = set()
        left = [r]
        while left:
            user = left.pop()
            found = {entries.get((n, user.delete)) or entries.get((n, not user.delete)) for n in user.needs()}
            left += (new := {n for n in found if n} - out)
            out |= new
        return out


def provider_urn(reference: str) -> str:
    return reference.rpartition("::")[0]


def now() -> str:
    """UTC, RFC 3339, with microseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def problems(snapshot: Snapshot) -> list[str]:
    """Why the snapshot is not valid: order, dangling references, duplicate URNs. Empty: it is."""
    out: list[str] = []
    seen: set[str] = set()
    live: set[str] = set()
    for r in snapshot.resources:
        out.extend(f"{r.urn} comes before {need}, which it needs" for need in sorted(r.needs() - seen))
        if not r.delete and r.urn in live:
            out.append(f"{r.urn} is there twice")
        if r.custom and not r.id:
            out.append(f"{r.urn} has no id")
        seen.add(r.urn)
        live |= set() if r.delete else {r.urn}
    return out
