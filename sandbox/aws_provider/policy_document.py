"""aws:iam/getPolicyDocument: a policy document from statements, in the form the real function writes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from sandbox.aws_provider.errors import ProviderError


def document(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The result of the function. Raises ProviderError for a Sid that stands twice."""
    for deprecated in ("sourceJson", "overrideJson"):
        if arguments.get(deprecated):
            raise ProviderError(f"getPolicyDocument: {deprecated} is no longer supported")
    statements: list[dict[str, Any]] = []
    policy_id = arguments.get("policyId")
    sources = [_parsed(text) for text in arguments.get("sourcePolicyDocuments") or [] if text]
    _extend(statements, [entry for source in sources for entry in _statements(source)], "sourcePolicyDocuments")
    version = arguments.get("version") or "2012-10-17"
    own = [_statement(entry, version) for entry in arguments.get("statements") or []]
    _unique(own, "statements")
    for entry in own:
        _override(statements, entry)
    for text in arguments.get("overridePolicyDocuments") or []:
        for entry in _statements(_parsed(text)) if text else []:
            _override(statements, entry)
    policy: dict[str, Any] = {"Version": version}
    if policy_id:
        policy["Id"] = policy_id
    if statements:
        policy["Statement"] = statements
    text = json.dumps(policy, indent=2, ensure_ascii=False)
    return {
        **{name: value for name, value in arguments.items() if value is not None},
        "version": version,
        "json": text,
        "minifiedJson": json.dumps(policy, separators=(",", ":"), ensure_ascii=False),
        "id": str(zlib.crc32(text.encode())),
    }


def _statement(entry: Mapping[str, Any], version: str) -> dict[str, Any]:
    statement: dict[str, Any] = {}
    if entry.get("sid"):
        statement["Sid"] = entry["sid"]
    statement["Effect"] = entry.get("effect") or "Allow"
    for name, key in (("actions", "Action"), ("notActions", "NotAction")):
        if entry.get(name):
            statement[key] = _set(entry[name])
    for name, key in (("resources", "Resource"), ("notResources", "NotResource")):
        if entry.get(name):
            statement[key] = _set([_interpolated(text, version) for text in entry[name]])
    for name, key in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if entry.get(name):
            statement[key] = _principals(entry[name], version)
    if entry.get("conditions"):
        statement["Condition"] = _conditions(entry["conditions"], version)
    return statement


def _principals(entries: list[Mapping[str, Any]], version: str) -> Any:
    people: dict[str, list[str]] = {}
    for entry in entries:
        identifiers = [_interpolated(text, version) for text in entry["identifiers"]]
        if entry["type"] == "*" and identifiers == ["*"]:
            return "*"
        people.setdefault(entry["type"], []).extend(identifiers)
    return {kind: _set(who) for kind, who in people.items()}


def _conditions(entries: list[Mapping[str, Any]], version: str) -> dict[str, Any]:
    merged: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        values = [_interpolated(text, version) for text in entry["values"]]
        merged.setdefault(entry["test"], {}).setdefault(entry["variable"], []).extend(values)
    return {
        test: {variable: values[0] if len(values) == 1 else values for variable, values in tests.items()}
        for test, tests in merged.items()
    }


def _set(values: list[str]) -> str | list[str]:
    unique = sorted(set(values), reverse=True)
    return unique[0] if len(unique) == 1 else unique


def _interpolated(text: str, version: str) -> str:
    if "&{" in text and version == "2008-10-17":
        raise ProviderError(f"getPolicyDocument: found &{{ in {text!r}: policy variables need version 2012-10-17")
    return text.replace("&{", "${")


def _parsed(text: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise ProviderError(f"getPolicyDocument: a merged document is not JSON: {error}") from error
    return parsed


def _statements(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    statements = policy.get("Statement") or []
    return statements if isinstance(statements, list) else [statements]


def _unique(statements: list[dict[str, Any]], where: str) -> None:
    sids = [entry["Sid"] for entry in statements if entry.get("Sid")]
    for sid in sids:
        if sids.count(sid) > 1:
            raise ProviderError(f"getPolicyDocument: duplicate Sid ({sid}) in {where}")


def _extend(statements: list[dict[str, Any]], more: list[dict[str, Any]], where: str) -> None:
    _unique([*statements, *more], where)
    statements.extend(more)


def _override(statements: list[dict[str, Any]], entry: dict[str, Any]) -> None:
    """Replaces the statement with the same Sid, or appends."""
    for index, present in enumerate(statements):
        if entry.get("Sid") and present.get("Sid") == entry["Sid"]:
            statements[index] = entry
            return
    statements.append(entry)
