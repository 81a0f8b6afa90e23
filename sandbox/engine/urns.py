"""URNs: how they are made, and which ones a resource may have had before (its aliases)."""

from __future__ import annotations

import re
from typing import Any

from sandbox.engine.state import PROVIDER_PREFIX, STACK_TYPE


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """urn:pulumi:<stack>::<project>::[<parent's types>$]<type>::<name>; the Stack is left out of the types."""
    chain = parent.split("::")[2] if parent else ""
    qualified = f"{chain}${type_}" if chain and chain != STACK_TYPE else type_
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def package_of(type_: str) -> str:
    """`aws:s3/bucket:Bucket` -> `aws`; a provider's own type names its package."""
    return type_.removeprefix(PROVIDER_PREFIX) if type_.startswith(PROVIDER_PREFIX) else type_.split(":", 1)[0]


def default_provider_name(version: str) -> str:
    return f"default_{re.sub('[.+-]', '_', version)}" if version else "default"


def alias_urns(q: Any, own: str, former: dict[str, list[str]]) -> list[str]:
    """The URNs that a registration `q` (RegisterResourceRequest) may have had: by its own aliases, and by those of
    its parent. `own`: its URN now; `former`: the aliases of what is registered already, by URN."""
    stack, project = _place(own)
    parents = former.get(q.parent, [])
    out: list[str] = []
    for alias in q.aliases:
        if alias.WhichOneof("alias") == "urn":
            out.append(alias.urn)
            continue
        spec = alias.spec
        above = [""] if spec.noParent else [q.parent]
        if spec.parentUrn:
            above = [spec.parentUrn, *former.get(spec.parentUrn, [])]
        at, within = spec.stack or stack, spec.project or project
        out.extend(make_urn(at, within, u, spec.type or q.type, spec.name or q.name) for u in above)
    for parent in parents:
        out.append(_child(parent, q.parent, q.type, q.name))
        for alias in q.aliases:
            spec = alias.spec
            if alias.WhichOneof("alias") == "spec" and not spec.parentUrn and not spec.noParent:
                out.append(_child(parent, q.parent, spec.type or q.type, spec.name or q.name))
    return [u for u in dict.fromkeys(out) if u != own]


def _child(parent: str, now_: str, type_: str, name: str) -> str:
    """A child below an aliased parent; a name that begins with the parent's name follows the parent's alias."""
    is_, was = now_.rsplit("::", 1)[-1], parent.rsplit("::", 1)[-1]
    if is_ != was and name.startswith(is_):
        name = was + name[len(is_) :]
    return make_urn(*_place(parent), parent, type_, name)


def _place(urn: str) -> tuple[str, str]:
    """(stack, project) of a URN."""
    head, project = urn.split("::")[:2]
    return head.rsplit(":", 1)[-1], project
