"""`understudy`: the way of a model from training to production and back."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from model_package.errors import ArchiveRefused, ArtifactMissing, DigestMismatch, ModelPackageError
from release.commands.approve import approve, reject
from release.commands.check import check
from release.commands.compare import compare
from release.commands.deploy import deploy
from release.commands.diff import diff
from release.commands.history import history
from release.commands.inspect import inspect
from release.commands.new import new
from release.commands.promote import promote
from release.commands.prune import prune
from release.commands.rehearse import rehearse
from release.commands.replay import replay
from release.commands.rollback import rollback
from release.commands.status import status
from release.commands.train import train
from release.commands.versions import versions
from release.errors import ExitCode, UnderstudyError

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a gate, 4 inconclusive (too little data), "
    "5 stack locked, 6 something is not there yet."
)

app = typer.Typer(
    name="understudy",
    help=f"Ship SageMaker models through a shadow environment: train, deploy, replay, compare, approve, promote, "
    f"roll back.\n\n{EXIT_CODES}\n\nUNDERSTUDY_ENGINE=auto|cli|embedded chooses Pulumi's CLI or the embedded engine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (
    new,
    check,
    inspect,
    train,
    deploy,
    status,
    replay,
    compare,
    approve,
    reject,
    promote,
    rollback,
    history,
    rehearse,
):
    app.command(epilog=EXIT_CODES)(command)
for registry_command in (versions, diff, prune):
    app.command(epilog=EXIT_CODES)(registry_command)


def main() -> None:
    """Entry point. An error for a person becomes its words on standard error and its exit code; a bug, a traceback."""
    try:
        app()
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {error}", markup=False)
        sys.exit(code)


def _exit_code(error: Exception) -> ExitCode | None:
    """None for a bug. What AWS or a use case's files say is for a person too."""
    match error:
        case UnderstudyError():
            return error.exit_code
        case ArtifactMissing():
            return ExitCode.MISSING
        case DigestMismatch() | ArchiveRefused():
            return ExitCode.REFUSED
        case ModelPackageError():
            return ExitCode.USAGE
    # By name, as botocore is imported only by the commands that use it.
    return ExitCode.FAILED if type(error).__module__.startswith("botocore.") else None


if __name__ == "__main__":
    main()
