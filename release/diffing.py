"""What differs between two versions of a service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from model_package import archives, artifacts
from model_package import metadata as keys
from release import arns, catalog, registry, standing
from release.console import Output
from release.errors import UsageError
from release.registry import Package
from release.versions import metrics
from release.workspace import Project

CACHE = Path(".understudy/downloads")
_CHUNK_BYTES = 1 << 20


def diff(project: Project, service: str, one: str, other: str, stacks: list[str], output: Output) -> dict[str, Any]:
    """`{service, from, to, changes: [{section, name, from, to}]}`; a value is None where that version has none.

    Sections: metrics, hyperparameters, files (`<size> bytes, sha256 <digest>`), image, environment, registration,
    evidence. Files are read from both artifacts, streamed, their digests checked. Raises `MissingError` for a version,
    `ArtifactMissing` or `DigestMismatch` for its artifact, `UsageError` for another group's version.
    """
    found = catalog.environments(project, stacks)
    group = catalog.group(service, found)
    before, after = registry.describe_many([group.named(one), group.named(other)])
    evidence = catalog.Evidence(found, service)
    sections = [
        ("metrics", metrics(before) or {}, metrics(after) or {}),
        ("hyperparameters", _hyperparameters(before, output), _hyperparameters(after, output)),
        ("files", _files(project, before, output), _files(project, after, output)),
        ("image", _image(before), _image(after)),
        ("environment", before.environment, after.environment),
        ("registration", _registration(before), _registration(after)),
        ("evidence", _evidence(before, evidence), _evidence(after, evidence)),
    ]
    changes = [change for name, old, new in sections for change in _changes(name, old, new)]
    return {"service": service, "from": before.arn, "to": after.arn, "changes": changes}


def _changes(section: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield {"section": section, "name": name, "from": old.get(name), "to": new.get(name)}


def _files(project: Project, package: Package, output: Output) -> dict[str, str]:
    """What is in the artifact, by name."""
    if not package.object_sha256:
        raise UsageError(
            f"{package.arn} was not registered by Understudy, so nothing says which bytes its artifact should have.",
            where=f"customer metadata {keys.OBJECT_SHA256}",
            do="Compare versions that `understudy deploy` registered.",
        )
    output.say(f"Reading {package.model_data_url} …")
    path = artifacts.fetch(package.model_data_url, package.object_sha256, project.root / CACHE)
    files = {}
    for member, content in archives.members(path):
        digest = hashlib.sha256()
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
        files[member.name] = f"{member.size} bytes, sha256 {digest.hexdigest()}"
    return files


def _hyperparameters(package: Package, output: Output) -> dict[str, Any]:
    """As the training job was given them. API: DescribeTrainingJob; script mode writes each value as JSON."""
    job = package.metadata.get(keys.TRAINING_JOB)
    if not job:
        return {}
    client = boto3.client("sagemaker", region_name=arns.parse(package.arn).region)
    try:
        given = client.describe_training_job(TrainingJobName=job).get("HyperParameters", {})
    except ClientError as error:
        output.say(f"Hyperparameters of version {package.version} are not known: training job {job}: {error}")
        return {}
    return {name: _decoded(value) for name, value in given.items() if not name.startswith("sagemaker_")}


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _image(package: Package) -> dict[str, str]:
    return (
        {"image": package.image, "digest": package.image_digest} if package.image_digest else {"image": package.image}
    )


def _registration(package: Package) -> dict[str, str | None]:
    names = {"artifact digest": keys.ARTIFACT_DIGEST, "commit": keys.GIT_COMMIT, "training job": keys.TRAINING_JOB}
    values = {name: package.metadata.get(key) for name, key in {**names, "author": keys.AUTHOR}.items()}
    return {**values, "approval": package.approval, "approval rests on": standing.source(package)}


def _evidence(package: Package, evidence: catalog.Evidence) -> dict[str, Any]:
    """Verdict, digest and figures of the latest evidence about it."""
    latest = evidence.about(package)
    if latest is None:
        return dict(evidence.told(package) or {})
    figures = {
        name: value["estimate"]
        for name in ("agreement", "error_rate")
        if isinstance(value := latest.document.get(name), Mapping) and "estimate" in value
    }
    return {"verdict": latest.verdict, "digest": latest.digest, **figures}
