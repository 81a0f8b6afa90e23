"""`understudy deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from release.commands.options import Json, ShadowStack, Yes, as_use_cases

if TYPE_CHECKING:
    from rich.console import Console


def deploy(
    use_cases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[USE_CASE]...", callback=as_use_cases, help="Whose result to check and show. Default: all."
        ),
    ] = None,
    stack: ShadowStack = "shadow",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Package, register and deploy candidates to shadow: preview, confirm, up.

    A stack is deployed as a whole; naming use cases checks beforehand that they are known and trained. An empty
    installation gets its registry, training bucket and roles this way. With --stack prod it applies production's
    config as it stands in git.

        understudy deploy tumor_triage

    Next: understudy replay SERVICE, understudy compare SERVICE
    """
    from release.console import Output, table
    from release.delivering import deploy as run
    from release.workspace import Project

    output = Output(as_json=as_json)
    told = run(Project.open(), use_cases or [], stack, output, assume_yes=yes)

    def show(console: Console) -> None:
        rows: list[list[Any]] = [
            [service, found.get("modelPackageArn"), found.get("artifactDigest"), found.get("endpointName")]
            for service, found in told["services"].items()
        ]
        console.print(table(f"Stack {stack}", ["service", "package", "digest", "endpoint"], rows))
        for service, reason in told["skipped"].items():
            console.print(f"not deployed: {service}: {reason}", markup=False)

    output.result(told, show)
