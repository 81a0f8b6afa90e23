"""What a training job left: its model file by digest, its metrics, and the lock that says so."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from model_package import archives
from model_package.lock import ModelLock
from release.errors import FailedError
from release.identity import caller_arn
from release.records import split_uri

if TYPE_CHECKING:
    from sagemaker.core.resources import TrainingJob

METRICS_FILE = "metrics.json"
"""What a training script may leave beside its model: {name: number}."""


def lock_of(job: TrainingJob, use_case: str, training_bucket: str, image: str | None) -> ModelLock:
    """Take the model file out of the job's archive and put it where its digest says.

    `image` serves the model; None: the image that trained it is named, and one of the use case's own serves it.
    """
    bucket, key = split_uri(str(job.model_artifacts.s3_model_artifacts))
    s3 = boto3.client("s3")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "model.tar.gz"
        s3.download_file(bucket, key, str(archive))
        taken = take_out(archive, Path(folder), str(job.training_job_name))
        target = f"models/{use_case}/{taken.sha256}/{taken.name}"
        s3.upload_file(str(taken.path), training_bucket, target)
    return ModelLock(
        uri=f"s3://{training_bucket}/{target}",
        sha256=taken.sha256,
        file=taken.name,
        image=image or str(job.algorithm_specification.training_image),
        training_job=str(job.training_job_name),
        training_job_arn=str(job.training_job_arn),
        author=caller_arn(),
        metrics=taken.metrics or _final_metrics(job),
        hyperparameters=_hyperparameters(job),
    )


@dataclass(frozen=True)
class Taken:
    """The model file of a job's archive, and what metrics.json beside it says."""

    path: Path
    name: str
    sha256: str
    metrics: dict[str, float]


def take_out(archive: Path, folder: Path, job: str) -> Taken:
    """The one model file, streamed to `folder`. Raises `FailedError` unless there is exactly one, `ArchiveRefused`."""
    path = folder / "model"
    names: list[str] = []
    metrics: dict[str, float] = {}
    for member, content in archives.members(archive):
        if member.name == METRICS_FILE:
            metrics = {str(name): float(value) for name, value in json.loads(content.read()).items()}
            continue
        names.append(member.name)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
    if len(names) != 1:
        raise FailedError(
            f"Training job {job} must leave exactly one model file in SM_MODEL_DIR, it left: "
            f"{', '.join(names) or 'none'}.",
            do=f"Write one file there, and {METRICS_FILE} if you like.",
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Taken(path, Path(names[0]).name, digest, metrics)


def _final_metrics(job: TrainingJob) -> dict[str, float]:
    """What SageMaker read off the job's log by metric definitions: FinalMetricDataList."""
    final = job.final_metric_data_list
    return {str(metric.metric_name): float(metric.value) for metric in final} if isinstance(final, list) else {}


def _hyperparameters(job: TrainingJob) -> dict[str, Any]:
    """As they were given, without script mode's own."""
    given: Mapping[str, str] = job.hyper_parameters
    return {key: json.loads(value) for key, value in sorted(given.items()) if not key.startswith("sagemaker_")}
