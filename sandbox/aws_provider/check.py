"""Check: the program's inputs made complete, or the reasons why they cannot be used."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationModel

from sandbox.aws_provider import naming, requests
from sandbox.aws_provider.errors import NamingError
from sandbox.aws_provider.table import Call, ResourceType
from sandbox.aws_provider.values import DEFAULTS, UNKNOWN, has_unknown, is_asset, is_unknown, places

# The bridge turns an object given for these into its JSON text; other JSON properties must be texts.
_OBJECT_ALLOWED = ("policy", "assumeRolePolicy")


@dataclass(frozen=True)
class Request:
    """One CheckRequest."""

    urn: str
    name: str
    olds: Mapping[str, Any]
    news: Mapping[str, Any]
    seed: bytes
    region: str
    default_tags: Mapping[str, str]
    autonaming: naming.Autonaming | None = None


@dataclass(frozen=True)
class Failure:
    """Why a property cannot be used."""

    property: str
    reason: str


def check(
    spec: ResourceType, request: Request, models: Iterable[tuple[Call, OperationModel]]
) -> tuple[dict[str, Any], list[Failure]]:
    """The checked inputs (region, tags, defaults and name filled in) and what is wrong with them."""
    inputs = {name: copy.deepcopy(value) for name, value in request.news.items() if name != DEFAULTS}
    failures = _strange(spec, inputs, list(models))
    failures += _json(spec, inputs)
    if spec.regional and not inputs.get("region"):
        inputs["region"] = request.region
    if spec.tagged and "tagsAll" in spec.outputs:
        inputs["tagsAll"] = _all_tags(request.default_tags, inputs.get("tags", {}))
    defaulted = _static_defaults(spec, inputs)
    try:
        defaulted += _automatic_name(spec, request, inputs)
    except NamingError as error:
        failures.append(Failure("", str(error)))
    inputs[DEFAULTS] = sorted(defaulted)
    failures += [
        Failure("", f"missing required property {name!r}") for name in spec.required if inputs.get(name) is None
    ]
    return inputs, failures


def _strange(spec: ResourceType, inputs: Mapping[str, Any], models: list[tuple[Call, OperationModel]]) -> list[Failure]:
    found = []
    for name, value in inputs.items():
        if name == "tagsAll" and spec.tagged:
            continue
        if name not in spec.inputs:
            found.append(Failure(name, f"the sandbox's table has no property {name!r} for {spec.token}"))
        elif isinstance(value, Mapping | list) and not is_asset(value) and name not in spec.json:
            for path in requests.unserved(spec, models, name, value):
                found.append(Failure(path, f"AWS knows no property {path!r} for {spec.token}"))
    return found


def _json(spec: ResourceType, inputs: dict[str, Any]) -> list[Failure]:
    failures = []
    for name in spec.json:
        value = inputs.get(name)
        if isinstance(value, Mapping | list):
            if name not in _OBJECT_ALLOWED:
                failures.append(Failure(name, f"{name!r} must be a JSON text, not an object"))
                continue
            inputs[name] = UNKNOWN if has_unknown(value) else json.dumps(value, separators=(",", ":"))
        elif isinstance(value, str) and value and not is_unknown(value):
            try:
                json.loads(value)
            except ValueError as error:
                failures.append(Failure(name, f"{name!r} contains invalid JSON: {error}"))
    return failures


def _all_tags(defaults: Mapping[str, str], tags: Any) -> Any:
    if has_unknown(tags):
        return UNKNOWN
    return {**defaults, **(tags or {})}


def _static_defaults(spec: ResourceType, inputs: dict[str, Any]) -> list[str]:
    """Writes the truthy defaults; falsy ones show in outputs only. Returns the top-level ones written."""
    written = []
    for path, value in spec.defaults.items():
        if not value:
            continue
        last = path.rsplit(".", 1)[-1]
        for holder in places(inputs, path):
            if last in holder:
                continue
            holder[last] = value
            if holder is inputs:
                written.append(last)
            else:
                holder[DEFAULTS] = sorted([*holder.get(DEFAULTS, []), last])
    return written


def _automatic_name(spec: ResourceType, request: Request, inputs: dict[str, Any]) -> list[str]:
    rule = spec.name
    if rule is None or inputs.get(rule.property) or any(inputs.get(name) for name in rule.unless):
        return []
    if rule.property in request.olds.get(DEFAULTS, []) and rule.property in request.olds:
        inputs[rule.property] = request.olds[rule.property]
    else:
        inputs[rule.property] = naming.generate(
            rule, request.name, inputs, request.seed, request.urn, request.autonaming
        )
    return [rule.property]
