"""Which versions of a group may go, and why the others stay. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from release import standing
from release.registry import Package, Summary

QUARANTINE_KEPT = timedelta(days=365)
"""What was rejected stays on record for so long after it was rejected: the record is what keeps its content out."""


@dataclass(frozen=True)
class Fate:
    """What becomes of a version. `reason` says why it stays; None: it goes."""

    package: Package
    reason: str | None

    @property
    def goes(self) -> bool:
        """Whether it is deleted."""
        return self.reason is None


def fates(
    packages: Sequence[Package], group: Sequence[Summary], held: Mapping[str, str], keep: int, now: datetime
) -> list[Fate]:
    """One fate a version, newest first, as `packages` and `group` are.

    `held`: for each ARN that an environment refers to, what refers to it. A version goes only when nothing holds it,
    it is none of the newest `keep`, Understudy registered it, no approval of it still holds, and, if it was rejected,
    nobody could bring its content back: the rejection is old and no version that stays has the same content.
    """
    found = [Fate(package, _reason(package, group, held, index < keep, now)) for index, package in enumerate(packages)]
    staying = {_content(fate.package) for fate in found if not fate.goes}
    return [
        Fate(fate.package, "rejected, and a version that stays has the same content")
        if fate.goes and fate.package.is_quarantined and _content(fate.package) in staying
        else fate
        for fate in found
    ]


def unshared(going: Iterable[str], staying: Iterable[str]) -> list[str]:
    """What only versions that go have: URIs without "" and without those that another version needs, sorted."""
    return sorted(set(going) - set(staying) - {""})


def _reason(
    package: Package, group: Sequence[Summary], held: Mapping[str, str], is_new: bool, now: datetime
) -> str | None:
    if package.arn in held:
        return held[package.arn]
    if is_new:
        return "one of the newest"
    if not package.artifact_digest:
        return "not registered by Understudy"
    if package.is_approved and standing.ended_by(package, group) is None:
        return "approved, and not promoted yet"
    if package.is_quarantined:
        since = package.modified or package.created
        if since is None or now - since < QUARANTINE_KEPT:
            return f"rejected less than {QUARANTINE_KEPT.days} days ago"
    return None


def _content(package: Package) -> tuple[str, str]:
    return package.artifact_digest, package.image
