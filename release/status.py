"""Where every service stands, by environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_package import metadata as metadata_keys
from model_package.lock import load_lock
from release import access, alarms, arns, registry, standing
from release.catalog import is_shadow
from release.errors import UsageError
from release.git import Repository
from release.phases import Facts, phase_of
from release.records import EvidenceStore, ObjectStore
from release.registry import Package
from release.workspace import Environment, Project


def status(project: Project, service: str | None, stacks: list[str]) -> list[dict[str, Any]]:
    """One row a service and environment; `service` None means all.

    `{service, stack, version, arn, wanted_arn, approval, approval_source, approval_ended_by, phase, artifact_digest,
    evidence: {verdict, digest} | None, alarms: {name: state}, quarantined: [arn], skipped, file_differs}`.
    Raises `UsageError` for a service that no deployed stack has, `MissingError` for an unknown stack.
    """
    repository = Repository.around(project.root)
    for name in stacks:
        project.stack_file(name)
    environments = [found for name in stacks if (found := project.environment_if_any(name)) is not None]
    live = {
        str(outputs["modelPackageArn"])
        for environment in environments
        if not is_shadow(environment)
        for outputs in environment.services().values()
        if outputs.get("modelPackageArn")
    }
    rows, known = [], set[str]()
    for environment in environments:
        differs = repository.differs(environment.file.path)
        for name in sorted({*environment.file.services(), *environment.services()}):
            known.add(name)
            if service in (None, name):
                rows.append(_row(project, environment, name, live) | {"file_differs": differs})
    if service is not None and service not in known:
        raise UsageError(
            f"No stack has a service {service!r}.",
            where=f"stacks {', '.join(stacks)}",
            do=f"There are: {', '.join(sorted(known)) or 'none'}.",
        )
    return rows


def _row(project: Project, environment: Environment, service: str, live: set[str]) -> dict[str, Any]:
    outputs: Mapping[str, Any] = environment.services().get(service, {})
    arn = outputs.get("modelPackageArn")
    package = registry.describe(str(arn)) if arn else None
    group = registry.group_of(package.arn) if package else []
    evidence = _evidence(environment, service, package)
    phase = phase_of(_facts(project, service, package, evidence, live))
    settings = environment.file.services().get(service, {})
    return {
        "service": service,
        "stack": environment.name,
        "version": package.version if package else None,
        "arn": arn,
        "wanted_arn": settings.get("modelPackageArn"),
        "approval": package.approval if package else None,
        "approval_source": standing.source(package) if package else None,
        "approval_ended_by": standing.ended_by(package, group) if package and package.arn not in live else None,
        "phase": phase.value,
        "artifact_digest": package.artifact_digest if package else None,
        "evidence": evidence,
        "alarms": alarms.states(_alarm_names(outputs), role=access.reader_role(environment.outputs)),
        "quarantined": [version.arn for version in group if version.is_quarantined],
        "skipped": (environment.outputs.get("skipped") or {}).get(service),
    }


def _facts(
    project: Project, service: str, package: Package | None, evidence: Mapping[str, Any] | None, live: set[str]
) -> Facts:
    folder = project.root / "use_cases" / arns.use_case_name(service)
    return Facts(
        trained=load_lock(folder) is not None,
        registered=package is not None,
        verdict=str(evidence["verdict"]) if evidence else None,
        approval=package.approval if package else None,
        in_production=package is not None and package.arn in live,
    )


def _evidence(environment: Environment, service: str, package: Package | None) -> dict[str, Any] | None:
    """The latest about the version, in whichever environment's records; production has none of its own."""
    if package is None:
        return None
    if "recordsBucket" in environment.outputs:
        store = EvidenceStore(ObjectStore(), str(environment.outputs["recordsBucket"]))
        evidence = store.latest(service, package.artifact_digest)
        return None if evidence is None else {"verdict": evidence.verdict, "digest": evidence.digest}
    digest = package.metadata.get(metadata_keys.EVIDENCE_DIGEST)
    verdict = "override" if package.metadata.get(metadata_keys.OVERRIDE_REASON) else "pass"
    return {"verdict": verdict, "digest": digest} if digest else None


def _alarm_names(outputs: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in (outputs.get("alarms") or {}).values() if name]
