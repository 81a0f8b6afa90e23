"""Training: what the job is sent, and what is taken out of its archive."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Literal, cast

import pytest

from model_package import image_reference
from model_package.errors import ArchiveRefused
from model_package.manifest import Framework, load_manifest
from release.errors import ExitCode, FailedError, MissingError, UsageError
from release.trained import take_out
from release.training import METRICS, parse_overrides, script_mode, serving_image, source_archive, training_image
from release.workspace import Environment
from tests.unit.release.conftest import World, edit

ROOT = Path(__file__).parents[3]


def archive(path: Path, files: dict[str, bytes], link: str | None = None) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo("model.ubj")
            member.type, member.linkname = tarfile.SYMTYPE, link
            tar.addfile(member)
    return path


def test_hyperparameters_are_json_as_framework_containers_read_them() -> None:
    sent = script_mode(
        {"max_depth": 3, "eta": 0.3, "objective": "x"}, "train.py", "s3://b/s.tar.gz", "job", "us-west-2"
    )
    assert sent == {
        "max_depth": "3",
        "eta": "0.3",
        "objective": '"x"',
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://b/s.tar.gz"',
        "sagemaker_job_name": '"job"',
        "sagemaker_region": '"us-west-2"',
    }


def test_overrides_keep_their_types() -> None:
    given = ["max_depth=3", "eta=0.3", "booster=dart", "silent=true", "text=a=b", "list=[1]"]
    assert parse_overrides(given) == {
        "max_depth": 3,
        "eta": 0.3,
        "booster": "dart",
        "silent": True,
        "text": "a=b",
        "list": "[1]",
    }


@pytest.mark.parametrize("pair", ["max_depth", "=3"])
def test_an_override_without_name_or_value_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="is no hyperparameter") as wrong:
        parse_overrides([pair])
    assert wrong.value.where == "--set"


def test_the_source_is_the_folder_without_caches(tmp_path: Path) -> None:
    for name in ("train.py", "nested/util.py", "__pycache__/train.pyc", ".git/config", ".env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    with tarfile.open(fileobj=io.BytesIO(source_archive(tmp_path)), mode="r:gz") as tar:
        assert sorted(tar.getnames()) == ["nested/util.py", "train.py"]


def test_the_model_is_taken_out_by_digest_with_its_metrics(tmp_path: Path) -> None:
    files = {"model.ubj": b"weights", "metrics.json": json.dumps({"holdout:accuracy": 0.95}).encode()}
    taken = take_out(archive(tmp_path / "model.tar.gz", files), tmp_path, "job")
    assert (taken.name, taken.path.read_bytes()) == ("model.ubj", b"weights")
    assert taken.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert taken.metrics == {"holdout:accuracy": 0.95}


@pytest.mark.parametrize(("files", "left"), [({}, "none"), ({"a.ubj": b"a", "b.ubj": b"b"}, "a.ubj, b.ubj")])
def test_it_must_be_clear_which_file_the_model_is(tmp_path: Path, files: dict[str, bytes], left: str) -> None:
    with pytest.raises(FailedError, match=f"exactly one model file in SM_MODEL_DIR, it left: {left}") as unclear:
        take_out(archive(tmp_path / "model.tar.gz", files), tmp_path, "job")
    assert unclear.value.exit_code == ExitCode.FAILED


def test_a_hostile_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="only regular files"):
        take_out(archive(tmp_path / "model.tar.gz", {}, link="/etc/passwd"), tmp_path, "job")


def test_metric_definitions_keep_to_the_apis_limit() -> None:
    assert len(METRICS) <= 40
    assert METRICS["holdout:accuracy"] == "holdout:accuracy=([-+0-9.eE]+)"


REGISTRIES = {
    "us-west-2": "246618743249.dkr.ecr.us-west-2.amazonaws.com",
    "us-east-1": "683313688378.dkr.ecr.us-east-1.amazonaws.com",
    "eu-west-1": "141502667606.dkr.ecr.eu-west-1.amazonaws.com",
    "ap-southeast-2": "783357654285.dkr.ecr.ap-southeast-2.amazonaws.com",
    "cn-north-1": "450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn",
}
"""AWS's own registry of XGBoost images, by region (SageMaker's documentation, Docker Registry Paths)."""


@pytest.mark.parametrize("region", REGISTRIES)
@pytest.mark.parametrize("own", [False, True], ids=["framework", "Dockerfile"])
def test_the_image_is_aws_s_own_in_the_region_that_trains(region: str, own: bool) -> None:
    manifest = load_manifest(ROOT / "use_cases" / "tumor_triage")
    if own:
        training = manifest.training.model_copy(update={"framework": manifest.framework})
        manifest = manifest.model_copy(update={"framework": None, "dockerfile": "Dockerfile", "training": training})
    image = training_image(manifest, cast(Environment, None), "tumor_triage", region)
    assert image == f"{REGISTRIES[region]}/sagemaker-xgboost:3.0-5"
    image_reference.check_region(image, region)


@pytest.mark.parametrize(("instance_type", "kind"), [("ml.m5.large", "cpu"), ("ml.g5.xlarge", "gpu")])
def test_pytorch_is_served_by_another_image_than_trains_it(world: World, instance_type: str, kind: str) -> None:
    registry = "763104351884.dkr.ecr.us-west-2.amazonaws.com"
    manifest = load_manifest(ROOT / "use_cases" / "tumor_triage")
    manifest = manifest.model_copy(update={"framework": Framework(name="pytorch", version="2.6.0")})
    edit(world.file, "understudy:services.tumor-triage.instanceType", instance_type)
    environment = world.project.environment("prod")
    trains = training_image(manifest, environment, "tumor_triage", "us-west-2")
    serves = serving_image(manifest, environment, "tumor_triage", "us-west-2")
    assert trains.startswith(f"{registry}/pytorch-training:2.6.0-cpu")
    assert serves is not None
    assert serves.startswith(f"{registry}/pytorch-inference:2.6.0-{kind}")


@pytest.mark.parametrize(("name", "version"), [("sklearn", "1.2-1"), ("pytorch", "2.6.0")])
def test_an_image_of_another_version_is_refused(
    world: World, name: Literal["sklearn", "pytorch"], version: str
) -> None:
    """The SDK names scikit-learn 1.0-1 for Graviton and PyTorch 1.11 for Trainium, whatever it is asked for."""
    manifest = load_manifest(ROOT / "use_cases" / "tumor_triage")
    manifest = manifest.model_copy(update={"framework": Framework(name=name, version=version)})
    instance_type = {"sklearn": "ml.c7g.large", "pytorch": "ml.trn1.2xlarge"}[name]
    edit(world.file, "understudy:services.tumor-triage.instanceType", instance_type)
    with pytest.raises(UsageError) as refused:
        serving_image(manifest, world.project.environment("prod"), "tumor_triage", "us-west-2")
    said = f"AWS has no inference image of {name} {version} for {instance_type}; it has "
    assert refused.value.what.startswith(said)


def test_a_framework_that_both_trains_and_serves_has_one_image(world: World) -> None:
    manifest = load_manifest(ROOT / "use_cases" / "tumor_triage")
    given = (manifest, world.project.environment("prod"), "tumor_triage", "us-west-2")
    assert serving_image(*given) == training_image(*given)


def test_a_dockerfile_s_image_serves_it_and_is_not_aws_s(world: World) -> None:
    manifest = load_manifest(ROOT / "use_cases" / "tumor_triage")
    manifest = manifest.model_copy(update={"framework": None, "dockerfile": "Dockerfile"})
    assert serving_image(manifest, world.project.environment("prod"), "tumor_triage", "us-west-2") is None


def test_a_dockerfile_alone_does_not_say_what_trains_it(world: World) -> None:
    manifest = load_manifest(ROOT / "use_cases" / "tumor_triage")
    manifest = manifest.model_copy(update={"framework": None, "dockerfile": "Dockerfile"})
    with pytest.raises(MissingError, match="has a Dockerfile, which serves it, and nothing says what") as refusal:
        training_image(manifest, world.project.environment("prod"), "tumor_triage", "us-west-2")
    assert refusal.value.where == "tumor_triage/package.yaml: training.framework"
