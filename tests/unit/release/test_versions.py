"""The list of versions: newest first, with what each is worth and where it runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from model_package.metadata import (
    APPROVED_BESIDE,
    APPROVED_BY,
    EVIDENCE_DIGEST,
    IMAGE_DIGEST,
    METRICS,
    OBJECT_VERSION_ID,
    QUARANTINED_REASON,
)
from release import __main__ as command
from release.errors import ExitCode, MissingError
from release.history import history
from release.status import status
from release.versions import versions
from release.workspace import Project
from tests.unit.release.conftest import RECORDS, World, arn, package, store_evidence

GRACE = "arn:aws:sts::111111111111:assumed-role/approver/grace"


@pytest.fixture
def deployed(world: World, s3: Any) -> World:
    """5 on trial in shadow, 4 approved and ended by it, 3 live, 2 rejected, 1 approved in the console, long ago."""
    config = yaml.safe_load(world.file.read_text())
    config["config"]["understudy:services"]["tumor-triage"]["shadowVariant"] = {"modelPackageArn": arn(4)}
    world.file.write_text(yaml.safe_dump(config))
    shadow = {"config": {"understudy:services": {"tumor-triage": {"useCase": "tumor_triage"}}}}
    (world.project.root / "Pulumi.shadow.yaml").write_text(yaml.safe_dump(shadow))
    approved = {APPROVED_BY: GRACE, EVIDENCE_DIGEST: "e" * 64, APPROVED_BESIDE: "4"}
    world.packages.update(
        {
            arn(5): package(5, "PendingManualApproval", **{METRICS: "holdout:accuracy=0.97", OBJECT_VERSION_ID: "v5"}),
            arn(4): package(4, **approved),
            arn(3): package(3, **approved, **{IMAGE_DIGEST: f"sha256:{'a' * 64}"}),
            arn(2): package(2, "Rejected", **{QUARANTINED_REASON: "alarm accuracy"}),
            arn(1): package(1, **{METRICS: "edited by hand"}),
        }
    )
    service = {"modelPackageArn": arn(3), "endpointName": "tumor-triage-prod"}
    candidate = {"modelPackageArn": arn(5), "endpointName": "tumor-triage-shadow"}
    world.engine.outputs_of = {
        "prod": {"services": {"tumor-triage": service}},
        "shadow": {"recordsBucket": RECORDS, "services": {"tumor-triage": candidate}},
    }
    return world


def test_versions_say_what_they_are_and_where_they_run(deployed: World) -> None:
    digest = store_evidence("5" * 64)
    rows = versions(deployed.project, "tumor-triage", ["prod", "shadow"], 20)
    assert [row["version"] for row in rows] == [5, 4, 3, 2, 1]
    assert [row["phase"] for row in rows] == ["proven", "approved", "live", "quarantined", "approved"]
    assert [row["runs_in"] for row in rows] == [["shadow"], ["prod (shadow variant)"], ["prod"], [], []]
    assert [row["approval_source"] for row in rows] == [None, "evidence", "evidence", None, "console"]
    assert [row["approval_ended_by"] for row in rows] == [None, arn(5), None, None, None]
    assert rows[0]["evidence"] == {"verdict": "pass", "digest": digest}
    assert rows[1]["evidence"] == {"verdict": "pass", "digest": "e" * 64}
    assert rows[0]["metrics"] == {"holdout:accuracy": 0.97}
    assert rows[4]["metrics"] is None
    assert (rows[0]["object_version_id"], rows[2]["image_digest"]) == ("v5", f"sha256:{'a' * 64}")
    assert rows[0]["author"] == "arn:aws:sts::111111111111:assumed-role/scientist/ada"
    assert rows[3]["quarantined_reason"] == "alarm accuracy"


def test_a_version_that_nothing_runs_and_nobody_approved_is_superseded(deployed: World) -> None:
    deployed.packages[arn(2)] = package(2, "PendingManualApproval")
    deployed.file.write_text(deployed.file.read_text().replace("shadowVariant", "capture"))
    rows = versions(deployed.project, "tumor-triage", ["prod", "shadow"], 4)
    assert [row["phase"] for row in rows] == ["on trial", "superseded", "live", "superseded"]


def test_a_service_without_versions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with pytest.raises(MissingError, match="No version of 'nope' is registered") as missing:
        versions(world.project, "nope", ["prod"], 20)
    assert missing.value.exit_code == ExitCode.MISSING


def test_the_command_prints_a_table_or_json(deployed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Project, "open", lambda: deployed.project)
    shown = CliRunner().invoke(command.app, ["versions", "tumor-triage"], env={"COLUMNS": "250"}).stdout
    assert "Approved in the console, no evidence" in shown
    assert "Approved, ended by 5" in shown
    assert "unreadable" in shown
    printed = CliRunner().invoke(command.app, ["versions", "tumor-triage", "--json", "--limit", "1"]).stdout
    assert [row["arn"] for row in json.loads(printed)] == [arn(5)]


def test_status_and_history_say_where_an_approval_came_from(deployed: World) -> None:
    """3 was approved on evidence; then somebody else's approval in the console takes its place."""
    deployed.release(3)
    (row,) = status(deployed.project, "tumor-triage", ["prod"])
    assert (row["approval"], row["approval_source"], row["phase"]) == ("Approved", "evidence", "live")
    assert row["quarantined"] == [arn(2)]
    assert history(deployed.project, "tumor-triage", ["prod"])[0]["approval_source"] == "evidence"

    deployed.packages[arn(3)] = package(3)
    (row,) = status(deployed.project, "tumor-triage", ["prod"])
    assert row["approval_source"] == "console"
    assert history(deployed.project, "tumor-triage", ["prod"])[0]["approval_source"] == "console"
    (row,) = status(deployed.project, "tumor-triage", ["shadow"])
    assert (row["approval"], row["approval_source"], row["approval_ended_by"]) == ("PendingManualApproval", None, None)


@pytest.mark.parametrize("name", ["status", "history"])
def test_the_commands_show_a_console_approval(deployed: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    deployed.release(3)
    deployed.packages[arn(3)] = package(3)
    monkeypatch.setattr(Project, "open", lambda: deployed.project)
    shown = CliRunner().invoke(command.app, [name, "tumor-triage", "--stack", "prod"], env={"COLUMNS": "250"}).stdout
    assert "Approved in the console, no evidence" in shown
