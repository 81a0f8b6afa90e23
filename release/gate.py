"""The gate: what must be true before a version is approved, and before it is promoted. Pure rules.

Evidence binds at `approve`; AWS itself refuses an unapproved ARN, so plain `pulumi up` is as safe as `promote`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from model_package.metadata import AUTHOR, QUARANTINED_REASON, text
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

    An override stands in for the evidence, never for the second person or the quarantine.
    """
    check_two_people(package, approver)
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
    if same_person(author, text(approver)):  # as the registry took the author's
        raise RefusedError(
            f"Self-approval: you are the author of {package.arn}.",
            where=f"author {author}, approver {approver}",
            do="Ask somebody else to run `understudy approve`.",
        )


def check_evidence(package: Package, evidence: StoredEvidence | None, now: datetime) -> None:
    """Raises unless the evidence is whole, of this candidate, recent and a pass.

    `InconclusiveError` where there is none or it has too little data, else `RefusedError`.
    """
    compare = f"Run `understudy compare {package.group}`, or `approve --override REASON`, which is recorded."
    if evidence is None:
        raise InconclusiveError(f"There is no evidence about {package.arn}.", where=package.artifact_digest, do=compare)
    if not evidence.is_whole:
        raise RefusedError(
            "The evidence was edited: it does not have the digest it is stored under.",
            where=evidence.digest,
            do=compare,
        )
    about = evidence.document.get("candidate_digest")
    if not package.artifact_digest or about != package.artifact_digest:
        raise RefusedError(
            "The evidence is about another candidate.",
            where=f"evidence {about}, package {package.artifact_digest or 'without digest'}",
            do=compare,
        )
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
            do="Find out who wrote that object; register the model anew.",
        )


def check_image(package: Package, found: str | None) -> None:
    """Raises `RefusedError` unless `found` is None: what is there instead of the registered image."""
    if found is not None:
        raise RefusedError(
            "The image is no longer the one that was approved.",
            where=f"{package.image}: {found}, approved {package.image_digest}",
            do="Find out who pushed to that repository; register the model anew.",
        )


def _reasons(evidence: StoredEvidence) -> str:
    reasons = evidence.document.get("reasons") or []
    return "; ".join(str(reason) for reason in reasons) or evidence.verdict
