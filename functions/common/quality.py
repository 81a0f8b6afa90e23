"""Was a prediction right? One rule for the live accuracy metric and for evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from functions.common.comparison import number
from functions.common.payload import JsonValue, Payload, UnreadablePayloadError

Task = Literal["classification", "regression"]


class NoSuchValueError(ValueError):
    """An answer or a label does not hold the value that was asked for."""


@dataclass(frozen=True)
class Quality:
    """The `quality` part of `package.yaml`.

    `label` is the dotted path of the prediction in an answer; in CSV the name of a column (where `columns` names
    them), the number of a column, or else the first column. `tolerance` is in the label's unit, regression only.
    """

    task: Task
    label: str
    tolerance: float = 0.0
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in ("classification", "regression"):
            raise ValueError(f"task is {self.task!r}, must be classification or regression")
        if not 0 <= self.tolerance < math.inf:
            raise ValueError(f"tolerance is {self.tolerance}, must be a number of at least 0")

    def predictions(self, answer: Payload) -> list[JsonValue]:
        """One value a row of the answer. Raises UnreadablePayloadError or NoSuchValueError."""
        return _values(answer, self.label, self.columns)

    def truths(self, truth: Payload) -> list[JsonValue]:
        """One value a row of the label; a bare value needs no path. Raises as `predictions`."""
        truths = _values(truth, self.label, ())
        if self.task == "regression" and any((n := number(t)) is None or not math.isfinite(n) for t in truths):
            raise NoSuchValueError(f"a regression label must be a finite number, got {truths!r}")
        return truths

    def correct(self, answer: Payload | None, truth: Payload) -> list[bool]:
        """One verdict a row of `truth`; an answer that is missing, unreadable or too short is wrong, not skipped.

        Raises UnreadablePayloadError or NoSuchValueError when the label itself is unusable.
        """
        truths = self.truths(truth)
        try:
            predictions: Sequence[JsonValue] = [] if answer is None else self.predictions(answer)
        except (UnreadablePayloadError, NoSuchValueError):
            predictions = []
        if len(predictions) != len(truths):
            return [False] * len(truths)
        return [self._right(p, t) for p, t in zip(predictions, truths, strict=True)]

    def _right(self, predicted: JsonValue, truth: JsonValue) -> bool:
        one, other = number(predicted), number(truth)
        if self.task == "regression":
            return one is not None and other is not None and abs(one - other) <= self.tolerance
        if one is not None and other is not None:
            return one == other
        return str(predicted) == str(truth)


def _values(payload: Payload, path: str, columns: tuple[str, ...]) -> list[JsonValue]:
    document = payload.document()
    if payload.kind == "csv":
        index = columns.index(path) if path in columns else int(path) if path.isdecimal() else 0
        try:
            values = [row[index] for row in document]
        except IndexError as error:
            raise NoSuchValueError(f"a CSV row has no column {index} ({path!r})") from error
    else:
        values = list(_walk(document, path.split("."), path))
    if not values:
        raise NoSuchValueError("the body has no rows")
    return values


def _walk(value: JsonValue, parts: list[str], path: str) -> Iterator[JsonValue]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, parts, path)
    elif isinstance(value, dict):
        if not parts or parts[0] not in value:
            raise NoSuchValueError(f"no value at {path!r}: it has {', '.join(map(str, value)) or 'no keys'}")
        yield from _walk(value[parts[0]], parts[1:], path)
    elif parts and parts != path.split("."):
        raise NoSuchValueError(f"no value at {path!r}: the path goes on below {value!r}")
    else:
        yield value
