"""Joins labels with captured predictions and says which were right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.accuracy.joins import Join, Joins
from functions.accuracy.predictions import Prediction, Predictions, hours_back
from functions.common.groundtruth import Label
from functions.common.payload import UnreadablePayloadError
from functions.common.quality import NoSuchValueError, Quality

LOOK_BACK = timedelta(hours=24)
"""How old a prediction may be when its label comes without a time."""
WAIT_FOR_CAPTURE = timedelta(hours=1)
"""How long a label waits for its prediction's capture, which takes minutes, before it counts as unmatched."""


@dataclass(frozen=True)
class Settled:
    """Labels that need no further look, by what became of them; `right` and `wrong` count rows."""

    right: int = 0
    wrong: int = 0
    superseded: int = 0
    unmatched: int = 0
    unusable: int = 0

    def __add__(self, other: Settled) -> Settled:
        return Settled(
            self.right + other.right,
            self.wrong + other.wrong,
            self.superseded + other.superseded,
            self.unmatched + other.unmatched,
            self.unusable + other.unusable,
        )


@dataclass(frozen=True)
class Joiner:
    """`deployed_at`: when the current deployment began; only later predictions are its own."""

    quality: Quality
    predictions: Predictions
    joins: Joins
    publish: Callable[[Settled], None]
    deployed_at: datetime
    now: datetime
    look_back: timedelta = LOOK_BACK
    wait_for_capture: timedelta = WAIT_FOR_CAPTURE

    def join(self, joins: Sequence[Join], unusable: int = 0) -> Settled:
        """Settles what can be settled of some files; publishes each file's share only when this worker won its change.

        `unusable` lines of the first file are counted with it.
        """
        found = self._find([label for join in joins for label in join.open])
        total = Settled()
        for index, join in enumerate(joins):
            settled, still_open = self._settle(join, found)
            if index == 0:
                settled += Settled(unusable=unusable)
            if settled == Settled() and join.version is not None:
                continue
            kept = self.joins.change(join, still_open)
            if kept is None:
                continue
            self._publish(settled, join, kept)
            total += settled
        return total

    def _publish(self, settled: Settled, before: Join, kept: Join) -> None:
        try:
            self.publish(settled)
        except Exception:
            # Not published: open again, so that the next event counts these labels.
            self.joins.change(kept, before.open)
            raise
        if not kept.open:
            self.joins.close(kept.identity)

    def _find(self, labels: Sequence[Label]) -> dict[str, Prediction]:
        timed = {label.event_id: label.inference_time for label in labels if label.inference_time is not None}
        found = self.predictions.find(set(timed), _hours_of(timed.values())) if timed else {}
        others = {label.event_id for label in labels} - timed.keys()
        if others:
            found |= self.predictions.find(others, hours_back(self.now, self.now - self.look_back))
        return found

    def _settle(self, join: Join, found: dict[str, Prediction]) -> tuple[Settled, list[Label]]:
        settled, still_open = Settled(), []
        given_up = self.now - join.first_seen >= self.wait_for_capture
        for label in join.open:
            prediction = found.get(label.event_id)
            if prediction is not None:
                settled += self._verdict(label, prediction)
            elif label.inference_time is not None and label.inference_time <= self.deployed_at:
                settled += Settled(superseded=1)
            elif given_up:
                settled += Settled(unmatched=1)
            else:
                still_open.append(label)
        return settled, still_open

    def _verdict(self, label: Label, prediction: Prediction) -> Settled:
        # Capture's times are whole seconds: one in the second of the change may be the old version's, and is left out.
        if prediction.inference_time <= self.deployed_at:
            return Settled(superseded=1)
        try:
            rows = self.quality.correct(prediction.answer, label.truth)
        except (NoSuchValueError, UnreadablePayloadError):
            return Settled(unusable=1)
        return Settled(right=sum(rows), wrong=len(rows) - sum(rows))


def _hours_of(times: Iterable[datetime]) -> Iterator[datetime]:
    """The hours of these times, and the ones after them, as a file may be written under the hour it is delivered in."""
    hours = {hour for time in times for hour in hours_back(time + timedelta(hours=1), time)}
    yield from sorted(hours, reverse=True)
