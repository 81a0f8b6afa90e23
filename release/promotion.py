"""Promotion: a one-line config change, previewed, rolled out with guardrails, committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from model_package import image_reference
from model_package import metadata as metadata_keys
from release import arns, gate, registry, standing
from release.console import Output
from release.deployment import Deployment, edited
from release.errors import MissingError, UsageError
from release.gate import StoredEvidence, check_environment, check_image, check_processor, check_promotion
from release.git import Repository
from release.ledger import releases
from release.records import NO_VERSION, EvidenceStore, ObjectStore
from release.registry import Package
from release.stackfile import ServiceForm, StackFile, parse_config
from release.workspace import Environment, Project, engine_errors
from settings import ModelPackageArn


@dataclass(frozen=True)
class Wish:
    """What the caller asked for. `strategy` and `rollback` hold for this one deployment."""

    service: str
    version: str | None
    stack: str
    shadow: str
    strategy: str | None
    rollback: str | None
    push: bool
    assume_yes: bool


def promote(project: Project, wish: Wish, output: Output) -> dict[str, Any]:
    """Carry out a promotion; `{service, stack, from, to, commit, pushed}`.

    Raises `RefusedError` by the gate, `StackLockedError`, or `FailedError` after the file was put back.
    """
    repository = Repository.around(project.root)
    if wish.push:
        # A stack file from before somebody else's promotion or rollback would undo it.
        repository.pull()
    file = project.stack_file(wish.stack)
    form = file.service(wish.service)
    _check_clean(repository, file, wish.stack)
    current = form.settings.get("modelPackageArn")
    package = registry.describe(_chosen(project, form, wish))
    check_deployable(package, form)
    _check_approval(project, wish, package, output)
    environment = project.environment(wish.stack, create=True)
    if standing.source(package) == "console":
        output.say(f"{package.arn} was approved in the console or by another tool: that approval carries no evidence.")
    output.say(f"Promoting {wish.service} in {wish.stack}: {current or 'nothing'} → {package.arn}")
    message = f"Promote {wish.service} to version {package.version} in {wish.stack}"
    with edited(environment, _changes(form, package.arn, wish)):
        Deployment(environment, output, wish.assume_yes).run(message)
    commit = repository.commit(file.path, f"{message}\n\n{_why(package)}")
    if wish.push:
        repository.push()
    return {
        "service": wish.service,
        "stack": wish.stack,
        "from": current,
        "to": package.arn,
        "commit": commit,
        "pushed": wish.push,
    }


def check_deployable(package: Package, form: ServiceForm) -> None:
    """The gate before any ARN goes into a stack's config: group, quarantine, approval, artifact, image, environment."""
    region, service = arns.parse(package.arn).region, form.name
    if package.group == service and package.is_approved:
        check_promotion(package, service, _artifact_sha256(package, region))
        check_image(package, _moved_image(package, region))
        check_environment(package)
        check_processor(package, form.instance_type)
    else:  # the bytes do not matter any more
        check_promotion(package, service, "")


def _artifact_sha256(package: Package, region: str) -> str:
    """SHA-256 of what is at the artifact's place now.

    While that is the version of S3's object that was uploaded for the registration, nothing is read: the deployment
    reads every byte (`VerifiedPackage`) before it makes a model, and takes nobody's word for a version's content.
    """
    uploaded = package.metadata.get(metadata_keys.OBJECT_VERSION_ID, NO_VERSION)
    known = {} if uploaded == NO_VERSION else {uploaded: package.object_sha256}
    return ObjectStore(region).sha256(package.model_data_url, known)


def _moved_image(package: Package, region: str) -> str | None:
    """What is there instead of the registered image; None while it is, and for a version registered without one."""
    if not package.image_digest:
        return None
    client = boto3.client("ecr", region_name=region)
    return image_reference.moved(client, package.image, package.image_context, package.image_digest)


def _check_approval(project: Project, wish: Wish, package: Package, output: Output) -> None:
    """Raises `RefusedError` when the approval no longer holds (`release.standing`), or never did."""
    group = registry.group_of(package.arn)
    gate.check_twins(package, registry.describe_many(other.arn for other in group if other.is_quarantined))
    environment = project.environment_if_any(wish.stack)
    with engine_errors(wish.stack):
        entries = environment.stack.history(show_secrets=False) if environment else []
    past = releases(entries, wish.stack, wish.service)
    known_here = any(release.succeeded and release.arn == package.arn for release in past)
    ended_by = None if known_here else standing.ended_by(package, group)
    gate.check_approval_holds(package, ended_by, _quoted(project, wish, package, output))


def _quoted(project: Project, wish: Wish, package: Package, output: Output) -> StoredEvidence | None:
    """The evidence that the approval quotes; None where it quotes none, or shadow's records cannot be read from here.

    Raises `MissingError` where the records can be read and do not hold it.
    """
    shadow = project.environment_if_any(wish.shadow) if standing.source(package) == "evidence" else None
    bucket = shadow.outputs.get("recordsBucket") if shadow else None
    if bucket is None:
        return None
    store = EvidenceStore(ObjectStore(arns.parse(package.arn).region), str(bucket))
    try:
        return store.get(wish.service, package.artifact_digest, package.metadata[metadata_keys.EVIDENCE_DIGEST])
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "403"):
            raise
        output.say(f"The evidence that the approval quotes was not read again: no access to {bucket}.")
        return None


def _check_clean(repository: Repository, file: StackFile, stack: str) -> None:
    """Refuse to commit somebody's other changes; what the engine writes beside `config` (its salt) is no change."""
    committed = repository.committed(file.path)
    if committed is not None and parse_config(committed, file.path.name) != file.config():
        raise UsageError(
            f"{file.path.name} differs from the committed one, and a promotion commits that file.",
            where=f"stack {stack}",
            do=f"Commit or undo the change first: `git diff {file.path.name}`.",
        )


def _chosen(project: Project, form: ServiceForm, wish: Wish) -> str:
    """The ARN that `[VERSION|ARN]` means; without it the newest approved version."""
    if wish.version and wish.version.startswith("arn:"):
        return str(arns.parse(wish.version, where="argument VERSION"))
    known = known_package(project, form, wish.shadow)
    if wish.version:
        return str(arns.named(wish.version, known))
    registered = registry.versions(arns.group_arn(known), known.region)
    for arn in registered:
        if registry.describe(arn).is_approved:
            return arn
    newest = f"; the newest is {registered[0]}" if registered else ""
    raise MissingError(
        f"No version of {wish.service} is approved{newest}.",
        do=f"`understudy compare {wish.service}`, then have somebody else run `understudy approve {wish.service}`.",
    )


def known_package(project: Project, form: ServiceForm, shadow: str) -> ModelPackageArn:
    """Any ARN of the service's group, for its account and region: from the config, else from shadow's outputs."""
    arn = form.settings.get("modelPackageArn")
    if arn:
        return arns.parse(str(arn), where=form.key("modelPackageArn"))
    return candidate(project.environment(shadow), form.name)


def candidate(shadow: Environment, service: str) -> ModelPackageArn:
    """The version under trial in shadow. Raises `MissingError`."""
    return arns.parse(str(shadow.service(service)["modelPackageArn"]), where=f"outputs of {shadow.name}")


def _changes(form: ServiceForm, arn: str, wish: Wish) -> dict[str, str | None]:
    changes: dict[str, str | None] = {}
    if form.settings.get("deploymentOverride"):
        changes[form.key("deploymentOverride")] = None
    changes[form.key("modelPackageArn")] = arn
    if wish.strategy or wish.rollback:
        changes[form.key("deploymentOverride.modelPackageArn")] = arn
    if wish.strategy:
        changes[form.key("deploymentOverride.strategy")] = wish.strategy
    if wish.rollback:
        changes[form.key("deploymentOverride.rollback")] = wish.rollback
    if wish.strategy or wish.rollback:
        changes[form.key("deploymentOverride.reason")] = "asked for when it was promoted"
    return changes


def _why(package: Package) -> str:
    lines = [
        f"Package: {package.arn}",
        f"Artifact: {package.artifact_digest}",
    ]
    if standing.source(package) == "console":
        return "\n".join([*lines, "Approved-by: unknown (in the console or by another tool, no evidence)"])
    lines.append(f"Approved-by: {package.metadata[metadata_keys.APPROVED_BY]}")
    if package.metadata.get(metadata_keys.EVIDENCE_DIGEST):
        lines.append(f"Evidence: {package.metadata[metadata_keys.EVIDENCE_DIGEST]}")
    if package.metadata.get(metadata_keys.OVERRIDE_REASON):
        lines.append(f"Override: {package.metadata[metadata_keys.OVERRIDE_REASON]}")
    return "\n".join(lines)
