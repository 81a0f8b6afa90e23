"""Promotion: gate, one config change, rollout, commit; and byte-for-byte back when it fails."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from model_package.metadata import APPROVED_BESIDE, APPROVED_BY, EVIDENCE_DIGEST, IMAGE_PROCESSOR
from release.console import Output
from release.errors import (
    DeclinedError,
    ExitCode,
    FailedError,
    MissingError,
    RefusedError,
    StackLockedError,
    UsageError,
)
from release.evidence_document import digest_of
from release.promotion import Wish, promote
from tests.unit.release.conftest import PROD, RECORDS, World, arn, package, store_evidence

WISH = Wish("tumor-triage", arn(2), "prod", "shadow", None, None, push=False, assume_yes=True)


def settings(world: World) -> dict[str, object]:
    service: dict[str, object] = yaml.safe_load(world.file.read_text())["config"]["understudy:services"]["tumor-triage"]
    return service


def test_the_config_names_the_version_and_git_has_it(world: World) -> None:
    told = promote(world.project, WISH, Output())
    assert settings(world)["modelPackageArn"] == arn(2)
    assert (told["from"], told["to"], told["commit"]) == (None, arn(2), world.git("rev-parse", "HEAD"))
    assert world.git("log", "-1", "--format=%s") == "Promote tumor-triage to version 2 in prod"
    assert world.git("status", "--porcelain") == ""


def test_what_is_there_is_read_only_after_an_update_that_did_not_succeed(world: World) -> None:
    promote(world.project, WISH, Output())
    assert not any("--refresh" in call for call in world.engine.calls if call[0] in ("preview", "up"))
    world.engine.record({}, "failed")
    world.engine.calls.clear()
    promote(world.project, replace(WISH, version="3"), Output())
    refreshed = [call[0] for call in world.engine.calls if call[0] in ("preview", "up") and "--refresh" in call]
    assert refreshed == ["preview", "up"]


def test_push_brings_it_to_the_origin(world: World) -> None:
    promote(world.project, replace(WISH, push=True), Output())
    assert world.git("rev-parse", "origin/main") == world.git("rev-parse", "HEAD")


def test_it_builds_on_what_others_have_pushed(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other"
    origin = world.git("remote", "get-url", "origin")
    git = ("git", "-c", "user.name=o", "-c", "user.email=o@x.invalid")
    subprocess.run([*git, "clone", "--quiet", origin, str(other)], check=True)
    theirs = other / world.file.name
    theirs.write_text(theirs.read_text().replace("initialInstanceCount: 2", "initialInstanceCount: 5"))
    subprocess.run([*git, "commit", "--quiet", "--all", "--message", "Scale out"], cwd=other, check=True)
    subprocess.run([*git, "push", "--quiet"], cwd=other, check=True)
    promote(world.project, replace(WISH, push=True), Output())
    assert settings(world) == {"initialInstanceCount": 5, "modelPackageArn": arn(2)}


def test_a_version_number_is_of_the_group_that_runs(world: World) -> None:
    world.release(1)
    assert promote(world.project, replace(WISH, version="3"), Output())["to"] == arn(3)


def test_an_override_is_for_this_version_and_the_next_promotion_removes_it(world: World) -> None:
    promote(world.project, replace(WISH, strategy="allAtOnce", rollback="off"), Output())
    assert settings(world)["deploymentOverride"] == {
        "modelPackageArn": arn(2),
        "strategy": "allAtOnce",
        "rollback": "off",
        "reason": "asked for when it was promoted",
    }
    promote(world.project, replace(WISH, version=arn(3)), Output())
    assert "deploymentOverride" not in settings(world)


def test_a_failed_rollout_puts_the_file_back_and_says_why(world: World) -> None:
    world.engine.on_up = lambda: "error: update failed\n  error: endpoint tumor-triage-prod rolled back: alarm errors"
    with pytest.raises(FailedError) as failure:
        promote(world.project, WISH, Output())
    assert "endpoint tumor-triage-prod rolled back: alarm errors" in failure.value.what
    assert failure.value.do.startswith("Pulumi.prod.yaml is as it was before.")
    assert world.file.read_text() == PROD
    assert world.git("log", "-1", "--format=%s") == "start"


def test_a_locked_stack_says_who_holds_it_and_changes_nothing(world: World) -> None:
    world.engine.on_up = lambda: (
        "error: the stack is currently locked by 1 lock(s). Either wait or delete the lock file.\n"
        "  /state/locks/1.json: created by ada@host (pid 7) at 2026-11-23T10:00:00Z"
    )
    with pytest.raises(StackLockedError) as locked:
        promote(world.project, WISH, Output())
    assert locked.value.where == "created by ada@host (pid 7) at 2026-11-23T10:00:00Z"
    assert locked.value.exit_code == ExitCode.LOCKED
    assert world.file.read_text() == PROD


def test_an_interrupt_puts_the_file_back(world: World) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    world.engine.on_up = interrupted
    with pytest.raises(KeyboardInterrupt):
        promote(world.project, WISH, Output())
    assert world.file.read_text() == PROD


def test_no_at_the_prompt_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(output._people, "input", lambda prompt: "n")
    with pytest.raises(DeclinedError, match="Nothing was changed"):
        promote(world.project, replace(WISH, assume_yes=False), output)
    assert world.file.read_text() == PROD
    assert not [call for call in world.engine.calls if call[0] == "up"]


def test_without_a_terminal_there_is_nobody_to_ask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match="no terminal to ask on"):
        promote(world.project, replace(WISH, assume_yes=False), Output())
    assert world.file.read_text() == PROD


@pytest.mark.parametrize(
    ("wish", "error", "says"),
    [
        (replace(WISH, version=arn(4)), RefusedError, "is not approved (PendingManualApproval)"),
        (replace(WISH, version=arn(9)), MissingError, f"There is no model package {arn(9)}."),
        (replace(WISH, version="arn:aws:sagemaker:nonsense"), UsageError, "Malformed model package ARN"),
        (replace(WISH, service="nope"), UsageError, "Pulumi.prod.yaml has no service 'nope'."),
        (replace(WISH, stack="nope"), MissingError, "There is no stack 'nope'."),
    ],
    ids=["unapproved", "unknown version", "malformed", "unknown service", "unknown stack"],
)
def test_refusals_change_nothing(world: World, wish: Wish, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as refusal:
        promote(world.project, wish, Output())
    assert says in str(refusal.value)
    assert world.file.read_text() == PROD
    assert not world.engine.calls


def test_an_overwritten_artifact_is_refused(world: World) -> None:
    world.packages[arn(2)] = replace(world.packages[arn(2)], model_data_url="s3://artifacts/tampered/model.tar.gz")
    with pytest.raises(RefusedError, match="no longer the one that was approved"):
        promote(world.project, WISH, Output())
    assert not world.engine.calls


def test_a_version_for_another_kind_of_processor_is_refused(world: World) -> None:
    world.packages[arn(2)] = package(2, **{IMAGE_PROCESSOR: "gpu"})
    with pytest.raises(RefusedError, match="Version 2 does not fit the service's instances: the image is for graphics"):
        promote(world.project, WISH, Output())
    assert "modelPackageArn" not in settings(world)
    service = {**settings(world), "instanceType": "ml.g5.xlarge"}
    config = yaml.safe_load(world.file.read_text())
    config["config"]["understudy:services"]["tumor-triage"] = service
    world.file.write_text(yaml.safe_dump(config))
    world.git("commit", "--all", "--quiet", "--message", "graphics cards")
    assert promote(world.project, WISH, Output())["to"] == arn(2)


def test_another_services_version_is_refused(world: World) -> None:
    foreign = arn(1, "diabetes-progression")
    world.packages[foreign] = replace(world.packages[arn(1)], arn=foreign)
    with pytest.raises(RefusedError, match="of group 'diabetes-progression', not of service 'tumor-triage'"):
        promote(world.project, replace(WISH, version=foreign), Output())
    assert world.file.read_text() == PROD


def test_uncommitted_config_is_not_swept_along(world: World) -> None:
    world.file.write_text(PROD.replace("initialInstanceCount: 2", "initialInstanceCount: 9"))
    with pytest.raises(UsageError, match=r"Pulumi.prod.yaml differs from the committed one"):
        promote(world.project, WISH, Output())
    world.file.write_text("encryptionsalt: v1:abc\n" + PROD)
    assert promote(world.project, WISH, Output())["to"] == arn(2)


APPROVAL = {
    APPROVED_BY: "arn:aws:sts::111111111111:assumed-role/approver/grace",
    EVIDENCE_DIGEST: "e" * 64,
    APPROVED_BESIDE: "3",
}


def test_an_approval_that_a_newer_candidate_ended_is_refused(world: World) -> None:
    """Unless it is given again, the newer one is rejected, or the version is known in this environment."""
    world.packages[arn(2)] = package(2, **APPROVAL)
    with pytest.raises(RefusedError) as ended:
        promote(world.project, WISH, Output())
    assert ended.value.what == f"The approval of {arn(2)} has ended: version 4 was registered after it."
    assert ended.value.do == (
        "Promote 4 once it is approved, `understudy reject tumor-triage 4`, or have somebody else run "
        "`understudy approve tumor-triage 2` again."
    )
    assert world.file.read_text() == PROD

    pending = world.packages[arn(4)]
    world.packages[arn(4)] = package(4, "Rejected")
    assert promote(world.project, WISH, Output())["to"] == arn(2)
    world.packages[arn(4)] = pending
    assert promote(world.project, replace(WISH, version=arn(3)), Output())["to"] == arn(3)
    assert promote(world.project, WISH, Output())["to"] == arn(2), "it has run here before"


def test_an_approval_given_again_beside_the_newer_one_is_enough(world: World) -> None:
    world.packages[arn(2)] = package(2, **{**APPROVAL, APPROVED_BESIDE: "4"})
    assert promote(world.project, WISH, Output())["to"] == arn(2)


def test_an_approval_in_the_console_counts_and_says_that_it_has_no_evidence(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert promote(world.project, WISH, Output())["to"] == arn(2)
    assert (
        "was approved in the console or by another tool: that approval carries no evidence." in capsys.readouterr().out
    )
    body = world.git("log", "-1", "--format=%b")
    assert "Approved-by: unknown (in the console or by another tool, no evidence)" in body


@pytest.mark.parametrize(
    ("evidence", "error", "says"),
    [
        ({"candidate_digest": "9" * 64}, RefusedError, "The evidence is about another candidate."),
        ({"digest": "0" * 64}, RefusedError, "The evidence was edited"),
        (None, MissingError, "There is no object s3://records/evidence/tumor-triage/"),
    ],
    ids=["about another", "edited", "gone"],
)
def test_the_evidence_that_an_approval_quotes_is_read_again(
    world: World, s3: Any, evidence: dict[str, str] | None, error: type[Exception], says: str
) -> None:
    digest = store_evidence("2" * 64)
    world.engine.outputs = {"recordsBucket": RECORDS}
    world.packages[arn(2)] = package(2, **{**APPROVAL, APPROVED_BESIDE: "4", EVIDENCE_DIGEST: digest})
    wish = replace(WISH, shadow="prod")
    key = f"evidence/tumor-triage/{'2' * 64}/{digest}.json"
    s3.delete_object(Bucket=RECORDS, Key=key)
    if evidence is not None:
        content = {"candidate_digest": "2" * 64, "verdict": "pass", "reasons": [], **evidence}
        document = {"digest": digest_of(content), **content}
        name = key.replace(digest, str(document["digest"]))
        s3.put_object(Bucket=RECORDS, Key=name, Body=json.dumps(document).encode())
        world.packages[arn(2)] = package(
            2, **{**APPROVAL, APPROVED_BESIDE: "4", EVIDENCE_DIGEST: str(document["digest"])}
        )
    with pytest.raises(error, match=says):
        promote(world.project, wish, Output())
    assert world.file.read_text() == PROD


def test_quoted_evidence_that_is_whole_is_enough(world: World, s3: Any) -> None:
    world.engine.outputs = {"recordsBucket": RECORDS}
    quoted = {**APPROVAL, APPROVED_BESIDE: "4", EVIDENCE_DIGEST: store_evidence("2" * 64)}
    world.packages[arn(2)] = package(2, **quoted)
    assert promote(world.project, replace(WISH, shadow="prod"), Output())["to"] == arn(2)


def test_records_that_production_may_not_read_are_not_needed(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetObject")

    monkeypatch.setattr("release.promotion.EvidenceStore.get", refused)
    world.engine.outputs = {"recordsBucket": RECORDS}
    world.packages[arn(2)] = package(2, **{**APPROVAL, APPROVED_BESIDE: "4"})
    assert promote(world.project, replace(WISH, shadow="prod"), Output())["to"] == arn(2)
    assert "was not read again: no access to records" in capsys.readouterr().out
