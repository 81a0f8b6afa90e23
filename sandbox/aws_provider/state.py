"""From AWS's answers to a resource's state, and from state back to inputs (refresh, import)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jmespath  # type: ignore[import-untyped]

from sandbox.aws_provider import compare, requests, shapes
from sandbox.aws_provider.diff import equal
from sandbox.aws_provider.table import ResourceType


def properties(spec: ResourceType, found: Mapping[str, Any], look: requests.Lookup) -> dict[str, Any]:
    """The properties of the type that AWS's camelCase answer holds; tags and templates come later."""
    folded = {name.lower(): value for name, value in found.items()}
    state: dict[str, Any] = {}
    for name in dict.fromkeys((*spec.inputs, *spec.outputs)):
        if name in ("tags", "tagsAll", "region") or name in spec.templates:
            continue
        value = _value(spec, name, found, folded, look)
        if value is None:
            continue
        value = _shaped(spec, name, shapes.restored(value, spec.renames, name))
        if name in spec.json and not isinstance(value, str):
            value = json.dumps(value, separators=(",", ":"))
        state[name] = value
    return state


def settled(spec: ResourceType, path: str, given: Any, read: Any) -> Any:
    """What the state says of a property the program has just set: its own words, and what AWS added."""
    if read is None or given is None:
        return given if read is None else read
    if isinstance(given, Mapping) and isinstance(read, Mapping):
        names = dict.fromkeys((*given, *read))
        return {name: settled(spec, f"{path}.{name}", given.get(name), read.get(name)) for name in names}
    if isinstance(given, list) and isinstance(read, list) and len(given) == len(read) and path not in spec.sets:
        return [settled(spec, f"{path}[]", mine, theirs) for mine, theirs in zip(given, read, strict=True)]
    return given


def refreshed(spec: ResourceType, old: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """The state after a refresh: the old words where they still hold, what was read where they do not.

    A policy is not rewritten because AWS sorts it, and what is empty stays although AWS leaves it out.
    """
    full: dict[str, Any] = {}
    for name in dict.fromkeys((*old, *seen)):
        unseen = name in spec.write_only or (name in spec.local and name not in seen)
        if name in old and (unseen or equal(spec, name, old[name], seen.get(name))):
            full[name] = old[name]
        elif name in seen:
            full[name] = seen[name]
    return full


def observed(spec: ResourceType, path: str, old: Any, read: Any) -> Any:
    """An input after a refresh: the old one where it still holds, what was read where it does not.

    Names the old input did not have are what AWS filled in, not what somebody asked for.
    """
    if old is None:
        return read
    if equal(spec, path, old, read):
        return old
    if read is None:
        return old if compare.empty(old) else None
    if isinstance(old, Mapping) and isinstance(read, Mapping):
        kept = {
            # `__defaults` is the engine's note on which values nobody gave.
            name: value if name.startswith("__") else observed(spec, f"{path}.{name}", value, read.get(name))
            for name, value in old.items()
        }
        return {name: value for name, value in kept.items() if value is not None}
    if isinstance(old, list) and isinstance(read, list) and len(old) == len(read) and path not in spec.sets:
        return [observed(spec, f"{path}[]", mine, theirs) for mine, theirs in zip(old, read, strict=True)]
    return read


def refreshed_inputs(
    spec: ResourceType, old: Mapping[str, Any], state: Mapping[str, Any], default_tags: Mapping[str, str]
) -> dict[str, Any]:
    """The inputs as AWS has them now; without old inputs (an import) every input that is not a default."""
    inputs: dict[str, Any] = {}
    for name, value in old.items():
        if name in spec.write_only or name == "region" or name.startswith("__"):
            inputs[name] = value
            continue
        seen = observed(spec, name, value, state.get(name))
        if seen is not None:
            inputs[name] = seen
    for name in spec.inputs:
        if name in old or name not in state or compare.same(state[name], spec.defaults.get(name)):
            continue
        if not compare.empty(state[name]) and (not old or name not in spec.optional_computed):
            inputs[name] = state[name]
    if spec.tagged and "tagsAll" in state:
        mine = old.get("tags") or {}
        every = state["tagsAll"]
        inputs["tagsAll"] = every
        own = {key: text for key, text in every.items() if key in mine or default_tags.get(key) != text}
        inputs.pop("tags", None)
        if own or "tags" in old:
            inputs["tags"] = own
    return inputs


def _value(
    spec: ResourceType, name: str, found: Mapping[str, Any], folded: Mapping[str, Any], look: requests.Lookup
) -> Any:
    if name in spec.sources:
        return jmespath.search(requests.query(spec.sources[name], look), dict(found))
    if name in spec.attributes:
        kind, attribute = spec.attributes[name].split(" ")
        return _attribute((found.get("attributes") or {}).get(attribute), kind)
    if name in spec.renames:
        value: Any = found
        for part in spec.renames[name].split("."):
            value = value.get(shapes.camel(part)) if isinstance(value, Mapping) else None
        if value is not None:
            return value
        last = spec.renames[name].rsplit(".", 1)[-1].lower()
        return folded.get(last, folded.get(name.lower()))
    return folded.get(name.lower())


def _attribute(text: Any, kind: str) -> Any:
    if text is None or kind == "text":
        return text or None
    return text == "true" if kind == "flag" else int(text)


def _shaped(spec: ResourceType, path: str, value: Any) -> Any:
    """Pairs to maps and single blocks to lists of one, where the type says so."""
    if path in spec.maps:
        return shapes.pairs_to_map(value)
    if path in spec.wrapped and not isinstance(value, list):
        value = [value]
    if isinstance(value, Mapping):
        return {name: _shaped(spec, f"{path}.{name}", item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shaped(spec, f"{path}[]", item) for item in value]
    return value
