"""Where a candidate stands on its way to production."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What is now true of a service's newest model. One phase follows from another by `next_phase`."""

    UNTRAINED = "untrained"
    """There is no `model.lock.yaml`: nothing to package."""
    TRAINED = "trained"
    """The lock file names a model; it is not registered, or another one is."""
    ON_TRIAL = "on trial"
    """Registered and running in shadow; its evidence is missing or inconclusive."""
    REFUSED = "refused"
    """Its latest evidence failed; only an override approves it."""
    PROVEN = "proven"
    """Its latest evidence passed; nobody approved it yet."""
    APPROVED = "approved"
    """Somebody other than the author approved it; production may run it and does not yet."""
    SUPERSEDED = "superseded"
    """A newer candidate took its place: no environment runs it, and it is not approved, or its approval has ended."""
    LIVE = "live"
    """Production's config names it and its rollout finished."""
    QUARANTINED = "quarantined"
    """It was rolled back or rejected; no rollout and no rollback takes it again."""


@dataclass(frozen=True)
class Facts:
    """What is known of the newest model: from lock file, shadow's outputs, the registry, evidence, production."""

    trained: bool
    registered: bool
    verdict: str | None
    approval: str | None
    in_production: bool
    superseded: bool = False


def next_phase(phase: Phase, facts: Facts) -> Phase:
    """The phase after `phase` when `facts` hold; the same phase when it is still the right one.

    Pure, one step at a time. A new candidate starts over: its facts have no verdict and no approval.
    """
    if not facts.trained and not facts.registered:
        return Phase.UNTRAINED
    if not facts.registered:
        return Phase.TRAINED
    if facts.approval == "Rejected":
        return Phase.QUARANTINED
    if facts.in_production:
        return Phase.LIVE
    if facts.superseded:
        return Phase.SUPERSEDED
    if facts.approval == "Approved":
        return Phase.APPROVED
    match phase:
        case Phase.UNTRAINED:
            return Phase.TRAINED
        case Phase.TRAINED:
            return Phase.ON_TRIAL
        case _:
            return {"pass": Phase.PROVEN, "fail": Phase.REFUSED}.get(facts.verdict or "", Phase.ON_TRIAL)


def phase_of(facts: Facts) -> Phase:
    """The phase that `facts` lead to from the beginning."""
    phase = Phase.UNTRAINED
    for _ in Phase:
        following = next_phase(phase, facts)
        if following is phase:
            return phase
        phase = following
    raise AssertionError(f"next_phase does not settle for {facts}")
