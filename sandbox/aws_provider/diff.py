"""What a change of inputs means: which properties differ, and whether that replaces the resource."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.aws_provider import compare
from sandbox.aws_provider.table import Replace, ResourceType
from sandbox.aws_provider.values import DEFAULTS, has_unknown, is_asset, is_unknown, places, without_defaults

Kind = Literal["add", "delete", "update"]

_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True)
class Change:
    """One differing property."""

    path: str
    kind: Kind
    replaces: bool

    @property
    def top(self) -> str:
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


def changes(
    spec: ResourceType, old: Mapping[str, Any], new: Mapping[str, Any], ignored: tuple[str, ...] = ()
) -> list[Change]:
    """The differences between two sets of inputs, in path order."""
    before, after = effective(spec, old), effective(spec, new)
    found: list[Change] = []
    for name in sorted({*before, *after}):
        if name in ignored or (name not in after and name in spec.optional_computed):
            continue
        for path, kind, left, right in _walk(spec, name, before.get(name), after.get(name)):
            found.append(Change(path, kind, _replaces(spec, path, kind, left, right)))
    return found


def deletes_first(spec: ResourceType, found: list[Change], new: Mapping[str, Any]) -> bool:
    """Whether a replacement must delete the old resource before it creates the new one.

    Either the type demands it, or the program chose the name, which the two could not share.
    """
    if not any(change.replaces for change in found):
        return False
    if spec.delete_before_replace:
        return True
    if spec.name is None or spec.name.exact or spec.name.separator == "_":
        return False
    return spec.name.property in new and spec.name.property not in new.get(DEFAULTS, [])


def effective(spec: ResourceType, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as AWS gets them: without notes, with every default that applies, falsy ones too."""
    full: dict[str, Any] = copy.deepcopy(without_defaults(inputs))
    for path, value in spec.defaults.items():
        for holder in places(full, path):
            holder.setdefault(path.rsplit(".", 1)[-1], value)
    return full


def _walk(spec: ResourceType, path: str, old: Any, new: Any) -> Iterator[tuple[str, Kind, Any, Any]]:
    plain = _INDEX.sub("[]", path)
    if has_unknown(new) and (is_unknown(new) or plain in spec.sets or plain in spec.json):
        if old != new:
            yield path, "add" if old is None else "update", old, new
    elif equal(spec, plain, old, new):
        return
    elif compare.empty(old) or compare.empty(new):
        yield path, _kind(old, new), old, new
    elif is_asset(old) or is_asset(new):
        yield path, "update", old, new
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            if name not in new and f"{plain}.{name}" in spec.optional_computed:
                continue
            yield from _walk(spec, f"{path}.{name}", old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _walk_list(spec, path, old, new)
    else:
        yield path, "update", old, new


def _walk_list(spec: ResourceType, path: str, old: list[Any], new: list[Any]) -> Iterator[tuple[str, Kind, Any, Any]]:
    if _INDEX.sub("[]", path) in spec.sets:
        for index, item in enumerate(old):
            if not any(compare.same(item, other) for other in new):
                yield f"{path}[{index}]", "delete", item, None
        for index, item in enumerate(new):
            if not any(compare.same(item, other) for other in old):
                yield f"{path}[{index}]", "add", None, item
        return
    for index in range(max(len(old), len(new))):
        left = old[index] if index < len(old) else None
        right = new[index] if index < len(new) else None
        if left is None or right is None:
            yield f"{path}[{index}]", _kind(left, right), left, right
        else:
            yield from _walk(spec, f"{path}[{index}]", left, right)


def equal(spec: ResourceType, plain: str, old: Any, new: Any) -> bool:
    """Whether two values of the property at `plain` (indices as `[]`) mean the same."""
    if old is not None and new is not None:
        if plain in spec.json:
            return compare.same_json(old, new)
        if plain in spec.sets:
            return compare.same_set(old, new)
        if plain in spec.same_tail:
            return compare.same_tail(old, new)
    return compare.same(old, new)


def _kind(old: Any, new: Any) -> Kind:
    if old is None:
        return "add"
    return "delete" if new is None else "update"


def _replaces(spec: ResourceType, path: str, kind: Kind, old: Any, new: Any) -> bool:
    leaves = {_INDEX.sub("", leaf) for leaf in (path, *_leaves(path, old), *_leaves(path, new))}
    return any(_matches(rule, leaf, kind, old, new) for rule in spec.replace_on for leaf in leaves)


def _matches(rule: Replace, leaf: str, kind: Kind, old: Any, new: Any) -> bool:
    if rule.kinds and (leaf != rule.path or kind not in rule.kinds):
        return False
    if (rule.old is not None and rule.old != old) or (rule.new is not None and rule.new != new):
        return False
    return leaf == rule.path or leaf.startswith(rule.path + ".")


def _leaves(path: str, value: Any) -> Iterator[str]:
    """The paths below an added or removed block: one of them may be what replaces."""
    if isinstance(value, Mapping) and not is_asset(value):
        for name, item in value.items():
            yield f"{path}.{name}"
            yield from _leaves(f"{path}.{name}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(path, item)
