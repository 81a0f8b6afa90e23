"""Deleting old registry versions that no environment refers to, with their artifacts and images where asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from pulumi.automation import Stack
from pulumi.automation.errors import StackNotFoundError

from release import arns, catalog, registry
from release.console import Output
from release.errors import FailedError, RefusedError
from release.ledger import last_known_good, releases
from release.records import split_uri
from release.retention import Fate, fates, unshared
from release.workspace import Project, engine_errors

_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<repository>[^@:]+)"
    r"@(?P<digest>sha256:[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Order:
    """What is asked for. `keep`: how many of the newest versions, and of each environment's, stay in any case."""

    service: str
    keep: int
    artifacts: bool
    images: bool
    assume_yes: bool


def survey(project: Project, order: Order) -> list[Fate]:
    """What would become of each version, newest first. Raises as `catalog.group` does; a stack that cannot be read
    fails the whole, as nobody knows what it refers to."""
    group = catalog.group(order.service, catalog.environments(project, project.stacks()))
    packages = registry.describe_many(summary.arn for summary in group.summaries)
    rejected = {summary.arn for summary in group.summaries if summary.is_quarantined}
    held: dict[str, str] = {}
    for stack in _stacks(project):
        for arn, why in _held(project, stack, order, rejected):
            held.setdefault(arn, why)
    return fates(packages, group.summaries, held, order.keep, datetime.now(UTC))


def prune(project: Project, order: Order, found: Sequence[Fate], output: Output) -> dict[str, Any]:
    """Delete what goes, oldest first; `{service, deleted: [arn], artifacts: [uri], images: [uri]}`.

    What `found` says is looked at again after the question: raises `RefusedError` when a version that was to go is
    needed now. A version's artifact and image go before its record, so that a run that was cut short is repeated.
    """
    going = [fate.package for fate in found if fate.goes]
    told: dict[str, Any] = {"service": order.service, "deleted": [], "artifacts": [], "images": []}
    if not going:
        return told
    output.confirm(f"Delete {len(going)} versions of {order.service} for good?", assume_yes=order.assume_yes)
    staying = [fate.package for fate in survey(project, order) if not fate.goes]
    if needed := {package.arn for package in staying} & {package.arn for package in going}:
        raise RefusedError(
            "Something changed meanwhile: a version that was to go is needed now. Nothing was deleted.",
            where=", ".join(sorted(needed)),
            do="Run the command again.",
        )
    if order.artifacts:
        for uri in unshared((p.model_data_url for p in going), (p.model_data_url for p in staying)):
            output.say(f"Deleting {uri}")
            _delete_object(uri, arns.parse(going[0].arn).region)
            told["artifacts"].append(uri)
    if order.images:
        for uri in unshared((p.image for p in going), (p.image for p in staying)):
            if _delete_image(uri, order.service):
                output.say(f"Deleted {uri}")
                told["images"].append(uri)
    for package in reversed(going):
        output.say(f"Deleting {package.arn}")
        if registry.delete(package.arn):
            told["deleted"].append(package.arn)
    return told


def _stacks(project: Project) -> list[str]:
    """Stacks with a file, and those that only the backend knows: another branch may have the file."""
    with engine_errors("(all)"):
        known = {summary.name for summary in project.workspace.list_stacks()}
    return sorted({*project.stacks(), *known})


def _held(project: Project, stack: str, order: Order, rejected: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (ARN, what refers to it) for each version that a stack's config, state or recent history names."""
    pattern = re.compile(rf"arn:[a-z-]+:sagemaker:[a-z0-9-]+:\d{{12}}:model-package/{re.escape(order.service)}/\d+")
    if stack in project.stacks():
        for arn in pattern.findall(json.dumps(project.stack_file(stack).config(), default=str)):
            yield arn, f"in the config of {stack}"
    with engine_errors(stack):
        try:
            handle = Stack.select(stack, project.workspace)
        except StackNotFoundError:
            return
        state = json.dumps(handle.export_stack().deployment)
        history = releases(handle.history(show_secrets=False), stack, order.service)
    for arn in pattern.findall(state):
        yield arn, f"in the state of {stack}"
    current = next((release.arn for release in history if release.succeeded), "")
    good = last_known_good(history, current, lambda arn: arn in rejected)
    if good is not None:
        yield good.arn, f"the last known good version of {stack}"
    for arn in list(dict.fromkeys(release.arn for release in history))[: order.keep]:
        yield arn, f"one of the last {order.keep} in {stack}"


def _delete_object(uri: str, region: str) -> None:
    """All versions of an object: a deletion that only hides it would free nothing. API: ListObjectVersions."""
    bucket, key = split_uri(uri)
    client: Any = boto3.client("s3", region_name=region)
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
        entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        objects = [{"Key": key, "VersionId": entry["VersionId"]} for entry in entries if entry["Key"] == key]
        errors = client.delete_objects(Bucket=bucket, Delete={"Objects": objects}).get("Errors") if objects else None
        if errors:
            raise FailedError(
                f"S3 did not delete {uri}: {errors[0]['Message']}",
                where=errors[0]["Code"],
                do="No version was taken out of the registry; mend it and run the command again.",
            )


def _delete_image(uri: str, service: str) -> bool:
    """Delete an image by digest of the service's own repository; False for any other, and for one that is gone."""
    match = _IMAGE.fullmatch(uri)
    if match is None or not match["repository"].endswith(f"/{service}"):
        return False
    answer = boto3.client("ecr", region_name=match["region"]).batch_delete_image(
        registryId=match["account"],
        repositoryName=match["repository"],
        imageIds=[{"imageDigest": match["digest"]}],
    )
    failures = [f for f in answer.get("failures", ()) if f.get("failureCode") != "ImageNotFound"]
    if failures:
        raise FailedError(
            f"ECR did not delete {uri}: {failures[0].get('failureReason')}",
            where=str(failures[0].get("failureCode")),
            do="No version was taken out of the registry; mend it and run the command again.",
        )
    return bool(answer.get("imageIds"))
