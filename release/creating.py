"""A new use case from the templates: a whole folder, or nothing."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from model_package.manifest import load_manifest
from release.arns import service_name
from release.errors import FailedError, UsageError
from release.workspace import USE_CASES, Project
from settings.rules import ENDPOINT_NAME_LIMIT

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST_ENVIRONMENT = 16
FEATURES = 4

Framework = Literal["xgboost", "sklearn", "pytorch", "custom"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class _Kind:
    """What templates of a framework say of it: AWS's image, the model file, and what serving it takes at most."""

    version: str
    model_file: str
    memory_megabytes: int


KINDS: dict[Framework, _Kind] = {
    "xgboost": _Kind("3.0-5", "model.ubj", 500),
    "sklearn": _Kind("1.9-0", "model.skops", 800),
    "pytorch": _Kind("2.6.0", "model.safetensors", 2000),
    "custom": _Kind("", "model.json", 300),
}
METRICS: dict[Task, str] = {"classification": "accuracy", "regression": "within_tolerance"}


def create(project: Project, name: str, framework: Framework, task: Task) -> Path:
    """Write `use_cases/<name>/` and return it. Raises UsageError for a bad or taken name, FailedError."""
    folder = project.root / USE_CASES / name
    _refuse(name, folder)
    try:
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as scratch:
            whole = Path(scratch) / name
            _write(whole, name, framework, task)
            load_manifest(whole)
            whole.rename(folder)
    except OSError as error:
        raise FailedError(
            f"{name} was not created: {error.strerror or error}.", where=str(folder), do="Nothing was left behind."
        ) from error
    return folder


def _refuse(name: str, folder: Path) -> None:
    longest = ENDPOINT_NAME_LIMIT - LONGEST_ENVIRONMENT - 1
    if not NAME.fullmatch(name) or len(name) > longest:
        raise UsageError(
            f"{name!r} is no name for a use case.",
            where="NAME",
            do=f"Take lower-case words with _ between them, at most {longest} characters: tumor_triage.",
        )
    taken = [path for path in folder.parent.glob("*") if service_name(path.name).lower() == service_name(name)]
    if taken:
        raise UsageError(
            f"{name} exists already.", where=str(taken[0]), do="Take another name, or remove the folder first."
        )


def _write(folder: Path, name: str, framework: Framework, task: Task) -> None:
    kind = KINDS[framework]
    values: dict[str, Any] = {
        "name": name,
        "title": name.replace("_", " "),
        "framework": framework,
        "task": task,
        "metric": METRICS[task],
        "features": FEATURES,
        "version": kind.version,
        "model_file": kind.model_file,
        "memory_megabytes": kind.memory_megabytes,
    }
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (Python and YAML, not HTML; the values are ours and a checked name)
    )
    for template in sorted((TEMPLATES / framework).glob("*.j2")):
        text = environment.get_template(f"{framework}/{template.name}").render(values)
        _put(folder / template.name.removesuffix(".j2"), text)
    _put(
        folder / "tests" / f"test_{name}.py",
        environment.get_template("shared/tests/test_use_case.py.j2").render(values),
    )
    shutil.copytree(TEMPLATES / "data" / task, folder / "tests" / "data")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
