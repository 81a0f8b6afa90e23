"""package.yaml and model.lock.yaml: what they hold, and what a person is told about mistakes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_package.errors import LockInvalid, ManifestInvalid
from model_package.lock import ModelLock, load_lock, write_lock
from model_package.manifest import load_manifest

VALID: dict[str, Any] = {
    "schema": 1,
    "framework": {"name": "xgboost", "version": "3.0-5"},
    "contentTypes": ["text/csv"],
    "sample": {"contentType": "text/csv", "body": "1,2"},
    "quality": {"task": "classification", "threshold": 0.9, "label": "label"},
}

LOCK: dict[str, Any] = {
    "schema": 1,
    "uri": "s3://training/models/tumor_triage/abc/model.ubj",
    "sha256": "a" * 64,
    "file": "model.ubj",
    "image": "683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5",
    "trainingJob": "tumor-triage-1",
    "trainingJobArn": "arn:aws:sagemaker:us-west-2:111111111111:training-job/tumor-triage-1",
    "author": "arn:aws:sts::111111111111:assumed-role/understudy-scientist/ann",
    "metrics": {"holdout:accuracy": 0.95},
    "hyperparameters": {"max_depth": 3, "eta": 0.1},
}


def write(folder: Path, name: str, document: Any) -> Path:
    (folder / name).write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return folder


def test_a_manifest_is_read_with_its_defaults(tmp_path: Path) -> None:
    manifest = load_manifest(write(tmp_path, "package.yaml", VALID))
    assert manifest.entry_point == "inference.py"
    assert manifest.training.entry_point == "train.py"
    assert manifest.comparison.minimum_pairs == 500
    assert manifest.comparison.maximum_latency_ratio == pytest.approx(1.10)
    assert manifest.comparison.columns == ()
    assert manifest.quality.tolerance is None


def test_columns_are_names_that_can_be_listed_with_commas(tmp_path: Path) -> None:
    named = {**VALID, "comparison": {"columns": ["label", "the probability"]}}
    assert load_manifest(write(tmp_path, "package.yaml", named)).comparison.columns == ("label", "the probability")
    for wrong in ("a,b", " a", ""):
        document = {**VALID, "comparison": {"columns": ["label", wrong]}}
        with pytest.raises(ManifestInvalid, match=r"comparison\.columns\.1"):
            load_manifest(write(tmp_path, "package.yaml", document))


def test_a_manifest_cannot_be_changed(tmp_path: Path) -> None:
    manifest = load_manifest(write(tmp_path, "package.yaml", VALID))
    with pytest.raises(ValueError, match="frozen"):
        manifest.entry_point = "other.py"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"frameworks": {}},
            "frameworks: unknown field; allowed here: comparison, contentTypes, description, dockerfile",
        ),
        ({"schema": 2}, "schema: Input should be 1, found 2 (Version of this format: 1.)"),
        ({"sample": None}, "sample: Input should be"),
        ({"framework": {"name": "caffe", "version": "1.0"}}, "framework.name: Input should be 'xgboost', 'sklearn' or"),
        (
            {"framework": {"name": "xgboost", "version": 3.0}},
            "framework.version: Input should be a valid string, found 3.0",
        ),
        ({"dockerfile": "Dockerfile"}, "the document: give exactly one of framework and dockerfile"),
        ({"entryPoint": "../../etc/passwd"}, "entryPoint: must be a file inside the use case's folder"),
        ({"contentTypes": ["application/json"]}, "sample.contentType is 'text/csv', not one of contentTypes"),
        (
            {"quality": {"task": "regression", "threshold": 0.9, "label": "value"}},
            "quality: tolerance is needed for task regression",
        ),
        (
            {"quality": {"task": "classification", "threshold": 0.9, "label": "value", "tolerance": 3}},
            "quality: tolerance is for regression",
        ),
        (
            {"quality": {"task": "classification", "threshold": 90, "label": "label"}},
            "quality.threshold: Input should be less than or equal to 1, found 90 (Least share of right answers, 0-1.)",
        ),
        (
            {"comparison": {"minimumPair": 1}},
            "comparison.minimumPair: unknown field; allowed here: absoluteTolerance, columns, ignoredFields",
        ),
        ({"training": {"instanceType": "m5.large"}}, "training.instanceType: String should match pattern"),
    ],
)
def test_a_mistake_names_file_field_and_what_is_allowed(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write(tmp_path, "package.yaml", {**VALID, **change})
    with pytest.raises(ManifestInvalid) as caught:
        load_manifest(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'package.yaml'}: ")
    assert message in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "package.yaml", {**VALID, "schema": 2, "contentTypes": []})
    with pytest.raises(ManifestInvalid) as caught:
        load_manifest(tmp_path)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "not YAML"), ("- a", "expected a mapping of fields, found list"), ("\x00", "not YAML")],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ManifestInvalid, match=message):
        load_manifest(write(tmp_path, "package.yaml", text))


def test_a_missing_use_case_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match="there is no such use case"):
        load_manifest(tmp_path / "nothing")
    with pytest.raises(ManifestInvalid, match=r"package\.yaml: there is no such file"):
        load_manifest(tmp_path)


def test_a_use_case_without_a_lock_file_has_no_model_yet(tmp_path: Path) -> None:
    assert load_lock(tmp_path) is None


def test_a_lock_file_is_written_and_read_back(tmp_path: Path) -> None:
    lock = ModelLock.model_validate(LOCK)
    path = write_lock(tmp_path, lock)
    assert path == tmp_path / "model.lock.yaml"
    assert load_lock(tmp_path) == lock
    assert yaml.safe_load(path.read_text()) == LOCK
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.lock.yaml"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "abc"}, "sha256: String should match pattern"),
        ({"uri": "https://example.com/model.ubj"}, "uri: String should match pattern"),
        ({"file": "../model.ubj"}, "file: String should match pattern"),
        ({"digest": "x"}, "digest: unknown field; allowed here: author, file"),
    ],
)
def test_a_wrong_lock_file_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write(tmp_path, "model.lock.yaml", {**LOCK, **change})
    with pytest.raises(LockInvalid) as caught:
        load_lock(tmp_path)
    assert message in str(caught.value)
