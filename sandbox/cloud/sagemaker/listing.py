"""Pages of a List operation: filters, order and tokens, the same for every kind of resource."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from sandbox.cloud.actions import Call
from sandbox.cloud.sagemaker.store import refuse

DEFAULT_RESULTS = 10


def page(
    call: Call,
    result: str,
    items: Iterable[Mapping[str, Any]],
    *,
    name: str,
    status: str | None = None,
    by: str | None = None,
    order: Literal["Ascending", "Descending"] = "Descending",
) -> dict[str, Any]:
    """The page of `items` (summaries) that the request asks for, under the response's member `result`.

    `name` and `status` are the summaries' members that NameContains, StatusEquals and SortBy speak of, `by` the member
    to sort by where SortBy speaks of none of them; `order` is the operation's default of SortOrder.
    """
    kept = [item for item in items if _matches(call, item, name, status)]
    member = by or {"Name": name, "Status": status}.get(call.get("SortBy", "CreationTime")) or "CreationTime"
    kept.sort(key=lambda item: (member in item, item.get(member), item["CreationTime"]))
    if call.get("SortOrder", order) == "Descending":
        kept.reverse()
    start = _offset(call.get("NextToken"))
    end = start + int(call.get("MaxResults") or DEFAULT_RESULTS)
    answer: dict[str, Any] = {result: kept[start:end]}
    if end < len(kept):
        answer["NextToken"] = base64.urlsafe_b64encode(str(end).encode()).decode()
    return answer


def _matches(call: Call, item: Mapping[str, Any], name: str, status: str | None) -> bool:
    contains = call.get("NameContains")
    if contains and contains.lower() not in str(item.get(name, "")).lower():
        return False
    wanted = call.get("StatusEquals")
    if wanted and status and item.get(status) != wanted:
        return False
    for member in ("CreationTime", "LastModifiedTime"):
        after, before = call.get(f"{member}After"), call.get(f"{member}Before")
        if after and not item[member] > _aware(after):
            return False
        if before and not item[member] < _aware(before):
            return False
    return True


def _aware(moment: datetime) -> datetime:
    # moto's parser gives naive UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError) as error:
        raise refuse("Invalid NextToken.") from error
