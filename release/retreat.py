"""Where a rollback goes. Pure: history in, plan out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from release.errors import MissingError
from release.ledger import Release, brought_in, last_known_good


@dataclass(frozen=True)
class Plan:
    """Back to `target`; `accused` is quarantined. `config_only`: production already runs `target`."""

    target: str
    accused: str
    config_only: bool


def plan(
    history: Sequence[Release],
    config_arn: str | None,
    running_arn: str | None,
    is_quarantined: Callable[[str], bool],
) -> Plan:
    """What to go back to, from the stack's history, its config and what the endpoint runs.

    When the newest update failed and the endpoint runs something else than it asked for, the guardrail was first:
    that update's version is the accused one, and only desired state is left to revert.
    Otherwise the accused version is the one that runs. Raises `MissingError` when there is no last known good version.
    """
    finished = [release for release in history if release.ended is not None]
    newest = finished[0] if finished else None
    if newest and not newest.succeeded and running_arn and newest.arn != running_arn:
        return Plan(target=running_arn, accused=newest.arn, config_only=True)
    accused = running_arn or config_arn
    if accused is None:
        raise MissingError("Nothing runs here, so there is nothing to roll back.")
    good = last_known_good(history, accused, is_quarantined)
    if good is None:
        raise MissingError(
            "There is no last known good version: no other one finished its bake here and is not quarantined.",
            where=f"current {accused}",
            do="Promote a fixed version, or name one with --to VERSION. Nothing was changed.",
        )
    return Plan(target=good.arn, accused=accused, config_only=False)


def predates(fired: datetime, history: Sequence[Release], running_arn: str | None) -> Release | None:
    """The release that a stale alarm would wrongly accuse; None when the alarm is about what runs now.

    An alarm accuses the version whose rollout had begun when it fired. A rollback is different: while it runs the
    bad version still answers, so only what fires after its end is about the version it brought back.
    """
    current = brought_in(history, running_arn) if running_arn else None
    if current is None or current.ended is None:
        return None
    since = current.ended if current.is_rollback else current.started
    return current if fired < since else None
