"""Replay: which captured files go, and which records are waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.common.capture import CaptureRecord
from functions.common.jsonlines import MalformedLine
from functions.common.payload import Payload
from release.errors import UsageError
from release.production import combined
from release.replaying import File, parse_since, select

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BODY = Payload(b"1,2", "text/csv")


def file(name: str, *ids: str, minutes: int = 0, malformed: int = 0) -> File:
    lines: list[CaptureRecord | MalformedLine] = [
        CaptureRecord(number, event, None, NOW + timedelta(minutes=minutes), BODY, BODY)
        for number, event in enumerate(ids, start=1)
    ]
    return name, lines + [MalformedLine.of(9, "{", "not JSON")] * malformed


def test_the_newest_files_that_hold_so_many_requests() -> None:
    files = [file("a", "1", "2"), file("b", "3", "4"), file("c", "5", malformed=1)]
    assert select(files, 100, None, 2) == (["b", "c"], {"3", "4", "5"}, 1)
    assert select(files, 100, None, None) == (["a", "b", "c"], {"1", "2", "3", "4", "5"}, 1)


def test_requests_of_an_earlier_version_are_not_waited_for() -> None:
    files = [file("a", "1", minutes=-1), file("b", "2", minutes=1)]
    assert select(files, 100, NOW, None) == (["a", "b"], {"2"}, 0)


def test_only_the_sample_is_waited_for() -> None:
    ids = [f"event-{number}" for number in range(400)]
    _, expected, _ = select([file("a", *ids)], 25, None, None)
    assert 60 < len(expected) < 140


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (None, None),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-23T10:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00+02:00", datetime(2026, 11, 23, 8, tzinfo=UTC)),
    ],
)
def test_since(text: str | None, time: datetime | None) -> None:
    assert parse_since(text, NOW) == time


def test_an_unreadable_since_is_refused() -> None:
    with pytest.raises(UsageError, match="'yesterday' is no time") as wrong:
        parse_since("yesterday", NOW)
    assert wrong.value.where == "--since"


def test_latency_is_weighted_by_samples_and_in_milliseconds() -> None:
    found = combined([(100, 1000.0, 9000.0), (300, 2000.0, 5000.0)])
    assert found is not None
    assert (found.p50_ms, found.p99_ms, found.samples) == (1.75, 6.0, 400)
    assert combined([]) is None
