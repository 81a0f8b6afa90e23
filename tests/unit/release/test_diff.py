"""What differs between two versions: read from the registry, the training jobs and the artifacts themselves."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from model_package.errors import ArchiveRefused, ArtifactMissing, DigestMismatch
from model_package.metadata import METRICS, OBJECT_SHA256, TRAINING_JOB
from release import diffing
from release.console import Output
from release.errors import MissingError, UsageError
from tests.unit.release.conftest import World, arn, package

BUCKET = "artifacts"
JOBS = {"job-1": {"max_depth": "3", "sagemaker_program": '"train.py"'}, "job-2": {"max_depth": "4", "eta": '"x"'}}


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def put(world: World, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bytes], None]:
    """Give a version an artifact with these bytes; versions 1 and 2 have been trained by JOBS."""
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    made = boto3.client

    class Training:
        def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803
            return {"HyperParameters": JOBS[TrainingJobName]}

    monkeypatch.setattr(boto3, "client", lambda name, **more: Training() if name == "sagemaker" else made(name, **more))
    world.engine.outputs = {"services": {"tumor-triage": {"modelPackageArn": arn(1)}}}

    def given(version: int, content: bytes) -> None:
        metadata = {
            OBJECT_SHA256: hashlib.sha256(content).hexdigest(),
            METRICS: f"holdout:accuracy=0.9{version} train:loss=0.1",
            TRAINING_JOB: f"job-{version}",
        }
        found = replace(package(version, **metadata), environment={"SAGEMAKER_PROGRAM": "inference.py"})
        world.packages[arn(version)] = replace(found, image=f"repository:{version}")
        s3.put_object(Bucket=BUCKET, Key=found.model_data_url.removeprefix(f"s3://{BUCKET}/"), Body=content)

    return given


def run(world: World, one: str = "1", other: str = "2") -> dict[str, Any]:
    return diffing.diff(world.project, "tumor-triage", one, other, ["prod"], Output())


def test_two_versions_are_compared(world: World, put: Callable[[int, bytes], None]) -> None:
    put(1, archive({"model.ubj": b"one", "code/inference.py": b"same", "code/old.py": b""}))
    put(2, archive({"model.ubj": b"two!", "code/inference.py": b"same"}))
    told = run(world)
    assert (told["from"], told["to"]) == (arn(1), arn(2))
    found = {(change["section"], change["name"]): (change["from"], change["to"]) for change in told["changes"]}
    one, two, nothing = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two!", b""))
    assert found == {
        ("metrics", "holdout:accuracy"): (0.91, 0.92),
        ("hyperparameters", "max_depth"): (3, 4),
        ("hyperparameters", "eta"): (None, "x"),
        ("files", "model.ubj"): (f"3 bytes, sha256 {one}", f"4 bytes, sha256 {two}"),
        ("files", "code/old.py"): (f"0 bytes, sha256 {nothing}", None),
        ("image", "image"): ("repository:1", "repository:2"),
        ("registration", "artifact digest"): ("1" * 64, "2" * 64),
        ("registration", "training job"): ("job-1", "job-2"),
    }


def test_a_version_does_not_differ_from_itself(world: World, put: Callable[[int, bytes], None]) -> None:
    put(1, archive({"model.ubj": b"one"}))
    assert run(world, "v1", arn(1))["changes"] == []


def test_a_missing_version(world: World, put: Callable[[int, bytes], None]) -> None:
    with pytest.raises(MissingError, match="There is no version 9 of tumor-triage") as missing:
        run(world, "1", "9")
    assert missing.value.do == "The newest are: 4, 3, 2, 1."


def test_another_groups_version(world: World, put: Callable[[int, bytes], None]) -> None:
    with pytest.raises(UsageError, match="is of group 'diabetes-progression', not of service 'tumor-triage'"):
        run(world, "1", arn(1, "diabetes-progression"))


def test_a_missing_artifact(world: World, put: Callable[[int, bytes], None], s3: Any) -> None:
    put(1, archive({"model.ubj": b"one"}))
    put(2, b"x")
    s3.delete_object(Bucket=BUCKET, Key=f"tumor-triage/{'2' * 64}/model.tar.gz")
    with pytest.raises(ArtifactMissing, match="NoSuchKey: it was deleted or never uploaded"):
        run(world)


def test_an_overwritten_artifact(world: World, put: Callable[[int, bytes], None], s3: Any) -> None:
    put(1, archive({"model.ubj": b"one"}))
    s3.put_object(Bucket=BUCKET, Key=f"tumor-triage/{'1' * 64}/model.tar.gz", Body=b"other")
    with pytest.raises(DigestMismatch):
        run(world, "1", "1")


def test_an_artifact_that_is_no_archive(world: World, put: Callable[[int, bytes], None]) -> None:
    put(1, b"no archive")
    with pytest.raises(ArchiveRefused, match="not a readable tar"):
        run(world, "1", "1")


def test_a_version_that_understudy_did_not_register(world: World, put: Callable[[int, bytes], None]) -> None:
    world.packages[arn(1)] = replace(package(1), metadata={})
    with pytest.raises(UsageError, match=f"{arn(1)} was not registered by Understudy"):
        run(world, "1", "1")
