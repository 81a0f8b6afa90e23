"""`understudy rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from release.commands.options import Json, ProdStack, Service, Yes


def rollback(
    service: Service,
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Go to this version, not the last known good.")
    ] = None,
    alarm: Annotated[
        str | None, typer.Option(metavar="NAME", help="The alarm that went off; a stale one is ignored.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; recorded on the quarantined version and in git.")] = "",
    push: Annotated[
        bool | None, typer.Option("--push/--no-push", help="Push the commit. Default: where the branch has a remote.")
    ] = None,
    lock_timeout: Annotated[float, typer.Option(help="Seconds to wait for the stack's lock.")] = 1800,
    stack: ProdStack = "prod",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Bring the last known good version back, and keep the bad one out.

    The last known good is the newest version, other than the current and the quarantined ones, that finished its
    bake in this environment. Config goes back to it, the endpoint follows all at once and without alarms (the one
    that fired would undo it), then the bad version is quarantined, and git gets the change. Asks for no evidence.
    If a guardrail was first and production runs the good version already, only desired state is reverted.

        understudy rollback tumor-triage --reason "accuracy fell"
    """
    from release.console import Output
    from release.rollback import Call, roll_back
    from release.workspace import Project

    output = Output(as_json=as_json)
    why = reason or (f"alarm {alarm}" if alarm else "asked for by hand")
    told = roll_back(Project.open(), Call(service, stack, to, alarm, why, push, yes, lock_timeout), output)
    if told["stale"]:
        line = f"Nothing to do: {service} in {stack} runs {told['to']}"
    else:
        line = f"{service} in {stack} runs {told['to']}; {told['from']} is quarantined; commit {told['commit']}"
    output.result(told, lambda console: console.print(line, markup=False))
