"""Replay on demand: captured production files to the replay queue, and the records that come of them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from functions.common import capture, sampling
from functions.common.capture import CaptureRecord
from functions.common.jsonlines import MalformedLine
from release.console import Output
from release.errors import InconclusiveError, MissingError, UsageError
from release.production import baseline
from release.records import ObjectStore
from release.workspace import Environment, Project
from settings import Replay, SettingsError, load

_POLL_SECONDS = 1.0
_SEND_BATCH = 10
"""SendMessageBatch: entries of a call."""
_AGO = re.compile(r"(\d+)([smhd])")
File = tuple[str, list[CaptureRecord | MalformedLine]]
"""A capture file: its key and its lines."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Order:
    """What to replay. `limit`: the newest files that hold so many requests. `since` None: since production's version
    went live, as only its answers are a baseline. `timeout_seconds` bounds the wait for records.
    """

    service: str
    stack: str
    production: str
    since: str | None
    limit: int | None
    wait: bool
    timeout_seconds: float


def replay(project: Project, order: Order, output: Output) -> dict[str, Any]:
    """Send capture files to shadow; `{service, bucket, files, requests, malformed, recorded}`.

    `requests` are those the sampling selects. Raises `MissingError` when nothing was captured, `InconclusiveError`
    when the records did not come in time.
    """
    environment = project.environment(order.stack)
    service = environment.service(order.service)
    source = _source(environment, order.service)
    queue = service.get("replayQueueUrl")
    if not queue:
        raise MissingError(f"{order.service} has no replay queue in {order.stack}.", do=_needs_source(order.stack))
    base = baseline(project, order.service, order.production)
    store, captures = ObjectStore(), ObjectStore(role=base.reader_role if base else None)
    prefix = f"capture/{source.source_endpoint}/{source.source_variant}/"
    since = parse_since(order.since, datetime.now(UTC)) or (base.since if base else None)
    files = _captured(captures, source.source, captures.keys(source.source, prefix, since))
    keys, expected, malformed = select(files, source.traffic_percent, since, order.limit)
    if not expected:
        raise MissingError(
            f"There are no captured requests to replay{f' since {since:%Y-%m-%d %H:%M:%S} UTC' if since else ''}.",
            where=f"s3://{source.source}/{prefix}",
            do="Capture delivers a few minutes after the traffic; see that production has `capture` and clients.",
        )
    _send(str(queue), source.source, keys)
    output.say(f"Sent {len(keys)} files with {len(expected)} requests from s3://{source.source}/{prefix}")
    if malformed:
        output.say(f"{malformed} lines cannot be read; they end in the dead-letter queue.")
    told: dict[str, Any] = {
        "service": order.service,
        "bucket": source.source,
        "files": len(keys),
        "requests": len(expected),
        "malformed": malformed,
        "recorded": None,
    }
    if order.wait:
        where = (environment.output("recordsBucket"), f"comparisons/{order.service}/{service['artifactDigest']}/")
        told["recorded"] = _await_records(store, where, expected, order.timeout_seconds, output)
    return told


def parse_since(text: str | None, now: datetime) -> datetime | None:
    """`90s`, `15m`, `2h`, `3d` ago, or an ISO 8601 time (UTC without a zone). Raises `UsageError`."""
    if text is None:
        return None
    if match := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        time_given = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time.", where="--since", do="Write 15m, 2h, 3d or 2026-11-23T10:00."
        ) from error
    return time_given if time_given.tzinfo else time_given.replace(tzinfo=UTC)


def _source(environment: Environment, service: str) -> Replay:
    try:
        settings = load(environment.file.config(), environment.name)
    except SettingsError as error:
        raise UsageError(str(error), where=environment.file.path.name, do="Mend the stack file.") from error
    replayed = settings.services[service].replay if service in settings.services else None
    if replayed is None:
        raise MissingError(
            f"Stack {environment.name} does not say what {service} replays.", do=_needs_source(environment.name)
        )
    return replayed


def _needs_source(stack: str) -> str:
    return (
        "Set understudy:replay.source to production's capture bucket (output captureBucket of its stack), "
        f"then `understudy deploy --stack {stack}`."
    )


def _captured(store: ObjectStore, bucket: str, keys: list[str]) -> list[File]:
    return [(key, list(capture.read(body.splitlines()))) for key, body in store.bodies(bucket, keys)]


def select(
    files: list[File], percent: float, since: datetime | None, limit: int | None
) -> tuple[list[str], set[str], int]:
    """The newest files that hold `limit` requests (None: all), oldest first; ids of the requests the function's
    sampling will take of those answered since; and the number of lines that cannot be read.
    """
    keys: list[str] = []
    ids: set[str] = set()
    malformed = 0
    for key, lines in reversed(files):
        if limit is not None and len(ids) >= limit:
            break
        keys.insert(0, key)
        for line in lines:
            if not isinstance(line, CaptureRecord):
                malformed += 1
            elif (since is None or line.inference_time >= since) and sampling.selected(line.event_id, percent):
                ids.add(line.event_id)
    return keys, ids, malformed


def _send(queue: str, bucket: str, keys: list[str]) -> None:
    """The files as EventBridge would announce them. API: SendMessageBatch."""
    sqs = boto3.client("sqs")
    for start in range(0, len(keys), _SEND_BATCH):
        entries = [
            {"Id": str(number), "MessageBody": json.dumps(_object_created(bucket, key))}
            for number, key in enumerate(keys[start : start + _SEND_BATCH])
        ]
        answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        if answer.get("Failed"):
            raise InconclusiveError(
                f"The queue refused {len(answer['Failed'])} files: {answer['Failed'][0]}", where=queue
            )


def _object_created(bucket: str, key: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""
    return {
        "version": "0",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": {"key": key}, "reason": "understudy replay"},
    }


def _await_records(
    store: ObjectStore, where: tuple[str, str], expected: set[str], timeout_seconds: float, output: Output
) -> int:
    """Wait until every expected request has its record; how many there are."""
    deadline = time.monotonic() + timeout_seconds
    recorded: set[str] = set()
    shown = -1
    for ids in _new_records(store, *where):
        recorded |= ids & expected
        if len(recorded) != shown:
            shown = len(recorded)
            output.say(f"{shown} of {len(expected)} requests compared")
        if recorded == expected:
            break
        if time.monotonic() > deadline:
            raise InconclusiveError(
                f"Only {shown} of {len(expected)} requests were compared in {timeout_seconds:g} seconds.",
                where=f"s3://{where[0]}/{where[1]}",
                do="See the replay function's log and its dead-letter queue; a transform may also leave requests out.",
            )
        time.sleep(_POLL_SECONDS)
    return len(recorded)


def _new_records(store: ObjectStore, bucket: str, prefix: str) -> Iterator[set[str]]:
    """Event ids in the objects that are new since the last time, again and again."""
    seen: set[str] = set()
    while True:
        keys = [key for key in store.keys(bucket, prefix) if key not in seen]
        seen.update(keys)
        yield {json.loads(line)["event_id"] for line in store.lines(bucket, keys) if line.strip()}
