"""The shipped use cases: they train, serve what docs/seams.md promises, and are as good as their manifests say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xgboost
import yaml
from numpy.typing import NDArray

from model_package.manifest import load_manifest
from model_package.server.script import RequestError, Script, load

ROOT = Path(__file__).parents[2]
USE_CASES = ("tumor_triage", "diabetes_progression")
BETTER = {
    "tumor_triage": {"max_depth": 3, "eta": 0.1, "num_round": 200, "subsample": 0.8, "colsample_bytree": 0.5},
    "diabetes_progression": {"max_depth": 2, "eta": 0.05, "num_round": 150, "subsample": 0.7, "colsample_bytree": 0.5},
}
QUALITY = {"tumor_triage": "holdout:accuracy", "diabetes_progression": "holdout:within_tolerance"}


@dataclass(frozen=True)
class Data:
    """Rows of (label, features …)."""

    train: NDArray[np.float64]
    holdout: NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    model: Path
    metrics: dict[str, float]


def data(use_case: str) -> Data:
    from sklearn.datasets import load_breast_cancer, load_diabetes

    loader = {"tumor_triage": load_breast_cancer, "diabetes_progression": load_diabetes}[use_case]
    features, labels = loader(return_X_y=True)
    table = np.random.default_rng(7).permutation(np.column_stack([labels, features]))
    cut = len(table) * 2 // 3
    return Data(table[:cut], table[cut:])


def train(use_case: str, rows: Data, folder: Path, hyperparameters: dict[str, float]) -> Trained:
    """Run train.py as a training job does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    for channel, table in (("train", rows.train), ("holdout", rows.holdout)):
        (folder / channel).mkdir(parents=True)
        np.savetxt(folder / channel / f"{channel}.csv", table, delimiter=",", fmt="%.10g")
        environment[f"SM_CHANNEL_{channel.upper()}"] = str(folder / channel)
    (folder / "model").mkdir()
    environment["SM_MODEL_DIR"] = str(folder / "model")
    arguments = [text for name, value in hyperparameters.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, str(ROOT / "use_cases" / use_case / "train.py"), *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=50)
    lines = re.findall(r"^(\w+:\w+)=([\d.]+)$", result.stdout, flags=re.MULTILINE)
    return Trained(folder / "model" / "model.ubj", {name: float(value) for name, value in lines})


@pytest.fixture(scope="module", params=USE_CASES)
def use_case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rows(use_case: str) -> Data:
    return data(use_case)


@pytest.fixture(scope="module")
def first(use_case: str, rows: Data, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model with the hyperparameters of package.yaml."""
    manifest = load_manifest(ROOT / "use_cases" / use_case)
    hyperparameters = {name: float(value) for name, value in manifest.training.hyperparameters.items()}
    whole = {name: int(value) if value == int(value) else value for name, value in hyperparameters.items()}
    return train(use_case, rows, tmp_path_factory.mktemp(use_case), whole)


@pytest.fixture(scope="module")
def better(use_case: str, rows: Data, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(use_case, rows, tmp_path_factory.mktemp(f"better_{use_case}"), BETTER[use_case])


@pytest.fixture
def script(use_case: str, first: Trained, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "inference", sys)  # taken back, with what load() puts there, after the test
    # Whatever other tests of this process have imported stays importable here.
    monkeypatch.setattr("model_package.server.lean.leave_out", lambda requirements: [])
    return load(first.model.parent, ROOT / "use_cases" / use_case, "inference.py")


def test_the_folder_is_a_valid_use_case_without_a_model(use_case: str) -> None:
    folder = ROOT / "use_cases" / use_case
    assert load_manifest(folder).framework is not None
    assert {path.name for path in folder.iterdir()} >= {"train.py", "inference.py", "requirements.txt", "Dockerfile"}


def test_the_custom_image_starts_the_model_server_and_gets_sigterm(use_case: str) -> None:
    lines = (ROOT / "use_cases" / use_case / "Dockerfile").read_text().splitlines()
    assert json.loads(lines[-1].removeprefix("ENTRYPOINT ")) == [
        "python",
        "-m",
        "model_package.server",
        "--host",
        "0.0.0.0",
    ]
    sources = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_first_version_is_good_enough(use_case: str, first: Trained) -> None:
    quality = load_manifest(ROOT / "use_cases" / use_case).quality
    assert first.metrics[QUALITY[use_case]] >= quality.threshold


def test_shuffled_labels_make_a_model_that_fails_clearly(use_case: str, rows: Data, tmp_path: Path) -> None:
    wrong = rows.train.copy()
    wrong[:, 0] = np.random.default_rng(3).permutation(wrong[:, 0])
    bad = train(use_case, Data(wrong, rows.holdout), tmp_path, BETTER[use_case])
    quality = load_manifest(ROOT / "use_cases" / use_case).quality
    assert bad.metrics[QUALITY[use_case]] < quality.threshold - 0.05


def test_a_better_version_agrees_with_the_first(use_case: str, rows: Data, first: Trained, better: Trained) -> None:
    rules = load_manifest(ROOT / "use_cases" / use_case)
    answers = [
        xgboost.Booster(model_file=str(version.model)).inplace_predict(rows.holdout[:, 1:])
        for version in (first, better)
    ]
    if rules.quality.task == "classification":
        agreement = np.mean((answers[0] >= 0.5) == (answers[1] >= 0.5))
    else:
        near = rules.comparison.absolute_tolerance + rules.comparison.relative_tolerance * np.abs(answers[0])
        agreement = np.mean(np.abs(answers[0] - answers[1]) <= near)
    assert agreement >= rules.comparison.minimum_agreement
    assert better.metrics[QUALITY[use_case]] >= rules.quality.threshold


def test_the_same_job_makes_the_same_file(use_case: str, rows: Data, better: Trained, tmp_path: Path) -> None:
    again = train(use_case, rows, tmp_path, BETTER[use_case])
    assert again.model.read_bytes() == better.model.read_bytes()
    assert again.metrics == better.metrics


def test_the_sample_request_is_answered_in_both_types(use_case: str, script: Script) -> None:
    manifest = load_manifest(ROOT / "use_cases" / use_case)
    body = manifest.sample.body.encode()
    as_json = json.loads(script.answer(body, "text/csv", "application/json").body)
    line = script.answer(body, "text/csv", "text/csv").body
    assert line == ",".join(str(value) for value in as_json.values())
    assert manifest.quality.label in as_json
    assert set(as_json) == ({"label", "probability"} if use_case == "tumor_triage" else {"value"})
    numbers = [float(value) for value in manifest.sample.body.split(",")]
    assert (
        json.loads(script.answer(json.dumps(numbers).encode(), "application/json", "application/json").body) == as_json
    )


def test_several_rows_are_answered_in_order(script: Script, rows: Data) -> None:
    lines = [",".join(f"{value:.10g}" for value in row[1:]) for row in rows.holdout[:3]]
    together = json.loads(script.answer("\n".join(lines).encode(), "text/csv", "application/json").body)
    alone = [json.loads(script.answer(line.encode(), "text/csv", "application/json").body) for line in lines]
    assert together == alone


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status", "message"),
    [
        (b"1,2", "text/csv", "application/json", 400, "row 1 has 2 values, expected"),
        (b"1", "image/png", "application/json", 415, "Content-Type image/png is not supported"),
        (b"{", "application/json", "application/json", 400, "Expecting property name"),
        (b"7", "application/json", "application/json", 400, "expected a list"),
        (b'{"a": 1}', "application/json", "application/json", 400, "expected a list"),
        (b"", "text/csv", "application/json", 400, "no rows"),
    ],
)
def test_a_wrong_request_is_told_apart(
    script: Script, body: bytes, content_type: str, accept: str, status: int, message: str
) -> None:
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        script.answer(body, content_type, accept)
    assert caught.value.status_code == status


def test_an_answer_in_another_type_is_refused(use_case: str, script: Script) -> None:
    body = load_manifest(ROOT / "use_cases" / use_case).sample.body.encode()
    with pytest.raises(RequestError, match="Accept image/png is not supported") as caught:
        script.answer(body, "text/csv", "image/png")
    assert caught.value.status_code == 406


def test_training_without_its_channel_says_what_is_missing(use_case: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "use_cases" / use_case / "train.py")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    environment["SM_MODEL_DIR"] = str(tmp_path)
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=50)
    assert result.returncode == 1
    assert "SM_CHANNEL_TRAIN is not set: the job needs a train channel" in result.stderr


def test_the_manifests_name_the_tolerance_once(use_case: str) -> None:
    """train.py reports against the tolerance that package.yaml judges by."""
    document = yaml.safe_load((ROOT / "use_cases" / use_case / "package.yaml").read_text())
    assert document["training"]["hyperparameters"].get("tolerance") == document["quality"].get("tolerance")
