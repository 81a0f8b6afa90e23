"""`understudy status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from release.commands.options import Json, as_service, worded

if TYPE_CHECKING:
    from rich.console import Console


def status(
    service: Annotated[str | None, typer.Argument(callback=as_service, help="Only this service.")] = None,
    stack: Annotated[
        list[str] | None, typer.Option("--stack", "-s", metavar="STACK", help="Only this stack; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Where every service stands: version, approval, phase, evidence, alarms, quarantine, and drift from git.

    Phases: untrained, trained, on trial, refused, proven, approved, superseded, live, quarantined.
    """
    from release.console import Output, table
    from release.status import status as run
    from release.workspace import Project

    project = Project.open()
    rows = run(project, service, stack or project.stacks())

    def show(console: Console) -> None:
        columns = ["service", "stack", "version", "approval", "phase", "evidence", "alarms", "quarantined", "file"]
        console.print(table("Status", columns, [_line(row) for row in rows]))
        for row in rows:
            if row["skipped"]:
                console.print(f"not deployed in {row['stack']}: {row['service']} {row['skipped']}", markup=False)

    Output(as_json=as_json).result(rows, show)


def _line(row: dict[str, Any]) -> list[Any]:
    raised = [f"{name}: {state}" for name, state in row["alarms"].items() if state != "OK"]
    return [
        row["service"],
        row["stack"],
        row["version"],
        worded(row["approval"], row["approval_source"], row["approval_ended_by"]),
        row["phase"],
        f"{row['evidence']['verdict']} {row['evidence']['digest'][:12]}" if row["evidence"] else None,
        "\n".join(raised) or ("all OK" if row["alarms"] else None),
        ", ".join(arn.rpartition("/")[2] for arn in row["quarantined"]) or None,
        "differs from git" if row["file_differs"] else "as in git",
    ]
