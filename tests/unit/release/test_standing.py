"""What an approval is worth: where it came from, and what ends it (PROMISES 22)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from model_package.metadata import (
    APPROVED_BESIDE,
    APPROVED_BY,
    EVIDENCE_DIGEST,
    OVERRIDE_REASON,
    QUARANTINED_REASON,
)
from release import standing
from release.registry import Summary
from tests.unit.release.conftest import START, arn, package

GRACE = "arn:aws:sts::111111111111:assumed-role/approver/grace"
GIVEN = {APPROVED_BY: GRACE, EVIDENCE_DIGEST: "e" * 64, APPROVED_BESIDE: "6"}
SIX = package(6, **GIVEN)
HOUR = timedelta(hours=1)


def summary(version: int, approval: str = "PendingManualApproval", status: str = "Completed") -> Summary:
    return Summary(arn(version), approval, status, START + version * HOUR)


@pytest.mark.parametrize(
    ("approval", "metadata", "source"),
    [
        ("Approved", GIVEN, "evidence"),
        ("Approved", {**GIVEN, OVERRIDE_REASON: "late labels"}, "override"),
        ("Approved", {}, "console"),
        ("Approved", {**GIVEN, QUARANTINED_REASON: "alarm"}, "console"),
        ("Approved", {EVIDENCE_DIGEST: "e" * 64}, "console"),
        ("PendingManualApproval", {}, None),
        ("Rejected", GIVEN, None),
    ],
)
def test_where_an_approval_came_from(approval: str, metadata: dict[str, str], source: str | None) -> None:
    assert standing.source(package(6, approval, **metadata)) == source


@pytest.mark.parametrize(
    ("newer", "ended_by"),
    [
        ([], None),
        ([summary(7)], arn(7)),
        ([summary(8), summary(7)], arn(8)),
        ([summary(7, "Approved")], arn(7)),
        ([summary(7, "Rejected")], None),
        ([summary(8, "Rejected"), summary(7)], arn(7)),
        ([summary(7, status="Failed")], None),
    ],
)
def test_a_newer_candidate_ends_an_approval(newer: list[Summary], ended_by: str | None) -> None:
    assert standing.ended_by(SIX, [*newer, summary(6, "Approved"), summary(5)]) == ended_by


def test_an_approval_given_beside_the_newer_one_holds() -> None:
    again = replace(SIX, metadata={**SIX.metadata, APPROVED_BESIDE: "7"})
    assert standing.ended_by(again, [summary(7), summary(6)]) is None
    assert standing.ended_by(again, [summary(8), summary(7), summary(6)]) == arn(8)


def test_what_is_not_approved_has_nothing_to_end() -> None:
    assert standing.ended_by(replace(SIX, approval="PendingManualApproval"), [summary(7), summary(6)]) is None


@pytest.mark.parametrize(("modified", "ended_by"), [(6.5, arn(7)), (7.5, None), (None, arn(7))])
def test_an_approval_in_the_console_is_as_old_as_the_last_change(modified: Any, ended_by: str | None) -> None:
    console = replace(package(6), modified=None if modified is None else START + modified * HOUR)
    assert standing.ended_by(console, [summary(7), summary(6)]) == ended_by
