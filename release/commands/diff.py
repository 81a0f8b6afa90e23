"""`understudy diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from release.commands.options import Json, Service

if TYPE_CHECKING:
    from rich.console import Console


def diff(
    service: Service,
    one: Annotated[str, typer.Argument(metavar="VERSION", help="Version number, or a whole model package ARN.")],
    other: Annotated[str, typer.Argument(metavar="VERSION", help="The version to compare it with.")],
    stack: Annotated[
        list[str] | None, typer.Option("--stack", "-s", metavar="STACK", help="Only this stack; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two versions: metrics, hyperparameters, files, image, environment, registration and evidence.

    Files are compared by what is in the two artifacts, which are downloaded, checked and kept in .understudy/.
    Exit 3 when an artifact is no longer the one that was registered, 6 when a version or its artifact is not there.

        understudy diff tumor-triage 6 7
    """
    from release.console import Output, table
    from release.diffing import diff as run
    from release.workspace import Project

    output = Output(as_json=as_json)
    project = Project.open()
    told = run(project, service, one, other, stack or project.stacks(), output)

    def show(console: Console) -> None:
        if not told["changes"]:
            console.print(f"{told['from']} and {told['to']} do not differ.", markup=False)
            return
        rows = [[change[key] for key in ("section", "name", "from", "to")] for change in told["changes"]]
        columns = ["", "", told["from"].rpartition("/")[2], told["to"].rpartition("/")[2]]
        console.print(table(f"{service}: what differs", columns, rows))

    output.result(told, show)
