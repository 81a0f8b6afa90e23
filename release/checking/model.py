"""A model to check a use case with: a file that is named, the lock file's, or one trained here on a few rows.

A new use case has no trained model, and no AWS may be at hand. Its template brings a few rows in `tests/data/<channel>`
(CSV, the label first, as SageMaker's channels), on which the use case's own training script runs for a second, in a
process as a training job runs it. Such a model proves that the parts fit together, and says nothing about quality.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from model_package import artifacts
from model_package.lock import load_lock
from model_package.manifest import Manifest
from release.console import Output
from release.errors import MissingError
from release.trained import METRICS_FILE

DATA = Path("tests") / "data"
TRAINING_SECONDS = 600
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
"""All that a use case's code gets of this process's environment: no credentials, nothing of a stack."""

_METRIC = re.compile(r"^(\w+:\w+)=([-+0-9.eE]+)$", re.MULTILINE)


class TrainingFailed(Exception):  # noqa: N818  (it says what happened)
    """The training script did not leave a model; the text says why."""


@dataclass(frozen=True)
class Model:
    """A model file under the name that the package gives it, where it comes from, and its metrics if it was trained."""

    path: Path
    name: str
    source: str
    metrics: dict[str, float] = field(default_factory=dict)


def find(folder: Path, manifest: Manifest, given: Path | None, scratch: Path, cache: Path, output: Output) -> Model:
    """The model to check with: `given`, or what the lock file names, or one trained in `scratch`.

    Raises MissingError where there is none of the three, TrainingFailed, and `artifacts.fetch`'s errors.
    """
    if given is not None:
        if not given.is_file():
            raise MissingError(f"There is no file {given}.", where="--model")
        return Model(given, given.name, str(given))
    if (lock := load_lock(folder)) is not None:
        output.say(f"Fetching the model that model.lock.yaml names: {lock.uri}")
        return Model(artifacts.fetch(lock.uri, lock.sha256, cache), lock.file, lock.uri)
    channels = sorted(path for path in (folder / DATA).glob("*") if path.is_dir())
    if not channels:
        raise MissingError(
            f"{folder.name} has no model yet, and no rows to train one on.",
            where=str(folder),
            do=f"Say --model FILE, or run `understudy train {folder.name}`, or put a few rows into {DATA}/train/*.csv.",
        )
    output.say(f"Training a model on {DATA}, as there is no model.lock.yaml yet")
    return train(folder, manifest, channels, scratch)


def train(folder: Path, manifest: Manifest, channels: list[Path], scratch: Path) -> Model:
    """Run the training script on `channels` as a training job would. Raises TrainingFailed."""
    model_dir = scratch / "model"
    model_dir.mkdir()
    (scratch / "output").mkdir()
    command = [sys.executable, "-B", manifest.training.entry_point]
    for name, value in manifest.training.hyperparameters.items():
        command += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
    environment = {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **{f"SM_CHANNEL_{channel.name.upper()}": str(channel.resolve()) for channel in channels},
        "SM_MODEL_DIR": str(model_dir),
        "SM_OUTPUT_DATA_DIR": str(scratch / "output"),
    }
    try:
        ended = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=TRAINING_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise TrainingFailed(f"it ran longer than {TRAINING_SECONDS} s: take fewer rows") from None
    if ended.returncode != 0:
        last = [line for line in ended.stderr.splitlines() if line.strip()][-4:]
        raise TrainingFailed(f"it ended with {ended.returncode}: {' | '.join(last) or 'it said nothing'}")
    left = [path for path in model_dir.rglob("*") if path.is_file() and path.name != METRICS_FILE]
    if len(left) != 1:
        names = ", ".join(sorted(path.name for path in left)) or "none"
        raise TrainingFailed(f"it must leave exactly one model file in SM_MODEL_DIR, it left: {names}")
    metrics = {name: float(value) for name, value in _METRIC.findall(ended.stdout)}
    return Model(left[0], left[0].name, f"trained on {DATA}", metrics)
