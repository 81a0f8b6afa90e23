"""`understudy versions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from release.commands.options import Json, Service, worded

if TYPE_CHECKING:
    from rich.console import Console


def versions(
    service: Service,
    stack: Annotated[
        list[str] | None, typer.Option("--stack", "-s", metavar="STACK", help="Only this stack; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Only the newest so many.")] = 20,
    as_json: Json = False,
) -> None:
    """List a service's registered versions, newest first: what each is, how far it came, and where it runs.

    An approval made in the console is shown as such: it carries no evidence. An approval that a newer candidate has
    ended says which one did.

        understudy versions tumor-triage --limit 5

    Next: understudy diff SERVICE 6 7
    """
    from release.console import Output, table
    from release.versions import versions as run
    from release.workspace import Project

    project = Project.open()
    rows = run(project, service, stack or project.stacks(), limit)

    def show(console: Console) -> None:
        columns = ["version", "approval", "phase", "runs in", "digest", "metrics", "author", "created", "evidence"]
        console.print(table(f"Versions of {service}", columns, [_line(row) for row in rows]))

    Output(as_json=as_json).result(rows, show)


def _line(row: dict[str, Any]) -> list[Any]:
    evidence, metrics = row["evidence"], row["metrics"]
    return [
        row["version"],
        worded(row["approval"], row["approval_source"], row["approval_ended_by"]),
        row["phase"],
        ", ".join(row["runs_in"]) or None,
        (row["artifact_digest"] or "")[:12] or None,
        "unreadable" if metrics is None else "\n".join(f"{name} {value:g}" for name, value in metrics.items()) or None,
        (row["author"] or "").rpartition("/")[2] or None,
        row["created"],
        f"{evidence['verdict']} {evidence['digest'][:12]}" if evidence else None,
    ]
