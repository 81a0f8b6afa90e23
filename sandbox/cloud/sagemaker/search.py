"""Search over packages, groups, models, endpoints and training jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sandbox.cloud.actions import Call, Handler
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.store import Description, Shelf, Store, refuse

_OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "Equals": lambda found, wanted: found == wanted,
    "NotEquals": lambda found, wanted: found != wanted,
    "Contains": lambda found, wanted: wanted in (found or ""),
    "GreaterThan": lambda found, wanted: found is not None and float(found) > float(wanted),
    "GreaterThanOrEqualTo": lambda found, wanted: found is not None and float(found) >= float(wanted),
    "LessThan": lambda found, wanted: found is not None and float(found) < float(wanted),
    "LessThanOrEqualTo": lambda found, wanted: found is not None and float(found) <= float(wanted),
    "In": lambda found, wanted: found in wanted.split(","),
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
        found = _resources(shelf, kind)
        if found is None:
            raise refuse(f"Search does not cover resource type {kind} here.")
        arn_member = f"{kind}Arn"
        kept = []
        for item in found:
            tags = shelf.tags.get(item[arn_member], {})
            if _holds(call.get("SearchExpression") or {}, item, tags):
                listed = [{"Key": key, "Value": value} for key, value in tags.items()]
                kept.append({**item, "Tags": listed} if listed else item)
        answer = page(call, "Results", kept, name=f"{kind}Name")
        answer["Results"] = [{kind: item} for item in answer["Results"]]
        return answer


def _resources(shelf: Shelf, kind: str) -> Iterable[Description] | None:
    if kind == "ModelPackage":
        return shelf.packages.values()
    if kind == "ModelPackageGroup":
        return shelf.package_groups.values()
    if kind == "Endpoint":
        return [endpoint.describe() for endpoint in shelf.endpoints.values()]
    if kind == "TrainingJob":
        return [job.describe() for job in shelf.training_jobs.values()]
    return None


def _holds(expression: Mapping[str, Any], item: Description, tags: Mapping[str, str]) -> bool:
    answers = [_filter_holds(one, item, tags) for one in expression.get("Filters") or []]
    answers += [_holds(one, item, tags) for one in expression.get("SubExpressions") or []]
    if not answers:
        return True
    return any(answers) if expression.get("Operator") == "Or" else all(answers)


def _filter_holds(one: Mapping[str, Any], item: Description, tags: Mapping[str, str]) -> bool:
    found = _value(one["Name"], item, tags)
    return bool(_OPERATORS[one.get("Operator", "Equals")](found, one.get("Value", "")))


def _value(path: str, item: Description, tags: Mapping[str, str]) -> str | None:
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
    if value is None or rest:
        return None
    return str(value.timestamp()) if isinstance(value, datetime) else str(value)
