"""Preview and `up` without change of a production stack with 1, 10, 50 and 200 services, by the engines that are here.

All services run one tiny model, so that what is measured is the program, the engine and the provider. The embedded
engine makes the stack; where a `pulumi` is on PATH it takes the same stack over, and the two take turns, so that
whatever else the machine does falls on both.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from benchmarks import latency
from model_package import metadata
from release.rehearsal.service import stack_file
from release.rehearsal.stage import ENGINES, Stage

ROOT = Path(__file__).parents[1]
SIZES = (1, 10, 50, 200)
ROUNDS = 3
LIMIT_SECONDS = 1800
STACK = ("--stack", "prod")
COMMANDS = {
    "preview": ("preview", *STACK),
    "up_without_change": ("up", "--yes", "--skip-preview", "--expect-no-changes", *STACK),
}
PROGRAM_S_PYTHON = """\
#!/bin/sh
# The interpreter of the project, which tells how many processor seconds the program took.
{python} "$@"
code=$?
times > {file}
exit $code
"""


@dataclass
class Run:
    """What one command took: seconds, the peak of its biggest process in MB, processor seconds of the program."""

    seconds: float
    peak_megabytes: float
    program_seconds: float


def measure(console: Console) -> list[dict[str, Any]]:
    """Rows by size and engine: medians of seconds, milliseconds a resource and, of a preview, the program's own
    processor seconds and the peak of the biggest process in MB."""
    engines = ["embedded", *(["cli"] if shutil.which("pulumi") else [])]
    if len(engines) == 1:
        console.print("no `pulumi` on PATH: nothing to compare with")
    rows = [row for services in SIZES for row in _of_size(console, services, engines)]
    return sorted(rows, key=lambda row: engines.index(row["engine"]))


def _of_size(console: Console, services: int, engines: list[str]) -> list[dict[str, Any]]:
    with _stack(console, services) as (stage, told, made):
        resources = len(stage.pulumi("stack", "export", *STACK, role="ci").json()["deployment"]["resources"])
        runs: dict[tuple[str, str], list[Run]] = {}
        for number in range(ROUNDS + 1):
            for what, command in COMMANDS.items():
                for engine in engines:
                    console.print(f"{services} services, round {number}: {engine} {what}")
                    run = _run(stage, told, engine, command)
                    if number:  # the first round fills caches
                        runs.setdefault((engine, what), []).append(run)
    return [
        {
            "engine": engine,
            "services": services,
            "resources": resources,
            "first_up": round(made.seconds, 2) if engine == "embedded" else "",
            **_row(resources, {what: runs[engine, what] for what in COMMANDS}),
        }
        for engine in engines
    ]


def _row(resources: int, runs: dict[str, list[Run]]) -> dict[str, float]:
    median = statistics.median
    seconds = {what: median(run.seconds for run in taken) for what, taken in runs.items()}
    return {
        **{what: round(value, 2) for what, value in seconds.items()},
        "preview_ms_per_resource": round(1000 * seconds["preview"] / resources, 2),
        "program_cpu": round(median(run.program_seconds for run in runs["preview"]), 2),
        "peak_mb": round(median(run.peak_megabytes for run in runs["preview"])),
    }


@contextmanager
def _stack(console: Console, services: int) -> Iterator[tuple[Stage, Path, Run]]:
    """(stage, where the program's interpreter tells its times, the `up` that made the stack)."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(ROOT, Path(folder) / "stage", speed=600, engine="embedded")
        stage.prepare()
        told = _measured_interpreter(stage, Path(folder))
        with stage.sandbox():
            latency.serve_twin(stage)  # the model's archive and role
            names = [f"bench-{number:03d}" for number in range(services)]
            _configure(stage, {name: _register(stage, name) for name in names})
            stage.pulumi("stack", "init", "prod", role="ci")
            console.print(f"{services} services: making the stack")
            yield stage, told, _run(stage, told, "embedded", ("up", "--yes", "--skip-preview", *STACK))


def _measured_interpreter(stage: Stage, folder: Path) -> Path:
    told, python = folder / "program", folder / "measured" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PROGRAM_S_PYTHON.format(python=stage.work / ".venv" / "bin" / "python", file=told))
    python.chmod(0o755)
    (python.parent / "python3").symlink_to(python)
    project = stage.work / "Pulumi.yaml"
    document = yaml.safe_load(project.read_text())
    document["runtime"]["options"]["virtualenv"] = str(python.parents[1])
    project.write_text(yaml.safe_dump(document))
    return told


def _run(stage: Stage, told: Path, engine: str, command: tuple[str, ...]) -> Run:
    told.unlink(missing_ok=True)
    argv = [*ENGINES[engine], *command]
    log = told.with_name("output")
    with log.open("wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(argv, cwd=stage.work, env=stage.environment("ci"), stdout=output, stderr=output)
        limit = threading.Timer(LIMIT_SECONDS, process.kill)
        limit.daemon = True
        limit.start()
        _, status, used = os.wait4(process.pid, 0)  # unlike `wait` it tells what the process used
        limit.cancel()
        seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    return Run(seconds, used.ru_maxrss / 1024, _seconds_of_children(told.read_text()))


def _seconds_of_children(text: str) -> float:
    """User and system time of a shell's children, its second line of `times`: `0m1.250s 0m0.120s`."""
    parts = [part.removesuffix("s").split("m") for part in text.splitlines()[1].split()]
    return sum(60 * float(minutes) + float(seconds) for minutes, seconds in parts)


def _register(stage: Stage, name: str) -> str:
    """A use case of that name and an approved version of it, which names the bytes that were registered."""
    shutil.copytree(stage.work / "use_cases" / "tumor_triage", stage.work / "use_cases" / name.replace("-", "_"))
    sagemaker, s3 = stage.client("sagemaker"), stage.client("s3")
    model = s3.get_object(Bucket="latency", Key="model.tar.gz")["Body"].read()
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    arn: str = sagemaker.create_model_package(
        ModelPackageGroupName=name,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={metadata.OBJECT_SHA256: hashlib.sha256(model).hexdigest()},
        InferenceSpecification={
            "Containers": [
                {
                    "Image": latency.IMAGE,
                    "ModelDataUrl": "s3://latency/model.tar.gz",
                    "Environment": {
                        "SAGEMAKER_PROGRAM": "inference.py",
                        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    },
                }
            ],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    return arn


def _configure(stage: Stage, arns: dict[str, str]) -> None:
    def prod(config: dict[str, Any]) -> None:
        config.clear()
        config["aws:region"] = stage.environment("ci")["AWS_REGION"]
        config["understudy:environment"] = "prod"
        config["understudy:services"] = {name: {"modelPackageArn": arn} for name, arn in arns.items()}

    stack_file(stage, "prod", prod)
