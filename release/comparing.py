"""Collecting what evidence is judged from: comparison records, labels, latencies, or trials without a baseline."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from functions.common import groundtruth
from functions.common.groundtruth import Label
from functions.common.payload import Payload
from functions.common.records import ComparisonRecord
from model_package.manifest import Manifest, load_manifest
from release import arns
from release.console import Output
from release.errors import MissingError
from release.estimates import Percentiles
from release.evidence import (
    Evidence,
    EvidenceRules,
    NoiseFloor,
    QualityRule,
    Trial,
    UnpairedLatency,
    judge,
    judge_without_baseline,
    noise_floor,
)
from release.production import Baseline, baseline, model_latency
from release.records import EvidenceStore, ObjectStore
from release.registry import describe
from release.workspace import Environment, Project

_CLIENTS = 4
_SHADOW_VARIANT = "ProductionVariant"
_TIMEOUT_SECONDS = 70
"""SageMaker ends an invocation after 60 seconds."""
_CAPTURE_MARGIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Candidate:
    """The version under trial and where its traces are."""

    service: str
    digest: str
    arn: str
    endpoint: str
    environment: Environment
    manifest: Manifest

    @property
    def rules(self) -> EvidenceRules:
        """What `package.yaml` says, defaults for the rest."""
        comparison, quality = self.manifest.comparison, self.manifest.quality
        return EvidenceRules(
            minimum_pairs=comparison.minimum_pairs,
            minimum_agreement=comparison.minimum_agreement,
            maximum_error_rate=comparison.maximum_error_rate,
            maximum_latency_ratio=comparison.maximum_latency_ratio,
            quality=QualityRule(
                task=quality.task,
                label=quality.label,
                threshold=quality.threshold,
                tolerance=quality.tolerance or 0.0,
                columns=comparison.columns,
            ),
        )


def compare(project: Project, service: str, *, shadow: str, production: str, output: Output) -> tuple[Evidence, str]:
    """Judge the candidate under trial and store the evidence; it and its s3:// URI.

    Raises `MissingError` when nothing is under trial or there is nothing to judge from.
    """
    found = candidate(project, service, shadow)
    store = ObjectStore()
    base = baseline(project, service, production)
    if base is None:
        output.say(f"{service} has no version in {production}: judging {found.arn} by absolute rules.")
        evidence = _judge_alone(found, store)
    else:
        output.say(f"Comparing {found.arn} with {base.arn}, in production since {base.since:%Y-%m-%d %H:%M:%S} UTC.")
        evidence = _judge_against(found, base, store, output)
    uri = EvidenceStore(store, found.environment.output("recordsBucket")).put(
        service, found.digest, evidence.digest, evidence.document()
    )
    return evidence, uri


def candidate(project: Project, service: str, shadow: str) -> Candidate:
    """What shadow runs for the service. Raises `MissingError`, `UsageError`."""
    environment = project.environment(shadow)
    running = environment.service(service)
    return Candidate(
        service=service,
        digest=str(running["artifactDigest"]),
        arn=str(running["modelPackageArn"]),
        endpoint=str(running["endpointName"]),
        environment=environment,
        manifest=load_manifest(project.use_case(arns.use_case_name(service))),
    )


def _judge_against(found: Candidate, base: Baseline, store: ObjectStore, output: Output) -> Evidence:
    bucket = found.environment.output("recordsBucket")
    prefix = f"comparisons/{found.service}/{found.digest}/"
    records = [record for record in _records(store, bucket, prefix) if record.inference_time >= base.since]
    if not records:
        raise MissingError(
            f"No request of {base.arn} was compared with the candidate yet.",
            where=f"s3://{bucket}/{prefix}",
            do=f"`understudy replay {found.service}` sends what production captured.",
        )
    output.say(f"{len(records)} comparison records")
    captures = ObjectStore(role=base.reader_role) if base.reader_role else store
    return judge(
        records,
        found.rules,
        service=found.service,
        candidate_digest=found.digest,
        judged_at=datetime.now(UTC),
        labels=_labels(found, captures, min(record.inference_time for record in records)),
        noise=_noise(found, base, store, bucket),
        latency=_latency(found, base, store, (bucket, prefix), records),
    )


def _records(store: ObjectStore, bucket: str, prefix: str) -> list[ComparisonRecord]:
    lines = store.lines(bucket, store.keys(bucket, prefix))
    return [ComparisonRecord.from_json(line.decode()) for line in lines if line.strip()]


def _labels(found: Candidate, store: ObjectStore, since: datetime) -> dict[str, Payload]:
    """Truths by inference id or event id, from production's capture bucket; labels come later than predictions."""
    source = _capture_bucket(found)
    if source is None:
        return {}
    keys = store.keys(source, f"ground-truth/{found.service}/", since - _CAPTURE_MARGIN)
    return {
        label.event_id: label.truth for label in groundtruth.read(store.lines(source, keys)) if isinstance(label, Label)
    }


def _capture_bucket(found: Candidate) -> str | None:
    file = found.environment.file
    own = (file.services().get(found.service, {}).get("replay") or {}).get("source")
    shared = (file.own("replay") or {}).get("source")
    return own or shared


def _noise(found: Candidate, base: Baseline, store: ObjectStore, bucket: str) -> NoiseFloor | None:
    """From the time that shadow replayed requests which the same version had answered in production."""
    prefix = _own_prefix(found, base)
    if prefix is None:
        return None
    return noise_floor([r for r in _records(store, bucket, prefix) if r.inference_time >= base.since])


def _own_prefix(found: Candidate, base: Baseline) -> str | None:
    """Where the records of production's own version are; None when it is the candidate."""
    digest = describe(base.arn).artifact_digest
    return f"comparisons/{found.service}/{digest}/" if digest and digest != found.digest else None


def _latency(
    found: Candidate, base: Baseline, store: ObjectStore, where: tuple[str, str], records: list[ComparisonRecord]
) -> UnpairedLatency | None:
    """The candidate's ModelLatency in shadow, while it was replayed, and production's to compare it with.

    Best is production's version in the same place: shadow's own metric from when it replayed that version, on the same
    machines and at the same pace. Else it is the production endpoint's, from when the requests came.
    """
    bucket, prefix = where
    replayed = _replayed(found, store.written(bucket, prefix))
    own_prefix = _own_prefix(found, base)
    own = [] if own_prefix is None else [at for at in store.written(bucket, own_prefix) if at >= base.since]
    in_shadow = _replayed(found, own)
    if in_shadow is not None and in_shadow.samples >= found.rules.minimum_pairs:
        return UnpairedLatency(production=in_shadow, candidate=replayed)
    times = [record.inference_time for record in records]
    window = (min(times), max(times) + _CAPTURE_MARGIN)
    production = model_latency(base.endpoint, records[0].production.variant, *window, base.reader_role)
    return None if production is None else UnpairedLatency(production=production, candidate=replayed)


def _replayed(found: Candidate, written: list[datetime]) -> Percentiles | None:
    """Shadow's ModelLatency while these records were written."""
    if not written:
        return None
    return model_latency(found.endpoint, _SHADOW_VARIANT, min(written), max(written) + _CAPTURE_MARGIN)


def _judge_alone(found: Candidate, store: ObjectStore) -> Evidence:
    return judge_without_baseline(
        list(_trials(found, _held_out(found, store))),
        found.rules,
        service=found.service,
        candidate_digest=found.digest,
        judged_at=datetime.now(UTC),
    )


def _held_out(found: Candidate, store: ObjectStore) -> list[tuple[bytes, Payload]]:
    """(request body, truth) of every held-out row. Raises `MissingError`."""
    bucket = found.environment.output("trainingBucket")
    prefix = f"data/{arns.use_case_name(found.service)}/holdout/"
    rows = [line.partition(b",") for line in store.lines(bucket, store.keys(bucket, prefix)) if line.strip()]
    if not rows:
        raise MissingError(
            f"There are no held-out rows for {found.service}, and no production version to compare with.",
            where=f"s3://{bucket}/{prefix}",
            do="Upload CSV files there: the label first, no header.",
        )
    return [(features, Payload(label.strip(), "text/csv")) for label, _, features in rows]


def _trials(found: Candidate, rows: Iterable[tuple[bytes, Payload]]) -> Iterator[Trial]:
    """Every row sent to the shadow endpoint, a few at a time.

    API: InvokeEndpoint. A model's own failure (ModelError, 424) is a trial; anything else that fails is raised.
    """
    runtime: Any = boto3.client(
        "sagemaker-runtime", config=Config(read_timeout=_TIMEOUT_SECONDS, max_pool_connections=_CLIENTS)
    )

    def attempt(row: tuple[bytes, Payload]) -> Trial:
        body, truth = row
        digest = hashlib.sha256(b"text/csv\0" + body).hexdigest()
        started = time.perf_counter()
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=found.endpoint, ContentType="text/csv", Accept="application/json", Body=body
            )
            payload = Payload(answer["Body"].read(), answer["ContentType"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ModelError":
                raise
            status = int(error.response.get("OriginalStatusCode", 500))
            return Trial(digest, None, status, (time.perf_counter() - started) * 1000, truth)
        return Trial(digest, payload, 200, (time.perf_counter() - started) * 1000, truth)

    with ThreadPoolExecutor(_CLIENTS) as pool:
        yield from pool.map(attempt, rows)
