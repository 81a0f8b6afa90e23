"""`understudy promote`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from release.commands.options import Json, ProdStack, Service, Shadow, Version, Yes


class Strategy(StrEnum):
    """How SageMaker moves the traffic."""

    CANARY = "canary"
    LINEAR = "linear"
    ROLLING = "rolling"
    ALL_AT_ONCE = "allAtOnce"


class RollbackMode(StrEnum):
    """What an alarm after the rollout does."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    OFF = "off"


def promote(
    service: Service,
    version: Version = None,
    strategy: Annotated[Strategy | None, typer.Option(help="Roll out this one version this way.")] = None,
    rollback: Annotated[RollbackMode | None, typer.Option(help="Rollback mode of this one deployment.")] = None,
    push: Annotated[bool, typer.Option(help="Push the commit.")] = False,
    stack: ProdStack = "prod",
    shadow: Shadow = "shadow",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Bring an approved version to production: a one-line config change, previewed, rolled out, committed.

    Without VERSION it is the newest approved one. Refused (exit 3) when it is not approved, quarantined, of another
    service, when its artifact is no longer the one approved, or when a newer candidate has ended its approval (not for
    a version that finished its bake here before). An approval made in the console counts, and is said to carry no
    evidence. The rollout and its bake are part of the command; if
    they fail, the stack file is put back byte for byte and the reason is shown.

        understudy promote tumor-triage
        understudy promote tumor-triage 7 --strategy allAtOnce --push
    """
    from release.console import Output
    from release.promotion import Wish
    from release.promotion import promote as run
    from release.workspace import Project

    output = Output(as_json=as_json)
    wish = Wish(
        service=service,
        version=version,
        stack=stack,
        shadow=shadow,
        strategy=strategy.value if strategy else None,
        rollback=rollback.value if rollback else None,
        push=push,
        assume_yes=yes,
    )
    told = run(Project.open(), wish, output)
    line = f"{service} in {stack} runs {told['to']}; commit {told['commit']}" + (", pushed" if told["pushed"] else "")
    output.result(told, lambda console: console.print(line, markup=False))
