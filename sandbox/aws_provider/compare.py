"""When two property values mean the same to AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sandbox.aws_provider.values import SIGNATURE, is_asset


def same(old: Any, new: Any) -> bool:
    """Equality of two plain values without regard to type spelling (5 and "5"); absent equals empty."""
    if is_asset(old) and is_asset(new):
        return same_asset(old, new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return all(same(old.get(name), new.get(name)) for name in {*old, *new})
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(same, old, new))
    if empty(old) and empty(new):
        return True
    if isinstance(old, Mapping | list) or isinstance(new, Mapping | list) or old is None or new is None:
        return False
    return bool(old == new) or _spelled(old) == _spelled(new)


def empty(value: Any) -> bool:
    """Absent, as the bridge sees it: nothing, an empty text, list or map, false and zero."""
    return value is None or value is False or value in ("", 0) or (isinstance(value, list | Mapping) and not value)


def same_asset(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Assets are equal by content: the engine sends their hash."""
    if old.get("hash") and new.get("hash"):
        return bool(old["hash"] == new["hash"])
    return {k: v for k, v in old.items() if k != SIGNATURE} == {k: v for k, v in new.items() if k != SIGNATURE}


def same_set(old: Any, new: Any) -> bool:
    """Equality of two lists without order."""
    if not (isinstance(old, list) and isinstance(new, list)):
        return same(old, new)
    rest = list(new)
    for item in old:
        match = next((index for index, other in enumerate(rest) if same(item, other)), None)
        if match is None:
            return False
        del rest[match]
    return not rest


def same_json(old: Any, new: Any) -> bool:
    """Equality of two JSON texts (or parsed documents): as IAM policies where they are, plainly elsewhere."""
    try:
        left, right = (json.loads(value) if isinstance(value, str) else value for value in (old, new))
    except ValueError:
        return same(old, new)
    return bool(normal(left) == normal(right))


def same_tail(old: Any, new: Any) -> bool:
    """Equality of a name or id with the ARN that ends in it."""
    return same(old, new) or (isinstance(old, str) and isinstance(new, str) and _tail(old) == _tail(new))


def normal(document: Any) -> Any:
    """A JSON document in the one form that equivalent documents share."""
    if isinstance(document, Mapping) and "Statement" in document:
        statements = document["Statement"]
        listed = statements if isinstance(statements, list) else [statements]
        return {**document, "Statement": sorted((_statement(item) for item in listed), key=_text)}
    if isinstance(document, Mapping) and isinstance(document.get("rules"), list):
        return {**document, "rules": sorted((_sorted_lists(rule) for rule in document["rules"]), key=_text)}
    return document


def _statement(statement: Any) -> Any:
    if not isinstance(statement, Mapping):
        return statement
    return {name: _clause(name, value) for name, value in statement.items() if name != "Sid" or value}


def _clause(name: str, value: Any) -> Any:
    if name in ("Principal", "NotPrincipal"):
        people = {"AWS": "*"} if value == "*" else value
        return {kind: sorted(map(_principal, _listed(who))) for kind, who in people.items()}
    if name == "Condition":
        return {test: {key: sorted(map(_spelled, _listed(v))) for key, v in c.items()} for test, c in value.items()}
    if name in ("Action", "NotAction", "Resource", "NotResource"):
        return sorted(map(str, _listed(value)))
    return value


def _principal(who: Any) -> str:
    parts = str(who).split(":")
    return parts[4] if len(parts) == 6 and parts[2] == "iam" and parts[5] == "root" else str(who)


def _sorted_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted_lists(item) for name, item in value.items() if item != []}
    return sorted(value, key=_text) if isinstance(value, list) else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tail(value: str) -> str:
    return value.replace(":", "/").rsplit("/", 1)[-1]


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
