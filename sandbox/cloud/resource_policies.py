"""Whether the policy of a resource lets somebody use it: IAM's policy language, as far as resource policies use it.

Pure: who asks for what stands in a `Request`, nothing is looked up. What is not understood here (an operator,
NotPrincipal, a policy variable) is an error, never a permission.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

Statement = Mapping[str, Any]
_NOT_SERVED = ("NotPrincipal", "NotAction", "NotResource")


class PolicyNotUnderstoodError(NotImplementedError):
    """A policy says something that this evaluator does not know; whoever asked gets no answer."""


class Verdict(Enum):
    """What one policy says about a request; `SILENT` is a refusal to everybody but the resource's own account."""

    ALLOWED = "allowed"
    DENIED = "denied"
    SILENT = "silent"


@dataclass(frozen=True)
class Principal:
    """Who asks: a caller (`arn` as STS shows it, `iam_arn` of its user or role), a whole account, or a service."""

    account: str = ""
    arn: str = ""
    iam_arn: str = ""
    service: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The values of `Principal.AWS` that mean it."""
        root = f"arn:aws:iam::{self.account}:root"
        return () if self.service else (self.account, root, self.iam_arn, self.arn, "*")


@dataclass(frozen=True)
class Request:
    """`context`: condition keys beyond what the principal implies; their names are compared without case."""

    principal: Principal
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def value(self, key: str) -> str | None:
        """Value of a condition key, None where the request has none. All that comes here counts as TLS."""
        implied = {"aws:SecureTransport": "true"}
        if self.principal.account:
            implied["aws:PrincipalAccount"] = self.principal.account
        if self.principal.iam_arn:
            implied["aws:PrincipalArn"] = self.principal.iam_arn
        known = {name.lower(): value for name, value in {**implied, **self.context}.items()}
        return known.get(key.lower())


def evaluate(policy: str | None, request: Request) -> Verdict:
    """What a policy document says: a denial goes before any permission. Raises PolicyNotUnderstoodError."""
    effects = {statement["Effect"] for statement in _statements(policy or "{}") if _applies(statement, request)}
    if "Deny" in effects:
        return Verdict.DENIED
    return Verdict.ALLOWED if "Allow" in effects else Verdict.SILENT


def refusal(policy: str | None, request: Request) -> str | None:
    """AWS's words for a caller from another account, who needs an explicit permission; None where it has one."""
    verdict = evaluate(policy, request)
    if verdict is Verdict.ALLOWED:
        return None
    denied = f"User: {request.principal.arn} is not authorized to perform: {request.action} on resource: "
    if verdict is Verdict.DENIED:
        return f"{denied}{request.resource} with an explicit deny in a resource-based policy"
    return f"{denied}{request.resource} because no resource-based policy allows the {request.action} action"


@lru_cache(maxsize=256)
def _statements(policy: str) -> tuple[Statement, ...]:
    statements = tuple(_list(json.loads(policy).get("Statement")))
    for statement in statements:
        for element in _NOT_SERVED:
            if element in statement:
                raise PolicyNotUnderstoodError(f"{element} in the policy of a resource")
        if "${" in json.dumps(statement):
            raise PolicyNotUnderstoodError("policy variables in the policy of a resource")
    return statements


def _applies(statement: Statement, request: Request) -> bool:
    # A list, so that an operator nobody knows is found whether or not the others hold.
    conditions = list(_conditions(statement, request))
    return (
        _is_meant(statement.get("Principal", {}), request.principal)
        and any(_like(request.action.lower(), pattern.lower()) for pattern in _list(statement.get("Action")))
        # The policies of repositories name no resource: it is the repository.
        and any(_like(request.resource, pattern) for pattern in _list(statement.get("Resource", "*")))
        and all(conditions)
    )


def _is_meant(principal: Any, asking: Principal) -> bool:
    if isinstance(principal, str):
        return principal == "*"
    if asking.service:
        return "*" in _list(principal.get("AWS")) or asking.service in _list(principal.get("Service"))
    return any(value in asking.names for value in _list(principal.get("AWS")))


def _conditions(statement: Statement, request: Request) -> Iterator[bool]:
    for operator, keys in (statement.get("Condition") or {}).items():
        for key, values in keys.items():
            yield _holds(operator, request.value(key), [_text(value) for value in _list(values)])


def _holds(operator: str, actual: str | None, expected: list[str]) -> bool:
    if operator == "Null":
        return any((value == "true") == (actual is None) for value in expected)
    name = operator.removesuffix("IfExists")
    positive = name.replace("Not", "", 1)
    compare = _OPERATORS.get(positive)
    if compare is None or ("Not" in name and positive == "Bool"):
        raise PolicyNotUnderstoodError(f"condition operator {operator} in the policy of a resource")
    negated = positive != name
    if actual is None:
        return negated or name != operator
    return negated != any(compare(actual, value) for value in expected)


def _like(actual: str, pattern: str) -> bool:
    """`*` is any text, `?` one character; nothing else is special, unlike in file names."""
    return re.fullmatch(_expression(pattern), actual, re.DOTALL) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringEqualsIgnoreCase": lambda actual, value: actual.lower() == value.lower(),
    "StringLike": _like,
    # Both accept wildcards.
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda actual, value: actual.lower() == value.lower(),
}
"""By the name of the positive form; `…Not…` is its opposite."""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
