"""A service's versions across the project: where its group is, and which environments run or name which version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import boto3

from model_package.metadata import EVIDENCE_DIGEST
from release import arns, registry, standing
from release.errors import MissingError, UsageError
from release.gate import StoredEvidence
from release.records import EvidenceStore, ObjectStore
from release.registry import Package, Summary
from release.workspace import Environment, Project
from settings import ModelPackageArn


@dataclass(frozen=True)
class Group:
    """All versions of a service's group, newest first; never empty."""

    service: str
    summaries: Sequence[Summary]

    @property
    def known(self) -> ModelPackageArn:
        """The newest version."""
        return arns.parse(self.summaries[0].arn)

    def named(self, text: str) -> str:
        """ARN of the version that `7`, `v7` or a whole ARN means.

        Raises `UsageError` for a version of another group, `MissingError` for one that is not in the registry.
        """
        arn = arns.named(text, self.known)
        if arn.group != self.service:
            raise UsageError(
                f"{arn} is of group {arn.group!r}, not of service {self.service!r}.",
                where="argument VERSION",
                do=f"Name a version of {self.service!r}: `understudy versions {self.service}` lists them.",
            )
        if str(arn) not in {summary.arn for summary in self.summaries}:
            newest = ", ".join(str(summary.version) for summary in self.summaries[:5])
            raise MissingError(
                f"There is no version {arn.version} of {self.service}.", where=str(arn), do=f"The newest are: {newest}."
            )
        return str(arn)


def environments(project: Project, stacks: Iterable[str]) -> list[Environment]:
    """Those of the stacks that were deployed. Raises `MissingError` for a stack without a file."""
    for stack in stacks:
        project.stack_file(stack)
    return [found for stack in stacks if (found := project.environment_if_any(stack)) is not None]


def group(service: str, found: Sequence[Environment]) -> Group:
    """The service's group: the one that an environment names, else the caller's own. Raises `MissingError`."""
    named = sorted({arn for environment in found for arn in _named(environment, service)})
    if named:
        versions = registry.group_of(named[-1])
    else:
        region = boto3.session.Session().region_name
        versions = registry.summaries(service, region) if region else []
    if not versions:
        raise MissingError(
            f"No version of {service!r} is registered.",
            where=f"stacks {', '.join(environment.name for environment in found) or 'none deployed'}",
            do="`understudy status` lists the services; `understudy deploy` registers a version.",
        )
    return Group(service, versions)


def running(found: Iterable[Environment], service: str) -> dict[str, list[str]]:
    """Names of the environments that run a version, by its ARN; a shadow variant's with a note."""
    runs: dict[str, list[str]] = {}
    for environment in found:
        arn = environment.services().get(service, {}).get("modelPackageArn")
        if arn:
            runs.setdefault(str(arn), []).append(environment.name)
        variant = environment.file.services().get(service, {}).get("shadowVariant") or {}
        if variant.get("modelPackageArn") and environment.services().get(service):
            runs.setdefault(str(variant["modelPackageArn"]), []).append(f"{environment.name} (shadow variant)")
    return runs


def live(found: Iterable[Environment], service: str) -> set[str]:
    """ARNs that clients are answered by: those of the environments that run registered versions."""
    outputs = [e.services().get(service, {}) for e in found if not is_shadow(e)]
    return {str(values["modelPackageArn"]) for values in outputs if values.get("modelPackageArn")}


def is_shadow(environment: Environment) -> bool:
    """Whether it registers candidates; all others run registered versions."""
    return environment.name == "shadow" or environment.name.startswith("shadow-")


class Evidence:
    """The evidence about versions, from the records of whichever environment has some."""

    def __init__(self, found: Iterable[Environment], service: str) -> None:
        buckets = [str(e.outputs["recordsBucket"]) for e in found if "recordsBucket" in e.outputs]
        self._stores = [EvidenceStore(ObjectStore(), bucket) for bucket in buckets]
        self._service = service

    def about(self, package: Package) -> StoredEvidence | None:
        """The latest about its artifact, whether or not an approval quotes it."""
        for store in self._stores:
            if latest := store.latest(self._service, package.artifact_digest):
                return latest
        return None

    def told(self, package: Package) -> dict[str, str] | None:
        """`{verdict, digest}` of the latest; where no records can be read, what its approval quotes."""
        if latest := self.about(package):
            return {"verdict": latest.verdict, "digest": latest.digest}
        quoted = package.metadata.get(EVIDENCE_DIGEST)
        if not quoted:
            return None
        return {"verdict": "override" if standing.source(package) == "override" else "pass", "digest": quoted}


def _named(environment: Environment, service: str) -> list[str]:
    """The ARNs that an environment's outputs and config give the service."""
    given = [environment.services().get(service, {}), environment.file.services().get(service, {})]
    found = [str(values["modelPackageArn"]) for values in given if values.get("modelPackageArn")]
    return [arn for arn in found if f":model-package/{service}/" in arn]
