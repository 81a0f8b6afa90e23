"""Training: a SageMaker job in script mode, its model file by digest, and the lock file that git keeps.

SDK: `sagemaker.core` (TrainingJob, image_uris). Its import costs 1.6 s on two cores, so it is imported where used.
"""

from __future__ import annotations

import io
import json
import secrets
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from model_package.lock import ModelLock, load_lock, write_lock
from model_package.manifest import Framework, Manifest, load_manifest
from release.arns import service_name
from release.console import Output
from release.errors import FailedError, MissingError, UsageError
from release.git import Repository
from release.records import split_uri
from release.stackfile import instance_type
from release.trained import lock_of
from release.workspace import Environment, Project

if TYPE_CHECKING:
    from sagemaker.core.resources import TrainingJob
    from sagemaker.core.shapes import Channel

_FIRST_POLL_SECONDS = 0.5
_LONGEST_POLL_SECONDS = 10.0
_JOB_SECONDS = 24 * 3600
_VOLUME_GB = 30
METRICS = {
    f"{channel}:{metric}": rf"{channel}:{metric}=([-+0-9.eE]+)"
    for channel in ("train", "validation", "holdout")
    for metric in ("accuracy", "auc", "error", "logloss", "mae", "rmse", "r2", "within_tolerance")
}
"""What SageMaker reads off a job's log, `channel:metric=value`; at most 40 definitions a job."""
_TERMINAL = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Order:
    """What to train. `data` is an s3:// prefix; `overrides` win over package.yaml; `job` takes up a job that runs."""

    use_case: str
    stack: str
    data: str | None
    overrides: Mapping[str, str]
    job: str | None
    wait: bool


def train(project: Project, order: Order, output: Output) -> dict[str, Any]:
    """Train, lock, commit; `{use_case, job, status, uri, sha256, metrics, commit}`.

    Raises `UsageError`, `MissingError` (no data, no stack), `FailedError` with the job's own reason.
    """
    folder = project.use_case(order.use_case)
    manifest = load_manifest(folder)
    repository = Repository.around(project.root)
    environment = project.environment(order.stack)
    job = _take_up(order.job, environment) if order.job else _start(folder, manifest, environment, order, output)
    name = str(job.training_job_name)
    told: dict[str, Any] = {"use_case": order.use_case, "job": name, "status": job.training_job_status}
    if not order.wait:
        output.say(f"Finish it with `understudy train {order.use_case} --job {name}`.")
        return told
    _await_end(job, output)
    image = serving_image(manifest, environment, order.use_case, _region())
    lock = lock_of(job, order.use_case, environment.output("trainingBucket"), image)
    unchanged = lock == load_lock(folder)
    path = write_lock(folder, lock)
    commit = repository.commit(path, _message(order.use_case, lock))
    output.say(f"{'Same model as before' if unchanged else 'Locked'}: {lock.uri}")
    return told | {
        "status": job.training_job_status,
        "uri": lock.uri,
        "sha256": lock.sha256,
        "metrics": lock.metrics,
        "commit": commit,
    }


def _start(folder: Path, manifest: Manifest, environment: Environment, order: Order, output: Output) -> TrainingJob:
    # `TrainingJob.create` wants the Tag of `resources`, not that of `shapes`.
    from sagemaker.core.resources import Tag, TrainingJob
    from sagemaker.core.shapes import (
        AlgorithmSpecification,
        MetricDefinition,
        OutputDataConfig,
        ResourceConfig,
        StoppingCondition,
    )

    bucket, region = environment.output("trainingBucket"), _region()
    name = f"{service_name(order.use_case)}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    channels = _channels(order, bucket)
    source = f"s3://{bucket}/jobs/{name}/source/sourcedir.tar.gz"
    boto3.client("s3").put_object(Bucket=bucket, Key=split_uri(source)[1], Body=source_archive(folder))
    hyperparameters = {**manifest.training.hyperparameters, **order.overrides}
    output.say(f"Training {order.use_case}: job {name} on {channels['train']}")
    return TrainingJob.create(
        training_job_name=name,
        region=region,
        role_arn=environment.output("trainingRoleArn"),
        algorithm_specification=AlgorithmSpecification(
            training_image=training_image(manifest, environment, order.use_case, region),
            training_input_mode="File",
            metric_definitions=[MetricDefinition(name=name, regex=regex) for name, regex in METRICS.items()],
        ),
        hyper_parameters=script_mode(hyperparameters, manifest.training.entry_point, source, name, region),
        input_data_config=[_channel(name, uri) for name, uri in channels.items()],
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/jobs"),
        resource_config=ResourceConfig(
            instance_type=manifest.training.instance_type, instance_count=1, volume_size_in_gb=_VOLUME_GB
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=_JOB_SECONDS),
        tags=[
            Tag(key="project", value="understudy"),
            Tag(key="environment", value=environment.name),
            Tag(key="service", value=service_name(order.use_case)),
            Tag(key="use-case", value=order.use_case),
        ],
    )


def script_mode(hyperparameters: Mapping[str, Any], program: str, source: str, job: str, region: str) -> dict[str, str]:
    """Hyperparameters as AWS's framework containers read them: every value is JSON.

    https://github.com/aws/sagemaker-training-toolkit: `sagemaker_program` and `sagemaker_submit_directory`.
    """
    own = {
        "sagemaker_program": program,
        "sagemaker_submit_directory": source,
        "sagemaker_job_name": job,
        "sagemaker_region": region,
    }
    return {key: json.dumps(value) for key, value in {**hyperparameters, **own}.items()}


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """`--set max_depth=3` as {"max_depth": 3}: numbers and true/false as such, the rest as text."""
    parsed: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not key or not separator:
            raise UsageError(f"{pair!r} is no hyperparameter.", where="--set", do="Write --set max_depth=3.")
        try:
            decoded = json.loads(value)
        except ValueError:
            decoded = value
        parsed[key] = decoded if isinstance(decoded, bool | int | float) else value
    return parsed


def source_archive(folder: Path) -> bytes:
    """The use case's files as sourcedir.tar.gz; caches and hidden files stay out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
                archive.add(path, arcname="/".join(parts))
    return buffer.getvalue()


def training_image(manifest: Manifest, environment: Environment, use_case: str, region: str) -> str:
    """AWS's framework image in this region, or the service's own `image` for a Dockerfile. Raises `MissingError`."""
    framework = manifest.training.framework or manifest.framework
    if framework is None:
        image = environment.file.service(service_name(use_case)).settings.get("image")
        if image:
            return str(image)
        raise MissingError(
            f"{use_case} has a Dockerfile, which serves it, and nothing says what trains it.",
            where=f"{use_case}/package.yaml: training.framework",
            do="Name the AWS framework image that trains it, `training: {framework: {name: …, version: …}}`, or set "
            f"the service's `image` in {environment.file.path.name} to one that does both.",
        )
    return _framework_image(framework, "training", manifest.training.instance_type, use_case, region)


def serving_image(manifest: Manifest, environment: Environment, use_case: str, region: str) -> str | None:
    """AWS's framework image that serves; PyTorch's is another than the one that trains. None for a Dockerfile.

    Which kind of processor it is for follows from the stack's `instanceType`, and a version has one image (ADR 0018).
    """
    if manifest.framework is None:
        return None
    instances = instance_type(environment.file.services().get(service_name(use_case), {}))
    return _framework_image(manifest.framework, "inference", instances, use_case, region)


def _framework_image(framework: Framework, scope: str, instances: str, use_case: str, region: str) -> str:
    from sagemaker.core import image_uris

    given = {"version": framework.version, "instance_type": instances, "image_scope": scope}
    where = f"{use_case}/package.yaml: framework"
    try:
        image = str(image_uris.retrieve(framework.name, region, **given))
    except ValueError as error:
        raise UsageError(f"No such framework image: {error}", where=where) from error
    # For Graviton and Trainium the SDK names the image of some other version, without a word.
    if not image.rpartition(":")[2].startswith(framework.version):
        raise UsageError(
            f"AWS has no {scope} image of {framework.name} {framework.version} for {instances}; it has {image}.",
            where=where,
            do="Name another instance type, or that version.",
        )
    return image


def _take_up(name: str, environment: Environment) -> TrainingJob:
    from sagemaker.core.resources import TrainingJob

    job = TrainingJob.get(training_job_name=name, region=_region())
    if job is None:
        raise MissingError(f"There is no training job {name!r}.", where=f"stack {environment.name}")
    return job


def _await_end(job: TrainingJob, output: Output) -> None:
    """Poll until the job ends. Raises `FailedError` with the job's reason."""
    told, poll_seconds = "", _FIRST_POLL_SECONDS
    while True:
        job.refresh()
        stage = f"{job.training_job_status}: {job.secondary_status}"
        if stage != told:
            told = stage
            output.say(f"  {stage}")
        if job.training_job_status in _TERMINAL:
            break
        time.sleep(poll_seconds)
        poll_seconds = min(poll_seconds * 1.5, _LONGEST_POLL_SECONDS)
    if job.training_job_status != "Completed":
        raise FailedError(
            f"Training job {job.training_job_name} {job.training_job_status}: {job.failure_reason}",
            where=f"log group /aws/sagemaker/TrainingJobs, stream {job.training_job_name}",
            do="Mend the script or the data and train again; the lock file is as it was.",
        )


def _channels(order: Order, bucket: str) -> dict[str, str]:
    """URI by channel: `train`, and `holdout` where the use case has held-out rows. Raises `MissingError`."""
    home = f"s3://{bucket}/data/{order.use_case}"
    train, holdout = order.data or f"{home}/train/", f"{home}/holdout/"
    if not _has_objects(train):
        raise MissingError(
            f"There is no training data for {order.use_case}.",
            where=train,
            do=f"Upload CSV files (label first, no header) to {home}/train/, or say --data URI.",
        )
    return {"train": train} | ({"holdout": holdout} if _has_objects(holdout) else {})


def _has_objects(uri: str) -> bool:
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise UsageError(f"{uri!r} is no S3 folder.", where="--data", do="Write s3://bucket/folder/.")
    return bool(boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))


def _channel(name: str, uri: str) -> Channel:
    from sagemaker.core.shapes import Channel, DataSource, S3DataSource

    source = S3DataSource(s3_data_type="S3Prefix", s3_uri=uri, s3_data_distribution_type="FullyReplicated")
    return Channel(channel_name=name, content_type="text/csv", data_source=DataSource(s3_data_source=source))


def _region() -> str:
    region = boto3.session.Session().region_name
    if not region:
        raise UsageError("No AWS region is set.", where="AWS_REGION", do="Set AWS_REGION or your profile's region.")
    return str(region)


def _message(use_case: str, lock: ModelLock) -> str:
    metrics = ", ".join(f"{name} {value:g}" for name, value in sorted(lock.metrics.items()))
    return (
        f"Train {use_case}: model {lock.sha256[:12]}\n\n"
        f"Job: {lock.training_job_arn}\nModel: {lock.uri}\nMetrics: {metrics or 'none reported'}"
    )
