"""Approval: a second person binds evidence to a version, and AWS lets production run it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from release import arns, gate, registry
from release.console import Output
from release.errors import UsageError
from release.identity import caller_arn
from release.records import EvidenceStore, ObjectStore
from release.registry import Package
from release.workspace import Project


def chosen(project: Project, service: str, version: str | None, shadow: str) -> tuple[Package, EvidenceStore]:
    """The version meant (default: the one under trial in shadow), and where its evidence is."""
    environment = project.environment(shadow)
    known = arns.parse(str(environment.service(service)["modelPackageArn"]), where=f"outputs of {shadow}")
    arn = arns.named(version, known) if version else known
    if arn.group != service:
        raise UsageError(
            f"{arn} is of group {arn.group!r}, not of service {service!r}.",
            where="argument VERSION",
            do=f"Name a version of {service!r}: `understudy history {service}` lists them.",
        )
    return registry.describe(str(arn)), EvidenceStore(ObjectStore(known.region), environment.output("recordsBucket"))


@dataclass(frozen=True)
class Request:
    """What the approver asks for. `evidence_digest` None means the latest."""

    service: str
    version: str | None
    shadow: str
    evidence_digest: str | None
    override_reason: str
    assume_yes: bool


def approve(project: Project, request: Request, output: Output) -> dict[str, Any]:
    """Approve a version; `{service, arn, approver, evidence_digest, override_reason}`.

    Raises `RefusedError` or `InconclusiveError` by the gate (`release.gate.check_approval`); nothing is changed then.
    """
    service = request.service
    _check_words(request)
    package, store = chosen(project, service, request.version, request.shadow)
    if request.evidence_digest:
        evidence: gate.StoredEvidence | None = store.get(service, package.artifact_digest, request.evidence_digest)
    else:
        evidence = store.latest(service, package.artifact_digest)
    approver = caller_arn()
    gate.check_approval(package, evidence, approver, request.override_reason, datetime.now(UTC))
    group = registry.group_of(package.arn)
    gate.check_twins(package, registry.describe_many(other.arn for other in group if other.is_quarantined))
    digest = evidence.digest if evidence else ""
    verdict = f"evidence {evidence.verdict}" if evidence else "no evidence"
    output.confirm(f"Approve {package.arn} ({verdict}) as {approver}?", assume_yes=request.assume_yes)
    registry.approve(
        package,
        approver=approver,
        evidence_digest=digest,
        override_reason=request.override_reason,
        beside=max((other.version for other in group), default=package.version),
    )
    return {
        "service": service,
        "arn": package.arn,
        "approver": approver,
        "evidence_digest": digest or None,
        "override_reason": request.override_reason or None,
    }


def _check_words(request: Request) -> None:
    """Raises `UsageError` for what is no evidence digest and no reason; a blank one would be recorded for good."""
    if request.evidence_digest and not re.fullmatch(r"[0-9a-f]{64}", request.evidence_digest):
        raise UsageError(
            f"{request.evidence_digest!r} is no evidence digest.",
            where="--evidence",
            do=f"Write the 64 hex digits that `understudy compare {request.service}` ends with.",
        )
    if request.override_reason and not request.override_reason.strip():
        raise UsageError("An override needs its reason.", where="--override", do='Say --override "why".')


def reject(
    project: Project, service: str, version: str | None, reason: str, output: Output, *, shadow: str, assume_yes: bool
) -> dict[str, Any]:
    """Reject a version, which needs no second person; `{service, arn, rejected_by, reason}`."""
    package, _ = chosen(project, service, version, shadow)
    caller = caller_arn()
    output.confirm(f"Reject {package.arn}?", assume_yes=assume_yes)
    registry.reject(package, reason, by=caller)
    return {"service": service, "arn": package.arn, "rejected_by": caller, "reason": reason}
