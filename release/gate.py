"""The gate: what must be true before a version is approved, and before it is promoted. Pure rules.

Evidence binds at `approve`; AWS itself refuses an unapproved ARN, so plain `pulumi up` is as safe as `promote`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from model_package import processors
from model_package.metadata import (
    APPROVED_BY,
    AUTHOR,
    OBJECT_VERSION_ID,
    QUARANTINED_REASON,
    digest_of_environment,
    text,
)
from release.errors import InconclusiveError, RefusedError
from release.evidence_document import digest_of
from release.identity import same_person
from release.registry import Package

EVIDENCE_VALID = timedelta(days=30)
"""Production's traffic drifts: older evidence is about requests that are no longer made."""


@dataclass(frozen=True)
class StoredEvidence:
    """An evidence document (`release.evidence_document`) as it lies in S3, and the digest it was stored under."""

    document: Mapping[str, Any]
    digest: str

    @property
    def verdict(self) -> str:
        """pass, fail or inconclusive."""
        return str(self.document["verdict"])

    @property
    def judged_at(self) -> datetime:
        """When it was judged, with its zone."""
        return datetime.fromisoformat(self.document["judged_at"])

    @property
    def is_whole(self) -> bool:
        """Whether the document is still the one that was judged."""
        content = {key: value for key, value in self.document.items() if key != "digest"}
        return self.document.get("digest") == self.digest == digest_of(content)


def check_approval(
    package: Package, evidence: StoredEvidence | None, approver: str, override_reason: str, now: datetime
) -> None:
    """Raises `RefusedError` or `InconclusiveError` when `approver` may not approve `package` on this evidence.

    An override stands in for the evidence, never for the second person, the record or the quarantine.
    """
    check_two_people(package, approver)
    check_record(package)
    if QUARANTINED_REASON in package.metadata:
        raise RefusedError(
            f"{package.arn} is quarantined: {package.metadata[QUARANTINED_REASON]}",
            do="A version that was rolled back stays out; train and register a new one.",
        )
    if override_reason:
        return
    check_evidence(package, evidence, now)


def check_two_people(package: Package, approver: str) -> None:
    """Raises `RefusedError` unless the author is known and is somebody else than `approver`."""
    author = package.metadata.get(AUTHOR, "")
    if not author:
        raise RefusedError(
            f"{package.arn} does not say who its author is, so nobody can be told to be a second person.",
            where=f"customer metadata {AUTHOR}",
            do="Register it through `understudy train` and `understudy deploy`.",
        )
    try:
        same = same_person(author, text(approver))  # as the registry took the author's
    except ValueError as error:
        raise RefusedError(
            f"The record of {package.arn} was edited: {error}.",
            where=f"author {author}, approver {approver}",
            do="Find out who changed it; approve it again, or register the model anew.",
        ) from error
    if same:
        raise RefusedError(
            f"Self-approval: you are the author of {package.arn}.",
            where=f"author {author}, approver {approver}",
            do="Ask somebody else to run `understudy approve`.",
        )


def check_evidence(package: Package, evidence: StoredEvidence | None, now: datetime) -> None:
    """Raises unless the evidence is whole, of this candidate, recent and a pass.

    `InconclusiveError` where there is none or it has too little data, else `RefusedError`.
    """
    compare = _compare(package)
    if evidence is None:
        raise InconclusiveError(f"There is no evidence about {package.arn}.", where=package.artifact_digest, do=compare)
    _check_quotable(package, evidence)
    if now - evidence.judged_at > EVIDENCE_VALID:
        raise RefusedError(
            f"The evidence is older than {EVIDENCE_VALID.days} days.", where=evidence.judged_at.isoformat(), do=compare
        )
    if evidence.verdict == "inconclusive":
        raise InconclusiveError(
            f"The evidence is inconclusive: {_reasons(evidence)}", where=evidence.digest, do=compare
        )
    if evidence.verdict != "pass":
        raise RefusedError(f"The evidence refuses it: {_reasons(evidence)}", where=evidence.digest, do=compare)


def check_record(package: Package) -> None:
    """Raises `RefusedError` when the record contradicts itself: the artifact's key holds the digest it is about."""
    digest = package.artifact_digest
    if digest and f"/{digest}/" not in package.model_data_url:
        raise RefusedError(
            f"The record of {package.arn} was edited: its artifact has another digest than its metadata says.",
            where=f"{package.model_data_url}, metadata {digest}",
            do="Find out who changed it; register the model anew.",
        )


def check_twins(package: Package, rejected: Iterable[Package]) -> None:
    """Raises `RefusedError` when the same content was rejected as another version: a new number is no new model."""
    for other in rejected:
        same = (other.artifact_digest, other.image) == (package.artifact_digest, package.image)
        if other.arn != package.arn and package.artifact_digest and same:
            reason = other.metadata.get(QUARANTINED_REASON) or other.description or "Rejected"
            raise RefusedError(
                f"{package.arn} has the content of version {other.version}, which is quarantined: {reason}",
                where=f"artifact {package.artifact_digest}",
                do="Train another model.",
            )


def check_approval_holds(package: Package, ended_by: str | None, evidence: StoredEvidence | None) -> None:
    """What an approval must still be when it is used. Raises `RefusedError`.

    `ended_by`: `release.standing.ended_by`, None for a version that is known in that environment. `evidence`: the
    document that the approval quotes; None where it quotes none, or cannot be read from here.
    """
    check_record(package)
    approver = package.metadata.get(APPROVED_BY)
    if approver:
        check_two_people(package, approver)
    if evidence is not None:
        _check_quotable(package, evidence)
        if evidence.verdict != "pass":
            raise RefusedError(
                f"The approval quotes evidence that does not pass: {_reasons(evidence)}",
                where=evidence.digest,
                do=_compare(package),
            )
    if ended_by:
        service, newer = package.group, ended_by.rpartition("/")[2]
        raise RefusedError(
            f"The approval of {package.arn} has ended: version {newer} was registered after it.",
            where=ended_by,
            do=f"Promote {newer} once it is approved, `understudy reject {service} {newer}`, or have somebody else run "
            f"`understudy approve {service} {package.version}` again.",
        )


def check_promotion(package: Package, service: str, object_sha256: str) -> None:
    """Raises `RefusedError` when `package` may not run as `service`; `object_sha256` is its artifact's now."""
    if package.group != service:
        raise RefusedError(
            f"{package.arn} is of group {package.group!r}, not of service {service!r}.",
            do=f"Promote a version of {service!r}: `understudy history {service}` lists them.",
        )
    if package.is_quarantined:
        reason = package.metadata.get(QUARANTINED_REASON) or package.description or "Rejected"
        raise RefusedError(f"{package.arn} is quarantined: {reason}", do="Promote another version.")
    if not package.is_approved:
        raise RefusedError(
            f"{package.arn} is not approved ({package.approval}).",
            do=f"Have somebody else run `understudy approve {service} {package.version}`.",
        )
    if not package.object_sha256 or object_sha256 != package.object_sha256:
        raise RefusedError(
            "The artifact is no longer the one that was approved.",
            where=f"{package.model_data_url}: sha256 {object_sha256}, approved {package.object_sha256 or 'unknown'}",
            do=_restore(package),
        )


def check_image(package: Package, found: str | None) -> None:
    """Raises `RefusedError` unless `found` is None: what is there instead of the registered image."""
    if found is not None:
        raise RefusedError(
            "The image is no longer the one that was approved.",
            where=f"{package.image}: {found}, approved {package.image_digest}",
            do="Find out who pushed to that repository; register the model anew.",
        )


def check_processor(package: Package, instance_type: str) -> None:
    """Raises `RefusedError` where the image is for another kind of processor than the service's instances have."""
    if reason := processors.mismatch(package.image_processor, instance_type):
        raise RefusedError(
            f"Version {package.version} does not fit the service's instances: {reason}.",
            where=f"{package.arn}; instanceType {instance_type}",
            do="Name instances of the kind that the version was tried on, or try a version with the image for these: "
            "its evidence is about that.",
        )


def check_environment(package: Package) -> None:
    """Raises `RefusedError` unless the container's variables are the registered ones."""
    found = digest_of_environment(package.environment)
    if package.environment_digest not in ("", found):
        raise RefusedError(
            "The environment is no longer the one that was approved.",
            where=f"{package.arn}: {', '.join(sorted(package.environment))} have digest {found}, approved "
            f"{package.environment_digest}",
            do="Find out who changed it; register the model anew.",
        )


def _restore(package: Package) -> str:
    version = package.metadata.get(OBJECT_VERSION_ID)
    restore = f"restore its version {version}, or " if version else ""
    return f"Find out who wrote that object; {restore}register the model anew."


def _check_quotable(package: Package, evidence: StoredEvidence) -> None:
    """Raises `RefusedError` unless the document is the one that was judged, about this artifact."""
    if not evidence.is_whole:
        raise RefusedError(
            "The evidence was edited: it does not have the digest it is stored under.",
            where=evidence.digest,
            do=_compare(package),
        )
    about = evidence.document.get("candidate_digest")
    if not package.artifact_digest or about != package.artifact_digest:
        raise RefusedError(
            "The evidence is about another candidate.",
            where=f"evidence {about}, package {package.artifact_digest or 'without digest'}",
            do=_compare(package),
        )


def _compare(package: Package) -> str:
    return f"Run `understudy compare {package.group}`, or `approve --override REASON`, which is recorded."


def _reasons(evidence: StoredEvidence) -> str:
    reasons = evidence.document.get("reasons") or []
    return "; ".join(str(reason) for reason in reasons) or evidence.verdict
