"""What is wrong with a snapshot, judged from its exported JSON alone; written apart from the engine it judges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def problems(deployment: dict[str, Any]) -> list[str]:
    """Everything that Pulumi's own check would refuse, and missing ids. `deployment`: as `stack export` has it."""
    return list(_problems(deployment.get("resources") or []))


def pending(deployment: dict[str, Any]) -> list[tuple[str, str]]:
    """(type, URN) of the operations that were in flight."""
    return [(p["type"], p["resource"]["urn"]) for p in deployment.get("pending_operations") or []]


def _problems(resources: list[dict[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    alive: set[str] = set()
    instances: set[str] = set()
    for r in resources:
        urn = r["urn"]
        for what, needed in _references(r):
            if needed not in seen:
                yield f"{urn}: {what} {needed} does not come before it"
        if (provider := r.get("provider")) and provider not in instances:
            yield f"{urn}: provider {provider} does not come before it"
        if not r.get("delete"):
            if urn in alive:
                yield f"{urn}: twice"
            alive.add(urn)
        if r.get("custom") and not r.get("id"):
            yield f"{urn}: custom, but no id"
        if not r.get("custom") and r.get("id"):
            yield f"{urn}: a component with an id"
        seen.add(urn)
        instances.add(f"{urn}::{r.get('id', '')}")


def _references(r: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if parent := r.get("parent"):
        yield "parent", parent
    if target := r.get("deletedWith"):
        yield "deletedWith", target
    for urn in r.get("dependencies") or []:
        yield "dependency", urn
    for key, urns in (r.get("propertyDependencies") or {}).items():
        for urn in urns:
            yield f"dependency of {key}", urn
