"""What the deployment tells the accuracy function (docs/seams.md, "Functions' environment")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from functions.common import environment as env
from functions.common.quality import Quality, Task


@dataclass(frozen=True)
class AccuracySettings:
    """`capture_prefix` is where the variant's capture files are: `capture/<endpoint>/<variant>/`."""

    service: str
    endpoint_name: str
    variant_name: str
    capture_bucket: str
    capture_prefix: str
    deployment_parameter: str
    quality: Quality

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> AccuracySettings:
        """Raises WrongEnvironmentError naming the variable."""
        task = env.text(environment, "TASK")
        if task not in get_args(Task):
            raise env.WrongEnvironmentError(
                f"environment variable TASK is {task!r}, must be one of {', '.join(get_args(Task))}"
            )
        tolerance = env.number(environment, "TOLERANCE") if task == "regression" else 0.0
        columns = tuple(name.strip() for name in environment.get("COLUMNS", "").split(",") if name.strip())
        return cls(
            service=env.text(environment, "SERVICE"),
            endpoint_name=env.text(environment, "ENDPOINT_NAME"),
            variant_name=env.text(environment, "VARIANT_NAME"),
            capture_bucket=env.text(environment, "CAPTURE_BUCKET"),
            capture_prefix=env.text(environment, "CAPTURE_PREFIX").rstrip("/") + "/",
            deployment_parameter=env.text(environment, "DEPLOYMENT_PARAMETER"),
            quality=Quality(task, env.text(environment, "LABEL"), tolerance, columns),  # type: ignore[arg-type]
        )
