"""`understudy rehearse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from release.commands.options import Json


def rehearse(
    directory: Annotated[Path, typer.Option(help="Where it plays; made anew.")] = Path("rehearsal"),
    speed: Annotated[
        float, typer.Option(min=1, help="Divides AWS's own durations; your code runs at its own pace.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Play the whole life of two models on this machine: a sandbox cloud, a clone of its own, every command.

    Needs no AWS account, no Pulumi and no Docker. Leaves report.json and report.html in the directory.
    """
    from release.rehearsal.main import Options, run
    from release.workspace import Project

    root = Project.open().root
    raise typer.Exit(run(Options(source=root, directory=(root / directory).resolve(), speed=speed, json=as_json)))
