"""Phases: a total, settling state machine."""

from __future__ import annotations

import itertools

import pytest

from release.phases import Facts, Phase, next_phase, phase_of

NOTHING = Facts(trained=False, registered=False, verdict=None, approval=None, in_production=False)


@pytest.mark.parametrize(
    ("facts", "phase"),
    [
        (NOTHING, Phase.UNTRAINED),
        (Facts(True, False, None, None, False), Phase.TRAINED),
        (Facts(True, True, None, "PendingManualApproval", False), Phase.ON_TRIAL),
        (Facts(True, True, "inconclusive", "PendingManualApproval", False), Phase.ON_TRIAL),
        (Facts(True, True, "fail", "PendingManualApproval", False), Phase.REFUSED),
        (Facts(True, True, "pass", "PendingManualApproval", False), Phase.PROVEN),
        (Facts(True, True, "fail", "Approved", False), Phase.APPROVED),
        (Facts(True, True, "pass", "Approved", False, superseded=True), Phase.SUPERSEDED),
        (Facts(True, True, None, "PendingManualApproval", False, superseded=True), Phase.SUPERSEDED),
        (Facts(True, True, "pass", "Approved", True, superseded=True), Phase.LIVE),
        (Facts(True, True, None, "Rejected", False, superseded=True), Phase.QUARANTINED),
        (Facts(True, True, "pass", "Approved", True), Phase.LIVE),
        (Facts(True, True, "pass", "Rejected", True), Phase.QUARANTINED),
    ],
)
def test_phase_of(facts: Facts, phase: Phase) -> None:
    assert phase_of(facts) is phase


def test_a_new_candidate_starts_over() -> None:
    fresh = Facts(trained=True, registered=True, verdict=None, approval="PendingManualApproval", in_production=False)
    assert next_phase(Phase.PROVEN, fresh) is Phase.ON_TRIAL
    assert next_phase(Phase.APPROVED, fresh) is Phase.ON_TRIAL
    assert next_phase(Phase.LIVE, fresh) is Phase.ON_TRIAL


def test_every_phase_settles_whatever_the_facts() -> None:
    every = itertools.product(
        (True, False),
        (True, False),
        (None, "pass", "fail", "inconclusive"),
        (None, "Approved", "Rejected", "PendingManualApproval"),
        (True, False),
        (True, False),
    )
    for values in every:
        facts = Facts(*values)
        settled = phase_of(facts)
        assert next_phase(settled, facts) is settled
        for phase in Phase:
            walked = phase
            for _ in Phase:
                walked = next_phase(walked, facts)
            assert walked is settled, (phase, facts)
