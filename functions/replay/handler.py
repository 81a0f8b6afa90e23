"""SQS → replay: each message is S3's event of one capture file; only messages that failed go back to the queue."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.pacing import Pacer
from functions.common.s3_event import NotAnObjectEventError, ObjectCreated
from functions.replay import transform
from functions.replay.ledger import CaptureFile, S3Ledger
from functions.replay.replayer import PartReport, Replayer
from functions.replay.settings import ReplaySettings
from functions.replay.shadow import ShadowEndpoint, runtime_client

THREADS = 8
"""Requests in flight a worker. The rate is what limits; these only have to cover it times the latency."""

_MEMORY_BYTES = 16 * 1024 * 1024
_RESERVE_SECONDS, _RESERVE_SHARE = 15.0, 0.25

logger = Logger(service="replay")


class WrongSourceError(ValueError):
    """A message names a file that this service does not replay."""


@dataclass(frozen=True)
class Worker:
    """What lives as long as the execution environment: clients, threads, and the pacer, so that the rate holds."""

    settings: ReplaySettings
    s3: Any
    replayer: Replayer

    def replay(self, message: str, deadline: float) -> None:
        """Replays the file that a message's body names. Raises what must bring the message back."""
        try:
            created = ObjectCreated.parse(json.loads(message))
        except ValueError as error:
            raise NotAnObjectEventError(f"message body is no S3 event: {error}") from error
        if not created.key.startswith(self.settings.source_prefix):
            raise WrongSourceError(f"{created.key!r} is not under SOURCE_PREFIX {self.settings.source_prefix!r}")
        with _lines(self.s3, created) as (etag, lines):
            self.replayer.replay(CaptureFile(created.bucket, created.key, etag), lines, deadline)


@contextmanager
def _lines(s3: Any, created: ObjectCreated) -> Iterator[tuple[str, Iterator[bytes]]]:
    """(etag, lines) of an object. Spooled to disk first: a paced reader would let the connection to S3 go stale."""
    response = s3.get_object(Bucket=created.bucket, Key=created.key)
    with SpooledTemporaryFile(max_size=_MEMORY_BYTES) as file:
        with closing(response["Body"]) as body:
            shutil.copyfileobj(body, file, 1024 * 1024)
        file.seek(0)
        yield response["ETag"], iter(file)


def publish(service: str, report: PartReport) -> None:
    """A part's counts as metrics `Understudy` {Service}, by the embedded metric format on stdout."""
    metrics = EphemeralMetrics(namespace="Understudy")
    metrics.add_dimension(name="Service", value=service)
    counts = {
        "Replayed": report.replayed,
        "Mismatches": report.mismatches,
        "ShadowErrors": report.shadow_errors,
        "DeadLetters": report.dead_letters,
    }
    for latency in report.latencies_ms:
        metrics.add_metric(name="ShadowLatency", unit=MetricUnit.Milliseconds, value=latency)
    # Last: at every hundredth latency Powertools prints what it has and begins anew, and must not end with nothing.
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    metrics.flush_metrics()


@lru_cache(maxsize=1)
def worker() -> Worker:
    """Made at the first message, so that a wrong environment fails the message with a sentence, not the import."""
    settings = ReplaySettings.from_environment(os.environ)
    s3 = boto3.client("s3")
    replayer = Replayer(
        settings=settings,
        shadow=ShadowEndpoint(runtime_client(THREADS), settings.endpoint_name),
        ledger=S3Ledger(s3, settings.records_bucket, settings.service, settings.artifact_digest),
        pacer=Pacer(settings.requests_per_second, settings.speed),
        executor=ThreadPoolExecutor(THREADS, thread_name_prefix="shadow"),
        report=lambda report: publish(settings.service, report),
        transform=transform.load(),
    )
    return Worker(settings, s3, replayer)


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Lambda's entry point. Answers which messages must come again (ReportBatchItemFailures)."""
    remaining = context.get_remaining_time_in_millis() / 1000
    deadline = time.monotonic() + remaining - min(_RESERVE_SECONDS, remaining * _RESERVE_SHARE)

    def replay(record: SQSRecord) -> None:
        try:
            worker().replay(record.body, deadline)
        except Exception:
            logger.exception("message goes back to the queue", extra={"message_id": record.message_id})
            raise

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, replay, processor, context)
