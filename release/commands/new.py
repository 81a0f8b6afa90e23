"""`understudy new`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from release.commands.options import Json


def new(
    name: Annotated[str, typer.Argument(help="Folder to make in use_cases/, e.g. tumor_triage.")],
    framework: Annotated[
        Literal["xgboost", "sklearn", "pytorch", "custom"],
        typer.Option(help="AWS's image to train and serve in, or custom: an image of your own that starts our server."),
    ],
    task: Annotated[
        Literal["classification", "regression"], typer.Option(help="What the model predicts: a label, or a number.")
    ] = "classification",
    as_json: Json = False,
) -> None:
    """Write a use case that works: package.yaml, scripts, requirements, a test and a few rows to try it on.

    Nothing is written unless all of it is; a folder that exists is left alone.

        understudy new churn --framework xgboost && understudy check churn

    Next: put your own model into train.py and inference.py, then `understudy check NAME`
    """
    from release.console import Output
    from release.creating import create
    from release.workspace import Project

    project = Project.open()
    folder = create(project, name, framework, task)
    files = sorted(path.relative_to(project.root).as_posix() for path in folder.rglob("*") if path.is_file())
    service = name.replace("_", "-")
    steps = [
        f"understudy check {name}",
        f"pytest {folder.relative_to(project.root).as_posix()}",
        f"name it in Pulumi.shadow.yaml: understudy:services: {{{service}: {{useCase: {name}}}}}",
        f"understudy train {name}",
    ]
    Output(as_json=as_json).result(
        {"use_case": name, "files": files, "next": steps},
        lambda console: console.print("\n".join([*files, "Next:", *(f"  {step}" for step in steps)]), markup=False),
    )
