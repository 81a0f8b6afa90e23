"""`understudy inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from release.commands.options import Json
from release.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A model.tar.gz, or its s3:// address.")],
    as_json: Json = False,
) -> None:
    """Show what is in a model archive: members, sizes, digests, pickles, and whether it would be refused.

    Nothing is unpacked, and no pickle is loaded. Pickles run code when the model is loaded, so each is shown with
    what it imports and with fickling's opinion: as a warning, since a clean report proves nothing. Ends with 3 when
    the archive is refused: links, devices, names outside, bombs, damage.

        understudy inspect model.tar.gz
    """
    from release.console import Output, table
    from release.inspecting import inspect as run

    found = run(file)

    def show(console: Console) -> None:
        console.print(table(file, ["member", "bytes"], list(found.members.items())))
        console.print(f"object: {found.size_bytes} bytes, SHA-256 {found.object_sha256}", markup=False)
        if found.digest:
            console.print(f"digest: {found.digest} (of the tar stream: the artifact's identity)", markup=False)
        for pickle in found.pickles:
            console.print(f"warning: {pickle}", markup=False)
        console.print(f"verdict: {found.verdict}" + (f": {found.refused}" if found.refused else ""), markup=False)

    Output(as_json=as_json).result(found.document(), show)
    raise typer.Exit(ExitCode.REFUSED if found.refused else ExitCode.OK)
