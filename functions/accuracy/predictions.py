"""Captured predictions by id, read hour by hour from the newest, no file twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from functions.common import capture
from functions.common.capture import CaptureRecord
from functions.common.payload import Payload

_HOUR = timedelta(hours=1)
_KEPT_PREDICTIONS = 100_000


@dataclass(frozen=True)
class Prediction:
    """What production answered, and when it was asked."""

    inference_time: datetime
    answer: Payload | None


class Predictions(Protocol):
    """Where predictions are looked up."""

    def find(self, ids: set[str], hours: Iterable[datetime]) -> dict[str, Prediction]:
        """The newest prediction of each id that is found; looks through the hours in order until all are."""
        ...


def hours_back(newest: datetime, oldest: datetime) -> Iterator[datetime]:
    """Full hours (UTC) from the newest to the oldest, both included."""
    hour = newest.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour + _HOUR > oldest:
        yield hour
        hour -= _HOUR


class CapturedPredictions:
    """Predictions in a variant's capture files; what was read is kept as long as the execution environment lives."""

    def __init__(self, s3: Any, bucket: str, prefix: str, kept_predictions: int = _KEPT_PREDICTIONS) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._limit = kept_predictions
        self._files: OrderedDict[tuple[str, str], dict[str, Prediction]] = OrderedDict()

    def find(self, ids: set[str], hours: Iterable[datetime]) -> dict[str, Prediction]:
        found: dict[str, Prediction] = {}
        for hour in hours:
            if ids <= found.keys():
                break
            for key, etag in self._listed(hour):
                predictions = self._file(key, etag)
                for name in ids & predictions.keys():
                    if name not in found or found[name].inference_time < predictions[name].inference_time:
                        found[name] = predictions[name]
        return found

    def _listed(self, hour: datetime) -> Iterator[tuple[str, str]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}{hour:%Y/%m/%d/%H}/"
        )
        for page in pages:
            for item in page.get("Contents", ()):
                yield item["Key"], item["ETag"]

    def _file(self, key: str, etag: str) -> dict[str, Prediction]:
        known = self._files.get((key, etag))
        if known is not None:
            self._files.move_to_end((key, etag))
            return known
        predictions: dict[str, Prediction] = {}
        with closing(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]) as body:
            # Lines that cannot be read are the replay function's to report; here they hold no prediction.
            for record in capture.read(body.iter_lines()):
                if isinstance(record, CaptureRecord):
                    predictions |= dict.fromkeys(record.ids, Prediction(record.inference_time, record.response))
        self._files[(key, etag)] = predictions
        while len(self._files) > 1 and sum(map(len, self._files.values())) > self._limit:
            self._files.popitem(last=False)
        return predictions
