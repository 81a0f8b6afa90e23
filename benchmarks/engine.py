"""Preview and `up` of a production stack with 1, 10 and 50 services on the embedded engine.

All services run one tiny model, so that what is measured is the program, the engine and the provider.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import latency
from release.rehearsal.service import stack_file
from release.rehearsal.stage import Stage

ROOT = Path(__file__).parents[1]
SIZES = (1, 10, 50)
MINUTES = 20


def measure(console: Console) -> list[dict[str, Any]]:
    """Rows: services, resources, seconds of the first preview, of the `up`, of a preview and an `up` without change."""
    return [_of_size(console, services) for services in SIZES]


def _of_size(console: Console, services: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(ROOT, Path(folder) / "stage", speed=600, engine="embedded")
        stage.prepare()
        with stage.sandbox():
            latency.serve_twin(stage)  # the model's archive and role
            names = [f"bench-{number:03d}" for number in range(services)]
            arns = {name: _register(stage, name) for name in names}
            _configure(stage, arns)
            stage.pulumi("stack", "init", "prod", role="ci")
            seconds = {
                what: _timed(console, stage, services, command)
                for what, command in (
                    ("first_preview", ("preview",)),
                    ("up", ("up", "--yes", "--skip-preview")),
                    ("preview", ("preview",)),
                    ("up_without_change", ("up", "--yes", "--skip-preview", "--expect-no-changes")),
                )
            }
            state = stage.pulumi("stack", "export", "--stack", "prod", role="ci").json()
    resources = len(state["deployment"]["resources"])
    return {"services": services, "resources": resources, **seconds}


def _timed(console: Console, stage: Stage, services: int, command: tuple[str, ...]) -> float:
    console.print(f"{services} services: {' '.join(command)}")
    started = time.monotonic()
    stage.pulumi(*command, "--stack", "prod", role="ci", timeout=MINUTES * 60)
    return round(time.monotonic() - started, 2)


def _register(stage: Stage, name: str) -> str:
    """A use case of that name and an approved version of it."""
    shutil.copytree(stage.work / "use_cases" / "tumor_triage", stage.work / "use_cases" / name.replace("-", "_"))
    sagemaker = stage.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    arn: str = sagemaker.create_model_package(
        ModelPackageGroupName=name,
        ModelApprovalStatus="Approved",
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
