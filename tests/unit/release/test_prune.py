"""Which versions go, and that nothing goes that anything refers to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from model_package.metadata import APPROVED_BESIDE, APPROVED_BY, ARTIFACT_DIGEST, EVIDENCE_DIGEST
from release import __main__ as command
from release import registry
from release.console import Output
from release.errors import ExitCode, RefusedError, UsageError
from release.pruning import Order, prune, survey
from release.registry import Package, Summary
from release.retention import QUARANTINE_KEPT, fates, unshared
from release.workspace import Project
from tests.unit.release.conftest import START, World, arn, package

ORDER = Order("tumor-triage", keep=1, artifacts=False, images=False, assume_yes=True)
NOW = START + timedelta(days=10)
OLD = NOW - QUARANTINE_KEPT - timedelta(days=1)


def reasons(*packages: Package, keep: int = 1, now: datetime = NOW, **held: str) -> dict[int, str | None]:
    newest_first = sorted(packages, key=lambda p: p.version, reverse=True)
    group = [Summary(p.arn, p.approval, "Completed", p.created) for p in newest_first]
    names = {arn(int(name.removeprefix("v"))): why for name, why in held.items()}
    return {fate.package.version: fate.reason for fate in fates(newest_first, group, names, keep, now)}


def approved(version: int, beside: int) -> Package:
    marks = {APPROVED_BY: "grace", EVIDENCE_DIGEST: "e", APPROVED_BESIDE: str(beside)}
    return package(version, **marks)


def rejected(version: int, at: datetime, **changes: Any) -> Package:
    return replace(package(version, "Rejected"), modified=at, **changes)


MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
PENDING = "PendingManualApproval"


def test_what_nothing_holds_goes_and_the_newest_stay() -> None:
    found = reasons(*(package(v, PENDING) for v in (1, 2, 3, 4)), keep=2, v1="in the state of prod")
    assert found == {4: "one of the newest", 3: "one of the newest", 2: None, 1: "in the state of prod"}


def test_what_is_approved_and_not_promoted_yet_stays() -> None:
    found = reasons(approved(1, beside=1), approved(2, beside=3), package(3, PENDING))
    assert found == {3: "one of the newest", 2: "approved, and not promoted yet", 1: None}


def test_what_understudy_did_not_register_stays() -> None:
    foreign = replace(package(1, PENDING), metadata={})
    assert reasons(package(2, PENDING), foreign)[1] == "not registered by Understudy"


def test_what_was_rejected_goes_only_when_it_cannot_come_back() -> None:
    found = reasons(package(3, PENDING), rejected(2, NOW - timedelta(days=1)), rejected(1, OLD))
    assert found == {3: "one of the newest", 2: "rejected less than 365 days ago", 1: None}
    twin = replace(package(3, PENDING), metadata={ARTIFACT_DIGEST: "1" * 64})
    assert reasons(twin, rejected(1, OLD))[1] == "rejected, and a version that stays has the same content"
    assert reasons(replace(twin, image="another"), rejected(1, OLD))[1] is None


def test_only_what_no_other_version_needs_is_unshared() -> None:
    assert unshared(["s3://b/1", "s3://b/2", ""], ["s3://b/2", "s3://b/3"]) == ["s3://b/1"]


@pytest.fixture
def versions(world: World) -> World:
    """1 to 9, of which 2 runs in prod after 1 and 3, and 5 is only in the state of a stack without a file."""
    world.packages.clear()
    world.packages.update({arn(v): package(v, PENDING) for v in range(1, 10)})
    world.release(1, 3, 2)
    world.engine.backend = ["prod", "staging"]
    world.engine.state_of = {"staging": [{"outputs": {"containers": [{"modelPackageName": arn(5)}]}}]}
    return world


def goes(world: World, order: Order = ORDER) -> list[int]:
    return [fate.package.version for fate in survey(world.project, order) if fate.goes]


def test_no_version_goes_that_an_environment_refers_to(versions: World) -> None:
    why = {fate.package.version: fate.reason for fate in survey(versions.project, ORDER)}
    assert why == {
        9: "one of the newest",
        **dict.fromkeys((8, 7, 6, 4, 1), None),
        5: "in the state of staging",
        3: "the last known good version of prod",
        2: "in the config of prod",
    }
    assert goes(versions, replace(ORDER, keep=3)) == [6, 4]  # 1 is one of prod's last three


def test_pruning_deletes_and_is_safe_to_repeat(versions: World) -> None:
    told = prune(versions.project, ORDER, survey(versions.project, ORDER), Output())
    assert told["deleted"] == [arn(v) for v in (1, 4, 6, 7, 8)]
    assert sorted(p.version for p in versions.packages.values()) == [2, 3, 5, 9]
    again = prune(versions.project, ORDER, survey(versions.project, ORDER), Output())
    assert again == {"service": "tumor-triage", "deleted": [], "artifacts": [], "images": []}


def test_a_version_that_is_needed_meanwhile_stops_it(versions: World) -> None:
    found = survey(versions.project, ORDER)
    versions.release(7)
    with pytest.raises(RefusedError, match="a version that was to go is needed now") as refused:
        prune(versions.project, ORDER, found, Output())
    assert (refused.value.where, len(versions.packages)) == (arn(7), 9)


def test_nobody_to_ask_deletes_nothing(versions: World) -> None:
    with pytest.raises(UsageError, match="There is no terminal to ask on"):
        prune(versions.project, replace(ORDER, assume_yes=False), survey(versions.project, ORDER), Output())
    assert len(versions.packages) == 9


def test_artifacts_go_with_all_their_versions_and_before_the_record(
    versions: World, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_bucket_versioning(Bucket="artifacts", VersioningConfiguration={"Status": "Enabled"})
    shared = versions.packages[arn(9)].model_data_url
    versions.packages[arn(8)] = replace(versions.packages[arn(8)], model_data_url=shared)
    keys = {v: versions.packages[arn(v)].model_data_url.removeprefix("s3://artifacts/") for v in range(1, 10)}
    for key in (*keys.values(), keys[7], keys[7] + ".sig"):
        s3.put_object(Bucket="artifacts", Key=key, Body=b"x")
    s3.delete_object(Bucket="artifacts", Key=keys[6])

    def killed(name: str) -> bool:
        raise KeyboardInterrupt

    order = replace(ORDER, artifacts=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(registry, "delete", killed)
        prune(versions.project, order, survey(versions.project, order), Output())
    told = prune(versions.project, order, survey(versions.project, order), Output())
    assert told["artifacts"] == [f"s3://artifacts/{keys[v]}" for v in (1, 4, 6, 7)]
    left = s3.list_object_versions(Bucket="artifacts")
    assert "DeleteMarkers" not in left
    assert {v["Key"] for v in left["Versions"]} == {keys[v] for v in (2, 3, 5, 9)} | {keys[7] + ".sig"}


def test_images_of_the_service_go_by_digest(versions: World, s3: Any) -> None:
    ecr = boto3.client("ecr", region_name="us-west-2")
    made = {}
    for name in ("understudy/tumor-triage", "understudy/other"):
        ecr.create_repository(repositoryName=name)
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "name": name})
        answer = ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag="t")
        registry_id = answer["image"]["registryId"]
        digest = answer["image"]["imageId"]["imageDigest"]
        made[name] = f"{registry_id}.dkr.ecr.us-west-2.amazonaws.com/{name}@{digest}"
    own, other = made.values()
    for version, image in ((8, own), (7, other), (6, own.rpartition("@")[0] + ":t")):
        versions.packages[arn(version)] = replace(versions.packages[arn(version)], image=image)
    order = replace(ORDER, images=True)
    told = prune(versions.project, order, survey(versions.project, order), Output())
    assert told["images"] == [own]
    assert ecr.list_images(repositoryName="understudy/tumor-triage")["imageIds"] == []
    assert len(ecr.list_images(repositoryName="understudy/other")["imageIds"]) == 1


def test_the_command_shows_what_goes_and_why_the_rest_stays(versions: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Project, "open", lambda: versions.project)
    runner = CliRunner()
    asked = runner.invoke(command.app, ["prune", "tumor-triage", "--keep", "1"], env={"COLUMNS": "200"})
    assert "the last known good version of prod" in asked.stdout
    assert isinstance(asked.exception, UsageError)
    assert asked.exception.exit_code == ExitCode.USAGE
    done = runner.invoke(command.app, ["prune", "tumor-triage", "--keep", "1", "--yes", "--json"])
    told = json.loads(done.stdout[done.stdout.index("{") :])
    assert (len(told["deleted"]), len(told["stays"])) == (5, 4)


def test_a_rollback_passes_over_a_version_that_was_pruned(versions: World) -> None:
    from release.rollback import Call, roll_back

    versions.packages.update({arn(v): package(v) for v in (1, 2)})
    del versions.packages[arn(3)]
    call = Call("tumor-triage", "prod", None, None, "why", push=False, assume_yes=True, lock_seconds=0)
    assert roll_back(versions.project, call, Output())["to"] == arn(1)
