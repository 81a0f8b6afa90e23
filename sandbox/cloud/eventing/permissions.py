"""Whether a resource's policy lets an AWS service (or another account) use it.

Only what service-to-service deliveries need of IAM's policy language: effects, principals, actions, resources, and the
string, ARN, bool and null conditions on the request's source. A condition on an unknown key does not hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class ServiceRequest:
    """A call by the service principal `service` (or, if empty, by the account `source_account`) for `source_arn`."""

    service: str
    action: str
    resource: str
    source_arn: str
    source_account: str

    @property
    def context(self) -> dict[str, str]:
        """Condition keys, lower-case as IAM compares them."""
        return {
            "aws:sourcearn": self.source_arn,
            "aws:sourceaccount": self.source_account,
            "aws:sourceowner": self.source_account,
            "aws:principalaccount": self.source_account,
            "aws:securetransport": "true",
        }


def allows(policy: str | None, request: ServiceRequest) -> bool:
    """Whether some statement of the policy document allows the request and none denies it."""
    statements = _list(json.loads(policy).get("Statement")) if policy else []
    matching = [statement["Effect"] for statement in statements if _applies(statement, request)]
    return "Allow" in matching and "Deny" not in matching


def _applies(statement: Statement, request: ServiceRequest) -> bool:
    action = request.action.lower()
    return (
        _principal_matches(statement.get("Principal", {}), request)
        and any(fnmatchcase(action, pattern.lower()) for pattern in _list(statement.get("Action")))
        and any(fnmatchcase(request.resource, pattern) for pattern in _list(statement.get("Resource")) or ["*"])
        and all(
            _condition_holds(operator, key, _list(values), request)
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, values in keys.items()
        )
    )


def _principal_matches(principal: Any, request: ServiceRequest) -> bool:
    if principal == "*":
        return True
    if "*" in _list(principal.get("AWS")):
        return True
    if request.service:
        return request.service in _list(principal.get("Service"))
    root = f"arn:aws:iam::{request.source_account}:root"
    return any(value in (request.source_account, root) for value in _list(principal.get("AWS")))


def _condition_holds(operator: str, key: str, values: list[Any], request: ServiceRequest) -> bool:
    actual = request.context.get(key.lower())
    if operator == "Null":
        return any((str(value).lower() == "true") == (actual is None) for value in values)
    name = operator.removesuffix("IfExists")
    if actual is None:
        return name != operator or "Not" in name
    expected = [str(value) for value in values]
    if name in ("StringEquals", "ArnEquals", "ArnLike", "StringLike"):
        # ARN operators accept wildcards in both spellings; StringEquals does not.
        return any(actual == value if name == "StringEquals" else fnmatchcase(actual, value) for value in expected)
    if name in ("StringNotEquals", "ArnNotEquals", "ArnNotLike", "StringNotLike"):
        return not any(
            actual == value if name == "StringNotEquals" else fnmatchcase(actual, value) for value in expected
        )
    if name == "StringEqualsIgnoreCase":
        return any(actual.lower() == value.lower() for value in expected)
    if name == "Bool":
        return any(actual.lower() == value.lower() for value in expected)
    return False


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
