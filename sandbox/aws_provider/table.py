"""The table of resource types, read from `types/*.yaml`.

A file holds the types of one AWS area; keys that start with a dot hold anchors. How a type is written stands in
`types/README.md`; every key there is a field here, and a key that is not is an error.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sandbox.aws_provider.errors import UnknownTypeError

_KEYWORDS = {"with": "arguments", "if": "condition", "import": "import_pattern", "from": "sources"}


@dataclass(frozen=True)
class Call:
    """One AWS call of an operation."""

    call: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] | None = None  # the inputs it sends; None: all that it has members for
    into: str | None = None  # the list parameter whose single item takes the inputs
    attributes: str | None = None  # `all`: one call with a map of attributes; `each`: a call for each
    changed: tuple[str, ...] = ()  # update: run only if one of these changed
    clear: Mapping[str, Any] = field(default_factory=dict)  # update: what to send for an input that is gone
    condition: str | None = None  # JMESPath over the inputs
    select: str | None = None  # read: JMESPath over the camelCase answer
    parse: str | None = None  # read: a JSON text in the answer, before `select`
    absent: tuple[str, ...] = ()  # read: errors that mean "this part is not there"
    everything: bool = False  # read: all pages
    inputs: bool = True  # whether inputs are sent at all


@dataclass(frozen=True)
class Wait:
    """What to wait for after create and update."""

    path: str  # JMESPath over the read answer
    target: tuple[str, ...]
    pending: tuple[str, ...]
    reason: str = ""  # JMESPath of AWS's explanation
    seconds: int = 600


@dataclass(frozen=True)
class Name:
    """How a name is made when the program gives none."""

    property: str
    max: int = 255
    lower: bool = False
    exact: bool = False  # the logical name, without random digits
    prefix: str = ""
    suffix_if: Mapping[str, str] = field(default_factory=dict)
    separator: str = "-"
    unless: tuple[str, ...] = ()  # properties that make a name unnecessary (namePrefix)


@dataclass(frozen=True)
class Tagging:
    """The service's calls for tags."""

    tag: Call
    untag: Call | None = None
    read: Call | None = None


@dataclass(frozen=True)
class Replace:
    """A property whose change replaces; with `old` and `new` only that change, with `kinds` only these kinds."""

    path: str
    old: str | None = None
    new: str | None = None
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourceType:
    """One row of the table."""

    token: str
    client: str
    id: str
    inputs: tuple[str, ...]
    create: tuple[Call, ...] = ()
    read: tuple[Call, ...] = ()
    update: tuple[Call, ...] = ()
    delete: tuple[Call, ...] = ()
    import_pattern: str | None = None
    name: Name | None = None
    required: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    optional_computed: tuple[str, ...] = ()
    replace_on: tuple[Replace, ...] = ()
    delete_before_replace: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    json: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    wrapped: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    same_tail: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    write_only: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    recomputed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_found: tuple[str, ...] = ()
    gone: str | None = None
    wait: Wait | None = None
    wait_gone: int = 0
    tagging: Tagging | None = None
    serial: bool = False
    hook: str | None = None

    @property
    def regional(self) -> bool:
        return "region" in self.inputs

    @property
    def tagged(self) -> bool:
        return "tags" in self.inputs

    @property
    def computed(self) -> tuple[str, ...]:
        """Outputs that only AWS knows: the pure outputs, without those that Check decides."""
        return tuple(name for name in self.outputs if name != "tagsAll")

    @property
    def module(self) -> str:
        return self.token.split(":")[1]


@cache
def types() -> dict[str, ResourceType]:
    """Every type of the table by its token."""
    rows: dict[str, ResourceType] = {}
    for path in sorted((Path(__file__).parent / "types").glob("*.yaml")):
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        for token, row in document.items():
            if token.startswith("."):
                continue
            if token in rows:
                raise ValueError(f"{path.name}: {token} stands in the table twice")
            rows[token] = _resource_type(token, row, path.name)
    return rows


def resource_type(token: str) -> ResourceType:
    """The row of a type token; raises UnknownTypeError."""
    try:
        return types()[token]
    except KeyError:
        raise UnknownTypeError(f"resource type {token} is not in the sandbox provider's table") from None


def _resource_type(token: str, row: Mapping[str, Any], where: str) -> ResourceType:
    fields = dict(row)
    for operation in ("create", "read", "update", "delete"):
        given = fields.get(operation, [])
        calls = given if isinstance(given, list) else [given]
        fields[operation] = tuple(_call(entry, f"{where}: {token}.{operation}") for entry in calls)
    if "name" in fields:
        fields["name"] = _build(Name, fields["name"], f"{where}: {token}.name")
    if "wait" in fields:
        fields["wait"] = _build(Wait, fields["wait"], f"{where}: {token}.wait")
    if "tagging" in fields:
        tagging = {key: _call(entry, f"{where}: {token}.tagging") for key, entry in fields["tagging"].items()}
        fields["tagging"] = _build(Tagging, tagging, f"{where}: {token}.tagging")
    replaces = [{"path": entry} if isinstance(entry, str) else entry for entry in fields.get("replace_on", [])]
    fields["replace_on"] = tuple(_build(Replace, entry, f"{where}: {token}.replace_on") for entry in replaces)
    fields["recomputed"] = {name: tuple(causes) for name, causes in fields.get("recomputed", {}).items()}
    built: ResourceType = _build(ResourceType, {"token": token, **fields}, f"{where}: {token}")
    if built.import_pattern is not None:
        re.compile(built.import_pattern)
    return built


def _call(entry: Any, where: str) -> Call:
    call: Call = _build(Call, {"call": entry} if isinstance(entry, str) else entry, where)
    return call


def _build(kind: Any, entry: Mapping[str, Any], where: str) -> Any:
    fields = {_KEYWORDS.get(name, name): value for name, value in entry.items()}
    known = {item.name for item in dataclasses.fields(kind)}
    if strange := sorted(set(fields) - known):
        raise ValueError(f"{where}: unknown key {', '.join(strange)}; allowed are {', '.join(sorted(known))}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})
