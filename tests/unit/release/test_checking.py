"""`understudy check`: each mistake is one line that says where it is and what to do."""
# ruff: noqa: E501  (what is printed, line by line)

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from release.checking import model, serving, source
from release.checking.findings import Finding, Report
from release.checking.main import check
from release.console import Output
from release.errors import ExitCode, MissingError, UsageError
from release.workspace import Project

GOOD = """\
import json

def model_fn(model_dir):
    return 2.0

def input_fn(body, content_type):
    if content_type == "application/json":
        return [float(value) for value in json.loads(body)]
    return [float(value) for value in body.split(",")]

def predict_fn(data, model):
    return sum(data) * model

def output_fn(value, accept):
    return json.dumps({"value": value}) if accept == "application/json" else str(value)
"""
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "framework": {"name": "xgboost", "version": "3.0-5"},
    "contentTypes": ["text/csv", "application/json"],
    "sample": {"contentType": "text/csv", "body": "1,2"},
    "quality": {"task": "regression", "threshold": 0.9, "tolerance": 1, "label": "value"},
}


class Trial:
    """A use case whose files a test changes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "use_cases" / "doubling"
        self.folder.mkdir(parents=True)
        self.model = root / "model.json"
        self.model.write_text("{}")
        self.write("package.yaml", yaml.safe_dump(MANIFEST))
        self.write("inference.py", GOOD)
        self.write("train.py", "import json\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def manifest(self, **changes: Any) -> None:
        self.write("package.yaml", yaml.safe_dump({**MANIFEST, **changes}))

    def check(self, given: Path | None = None) -> Report:
        return check(Project(self.root), "doubling", given or self.model, Output(as_json=True))

    def lines(self) -> list[str]:
        return [" ".join(str(finding).split()) for finding in self.check().findings]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def test_a_good_package_passes_with_its_measures(trial: Trial) -> None:
    trial.manifest(resources={"memoryMegabytes": 1000})
    report = trial.check()
    assert (report.verdict, report.findings) == ("passed", [])
    document = report.document()
    assert document["model"]["file"] == "model.json"
    assert document["package"]["size_bytes"] > 0
    assert document["latency_milliseconds"].keys() == {"median", "slowest"}
    assert document["memory_megabytes"] > 10


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("inference.py", "def model_fn(d):\n    return (\n", "error inference.py:2: not Python: '(' was never closed; return ("),
        ("features.py", "x = = 1\n", "error features.py:1: not Python: invalid syntax; x = = 1"),
        ("train.py", "def\n", "error train.py:1: not Python: invalid syntax; def"),
        ("inference.py", "x = '\0'", "error inference.py:1: not Python: source code string cannot contain null bytes"),
        ("inference.py", "import json\n", "error inference.py: no model_fn(model_dir); define it: it loads the model and returns it"),
        (
            "inference.py",
            GOOD + "def transform_fn(*a): pass\n",
            "error inference.py:16: transform_fn beside input_fn, predict_fn, output_fn; transform_fn stands for all of them",
        ),
        (
            "inference.py",
            "import yaml\n" + GOOD,
            "error inference.py:1: imports yaml, which requirements.txt does not name; add pyyaml",
        ),
        (
            "features.py",
            "from sklearn.svm import SVC\n",
            "error features.py:1: imports sklearn, which requirements.txt does not name; add scikit-learn",
        ),
        (
            "inference.py",
            "import not_there_at_all\n" + GOOD,
            "inconclusive inference.py:1: imports not_there_at_all, which is not installed on this machine: the package "
            "was not run; install not_there_at_all here, or check it where it is",
        ),
        (
            "package.yaml",
            yaml.safe_dump({**MANIFEST, "contentType": "text/csv"}),
            "error package.yaml: contentType: unknown field; allowed here: comparison, contentTypes, description, "
            "dockerfile, entryPoint, framework, quality, resources, sample, schema, training",
        ),
        (
            "package.yaml",
            yaml.safe_dump({**MANIFEST, "training": {"entryPoint": "fit.py"}}),
            "error package.yaml: training.entryPoint names fit.py, which does not exist",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_folder_is_told_without_running_anything(
    trial: Trial, name: str, text: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "serve", lambda *_: pytest.fail("the package was run"))
    trial.write(name, text)
    assert line in trial.lines()


def test_a_missing_entry_point_names_file_and_fix(trial: Trial) -> None:
    (trial.folder / "inference.py").unlink()
    assert trial.lines() == [
        f"error package: {trial.folder / 'inference.py'} does not exist: entryPoint of {trial.folder / 'package.yaml'} "
        "must name it"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import yaml\nexcept ImportError:\n    yaml = None\n" + GOOD,
        "import features\nfrom . import features\n" + GOOD,
        "import numpy\nimport xgboost\n" + GOOD,
        "from functions_of_mine import *\n",
    ],
)
def test_what_is_well_is_not_complained_about(trial: Trial, text: str) -> None:
    trial.write("features.py", "")
    trial.write("functions_of_mine.py", GOOD)
    trial.write("inference.py", text)
    from model_package.manifest import load_manifest

    assert list(source.findings(trial.folder, load_manifest(trial.folder))) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "return 2.0",
            "raise OSError('model.ubj is not a model')",
            "error inference.py: /ping is answered 500: the model cannot be served: OSError: model.ubj is not a model",
        ),
        ("return 2.0", "import os; os._exit(3)", "error inference.py: the server ended with 3: "),
        (
            "return sum(data) * model",
            "return data.nothing",
            "error sample text/csv → application/json: answered 500: AttributeError: 'list' object has no attribute 'nothing'",
        ),
        (
            '{"value": value}',
            '{"answer": value}',
            "error sample text/csv → application/json: quality.label 'value': no value at 'value': it has answer; it "
            'answered {"answer": 6.0}',
        ),
        (
            '{"value": value}',
            '{"value": str(value) + " mm"}',
            "error sample text/csv → application/json: quality.label 'value' is no number: ['6.0 mm']",
        ),
        (
            "else str(value)",
            'else (str(value), "text/plain")',
            "error sample text/csv → text/csv: answered as text/plain, asked for as text/csv",
        ),
        (
            "json.loads(body)]",
            'json.loads(body)["instances"]]',
            "warning sample as application/json: [1.0, 2.0] is answered 500: TypeError: list indices must be integers or "
            "slices, not str; take contentTypes that it does not read out of package.yaml, or read a list of numbers too",
        ),
        (
            'body.split(",")]',
            'body.split(",")] if body else None',
            "warning empty request: answered 500: TypeError: 'NoneType' object is not iterable; a ValueError out of "
            "input_fn is answered 400 and is not counted as the model's error",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_what_is_served_is_told_with_the_containers_answer(
    trial: Trial, old: str, new: str, line: str
) -> None:
    assert old in GOOD
    trial.write("inference.py", GOOD.replace(old, new))
    assert [found for found in trial.lines() if found.startswith(line)]


def test_rules_about_fields_that_no_answer_has_are_told(trial: Trial) -> None:
    trial.manifest(comparison={"columns": ["value", "sure"], "ignoredFields": ["sure.ness"]})
    assert trial.lines() == [
        "error sample text/csv → text/csv: comparison.columns names 2 columns, the answer has 1; name them all, in order",
        "warning sample text/csv → application/json: comparison.ignoredFields names 'sure.ness', which the answer has "
        "not: it has value",
    ]


def test_more_memory_than_allowed_is_an_error(trial: Trial) -> None:
    trial.manifest(resources={"memoryMegabytes": 16})
    [line] = trial.lines()
    assert line.startswith("error resources.memoryMegabytes: the server took ")
    assert line.endswith(" MB where 16 MB are allowed; allow more, or load less")


def test_a_type_without_a_sample_is_told_as_untried(trial: Trial) -> None:
    trial.manifest(contentTypes=["text/csv", "application/x-image"])
    assert "warning application/x-image: not tried: the sample is text/csv" in trial.lines()


class Canary:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_pickled_model_is_reported_and_not_loaded_here(trial: Trial) -> None:
    canary = trial.root / "canary"
    trial.model.write_bytes(pickle.dumps(Canary(canary)))
    report = trial.check()
    assert report.verdict == "passed"
    [finding] = report.findings
    assert finding.level == "warning"
    assert finding.what.startswith("model.json: a pickle, which can run any code when it is loaded; it imports ")
    assert "safetensors (PyTorch) and skops (scikit-learn) hold data only" in finding.do
    assert not canary.exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("raise SystemExit('no rows')", "it ended with 1: no rows"),
        ("print('fine')", "it must leave exactly one model file in SM_MODEL_DIR, it left: none"),
        (
            "import os, pathlib\nfor n in 'ab': (pathlib.Path(os.environ['SM_MODEL_DIR']) / n).touch()",
            "it must leave exactly one model file in SM_MODEL_DIR, it left: a, b",
        ),
    ],
)
def test_a_training_that_leaves_no_model_is_told(trial: Trial, text: str, line: str) -> None:
    trial.write("train.py", text)
    trial.write("tests/data/train/train.csv", "1,2\n")
    report = check(Project(trial.root), "doubling", None, Output(as_json=True))
    assert [str(finding) for finding in report.findings] == [f"error        train.py: {line}"]


def test_training_gets_no_credentials(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    trial.write("train.py", "import os\nraise SystemExit(os.environ.get('AWS_SECRET_ACCESS_KEY', 'nothing'))")
    trial.write("tests/data/train/train.csv", "1,2\n")
    report = check(Project(trial.root), "doubling", None, Output(as_json=True))
    assert report.findings[0].what == "it ended with 1: nothing"
    assert "AWS_SECRET_ACCESS_KEY" not in model.KEPT


def test_without_any_model_it_says_how_to_get_one(trial: Trial) -> None:
    with pytest.raises(MissingError, match="doubling has no model yet, and no rows to train one on") as caught:
        check(Project(trial.root), "doubling", None, Output(as_json=True))
    assert "--model FILE" in caught.value.do
    with pytest.raises(MissingError, match="There is no file"):
        trial.check(trial.root / "gone.ubj")


def test_an_unknown_use_case_is_wrong_usage(trial: Trial) -> None:
    with pytest.raises(UsageError, match="Unknown use case 'other'"):
        check(Project(trial.root), "other", None, Output(as_json=True))


@pytest.mark.parametrize(
    ("levels", "verdict", "code"),
    [
        ([], "passed", ExitCode.OK),
        (["warning"], "passed", ExitCode.OK),
        (["warning", "inconclusive"], "inconclusive", ExitCode.INCONCLUSIVE),
        (["inconclusive", "error"], "failed", ExitCode.FAILED),
    ],
)
def test_the_verdict_is_the_exit_code(
    levels: list[Any],
    verdict: str,
    code: ExitCode,
    trial: Trial,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from release.commands.check import check as command

    report = Report("doubling", [Finding(level, "a.py:1", "wrong", "mend it") for level in levels])
    monkeypatch.setattr("release.checking.main.check", lambda *_: report)
    monkeypatch.setattr(Project, "open", classmethod(lambda cls: Project(trial.root)))
    with pytest.raises(typer.Exit) as ended:
        command("doubling", None, as_json=True)
    assert ended.value.exit_code == code
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == verdict
    assert [finding["level"] for finding in document["findings"]] == levels
