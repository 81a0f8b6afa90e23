"""`understudy check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from release.commands.options import Json, UseCase
from release.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console


def check(
    use_case: UseCase,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check with this model file instead of the lock file's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve a use case on this machine and say what is wrong with it, line by line.

    Reads package.yaml and the scripts, packages them with a model, and runs the package in the model server as
    SageMaker runs a container: /ping, then the sample request in every content type. The model is --model FILE, or
    the one that model.lock.yaml names, or one trained here on the rows in tests/data/train. Needs no AWS but for a
    locked model. Ends with 0 if all is well, 1 if something is wrong, 4 if this machine cannot tell.

        understudy check tumor_triage
    """
    from release.checking.main import check as run
    from release.console import Output
    from release.workspace import Project

    output = Output(as_json=as_json)
    report = run(Project.open(), use_case, model, output)

    def show(console: Console) -> None:
        for finding in report.findings:
            console.print(str(finding), markup=False)
        for name, value in report.measured.items():
            told = ", ".join(f"{key} {one}" for key, one in value.items() if one) if isinstance(value, dict) else value
            console.print(f"{name.replace('_', ' ')}: {told}", markup=False)
        console.print(f"{use_case}: {report.verdict}", markup=False)

    output.result(report.document(), show)
    codes = {"passed": ExitCode.OK, "failed": ExitCode.FAILED, "inconclusive": ExitCode.INCONCLUSIVE}
    raise typer.Exit(codes[report.verdict])
