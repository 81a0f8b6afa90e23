"""Property values: what a program, a provider and the state exchange.

In memory a value is None, bool, int, float, str, list, dict, `Secret` or `UNKNOWN`. Assets, archives and resource
references stay dicts with their signature. Whole numbers are ints, as Pulumi writes them (`1`, not `1.0`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sandbox.engine.errors import EngineError

SIG = "4dabf18193072939515e22adb298388d"
SECRET_SIG = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type tag, no credential
OUTPUT_SIG = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
REFERENCE_SIG = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET_SIG = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE_SIG = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
Value = Any
_ABSENT = object()
DESCEND = object()  # answer of a visitor: look inside
Properties = dict[str, Value]
Path = list[str | int]


@dataclass(frozen=True)
class Secret:
    """A value that is never shown and is encrypted in the state."""

    value: Value

    def __repr__(self) -> str:
        return "Secret([secret])"

    __hash__ = None  # type: ignore[assignment]


class Unknown:
    """What a preview does not know yet; there is one instance, UNKNOWN."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


# -- inspection -----------------------------------------------------------------------------------------------------
def secret(value: Value) -> Value:
    """Marks a value as secret, once."""
    return value if isinstance(value, Secret) else Secret(value)


def plain(value: Value) -> Value:
    """The value without its secret marks."""
    return mapped(value, lambda v: plain(v.value) if isinstance(v, Secret) else v)


def mapped(value: Value, leaf: Callable[[Value], Value]) -> Value:
    """Rebuilds lists and dicts, with `leaf` applied to everything else (a Secret is a leaf)."""
    if isinstance(value, list):
        return [mapped(v, leaf) for v in value]
    if isinstance(value, dict):
        return {k: mapped(v, leaf) for k, v in value.items()}
    return leaf(value)


def rebuilt(value: Value, visit: Callable[[Value], Value]) -> Value:
    """Rebuilds a value, secrets included. `visit` answers what stands in for a node, or DESCEND to look into it."""
    found = visit(value)
    if found is not DESCEND:
        return found
    if isinstance(value, Secret):
        return Secret(rebuilt(value.value, visit))
    if isinstance(value, list):
        return [rebuilt(v, visit) for v in value]
    if isinstance(value, dict):
        return {k: rebuilt(v, visit) for k, v in value.items()}
    return value


def any_node(value: Value, found: Callable[[Value], bool]) -> bool:
    """Whether `found` holds for a node anywhere in the value, secrets included."""
    if found(value):
        return True
    if isinstance(value, Secret):
        return any_node(value.value, found)
    if isinstance(value, (list, dict)):
        return any(any_node(v, found) for v in (value.values() if isinstance(value, dict) else value))
    return False


def has_unknown(value: Value) -> bool:
    return any_node(value, lambda v: v is UNKNOWN)


def has_secret(value: Value) -> bool:
    return any_node(value, lambda v: isinstance(v, Secret))


def without_contents(value: Value) -> Value:
    """Assets and archives reduced to their hashes."""

    def visit(v: Value) -> Value:
        asset = isinstance(v, dict) and v.get(SIG) in (ASSET_SIG, ARCHIVE_SIG)
        return {SIG: v[SIG], "hash": v.get("hash")} if asset else DESCEND

    return rebuilt(value, visit)


def blinded(value: Value) -> Value:
    """JSON for the event log: secrets keep their signature and lose their value, text assets their text."""

    def visit(v: Value) -> Value:
        if isinstance(v, Secret):
            return {SIG: SECRET_SIG, "ciphertext": "[secret]"}
        if isinstance(v, dict) and v.get(SIG) == ASSET_SIG and "text" in v:
            return {**v, "text": "<contents elided>"}
        return UNKNOWN_TEXT if v is UNKNOWN else DESCEND

    return rebuilt(value, visit)


def remark_secrets(outputs: Properties, inputs: Properties) -> Properties:
    """Marks those parts of `outputs` as secret that stand where `inputs` has a secret: for providers that answer
    in plain values. Objects are compared key by key, a list with a secret in it is secret as a whole."""
    out = dict(outputs)
    for key, given in inputs.items():
        value = out.get(key)
        if key not in out or isinstance(value, Secret):
            continue
        if isinstance(value, dict) and isinstance(given, dict):
            out[key] = remark_secrets(value, given)
        elif has_secret(given):
            out[key] = secret(value)
    return out


# -- comparison -----------------------------------------------------------------------------------------------------
def equal(old: Value, new: Value) -> bool:
    """Deep equality that keeps `True` and 1 apart; an unknown equals only an unknown."""
    if isinstance(old, Secret) or isinstance(new, Secret):
        return isinstance(old, Secret) and isinstance(new, Secret) and equal(old.value, new.value)
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(equal(v, new[k]) for k, v in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(equal(a, b) for a, b in zip(old, new, strict=True))
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    return bool(old is new or old == new)


def differences(old: Value, new: Value, path: str = "") -> Iterator[tuple[str, str, Value, Value]]:
    """(path, add|delete|update, old, new) for every leaf that differs. Secrets are compared by what is in them, and
    the values told stay secret; None stands for what is not there."""
    was = old.value if isinstance(old, Secret) else old
    now = new.value if isinstance(new, Secret) else new
    mark = secret if isinstance(old, Secret) or isinstance(new, Secret) else lambda v: v
    pairs: list[tuple[str, Value, Value]]
    if isinstance(was, dict) and isinstance(now, dict):
        pairs = [(join(path, k), was.get(k, _ABSENT), now.get(k, _ABSENT)) for k in sorted(was.keys() | now.keys())]
    elif isinstance(was, list) and isinstance(now, list):
        pairs = [(f"{path}[{i}]", *pair) for i, pair in enumerate(zip_longest(was, now, fillvalue=_ABSENT))]
    else:
        if not equal(was, now):
            yield path, "update", mark(was), mark(now)
        return
    for at, a, b in pairs:
        if a is _ABSENT:
            yield at, "add", None, mark(b)
        elif b is _ABSENT:
            yield at, "delete", mark(a), None
        else:
            for inner, kind, x, y in differences(a, b, at):
                yield inner, kind, mark(x), mark(y)


# -- property paths ----------------------------------------------------------------------------------------------
_STEP = re.compile(r"\[(\d+)\]|\[\"((?:[^\"\\]|\\.)*)\"\]|\[(\*)\]|\.?([^.\[\]]+)")


def join(path: str, key: str) -> str:
    if not re.fullmatch(r"[^.\[\]\"]+", key):
        escaped = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{escaped}"]'
    return f"{path}.{key}" if path else key


def parse_path(text: str) -> Path:
    """`a.b[0]["c.d"].*` -> ["a", "b", 0, "c.d", "*"]. Raises EngineError for anything else."""
    out: Path = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if not found:
            raise EngineError(f"property path {text!r}: cannot read it from position {at}; write e.g. a.b[0]")
        index, quoted, star, name = found.groups()
        if index is not None:
            out.append(int(index))
        elif quoted is not None:
            out.append(re.sub(r"\\(.)", r"\1", quoted))
        else:
            out.append(star or name)
        at = found.end()
    return out


def covers(pattern: Path, path: Path) -> bool:
    """Whether `path` is `pattern` or lies below it; `*` stands for any one step."""
    return len(pattern) <= len(path) and all(p in ("*", s) for p, s in zip(pattern, path, strict=False))


def with_ignored(new: Properties, old: Properties, paths: list[str]) -> Properties:
    """`new` with everything at `paths` as it is in `old`: what ignore_changes means."""
    out: Properties = dict(new)
    for text in paths:
        merged = _ignored(out, old, parse_path(text))
        out = merged if isinstance(merged, dict) else out
    return out


def _ignored(new: Value, old: Value, path: Path) -> Value:
    if not path:
        return old
    if isinstance(new, Secret) or isinstance(old, Secret):
        was = old.value if isinstance(old, Secret) else old
        now = new.value if isinstance(new, Secret) else new
        inner = _ignored(now, was, path)
        return secret(inner) if inner is not _ABSENT and isinstance(new, Secret) else inner
    head, rest = path[0], path[1:]
    if isinstance(new, dict):
        was_map: Mapping[str, Value] = old if isinstance(old, dict) else {}
        keys = (new.keys() | was_map.keys()) if head == "*" else {str(head)}
        out = dict(new)
        for key in keys:
            if key not in new and (rest or key not in was_map):
                continue
            value = _ignored(new.get(key, _ABSENT), was_map.get(key, _ABSENT), rest)
            if value is _ABSENT:
                out.pop(key, None)
            else:
                out[key] = value
        return out
    if isinstance(new, list) and isinstance(old, list):
        both = min(len(new), len(old))
        indexes = range(both) if head == "*" else [head] if isinstance(head, int) and head < both else []
        items = list(new)
        for i in indexes:
            items[i] = _ignored(new[i], old[i], rest)
        return items
    return new
