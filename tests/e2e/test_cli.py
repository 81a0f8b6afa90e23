"""The program with the real Pulumi CLI against the sandbox: the same files, the same state as the embedded engine.

Skipped where no `pulumi` is on PATH.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from release.rehearsal.service import Service
from release.rehearsal.stage import Outcome, Stage

ROOT = Path(__file__).parents[2]
REGION = "us-west-2"

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300)]


class Table:
    """One project, one sandbox and one state, and two engines that take turns at it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cli = copy(stage)
        self.cli.engine = "cli"

    def pulumi(self, *arguments: str, check: bool = True) -> Outcome:
        """The real CLI."""
        return self.cli.pulumi(*arguments, "--non-interactive", role="ci", check=check)

    def embedded(self, *arguments: str) -> Outcome:
        """The embedded engine's own command line."""
        return self.stage.pulumi(*arguments, role="ci")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    stage = Stage(ROOT, tmp_path_factory.mktemp("cli") / "stage", speed=60, engine="embedded")
    stage.prepare()
    with pytest.MonkeyPatch.context() as patch, stage.sandbox():
        for name, value in stage.environment("ci").items():
            patch.setenv(name, value)
        table = Table(stage)
        table.pulumi("stack", "init", "shadow")
        yield table


@pytest.fixture(scope="module")
def installed(table: Table) -> Table:
    """An empty installation, made by the CLI."""
    shown = table.pulumi("preview", "--stack", "shadow")
    assert "tumor-triage is skipped: it has no model.lock.yaml yet" in shown.stdout
    made = table.pulumi("up", "--yes", "--skip-preview", "--stack", "shadow")
    assert "created" in made.stdout
    return table


@pytest.fixture(scope="module")
def trained(installed: Table) -> Table:
    """Version 1 of tumor_triage, trained and deployed to shadow by the embedded engine, on the CLI's state."""
    stage = installed.stage
    service = Service(stage, "tumor_triage", rate=0)
    service.upload_data(outputs(installed)["trainingBucket"])
    stage.understudy("train", "tumor_triage", role="scientist")
    stage.understudy("deploy", "tumor_triage", "--yes", role="scientist")
    return installed


def outputs(table: Table) -> dict[str, Any]:
    return dict(table.pulumi("stack", "output", "--json", "--stack", "shadow").json())


def test_an_empty_installation_is_complete(installed: Table) -> None:
    made = outputs(installed)
    assert {"artifactBucket", "trainingBucket", "recordsBucket", "trainingRoleArn"} <= set(made)
    assert set(made["skipped"]) == {"tumor-triage", "diabetes-progression"}
    installed.pulumi("preview", "--expect-no-changes", "--stack", "shadow")


def test_the_embedded_engine_takes_over_the_clis_state(installed: Table) -> None:
    installed.embedded("preview", "--expect-no-changes", "--stack", "shadow")


def test_right_after_an_up_nothing_has_drifted(installed: Table) -> None:
    installed.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "shadow")


def test_the_cli_takes_over_the_embedded_engines_state(trained: Table) -> None:
    assert outputs(trained)["services"].keys() == {"tumor-triage"}
    trained.pulumi("preview", "--expect-no-changes", "--stack", "shadow")
    trained.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "shadow")
    up = trained.pulumi("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes", "--stack", "shadow")
    assert "unchanged" in up.stdout


def test_what_is_taken_away_by_hand_is_drift(trained: Table) -> None:
    """The counterpart of the tests above: a refresh that could see nothing would pass them too."""
    client = trained.stage.session("ci").client("sagemaker")
    group = client.describe_model_package_group(ModelPackageGroupName="tumor-triage")["ModelPackageGroupArn"]
    tags = client.list_tags(ResourceArn=group)["Tags"]
    client.delete_tags(ResourceArn=group, TagKeys=["use_case"])
    try:
        arguments = ("preview", "--refresh", "--expect-no-changes", "--stack", "shadow")
        seen = trained.pulumi(*arguments, check=False)
    finally:
        client.add_tags(ResourceArn=group, Tags=tags)
    assert seen.code != 0
    assert "1 to update" in seen.stdout


def test_a_malformed_arn_is_refused_with_the_settings_sentence(table: Table) -> None:
    with single_service_stack(table):
        table.pulumi("config", "set", "modelPackageArn", "nonsense", "--stack", "single")
        refused = table.pulumi("preview", "--stack", "single", check=False)
    said = refused.stdout + refused.stderr
    assert refused.code != 0
    form = "arn:aws:sagemaker:<region>:<account>:model-package/<group>/<version>"
    assert f'understudy:modelPackageArn is "nonsense"; allowed: {form}' in said
    assert "Traceback" not in said


def test_both_config_forms_are_refused(table: Table) -> None:
    with single_service_stack(table):
        table.pulumi("config", "set", "modelPackageArn", "nonsense", "--stack", "single")
        services = json.dumps({})
        table.pulumi("config", "set", "--path", "services.tumor-triage", services, "--stack", "single")
        refused = table.pulumi("up", "--yes", "--skip-preview", "--stack", "single", check=False)
    assert refused.code != 0
    assert "beside understudy:services; allowed: one form" in refused.stdout + refused.stderr


@contextmanager
def single_service_stack(table: Table) -> Iterator[None]:
    table.pulumi("stack", "init", "single")
    try:
        table.pulumi("config", "set", "environment", "single", "--stack", "single")
        table.pulumi("config", "set", "aws:region", REGION, "--stack", "single")
        yield
    finally:
        table.pulumi("stack", "rm", "single", "--force", "--yes")
