"""What an approval is worth now: where it came from, and whether a newer candidate has ended it. Pure.

An approval is given to one version, on the evidence it quotes, beside the candidates there were. **It ends when a newer
candidate is registered**: what was compared and judged is then no longer the newest thing to judge. `promote` refuses
such a version, unless

- everything newer was rejected (or failed to register), so that it is the newest candidate again; or
- somebody approves it again, which says: this one, beside the newer ones; or
- it finished its bake in that environment before: it is known there, and going back needs no new approval.

AWS knows nothing of this: a plain `pulumi up` with its ARN still deploys it. `rollback` does not ask either.
An approval made in the console, or by another tool, counts as AWS lets it, with the time the version was last changed
as its own; it carries no evidence, and everything that shows it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from model_package.metadata import APPROVED_BESIDE, APPROVED_BY, EVIDENCE_DIGEST, OVERRIDE_REASON, QUARANTINED_REASON
from release.registry import Package, Summary

Source = Literal["evidence", "override", "console"]


def source(package: Package) -> Source | None:
    """What its approval rests on; None while it has none. `console`: approved outside of Understudy."""
    if not package.is_approved:
        return None
    metadata = package.metadata
    # Understudy never approves what it quarantined, so that approval is somebody else's and later.
    if APPROVED_BY not in metadata or QUARANTINED_REASON in metadata:
        return "console"
    if metadata.get(OVERRIDE_REASON):
        return "override"
    return "evidence" if metadata.get(EVIDENCE_DIGEST) else "console"


def ended_by(package: Package, group: Sequence[Summary]) -> str | None:
    """ARN of the newest candidate that ended the approval of `package`; None while it holds, or there is none.

    `group`: all versions, newest first.
    """
    if not package.is_approved:
        return None
    for other in group:
        counts = other.version > package.version and not other.is_quarantined and other.status != "Failed"
        if counts and _came_after(other, package):
            return other.arn
    return None


def _came_after(other: Summary, approved: Package) -> bool:
    beside = approved.metadata.get(APPROVED_BESIDE, "")
    if source(approved) != "console" and beside.isdecimal():
        return other.version > int(beside)
    since = approved.modified or approved.created
    return since is None or other.created is None or other.created > since
