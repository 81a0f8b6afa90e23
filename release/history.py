"""Which version ran where and when, with what the registry knows of each."""

from __future__ import annotations

from typing import Any

from model_package import metadata as metadata_keys
from release import registry, standing
from release.errors import MissingError, UsageError
from release.ledger import Release, releases
from release.registry import Package
from release.workspace import Project, engine_errors


def history(project: Project, service: str, stacks: list[str]) -> list[dict[str, Any]]:
    """One row an update of a stack, newest first.

    `{stack, update, version, arn, started, ended, result, kind, approval, approval_source, approved_by,
    evidence_digest, override_reason, quarantined_reason}`. Raises `UsageError` for an unknown stack or service.
    """
    found: list[Release] = []
    for stack in stacks:
        environment = project.environment_if_any(stack)
        if environment is not None:
            with engine_errors(stack):
                found += releases(environment.stack.history(show_secrets=False), stack, service)
    if not found:
        raise UsageError(
            f"No stack ever ran a registered version of {service!r}.",
            where=f"history of {', '.join(stacks) or 'no stack'}",
            do=f"Services have their folders' names with - for _: {', '.join(project.use_cases()) or 'none'}.",
        )
    packages = {arn: _package(arn) for arn in {release.arn for release in found}}
    return [_row(release, packages[release.arn]) for release in sorted(found, key=lambda r: r.started, reverse=True)]


def _package(arn: str) -> Package | None:
    """None for a version that somebody deleted from the registry: that it ran stays true."""
    try:
        return registry.describe(arn)
    except MissingError:
        return None


def _row(release: Release, package: Package | None) -> dict[str, Any]:
    metadata = package.metadata if package else {}
    return {
        "stack": release.stack,
        "update": release.update,
        "version": int(release.arn.rpartition("/")[2]),
        "arn": release.arn,
        "started": release.started,
        "ended": release.ended,
        "result": release.result,
        "kind": "rollback" if release.is_rollback else "promotion",
        "message": release.message,
        "approval": package.approval if package else "deleted",
        "approval_source": standing.source(package) if package else None,
        "approved_by": metadata.get(metadata_keys.APPROVED_BY),
        "evidence_digest": metadata.get(metadata_keys.EVIDENCE_DIGEST),
        "override_reason": metadata.get(metadata_keys.OVERRIDE_REASON),
        "quarantined_reason": metadata.get(metadata_keys.QUARANTINED_REASON),
    }
