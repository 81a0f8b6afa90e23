"""Options and words that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer


# A service and its use case's folder have one name in two spellings; whoever types one where the other is asked for is
# understood. (Imported where used: `--help` needs no settings.)
def as_service(name: str | None) -> str | None:
    from release.arns import service_name

    return None if name is None else service_name(name)


def as_use_case(name: str) -> str:
    from release.arns import use_case_name

    return use_case_name(name)


def as_use_cases(names: list[str] | None) -> list[str]:
    return [as_use_case(name) for name in names or []]


Service = Annotated[
    str,
    typer.Argument(callback=as_service, help="Service name: the use case's folder with - for _, e.g. tumor-triage."),
]
UseCase = Annotated[str, typer.Argument(callback=as_use_case, help="Folder in use_cases/, e.g. tumor_triage.")]
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
