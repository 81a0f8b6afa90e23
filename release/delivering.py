"""Deploying a stack as it stands: candidates to shadow, or production's config as git has it."""

from __future__ import annotations

from typing import Any

from model_package.lock import load_lock
from release.arns import service_name
from release.console import Output
from release.deployment import Deployment
from release.errors import MissingError
from release.workspace import Project


def deploy(project: Project, use_cases: list[str], stack: str, output: Output, *, assume_yes: bool) -> dict[str, Any]:
    """Preview, confirm, up; `{stack, services: {<service>: outputs}, skipped: {<service>: reason}}`.

    Raises `UsageError` for a use case that is unknown or not in the stack's config, `MissingError` without lock file.
    """
    services = {}
    file = project.stack_file(stack)
    for use_case in use_cases:
        folder = project.use_case(use_case)
        if load_lock(folder) is None:
            raise MissingError(
                f"{use_case} has no model.lock.yaml: there is no trained model to package.",
                where=str(folder),
                do=f"`understudy train {use_case}` makes it.",
            )
        services[file.service(service_name(use_case)).name] = use_case
    environment = project.environment(stack, create=True)
    Deployment(environment, output, assume_yes).run(_message(list(services), stack))
    deployed = {name: environment.service(name) for name in services} or dict(environment.services())
    return {"stack": stack, "services": deployed, "skipped": environment.outputs.get("skipped") or {}}


def _message(services: list[str], stack: str) -> str:
    return f"Deploy {', '.join(services) or 'everything'} to {stack}"
