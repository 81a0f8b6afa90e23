"""Options and words that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Service = Annotated[str, typer.Argument(help="Service name: the use case's folder with - for _, e.g. tumor-triage.")]
UseCase = Annotated[str, typer.Argument(help="Folder in use_cases/, e.g. tumor_triage.")]
Version = Annotated[str | None, typer.Argument(help="Version number, or a whole model package ARN.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document; everything else goes to standard error.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask after the preview.")]
ShadowStack = Annotated[str, typer.Option("--stack", "-s", metavar="STACK", help="The shadow environment's stack.")]
ProdStack = Annotated[str, typer.Option("--stack", "-s", metavar="STACK", help="The production environment's stack.")]
Shadow = Annotated[str, typer.Option("--shadow", metavar="STACK", help="The shadow environment's stack.")]
Production = Annotated[str, typer.Option("--production", metavar="STACK", help="The production environment's stack.")]


def worded(approval: str | None, source: str | None, ended_by: str | None = None) -> str | None:
    """An approval as a table shows it: one made in the console, by override, or ended says so."""
    if approval is None:
        return None
    notes = {"override": " by override", "console": " in the console, no evidence"}.get(source or "", "")
    return approval + notes + (f", ended by {ended_by.rpartition('/')[2]}" if ended_by else "")
