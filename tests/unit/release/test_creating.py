"""`understudy new`: what it writes works at once, and it writes all of it or nothing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from model_package.manifest import load_manifest
from release import creating
from release.checking.main import check
from release.console import Output
from release.creating import Framework, Task, create
from release.errors import FailedError, UsageError
from release.workspace import Project

ROOT = Path(__file__).parents[3]
TASKS: dict[Framework, Task] = {
    "xgboost": "classification",
    "sklearn": "regression",
    "pytorch": "classification",
    "custom": "regression",
}
TORCH_IS_HERE = importlib.util.find_spec("torch") is not None


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one new use case of each framework."""
    project = Project(tmp_path_factory.mktemp("project"))
    for framework, task in TASKS.items():
        create(project, f"on_{framework}", framework, task)
    return project


@pytest.mark.timeout(180)
def test_a_new_use_case_passes_its_check_offline(project: Project) -> None:
    """Of the frameworks that are here, one: `test_new_use_cases_pass_their_own_tests` trains and serves all of them."""
    report = check(project, "on_custom", None, Output(as_json=True))
    assert report.findings == []
    assert report.verdict == "passed"
    assert report.measured["model"]["source"] == "trained on tests/data"
    assert report.measured["latency_milliseconds"]["median"] > 0
    assert 10 < report.measured["memory_megabytes"] < 1000


def test_a_new_use_case_that_cannot_run_here_does_not_pass(project: Project) -> None:
    report = check(project, "on_pytorch", None, Output(as_json=True))
    if TORCH_IS_HERE:
        assert report.verdict == "passed"
    else:
        assert report.verdict == "inconclusive"
        assert "imports torch, which is not installed on this machine: the package was not run" in str(
            report.findings[-2]
        )


@pytest.mark.timeout(180)
def test_new_use_cases_pass_their_own_tests(project: Project) -> None:
    """In one run, as `pytest use_cases` is: all but PyTorch's train, package and serve; what cannot run says so."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--import-mode=importlib"]
    ran = subprocess.run(
        [*command, "-W", "error", "use_cases"],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert ran.returncode == 0, ran.stdout
    assert ("32 passed" if TORCH_IS_HERE else "26 passed, 6 skipped") in ran.stdout
    assert TORCH_IS_HERE or "torch is not installed here: nothing was trained or served" in ran.stdout


@pytest.mark.parametrize("framework", get_args(Framework))
@pytest.mark.parametrize("task", get_args(Task))
def test_every_kind_is_clean_python_of_this_project(tmp_path: Path, framework: Framework, task: Task) -> None:
    folder = create(Project(tmp_path), "price_of_milk", framework, task)
    manifest = load_manifest(folder)
    assert (manifest.dockerfile is not None) == (framework == "custom")
    assert manifest.quality.task == task
    ruff = [sys.executable, "-m", "ruff"]
    settings = ("--config", str(ROOT / "pyproject.toml"), "--config", f'src = ["{ROOT}"]', "--no-cache", str(folder))
    for words in (("check", *settings), ("format", "--check", *settings)):
        ran = subprocess.run([*ruff, *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
        assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("scope", ["training", "inference"])
def test_the_templates_name_images_that_aws_has(scope: str) -> None:
    """By the SDK's own table: a version that is trained in must be there to serve in, too."""
    from sagemaker.core import image_uris

    for framework, kind in creating.KINDS.items():
        if framework != "custom":
            given = {"version": kind.version, "image_scope": scope, "instance_type": "ml.m5.large"}
            assert f":{kind.version}-" in f"{image_uris.retrieve(framework, 'us-west-2', **given)}-"


@pytest.mark.parametrize("name", ["", "Tumor", "tumor-triage", "../x", "1st", "a__b", "a_", "_a", "x" * 47, "naïve"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a use case") as caught:
        create(Project(tmp_path), name, "custom", "regression")
    assert "lower-case words with _ between them, at most 46 characters" in caught.value.do
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", ["churn_rate", "churn-rate", "Churn_Rate"])
def test_what_exists_is_left_alone(tmp_path: Path, taken: str) -> None:
    """Also what would be the same service, or the same folder where case does not count."""
    (tmp_path / "use_cases" / taken).mkdir(parents=True)
    with pytest.raises(UsageError, match="churn_rate exists already") as caught:
        create(Project(tmp_path), "churn_rate", "custom", "regression")
    assert caught.value.where.endswith(taken)
    assert [path.name for path in tmp_path.rglob("*")] == ["use_cases", taken]


def test_all_is_written_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(creating.shutil, "copytree", full)  # type: ignore[attr-defined]
    with pytest.raises(FailedError, match="churn was not created: No space left on device"):
        create(Project(tmp_path), "churn", "custom", "regression")
    assert list((tmp_path / "use_cases").iterdir()) == []


def test_the_command_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from release.commands.new import new

    monkeypatch.setattr(Project, "open", classmethod(lambda cls: Project(tmp_path)))
    monkeypatch.setattr("release.console.Console", lambda **_: Console(width=200))
    new("churn", "custom")
    shown = capsys.readouterr().out
    assert "use_cases/churn/package.yaml" in shown
    assert "understudy check churn" in shown
    assert "name it in Pulumi.shadow.yaml: understudy:services: {churn: {useCase: churn}}" in shown
