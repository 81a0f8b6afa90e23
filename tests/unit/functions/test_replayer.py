"""Replaying a capture file: what is kept when things go well, twice, late or wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from functions.common.comparison import Rules
from functions.common.jsonlines import MalformedLine
from functions.common.pacing import Pacer
from functions.common.payload import Payload
from functions.common.records import ComparisonRecord
from functions.replay.ledger import CaptureFile, Part
from functions.replay.replayer import OutOfTimeError, PartReport, Replayer
from functions.replay.settings import ReplaySettings
from functions.replay.shadow import Answer, ShadowUnavailableError
from tests.unit.functions.captures import KEY, capture_line

FILE = CaptureFile("captures", KEY, '"etag-1"')
SETTINGS = ReplaySettings(
    service="tumor-triage",
    endpoint_name="tumor-triage-shadow",
    artifact_digest="d" * 64,
    records_bucket="records",
    source_prefix="capture/tumor-triage-prod/ProductionVariant/",
    traffic_percent=100,
    requests_per_second=1e6,
    speed=0,
    rules=Rules(),
)
LATER = float("inf")


@dataclass
class MemoryLedger:
    """Parts as S3 keeps them: the first one stands."""

    parts: dict[int, Part] = field(default_factory=dict)
    records: list[ComparisonRecord] = field(default_factory=list)
    dead: list[MalformedLine] = field(default_factory=list)
    before_add: Callable[[], None] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def part(self, file: CaptureFile, first_line: int) -> Part | None:
        assert file == FILE
        return self.parts.get(first_line)

    def add(self, file: CaptureFile, first_line: int, part: Part, records: Sequence[ComparisonRecord]) -> bool:
        self.before_add()
        with self.lock:
            if first_line in self.parts:
                return False
            self.parts[first_line] = part
            self.records += records
            return True

    def add_dead_letters(self, file: CaptureFile, first_line: int, part: Part, lines: Sequence[MalformedLine]) -> None:
        self.dead += lines


@dataclass
class FakeShadow:
    """Answers by a function of the request's body; counts the calls."""

    answer: Callable[[bytes], Answer] = lambda body: answered('{"label": 1}')
    bodies: list[bytes] = field(default_factory=list)
    accepted: set[str | None] = field(default_factory=set)

    def invoke(self, request: Payload, accept: str | None, inference_id: str, deadline: float) -> Answer:
        self.bodies.append(request.body)
        self.accepted.add(accept)
        return self.answer(request.body)


def answered(body: str, status: int = 200) -> Answer:
    return Answer(Payload(body.encode(), "application/json"), status, 5.0)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


@dataclass
class Bench:
    replayer: Replayer
    ledger: MemoryLedger
    shadow: FakeShadow
    reports: list[PartReport]

    def run(self, lines: Sequence[bytes], deadline: float = LATER) -> None:
        self.replayer.replay(FILE, iter(lines), deadline)


@pytest.fixture
def bench(threads: ThreadPoolExecutor) -> Bench:
    return make_bench(threads)


def make_bench(threads: ThreadPoolExecutor, **changes: Any) -> Bench:
    reports: list[PartReport] = []
    ledger, shadow = MemoryLedger(), FakeShadow()
    pacer = Pacer(SETTINGS.requests_per_second)
    replayer = Replayer(SETTINGS, shadow, ledger, pacer, threads, reports.append, part_lines=10)
    return Bench(replace(replayer, **changes), ledger, shadow, reports)


def events(bench: Bench) -> list[str]:
    return [record.event_id for record in bench.ledger.records]


def names(numbers: Sequence[int]) -> list[str]:
    return [f"event-{number}" for number in numbers]


LINES = [capture_line(number) for number in range(1, 26)]


def test_each_line_is_asked_and_recorded_once_in_parts(bench: Bench) -> None:
    bench.run(LINES)
    assert events(bench) == names(range(1, 26))
    assert sorted(bench.shadow.bodies) == sorted(f"{number},2.5".encode() for number in range(1, 26))
    assert bench.shadow.accepted == {"application/json"}
    assert bench.ledger.parts == {1: Part(11, False), 11: Part(21, False), 21: Part(26, True)}
    assert [report.replayed for report in bench.reports] == [10, 10, 5]
    assert bench.reports[0].latencies_ms == [5.0] * 10


def test_a_record_says_what_was_asked_and_answered(bench: Bench) -> None:
    bench.run([capture_line(1, inference_id="i-1")])
    (record,) = bench.ledger.records
    assert record == ComparisonRecord.from_json(record.to_json())
    assert (record.service, record.event_id, record.inference_id) == ("tumor-triage", "event-1", "i-1")
    assert record.production.variant == "ProductionVariant"
    assert record.production.output == Payload(b'{"label": 1}', "application/json")
    assert record.shadow.model_package_digest == "d" * 64
    assert record.comparison.verdict == "match"
    assert not record.transform


def test_a_full_last_part_completes_the_file(bench: Bench) -> None:
    bench.run(LINES[:20])
    assert bench.ledger.parts == {1: Part(11, False), 11: Part(21, True)}


def test_an_empty_file_is_complete(bench: Bench) -> None:
    bench.run([])
    assert bench.ledger.parts == {1: Part(1, True)}


def test_a_message_that_comes_again_changes_nothing(bench: Bench) -> None:
    for _ in range(5):
        bench.run(LINES)
    assert events(bench) == names(range(1, 26))
    assert len(bench.shadow.bodies) == 25
    assert sum(report.replayed for report in bench.reports) == 25


def test_two_workers_at_once_have_one_effect(threads: ThreadPoolExecutor) -> None:
    one, other = make_bench(threads), make_bench(threads)
    both = threading.Barrier(2, timeout=10)
    met = iter([True])

    def meet() -> None:
        if next(met, False) or both.n_waiting:
            both.wait()

    shared = MemoryLedger(before_add=meet)
    with ThreadPoolExecutor(2) as workers:
        runs = [
            workers.submit(replace(each.replayer, ledger=shared).replay, FILE, iter(LINES), LATER)
            for each in (one, other)
        ]
        for run in runs:
            run.result(timeout=20)
    assert [record.event_id for record in shared.records] == names(range(1, 26))
    assert sum(report.replayed for report in one.reports + other.reports) == 25


def test_a_killed_worker_s_file_is_completed_by_the_next(bench: Bench) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        if len(bench.ledger.parts) == 1:
            raise Killed

    bench.ledger.before_add = kill
    with pytest.raises(Killed):
        bench.run(LINES)
    assert events(bench) == names(range(1, 11))
    bench.ledger.before_add = lambda: None
    bench.run(LINES)
    assert events(bench) == names(range(1, 26))
    assert [report.replayed for report in bench.reports] == [10, 10, 5]


def test_the_finished_lines_are_kept_when_the_time_is_up(threads: ThreadPoolExecutor) -> None:
    clock = {"now": 0.0}

    def sleep(seconds: float) -> None:
        clock["now"] += seconds

    with ThreadPoolExecutor(1) as one_thread:
        pacer = Pacer(1, clock=lambda: clock["now"], sleep=sleep)
        bench = make_bench(threads, pacer=pacer, executor=one_thread)
        with pytest.raises(OutOfTimeError, match=r"part-1.jsonl is not finished at line 14; deliver again"):
            bench.run(LINES, deadline=12.5)
        assert bench.ledger.parts == {1: Part(11, False), 11: Part(14, False)}
        bench.run(LINES)
    assert events(bench) == names(range(1, 26))
    assert bench.ledger.parts[14] == Part(24, False)


def test_a_shadow_that_stays_away_brings_the_message_back_with_what_was_done(bench: Bench) -> None:
    def away(body: bytes) -> Answer:
        if body == b"5,2.5":
            raise ShadowUnavailableError("endpoint tumor-triage-shadow was not available in 3 attempts")
        return answered('{"label": 1}')

    bench.shadow.answer = away
    with pytest.raises(ShadowUnavailableError, match="was not available in 3 attempts"):
        bench.run(LINES)
    assert events(bench)[:4] == names(range(1, 5))
    assert "event-5" not in events(bench)
    bench.shadow.answer = lambda body: answered('{"label": 1}')
    bench.run(LINES)
    assert events(bench) == names(range(1, 26))


def test_a_loser_goes_on_behind_the_winner_s_part(bench: Bench) -> None:
    def other_worker_wins() -> None:
        bench.ledger.parts.setdefault(1, Part(4, False))

    bench.ledger.before_add = other_worker_wins
    bench.run(LINES)
    assert events(bench) == names(range(4, 26))
    assert sum(report.replayed for report in bench.reports) == 22


def test_malformed_lines_are_dead_letters_and_the_rest_goes_on(bench: Bench) -> None:
    bench.run([LINES[0], b"{broken\n", LINES[2], b'{"captureData": 1}\n'])
    assert events(bench) == names([1, 3])
    assert [(line.line, line.reason.partition(":")[0]) for line in bench.ledger.dead] == [
        (2, "not JSON"),
        (4, "captureData is a int, not a dict"),
    ]
    assert bench.reports[0].dead_letters == 2


def test_only_the_sample_is_asked(threads: ThreadPoolExecutor) -> None:
    lines = [capture_line(number) for number in range(1, 201)]
    half = make_bench(threads, settings=replace(SETTINGS, traffic_percent=50))
    half.run(lines)
    assert 70 < len(events(half)) < 130
    none = make_bench(threads, settings=replace(SETTINGS, traffic_percent=0))
    none.run(lines)
    assert events(none) == []
    assert none.ledger.parts[191] == Part(201, True)


@pytest.mark.parametrize(
    ("answer", "production", "verdict"),
    [
        (answered('{"label": 1}'), '{"label": 1}', "match"),
        (answered('{"label": 0}'), '{"label": 1}', "mismatch"),
        (answered("division by zero", 424), '{"label": 1}', "shadow_error"),
        (answered('{"label": 0}'), None, "not_comparable"),
    ],
)
def test_verdicts(bench: Bench, answer: Answer, production: str | None, verdict: str) -> None:
    bench.shadow.answer = lambda body: answer
    bench.run([capture_line(1, answer=production)])
    (record,) = bench.ledger.records
    assert record.comparison.verdict == verdict
    (report,) = bench.reports
    assert (report.mismatches, report.shadow_errors) == (verdict == "mismatch", verdict == "shadow_error")
    assert report.latencies_ms == ([] if verdict == "shadow_error" else [5.0])


def test_the_use_case_changes_the_request_or_leaves_it_out(threads: ThreadPoolExecutor) -> None:
    def transform(record: dict[str, Any]) -> dict[str, Any] | None:
        assert record["content_type"] == "text/csv"
        if record["event_id"] == "event-2":
            return None
        return {"content_type": "application/json", "body": f"[{record['body']}]"}

    bench = make_bench(threads, transform=transform)
    bench.run(LINES[:3])
    assert sorted(bench.shadow.bodies) == [b"[1,2.5]", b"[3,2.5]"]
    assert all(record.transform for record in bench.ledger.records)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (ZeroDivisionError("oops"), "transform of the use case's replay.py raised ZeroDivisionError: oops"),
        ("text", "transform of the use case's replay.py gave a str, not a dict or None"),
        ({"body": 1}, "transform of the use case's replay.py must give `body`"),
        ({"body": "x" * 6_291_457, "content_type": "text/csv"}, "request has 6291457 bytes"),
    ],
)
def test_a_failed_transform_is_a_dead_letter(threads: ThreadPoolExecutor, result: object, reason: str) -> None:
    def transform(record: dict[str, Any]) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    bench = make_bench(threads, transform=transform)
    bench.run(LINES[:1])
    assert events(bench) == []
    assert bench.ledger.dead[0].reason.startswith(reason)
    assert bench.ledger.parts == {1: Part(2, True)}
