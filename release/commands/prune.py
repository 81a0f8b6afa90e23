"""`understudy prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from release.commands.options import Json, Service

if TYPE_CHECKING:
    from rich.console import Console


def prune(
    service: Service,
    keep: Annotated[
        int, typer.Option(min=1, help="So many of the newest versions, and of each environment's history, stay.")
    ] = 10,
    artifacts: Annotated[bool, typer.Option("--artifacts", help="Delete their model.tar.gz too.")] = False,
    images: Annotated[bool, typer.Option("--images", help="Delete their own images too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete old versions that no environment refers to, for good. Shows what goes and why the rest stays, and asks.

    A version stays when a stack's config, state or recent history names it, when it is a last known good version, one
    of the newest, approved and not promoted yet, not registered by Understudy, or was rejected within a year: that
    record keeps its content out. All stacks of the project count, those whose file another branch has too; consumers
    in other projects do not show, so keep enough. Safe to repeat.

        understudy prune tumor-triage --keep 20 --artifacts
    """
    from release.console import Output, table
    from release.pruning import Order, survey
    from release.pruning import prune as run
    from release.workspace import Project

    output = Output(as_json=as_json)
    project, order = Project.open(), Order(service, keep, artifacts, images, yes)
    found = survey(project, order)

    rows = [[f.package.version, "goes" if f.goes else "stays", f.reason, f.package.created] for f in found]
    output.show(table(f"Versions of {service}", ["version", "", "why", "created"], rows))
    told = run(project, order, found, output)
    stays = [{"arn": f.package.arn, "reason": f.reason} for f in found if not f.goes]

    def show(console: Console) -> None:
        extra = "".join(f", {len(told[name])} {name}" for name in ("artifacts", "images") if told[name])
        console.print(f"{len(told['deleted'])} versions deleted{extra}; {len(stays)} stay.")

    output.result(told | {"stays": stays}, show)
