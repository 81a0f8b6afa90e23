"""`understudy replay`."""

from __future__ import annotations

from typing import Annotated

import typer

from release.commands.options import Json, Production, Service, ShadowStack


def replay(
    service: Service,
    since: Annotated[
        str | None, typer.Option(help="15m, 2h, 3d ago, or an ISO time. Default: since production's version went live.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the newest files that hold so many requests.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until every request is compared.")] = True,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.")] = 900,
    stack: ShadowStack = "shadow",
    production: Production = "prod",
    as_json: Json = False,
) -> None:
    """Play production's captured requests to shadow and compare the answers.

    New capture files are replayed by themselves as they arrive; this sends those that are there already. Each request
    counts once, however often it is sent. Exit 4 when the records did not come in time.

        understudy replay tumor-triage --since 2h

    Next: understudy compare SERVICE
    """
    from release.console import Output
    from release.replaying import Order
    from release.replaying import replay as run
    from release.workspace import Project

    output = Output(as_json=as_json)
    told = run(Project.open(), Order(service, stack, production, since, limit, wait, timeout), output)
    compared = "not waited for" if told["recorded"] is None else f"{told['recorded']} compared"
    line = f"{told['requests']} requests of {told['files']} files replayed, {compared}"
    output.result(told, lambda console: console.print(line))
