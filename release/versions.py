"""The versions of a service, newest first: what each is, how far it came, and where it runs."""

from __future__ import annotations

from typing import Any

from model_package import metadata as keys
from release import catalog, registry, standing
from release.phases import Facts, phase_of
from release.registry import Package
from release.workspace import Project


def versions(project: Project, service: str, stacks: list[str], limit: int) -> list[dict[str, Any]]:
    """The newest `limit` versions, newest first.

    `{version, arn, approval, approval_source: evidence|override|console|None, approval_ended_by, approved_by, phase,
    artifact_digest, object_version_id, image, image_digest, git_commit, training_job, metrics: {name: number} | None,
    author, created, schema, evidence: {verdict, digest} | None, runs_in: [environment], override_reason,
    quarantined_reason}`. `metrics` is None where somebody wrote something else into them.
    Raises `MissingError` when nothing is registered, or for an unknown stack.
    """
    found = catalog.environments(project, stacks)
    group = catalog.group(service, found)
    packages = registry.describe_many(summary.arn for summary in group.summaries[:limit])
    evidence, runs = catalog.Evidence(found, service), catalog.running(found, service)
    live = catalog.live(found, service)
    return [_row(package, group, evidence, runs.get(package.arn, []), live) for package in packages]


def metrics(package: Package) -> dict[str, float] | None:
    """The metrics it was registered with; None where they are no longer in their form."""
    try:
        return keys.decode_metrics(package.metadata.get(keys.METRICS, ""))
    except ValueError:
        return None


def _row(
    package: Package, group: catalog.Group, evidence: catalog.Evidence, runs_in: list[str], live: set[str]
) -> dict[str, Any]:
    told = evidence.told(package)
    ended = None if package.arn in live else standing.ended_by(package, group.summaries)
    waits = not package.is_approved or ended is not None
    facts = Facts(
        trained=True,
        registered=True,
        verdict=told["verdict"] if told else None,
        approval=package.approval,
        in_production=package.arn in live,
        superseded=waits and not runs_in and package.arn != group.summaries[0].arn,
    )
    metadata = package.metadata
    return {
        "version": package.version,
        "arn": package.arn,
        "approval": package.approval,
        "approval_source": standing.source(package),
        "approval_ended_by": ended,
        "approved_by": metadata.get(keys.APPROVED_BY),
        "phase": phase_of(facts).value,
        "artifact_digest": package.artifact_digest or None,
        "object_version_id": metadata.get(keys.OBJECT_VERSION_ID),
        "image": package.image,
        "image_digest": package.image_digest or None,
        "git_commit": metadata.get(keys.GIT_COMMIT),
        "training_job": metadata.get(keys.TRAINING_JOB),
        "metrics": metrics(package),
        "author": metadata.get(keys.AUTHOR),
        "created": package.created,
        "schema": metadata.get(keys.SCHEMA),
        "evidence": told,
        "runs_in": runs_in,
        "override_reason": metadata.get(keys.OVERRIDE_REASON),
        "quarantined_reason": metadata.get(keys.QUARANTINED_REASON),
    }
