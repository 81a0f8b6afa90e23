"""Property values: what a program, a provider and the state exchange.

In memory a value is None, bool, int, float, str, list, dict, `Secret` or `UNKNOWN`. Assets, archives and resource
references stay dicts with their signature. Whole numbers are ints, as Pulumi writes them (`1`, not `1.0`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
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


def revealed(value: Value) -> Value:
    """The value without its own mark; marks inside stay."""
    return value.value if isinstance(value, Secret) else value


def plain(value: Value) -> Value:
    """The value without its secret marks."""
    return rebuilt(value, lambda v: plain(v.value) if isinstance(v, Secret) else DESCEND)


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


def nodes(value: Value) -> Iterator[Value]:
    """The value and everything in it, secrets included."""
    yield value
    if isinstance(value, Secret):
        yield from nodes(value.value)
    elif isinstance(value, (list, dict)):
        for v in value.values() if isinstance(value, dict) else value:
            yield from nodes(v)


def has_unknown(value: Value) -> bool:
    return any(v is UNKNOWN for v in nodes(value))


def has_secret(value: Value) -> bool:
    return any(isinstance(v, Secret) for v in nodes(value))


def without_contents(value: Value) -> Value:
    """Assets and archives reduced to their hashes."""

    def visit(v: Value) -> Value:
        asset = isinstance(v, dict) and v.get(SIG) in (ASSET_SIG, ARCHIVE_SIG)
        return {SIG: v[SIG], "hash": v.get("hash")} if asset else DESCEND

    return rebuilt(value, visit)


def without_unknowns(value: Value) -> Value:
    """The value without its unknown parts."""

    def visit(v: Value) -> Value:
        if isinstance(v, dict):
            return {k: without_unknowns(x) for k, x in v.items() if revealed(x) is not UNKNOWN}
        return [without_unknowns(x) for x in v if revealed(x) is not UNKNOWN] if isinstance(v, list) else DESCEND

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
    """Deep equality that keeps `True` and 1 apart; an unknown equals only an unknown, None in an object nothing."""
    if isinstance(old, Secret) or isinstance(new, Secret):
        return isinstance(old, Secret) and isinstance(new, Secret) and equal(old.value, new.value)
    if isinstance(old, dict) and isinstance(new, dict):
        return all(equal(old.get(k), new.get(k)) for k in old.keys() | new.keys())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(equal(a, b) for a, b in zip(old, new, strict=True))
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    return bool(old is new or old == new)


def differences(old: Value, new: Value, path: str = "") -> Iterator[tuple[str, str, Value, Value]]:
    """(path, add|delete|update, old, new) for every leaf that differs. Secrets are compared by what is in them, and
    the values told stay secret; in an object None is as good as not there."""
    was, now = revealed(old), revealed(new)
    mark = secret if isinstance(old, Secret) or isinstance(new, Secret) else lambda v: v
    pairs: list[tuple[str, Value, Value]]
    if isinstance(was, dict) and isinstance(now, dict):
        pairs = [(join(path, k), was.get(k), now.get(k)) for k in sorted(was.keys() | now.keys())]
    elif isinstance(was, list) and isinstance(now, list):
        pairs = [(f"{path}[{i}]", *pair) for i, pair in enumerate(zip_longest(was, now, fillvalue=_ABSENT))]
    else:
        if not equal(was, now):
            yield path, "update", mark(was), mark(now)
        return
    for at, a, b in pairs:
        if a is b:
            continue
        if a is None or a is _ABSENT:
            yield at, "add", None, mark(b)
        elif b is None or b is _ABSENT:
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
    steps = list(_STEP.finditer(text))
    if "".join(step[0] for step in steps) != text:
        raise EngineError(f"property path {text!r}: it cannot be read; write e.g. a.b[0]")
    groups = (step.groups(default="") for step in steps)
    return [int(i) if i else star or name or re.sub(r"\\(.)", r"\1", quoted) for i, quoted, star, name in groups]


def covers(pattern: Path, path: Path) -> bool:
    """Whether `path` is `pattern` or lies below it; `*` stands for any one step."""
    return len(pattern) <= len(path) and all(p in ("*", s) for p, s in zip(pattern, path, strict=False))


def with_ignored(new: Properties, old: Properties, paths: list[str]) -> Properties:
    """`new` with everything at `paths` as it is in `old`: what ignore_changes means. A path that cannot be read, or
    leads to where one of them has no place, changes nothing."""
    out = new
    for text in paths:
        with contextlib.suppress(EngineError):
            out = _ignored(out, old, parse_path(text))
    return out


def _ignored(new: Value, old: Value, path: Path, *, was_secret: bool = False, is_secret: bool = False) -> Value:
    if isinstance(new, Secret):
        return Secret(_ignored(new.value, old, path, was_secret=was_secret, is_secret=True))
    was_secret, old = was_secret or isinstance(old, Secret), revealed(old)
    head, rest = path[0], path[1:]

    def taken(now: Value, was: Value) -> Value:
        if rest:
            return _ignored(now, was, rest, was_secret=was_secret, is_secret=is_secret)
        return secret(was) if was_secret and not is_secret else was

    if isinstance(new, dict) and isinstance(old, dict):
        keys = old if head == "*" else [head]
        changed = {k: taken(new.get(k), old.get(k)) for k in keys if k in (new if rest else old)}
        return {k: v for k, v in new.items() if rest or k in old or head not in ("*", k)} | changed
    if isinstance(new, dict) and not rest:
        return {k: v for k, v in new.items() if k != head}
    if isinstance(new, list) and isinstance(old, list):
        same = [taken(*pair) if head in ("*", i) else pair[0] for i, pair in enumerate(zip(new, old, strict=False))]
        return same + new[len(same) :]
    return new
