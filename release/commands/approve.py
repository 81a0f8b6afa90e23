"""`understudy approve` and `understudy reject`."""

from __future__ import annotations

from typing import Annotated

import typer

from release.commands.options import Json, Service, ShadowStack, Version, Yes


def approve(
    service: Service,
    version: Version = None,
    evidence: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="The evidence to approve on. Default: the latest.")
    ] = None,
    override: Annotated[
        str, typer.Option(metavar="REASON", help="Approve without passing evidence; the reason is recorded for good.")
    ] = "",
    stack: ShadowStack = "shadow",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Approve a version for production, on evidence, as a second person.

    Without VERSION it is the one under trial in shadow. Refused (exit 3) when you are its author, when the evidence
    failed, is about another candidate, was edited or is older than 30 days; exit 4 when it is missing or
    inconclusive; 3 too when its content is quarantined under another number. From then on AWS deploys the version by
    its ARN. The approval ends when a newer candidate is registered: approve again to say "this one, beside it".

        understudy approve tumor-triage
        understudy approve tumor-triage 7 --override "labels arrive late this month"

    Next: understudy promote SERVICE
    """
    from release.approval import Request
    from release.approval import approve as run
    from release.console import Output
    from release.workspace import Project

    output = Output(as_json=as_json)
    request = Request(service, version, stack, evidence, override, yes)
    told = run(Project.open(), request, output)
    because = f"override: {override}" if override else f"evidence {told['evidence_digest']}"
    line = f"Approved {told['arn']} as {told['approver']} ({because})"
    output.result(told, lambda console: console.print(line, markup=False))


def reject(
    service: Service,
    version: Version = None,
    reason: Annotated[str, typer.Option(help="Why; recorded on the version.")] = "",
    stack: ShadowStack = "shadow",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Reject a version: AWS does not deploy it by ARN, no promotion and no rollback takes it.

    Needs no second person. Without VERSION it is the one under trial in shadow.
    """
    from release.approval import reject as run
    from release.console import Output
    from release.errors import UsageError
    from release.workspace import Project

    if not reason:
        raise UsageError("A rejection needs its reason.", where="--reason", do='Say --reason "why".')
    output = Output(as_json=as_json)
    told = run(Project.open(), service, version, reason, output, shadow=stack, assume_yes=yes)
    line = f"Rejected {told['arn']}: {reason}"
    output.result(told, lambda console: console.print(line, markup=False))
