"""`understudy train`."""

from __future__ import annotations

from typing import Annotated

import typer

from release.commands.options import Json, ShadowStack, UseCase


def train(
    use_case: UseCase,
    data: Annotated[
        str | None, typer.Option(help="s3:// folder of CSV files, label first. Default: data/<use case>/train/.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A hyperparameter; wins over package.yaml.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the job and lock its model.")] = True,
    job: Annotated[str | None, typer.Option(help="Take up a job that was started with --no-wait.")] = None,
    stack: ShadowStack = "shadow",
    as_json: Json = False,
) -> None:
    """Train a use case in SageMaker and lock the model in git.

    Runs use_cases/USE_CASE's training script as a training job (script mode), stores the model file under its digest
    in the training bucket, writes model.lock.yaml and commits it. You become the model's author: somebody else has to
    approve it.

        understudy train tumor_triage --set max_depth=4

    Next: understudy deploy USE_CASE
    """
    from release.console import Output
    from release.training import Order, parse_overrides
    from release.training import train as run
    from release.workspace import Project

    output = Output(as_json=as_json)
    order = Order(use_case, stack, data, parse_overrides(overrides or []), job, wait)
    told = run(Project.open(), order, output)
    metrics = ", ".join(f"{name} {value:g}" for name, value in told.get("metrics", {}).items())
    output.result(
        told, lambda console: console.print(f"{told['job']}: {told['status']}" + (f" ({metrics})" * bool(metrics)))
    )
