"""Replays one capture file: sample, pace, transform, invoke shadow, compare, keep the records part by part."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from functions.common import capture
from functions.common.capture import CaptureRecord
from functions.common.comparison import NOT_COMPARABLE, SHADOW_ERROR, Comparison, compare
from functions.common.jsonlines import MalformedLine
from functions.common.pacing import Pacer
from functions.common.payload import Payload
from functions.common.records import ComparisonRecord, ProductionSide, ShadowSide, request_digest
from functions.common.sampling import selected
from functions.replay import transform as transforms
from functions.replay.cursor import LineCursor
from functions.replay.ledger import CaptureFile, Ledger, Part
from functions.replay.settings import ReplaySettings
from functions.replay.shadow import MAXIMUM_BODY_BYTES, Answer
from functions.replay.transform import Transform, TransformError

PART_LINES = 200
"""Captured lines in a full part: what a worker that is killed has to do again at most."""


class OutOfTimeError(RuntimeError):
    """The function's time is up before the file's end; finished parts are kept and the message must come again."""


class Shadow(Protocol):
    """The endpoint under trial."""

    def invoke(self, request: Payload, accept: str | None, inference_id: str, deadline: float) -> Answer: ...


@dataclass(frozen=True)
class PartReport:
    """What one part that this worker won adds to the metrics."""

    replayed: int
    mismatches: int
    shadow_errors: int
    dead_letters: int
    latencies_ms: Sequence[float]


@dataclass
class _Work:
    """A part under way: its futures in line order."""

    futures: list[tuple[int, Future[ComparisonRecord]]] = field(default_factory=list)
    dead_letters: list[MalformedLine] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Replayer:
    """One worker. `report` is called once for every part that this worker won;"""

    settings: ReplaySettings
    shadow: Shadow
    ledger: Ledger
    pacer: Pacer
    executor: ThreadPoolExecutor
    report: Callable[[PartReport], None]
    transform: Transform | None = None
    part_lines: int = PART_LINES

    def replay(self, file: CaptureFile, lines: Iterator[bytes], deadline: float) -> None:
        """Replays what is not yet replayed of a file whose lines are given from the first.

        Raises OutOfTimeError or what invoking shadow raised, after the finished lines are kept.
        """
        self.pacer.begin_recording()
        cursor = LineCursor(lines)
        complete = False
        while not complete:
            first_line = cursor.line
            part = self.ledger.part(file, first_line) or self._replay_part(file, cursor, deadline)
            cursor.move_to(part.next_line)
            complete = part.complete

    def _replay_part(self, file: CaptureFile, cursor: LineCursor, deadline: float) -> Part:
        """Gives the part that stands afterwards, this worker's or that of one who was first."""
        first_line = cursor.line
        lines = cursor.take(self.part_lines)
        work = self._start(file, first_line, lines, deadline)
        records, failed_line, failure = _gather(work)
        next_line = first_line + len(lines) if failed_line is None else failed_line
        part = Part(next_line, complete=cursor.at_end and failure is None)
        dead_letters = [line for line in work.dead_letters if line.line < next_line]
        if next_line > first_line or part.complete:
            if dead_letters:
                self.ledger.add_dead_letters(file, first_line, part, dead_letters)
            if self.ledger.add(file, first_line, part, records):
                self.report(_summary(records, dead_letters))
            else:
                part = self._winner(file, first_line)
        if failure is not None:
            raise failure
        return part

    def _winner(self, file: CaptureFile, first_line: int) -> Part:
        part = self.ledger.part(file, first_line)
        if part is None:
            raise OutOfTimeError(f"{file.key}: another worker is putting the part at line {first_line}; deliver again")
        return part

    def _start(self, file: CaptureFile, first_line: int, lines: Sequence[bytes], deadline: float) -> _Work:
        work = _Work()
        for item in capture.read(lines, first_line):
            if isinstance(item, MalformedLine):
                work.dead_letters.append(item)
            elif selected(item.event_id, self.settings.traffic_percent):
                try:
                    request = transforms.apply(self.transform, item)
                    if request is not None and len(request.body) > MAXIMUM_BODY_BYTES:
                        raise TransformError(
                            f"request has {len(request.body)} bytes, InvokeEndpoint takes {MAXIMUM_BODY_BYTES}"
                        )
                except TransformError as error:
                    work.dead_letters.append(MalformedLine.of(item.line, f"event {item.event_id}", str(error)))
                    continue
                if request is not None:
                    future = self.executor.submit(self._one, work, file, item, request, deadline)
                    work.futures.append((item.line, future))
        return work

    def _one(
        self, work: _Work, file: CaptureFile, record: CaptureRecord, request: Payload, deadline: float
    ) -> ComparisonRecord:
        if work.stop.is_set() or not self.pacer.wait(record.inference_time, deadline):
            work.stop.set()
            raise OutOfTimeError(f"s3://{file.bucket}/{file.key} is not finished at line {record.line}; deliver again")
        accept = None if record.response is None else record.response.content_type
        try:
            answer = self.shadow.invoke(request, accept, record.event_id, deadline)
        except Exception:
            work.stop.set()
            raise
        return self._record(file, record, request, answer)

    def _record(self, file: CaptureFile, record: CaptureRecord, request: Payload, answer: Answer) -> ComparisonRecord:
        return ComparisonRecord(
            service=self.settings.service,
            event_id=record.event_id,
            inference_id=record.inference_id,
            inference_time=record.inference_time,
            request_digest=request_digest(request),
            production=ProductionSide(file.captured.variant, record.response, record.latency_ms),
            shadow=ShadowSide(self.settings.artifact_digest, answer.payload, answer.status, answer.latency_ms),
            comparison=self._compare(record, answer),
            transform=self.transform is not None,
        )

    def _compare(self, record: CaptureRecord, answer: Answer) -> Comparison:
        if answer.status != 200:
            return SHADOW_ERROR
        if record.response is None:
            return NOT_COMPARABLE
        return compare(record.response, answer.payload, self.settings.rules)


def _gather(work: _Work) -> tuple[list[ComparisonRecord], int | None, BaseException | None]:
    """Records before the first line that failed, that line, and the failure that made the part stop."""
    records: list[ComparisonRecord] = []
    failed_line: int | None = None
    cause: BaseException | None = None
    for line, future in work.futures:
        failure = future.exception()
        if failure is None:
            if failed_line is None:
                records.append(future.result())
            continue
        failed_line = line if failed_line is None else failed_line
        # Requests that stopped because another one failed say less than that one does.
        if cause is None or (isinstance(cause, OutOfTimeError) and not isinstance(failure, OutOfTimeError)):
            cause = failure
    return records, failed_line, cause


def _summary(records: Sequence[ComparisonRecord], dead_letters: Sequence[MalformedLine]) -> PartReport:
    verdicts = [record.comparison.verdict for record in records]
    return PartReport(
        replayed=len(records),
        mismatches=verdicts.count("mismatch"),
        shadow_errors=verdicts.count("shadow_error"),
        dead_letters=len(dead_letters),
        latencies_ms=[record.shadow.latency_ms for record in records if record.shadow.status == 200],
    )
