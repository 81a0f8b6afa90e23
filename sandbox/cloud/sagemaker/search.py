"""Search over packages, groups, models, endpoints and training jobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.core.utils import get_service_model

from sandbox.cloud.actions import Call, Handler
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.store import Description, Shelf, Store, refuse

KINDS = ("ModelPackage", "ModelPackageGroup", "Endpoint", "TrainingJob")
_OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "Equals": lambda found, wanted: _same(found, wanted),
    "NotEquals": lambda found, wanted: not _same(found, wanted),
    "Contains": lambda found, wanted: wanted in str(found or ""),
    "GreaterThan": lambda found, wanted: found is not None and _number(found) > _number(wanted),
    "GreaterThanOrEqualTo": lambda found, wanted: found is not None and _number(found) >= _number(wanted),
    "LessThan": lambda found, wanted: found is not None and _number(found) < _number(wanted),
    "LessThanOrEqualTo": lambda found, wanted: found is not None and _number(found) <= _number(wanted),
    "In": lambda found, wanted: any(_same(found, one) for one in wanted.split(",")),
    "Exists": lambda found, _: found is not None,
    "NotExists": lambda found, _: found is None,
}


class Search:
    """The Search operation; filters speak of members by path (`CustomerMetadataProperties.key`, `Tags.key`)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {"Search": self.search}

    def search(self, call: Call) -> Description:
        shelf, kind = self._store.shelf(call.scope), call["Resource"]
        if kind not in KINDS:
            raise refuse(f"Search does not cover resource type {kind} here.")
        expression = call.get("SearchExpression") or {}
        _check(expression, kind)
        kept = []
        # Nothing is discoverable from other accounts here.
        for item in [] if call.get("CrossAccountFilterOption") == "CrossAccount" else _resources(shelf, kind):
            tags = shelf.tags.get(item[f"{kind}Arn"], {})
            if _holds(expression, item, tags):
                listed = [{"Key": key, "Value": value} for key, value in tags.items()]
                kept.append({"LastModifiedTime": item["CreationTime"], **item, **({"Tags": listed} if listed else {})})
        answer = page(call, "Results", kept, name=f"{kind}Name", by=call.get("SortBy", "LastModifiedTime"))
        answer["Results"] = [{kind: item} for item in answer["Results"]]
        answer["TotalHits"] = {"Value": len(kept), "Relation": "EqualTo"}
        return answer


def _resources(shelf: Shelf, kind: str) -> Iterable[Description]:
    if kind == "ModelPackage":
        return shelf.packages.values()
    if kind == "ModelPackageGroup":
        return shelf.package_groups.values()
    if kind == "Endpoint":
        return [endpoint.describe() for endpoint in shelf.endpoints.values()]
    return [job.describe() for job in shelf.training_jobs.values()]


def _check(expression: Mapping[str, Any], kind: str) -> None:
    """Refuse properties that the kind does not have, which would find nothing, and what is not served."""
    if expression.get("NestedFilters"):
        raise refuse("Search does not cover NestedFilters here.")
    known = get_service_model("sagemaker").shape_for(kind).members
    for one in expression.get("Filters") or []:
        if one["Name"].partition(".")[0] not in known:
            raise refuse(wording.SEARCH_PROPERTY.format(name=one["Name"], kind=kind))
    for one in expression.get("SubExpressions") or []:
        _check(one, kind)


def _holds(expression: Mapping[str, Any], item: Description, tags: Mapping[str, str]) -> bool:
    answers = [_filter_holds(one, item, tags) for one in expression.get("Filters") or []]
    answers += [_holds(one, item, tags) for one in expression.get("SubExpressions") or []]
    if not answers:
        return True
    return any(answers) if expression.get("Operator") == "Or" else all(answers)


def _filter_holds(one: Mapping[str, Any], item: Description, tags: Mapping[str, str]) -> bool:
    found = _value(one["Name"], item, tags)
    return bool(_OPERATORS[one.get("Operator", "Equals")](found, one.get("Value", "")))


def _value(path: str, item: Description, tags: Mapping[str, str]) -> Any:
    head, _, rest = path.partition(".")
    if head == "Tags":
        return tags.get(rest)
    value: Any = item.get(head)
    while rest and isinstance(value, Mapping):
        # A metadata key may hold dots itself.
        if rest in value:
            value, rest = value[rest], ""
        else:
            head, _, rest = rest.partition(".")
            value = value.get(head)
    return None if rest else value


def _same(found: Any, wanted: str) -> bool:
    return _number(found) == _number(wanted) if isinstance(found, datetime) else str(found) == wanted


def _number(value: Any) -> float:
    """A number or a moment (ISO 8601, UTC) as filters compare them."""
    try:
        if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        return float(value)
    except (TypeError, ValueError) as error:
        raise refuse(wording.SEARCH_VALUE.format(value=value)) from error
