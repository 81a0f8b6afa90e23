"""Embedded metric format: metrics inside log lines.

Source: CloudWatch User Guide, "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One value of one metric under one set of dimensions."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    value: float
    unit: str
    timestamp: datetime


def samples(line: str) -> Iterator[Sample]:
    """The samples of a log line; none if it is no EMF document. Parts that break the specification are skipped."""
    if '"_aws"' not in line:
        return
    try:
        document = json.loads(line)
        metadata = document["_aws"]
        timestamp = datetime.fromtimestamp(metadata["Timestamp"] / 1000, UTC)
        directives = list(metadata["CloudWatchMetrics"])
    except (ValueError, KeyError, TypeError):
        return
    for directive in directives:
        for names in directive.get("Dimensions") or [[]]:
            if all(isinstance(document.get(name), str) for name in names):
                dimensions = {name: document[name] for name in names}
                yield from _of(document, directive, dimensions, timestamp)


def _of(
    document: dict[str, Any], directive: dict[str, Any], dimensions: dict[str, str], timestamp: datetime
) -> Iterator[Sample]:
    for metric in directive.get("Metrics") or ():
        values = document.get(metric["Name"])
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, int | float) and not isinstance(value, bool):
                unit = metric.get("Unit") or "None"
                yield Sample(directive["Namespace"], metric["Name"], dimensions, float(value), unit, timestamp)
