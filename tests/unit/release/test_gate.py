"""The gate: evidence binds to the artifact, two people look, quarantine holds (PROMISES 22, 37, 38)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from model_package.metadata import (
    APPROVED_BY,
    ARTIFACT_DIGEST,
    AUTHOR,
    ENVIRONMENT_DIGEST,
    IMAGE_DIGEST,
    OBJECT_SHA256,
    OBJECT_VERSION_ID,
    QUARANTINED_REASON,
    digest_of_environment,
)
from release import gate
from release.errors import ExitCode, InconclusiveError, RefusedError
from release.evidence_document import digest_of
from release.gate import StoredEvidence
from release.registry import Package

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AUTHOR_ARN = "arn:aws:sts::111111111111:assumed-role/scientist/ada"
APPROVER = "arn:aws:sts::111111111111:assumed-role/approver/grace"
DIGEST = "a" * 64
PACKAGE = Package(
    arn="arn:aws:sagemaker:us-west-2:111111111111:model-package/tumor-triage/7",
    approval="PendingManualApproval",
    description="",
    metadata={AUTHOR: AUTHOR_ARN, ARTIFACT_DIGEST: DIGEST, OBJECT_SHA256: "b" * 64},
    created=NOW,
    image="image",
    model_data_url=f"s3://artifacts/tumor-triage/{DIGEST}/model.tar.gz",
)
APPROVED = replace(PACKAGE, approval="Approved")


def evidence(verdict: str = "pass", digest: str = DIGEST, judged_at: datetime = NOW) -> StoredEvidence:
    content = {
        "candidate_digest": digest,
        "verdict": verdict,
        "judged_at": judged_at.isoformat(),
        "reasons": ["agreement 0.71, at least 0.90 needed"],
    }
    own = digest_of(content)
    return StoredEvidence({**content, "digest": own}, own)


def approve(package: Package, found: StoredEvidence | None, approver: str = APPROVER, override: str = "") -> None:
    gate.check_approval(package, found, approver, override, NOW)


def test_passing_evidence_of_this_candidate_lets_a_second_person_approve() -> None:
    approve(PACKAGE, evidence())


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (evidence("fail"), "The evidence refuses it: agreement 0.71, at least 0.90 needed"),
        (evidence(digest="c" * 64), "The evidence is about another candidate."),
        (evidence(judged_at=NOW - timedelta(days=31)), "The evidence is older than 30 days."),
        (
            StoredEvidence({**evidence("fail").document, "verdict": "pass"}, evidence("fail").digest),
            "The evidence was edited: it does not have the digest it is stored under.",
        ),
        (
            StoredEvidence(evidence().document, "d" * 64),
            "The evidence was edited: it does not have the digest it is stored under.",
        ),
    ],
    ids=["failed", "stale digest", "expired", "edited record", "moved record"],
)
def test_evidence_that_does_not_speak_for_it_is_refused(found: StoredEvidence, says: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        approve(PACKAGE, found)
    assert refusal.value.what == says
    assert refusal.value.exit_code == ExitCode.REFUSED


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (None, f"There is no evidence about {PACKAGE.arn}."),
        (evidence("inconclusive"), "The evidence is inconclusive: agreement 0.71, at least 0.90 needed"),
    ],
)
def test_no_data_is_never_a_pass(found: StoredEvidence | None, says: str) -> None:
    with pytest.raises(InconclusiveError) as refusal:
        approve(PACKAGE, found)
    assert refusal.value.what == says
    assert refusal.value.exit_code == ExitCode.INCONCLUSIVE


def test_evidence_without_the_packages_digest_is_refused() -> None:
    foreign = replace(PACKAGE, metadata={AUTHOR: AUTHOR_ARN})
    with pytest.raises(RefusedError, match="about another candidate"):
        approve(foreign, evidence(digest=""))


def test_the_author_is_refused_even_with_an_override() -> None:
    with pytest.raises(RefusedError, match="Self-approval: you are the author"):
        approve(PACKAGE, evidence(), approver=AUTHOR_ARN, override="I am sure")


def test_a_package_without_author_is_refused() -> None:
    with pytest.raises(RefusedError, match="does not say who its author is"):
        approve(replace(PACKAGE, metadata={ARTIFACT_DIGEST: DIGEST}), evidence())


def test_an_override_stands_in_for_evidence_only() -> None:
    approve(PACKAGE, evidence("fail"), override="labels arrive late")
    approve(PACKAGE, None, override="labels arrive late")
    quarantined = replace(PACKAGE, metadata={**PACKAGE.metadata, QUARANTINED_REASON: "alarm accuracy"})
    with pytest.raises(RefusedError, match="is quarantined: alarm accuracy"):
        approve(quarantined, evidence(), override="again")


def test_promotion_refuses_a_moved_image_with_both_digests() -> None:
    package = replace(APPROVED, metadata={**APPROVED.metadata, IMAGE_DIGEST: "sha256:one"})
    gate.check_image(package, None)
    with pytest.raises(RefusedError, match="The image is no longer the one that was approved") as refusal:
        gate.check_image(package, "sha256:other")
    assert refusal.value.where == "image: sha256:other, approved sha256:one"
    assert refusal.value.exit_code == ExitCode.REFUSED


def test_promotion_refuses_another_environment_with_both_digests() -> None:
    environment = {"SAGEMAKER_PROGRAM": "inference.py"}
    registered = digest_of_environment(environment)
    metadata = {**APPROVED.metadata, ENVIRONMENT_DIGEST: registered}
    package = replace(APPROVED, metadata=metadata, environment=environment)
    gate.check_environment(package)
    changed = {**environment, "SAGEMAKER_SUBMIT_DIRECTORY": "s3://elsewhere/code.tar.gz"}
    with pytest.raises(RefusedError, match="The environment is no longer the one that was approved") as refusal:
        gate.check_environment(replace(package, environment=changed))
    assert refusal.value.where == (
        f"{PACKAGE.arn}: SAGEMAKER_PROGRAM, SAGEMAKER_SUBMIT_DIRECTORY have digest {digest_of_environment(changed)}, "
        f"approved {registered}"
    )
    # A version of a release that did not compare it says nothing of it.
    gate.check_environment(replace(APPROVED, environment=changed))


def test_promotion_takes_an_approved_version_with_its_bytes() -> None:
    gate.check_promotion(APPROVED, "tumor-triage", "b" * 64)


@pytest.mark.parametrize(
    ("package", "service", "sha256", "says"),
    [
        (PACKAGE, "tumor-triage", "b" * 64, "is not approved (PendingManualApproval)"),
        (APPROVED, "diabetes-progression", "b" * 64, "is of group 'tumor-triage', not of service"),
        (replace(PACKAGE, approval="Rejected"), "tumor-triage", "b" * 64, "is quarantined: Rejected"),
        (APPROVED, "tumor-triage", "e" * 64, "The artifact is no longer the one that was approved."),
        (replace(APPROVED, metadata={}), "tumor-triage", "", "The artifact is no longer the one that was approved."),
    ],
    ids=["unapproved", "another group", "quarantined", "overwritten artifact", "unknown digest"],
)
def test_promotion_refuses(package: Package, service: str, sha256: str, says: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        gate.check_promotion(package, service, sha256)
    assert says in refusal.value.what
    assert refusal.value.exit_code == ExitCode.REFUSED
    assert refusal.value.do


STALE = "c" * 64
EDITED = StoredEvidence({**evidence("fail").document, "verdict": "pass"}, evidence("fail").digest)
RECORD_EDITED = replace(PACKAGE, metadata={**PACKAGE.metadata, ARTIFACT_DIGEST: STALE})


@pytest.mark.parametrize("override", ["", "I am sure"], ids=["", "override"])
@pytest.mark.parametrize(
    ("package", "found", "approver", "even_by_override", "says"),
    [
        (PACKAGE, evidence(), AUTHOR_ARN, True, "Self-approval: you are the author"),
        (PACKAGE, evidence(digest=STALE), APPROVER, False, "The evidence is about another candidate."),
        (PACKAGE, evidence(judged_at=NOW - timedelta(days=31)), APPROVER, False, "The evidence is older than 30 days."),
        (PACKAGE, EDITED, APPROVER, False, "The evidence was edited"),
        (RECORD_EDITED, evidence(digest=STALE), APPROVER, True, "its artifact has another digest than its metadata"),
    ],
    ids=["self-approval", "stale digest", "expired", "edited evidence", "edited record"],
)
def test_promise_38_at_approval(
    package: Package, found: StoredEvidence, approver: str, even_by_override: bool, says: str, override: str
) -> None:
    """An override stands in for evidence, which is its purpose, and for nothing else."""
    if override and not even_by_override:
        approve(package, found, approver, override)
        return
    with pytest.raises(RefusedError) as refusal:
        approve(package, found, approver, override)
    assert says in refusal.value.what
    assert refusal.value.exit_code == ExitCode.REFUSED


def given(**metadata: str) -> Package:
    return replace(APPROVED, metadata={**APPROVED.metadata, APPROVED_BY: APPROVER, **metadata})


@pytest.mark.parametrize(
    ("package", "found", "ended_by", "says"),
    [
        (given(**{APPROVED_BY: AUTHOR_ARN}), evidence(), None, "Self-approval"),
        (given(**{APPROVED_BY: "grace"}), evidence(), None, "was edited: 'grace' is no IAM or STS ARN."),
        (given(), evidence(digest=STALE), None, "The evidence is about another candidate."),
        (given(), evidence(), PACKAGE.arn[:-1] + "8", "has ended: version 8 was registered after it."),
        (given(), EDITED, None, "The evidence was edited"),
        (given(**{ARTIFACT_DIGEST: STALE}), None, None, "The record of"),
        (given(), evidence("fail"), None, "The approval quotes evidence that does not pass: agreement 0.71"),
    ],
    ids=["self-approval", "nobody", "stale digest", "expired", "edited evidence", "edited record", "failing evidence"],
)
def test_promise_38_at_promotion(
    package: Package, found: StoredEvidence | None, ended_by: str | None, says: str
) -> None:
    with pytest.raises(RefusedError) as refusal:
        gate.check_approval_holds(package, ended_by, found)
    assert says in refusal.value.what
    assert refusal.value.exit_code == ExitCode.REFUSED
    assert refusal.value.do


def test_an_approval_holds_on_its_evidence_and_in_the_console_without() -> None:
    gate.check_approval_holds(given(), None, evidence())
    gate.check_approval_holds(APPROVED, None, None)


def test_an_overwritten_artifact_names_the_version_to_restore() -> None:
    package = replace(APPROVED, metadata={**APPROVED.metadata, OBJECT_VERSION_ID: "v1.x"})
    with pytest.raises(RefusedError) as refusal:
        gate.check_promotion(package, "tumor-triage", "e" * 64)
    assert refusal.value.do == ("Find out who wrote that object; restore its version v1.x, or register the model anew.")
