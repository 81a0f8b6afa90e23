"""Property values: what a program, a provider and the state exchange.

In memory a value is None, bool, int, float, str, list, dict, `Secret` or `UNKNOWN`. Assets, archives and resource
references stay dicts with their signature. Whole numbers are ints, as Pulumi writes them (`1`, not `1.0`).
On the wire (protobuf Struct) secrets are `{SIG: SECRET_SIG, "value": v}` and an unknown is a magic string.
Source: sdk/go/common/resource/plugin/rpc.go in pulumi/pulumi, and pulumi/runtime/rpc.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

SIG = "4dabf18193072939515e22adb298388d"
SECRET_SIG = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type tag, no credential
OUTPUT_SIG = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
REFERENCE_SIG = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET_SIG = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE_SIG = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_TEXTS = frozenset(
    {
        UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)

Value = Any
_ABSENT = object()
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


# -- wire ---------------------------------------------------------------------------------------------------------
def from_wire(value: Value) -> Value:
    """A decoded JSON value with wire signatures -> in-memory value."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, str):
        return UNKNOWN if value in UNKNOWN_TEXTS else value
    if isinstance(value, list):
        return [from_wire(v) for v in value]
    if isinstance(value, dict):
        sig = value.get(SIG)
        if sig == SECRET_SIG:
            return secret(from_wire(value.get("value")))
        if sig == OUTPUT_SIG:
            inner = from_wire(value["value"]) if "value" in value else UNKNOWN
            return secret(inner) if value.get("secret") else inner
        if sig == REFERENCE_SIG:
            ident = value.get("id")
            known = {k: v for k, v in value.items() if k not in ("name", "type")}
            return known if ident not in UNKNOWN_TEXTS else known | {"id": ""}
        return {k: from_wire(v) for k, v in value.items()}
    return value


def to_wire(value: Value, *, secrets: bool = True, references: bool = True) -> Value:
    """An in-memory value -> JSON with wire signatures; without `secrets` they travel as plain values, without
    `references` a resource reference becomes its id (a component's: its URN)."""
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, Secret):
        inner = to_wire(value.value, secrets=secrets, references=references)
        return {SIG: SECRET_SIG, "value": inner} if secrets else inner
    if isinstance(value, list):
        return [to_wire(v, secrets=secrets, references=references) for v in value]
    if isinstance(value, dict):
        if value.get(SIG) == REFERENCE_SIG:
            if not references:
                return value.get("id", value.get("urn"))
            _, _, types, name = value["urn"].split("::", 3)
            return value | {"name": name, "type": types.rsplit("$", 1)[-1]}
        return {k: to_wire(v, secrets=secrets, references=references) for k, v in value.items()}
    return value


def without_contents(value: Value) -> Value:
    """Assets and archives reduced to their hashes."""
    if isinstance(value, Secret):
        return Secret(without_contents(value.value))
    if isinstance(value, list):
        return [without_contents(v) for v in value]
    if isinstance(value, dict):
        if value.get(SIG) in (ASSET_SIG, ARCHIVE_SIG):
            return {k: v for k, v in value.items() if k in (SIG, "hash")}
        return {k: without_contents(v) for k, v in value.items()}
    return value


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


def any_leaf(value: Value, found: Callable[[Value], bool]) -> bool:
    """Whether `found` holds for a node anywhere in the value, secrets included."""
    if found(value):
        return True
    if isinstance(value, Secret):
        return any_leaf(value.value, found)
    if isinstance(value, list):
        return any(any_leaf(v, found) for v in value)
    if isinstance(value, dict):
        return any(any_leaf(v, found) for v in value.values())
    return False


def has_unknown(value: Value) -> bool:
    return any_leaf(value, lambda v: v is UNKNOWN)


def has_secret(value: Value) -> bool:
    return any_leaf(value, lambda v: isinstance(v, Secret))


def masked(value: Value) -> Value:
    """Secrets replaced by the text `[secret]`, unknowns by their wire text: what `--json` outputs show."""

    def leaf(v: Value) -> Value:
        if isinstance(v, Secret):
            return "[secret]"
        return UNKNOWN_TEXT if v is UNKNOWN else v

    return mapped(value, leaf)


def blinded(value: Value) -> Value:
    """JSON for the event log: secrets keep their signature and lose their value, text assets their text."""
    if isinstance(value, Secret):
        return {SIG: SECRET_SIG, "ciphertext": "[secret]"}
    if isinstance(value, list):
        return [blinded(v) for v in value]
    if isinstance(value, dict):
        elided = {"text": "<contents elided>"} if value.get(SIG) == ASSET_SIG and "text" in value else {}
        return {k: blinded(v) for k, v in value.items()} | elided
    return UNKNOWN_TEXT if value is UNKNOWN else value


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
    """`a.b[0]["c.d"].*` -> ["a", "b", 0, "c.d", "*"]. Raises ValueError for anything else."""
    out: Path = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if not found:
            raise ValueError(f"property path {text!r}: cannot read it from position {at}; write e.g. a.b[0]")
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
