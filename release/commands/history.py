"""`understudy history`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from release.commands.options import Json, Service, worded

if TYPE_CHECKING:
    from rich.console import Console


def history(
    service: Service,
    stack: Annotated[
        list[str] | None, typer.Option("--stack", "-s", metavar="STACK", help="Only this stack; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Which version of a service ran where and when, with its approval, evidence and quarantine.

    Read from the stacks' history and the registry; `understudy rollback` chooses from the same list.
    """
    from release.console import Output, table
    from release.history import history as run
    from release.workspace import Project

    project = Project.open()
    rows = run(project, service, stack or project.stacks())

    def show(console: Console) -> None:
        columns = ["stack", "update", "version", "kind", "result", "started", "ended", "approval"]
        extra = ["override_reason", "quarantined_reason"]
        shown = [row | {"approval": worded(row["approval"], row["approval_source"])} for row in rows]
        console.print(
            table(f"History of {service}", columns + extra, [[row[key] for key in columns + extra] for row in shown])
        )

    Output(as_json=as_json).result(rows, show)
