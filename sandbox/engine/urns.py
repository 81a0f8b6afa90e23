"""URNs: how they are made, and which ones a resource may have had before (its aliases)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

PROVIDER_PREFIX = "pulumi:providers:"
STACK_TYPE = "pulumi:pulumi:Stack"


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """urn:pulumi:<stack>::<project>::[<parent's types>$]<type>::<name>; the Stack is left out of the types."""
    chain = parent.split("::")[2] if parent else ""
    qualified = f"{chain}${type_}" if chain and chain != STACK_TYPE else type_
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def type_of(urn: str) -> str:
    """Its own type, without its parents'."""
    return urn.split("::")[2].rpartition("$")[2]


def name_of(urn: str) -> str:
    return urn.split("::", 3)[3]


def stack_and_project(urn: str) -> tuple[str, str]:
    head, project = urn.split("::")[:2]
    return head.removeprefix("urn:pulumi:"), project


def package_of(type_: str) -> str:
    """`aws:s3/bucket:Bucket` -> `aws`; a provider's own type names its package."""
    return type_.removeprefix(PROVIDER_PREFIX) if type_.startswith(PROVIDER_PREFIX) else type_.split(":", 1)[0]


def default_provider_name(version: str) -> str:
    return f"default_{re.sub('[.+-]', '_', version)}" if version else "default"


def alias_urns(q: Any, own: str, aliases: Iterable[Any], former: Mapping[str, str]) -> list[str]:
    """The URNs that a registration `q` may have had: by its own `aliases`, and below the alias its parent was found
    under. `own`: its URN now; `former`: URN -> alias, of those found by one."""
    stack, project = stack_and_project(own)
    out: list[str] = []
    for alias in aliases:
        spec = alias.spec
        above = former.get(spec.parentUrn, spec.parentUrn) or q.parent
        place = (spec.stack or stack, spec.project or project, "" if spec.noParent else above)
        out.append(alias.urn or make_urn(*place, spec.type or q.type, spec.name or q.name))
    if was := former.get(q.parent):
        inherited = [(q.type, q.name), *((type_of(u), name_of(u)) for u in out)]
        out += [make_urn(stack, project, was, type_, _followed(name, q.parent, was)) for type_, name in inherited]
    return list(dict.fromkeys(out))


def _followed(name: str, parent: str, was: str) -> str:
    """A child's name; one that begins with its parent's name follows the parent's alias."""
    rest = name.removeprefix(name_of(parent))
    return name_of(was) + rest if rest != name else name
