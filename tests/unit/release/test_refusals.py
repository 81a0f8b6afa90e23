"""Commands that stop before they reach an engine or a registry: what they say, and that nothing was tried."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from release import alarms
from release.approval import Request, approve
from release.console import Output
from release.delivering import deploy
from release.errors import MissingError, UsageError
from release.rollback import Call, roll_back
from release.status import status
from tests.unit.release.conftest import World, arn


@pytest.fixture
def use_case(world: World) -> Path:
    folder = world.project.root / "use_cases" / "tumor_triage"
    folder.mkdir(parents=True)
    (folder / "package.yaml").write_text("schema: 1\n")
    return folder


def test_an_untrained_use_case_is_not_deployed(world: World, use_case: Path) -> None:
    with pytest.raises(MissingError, match=r"tumor_triage has no model\.lock\.yaml") as missing:
        deploy(world.project, ["tumor_triage"], "prod", Output(), assume_yes=True)
    assert missing.value.where == str(use_case)
    assert missing.value.do == "`understudy train tumor_triage` makes it."
    assert not world.engine.calls


def test_an_unknown_use_case_is_not_deployed(world: World, use_case: Path) -> None:
    with pytest.raises(UsageError, match="Unknown use case 'nope'") as unknown:
        deploy(world.project, ["nope"], "prod", Output(), assume_yes=True)
    assert unknown.value.do == "Known: tumor_triage."
    assert not world.engine.calls


def test_the_status_of_an_unknown_service(world: World) -> None:
    with pytest.raises(UsageError, match="No stack has a service 'nope'") as unknown:
        status(world.project, "nope", ["prod"])
    assert unknown.value.where == "stacks prod"
    assert unknown.value.do == "There are: tumor-triage."


def test_the_status_of_an_unknown_stack(world: World) -> None:
    with pytest.raises(MissingError, match="There is no stack 'nope'") as unknown:
        status(world.project, None, ["nope"])
    assert unknown.value.do == "Known stacks: prod."


def test_another_services_version_is_not_approved(world: World) -> None:
    world.engine.outputs = {"services": {"tumor-triage": {"modelPackageArn": arn(4)}}}
    foreign = arn(1, "diabetes-progression")
    with pytest.raises(UsageError, match="of group 'diabetes-progression', not of service 'tumor-triage'") as refused:
        approve(world.project, Request("tumor-triage", foreign, "prod", None, "why", assume_yes=True), Output())
    assert refused.value.do == "Name a version of 'tumor-triage': `understudy history tumor-triage` lists them."


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def test_an_unknown_alarm_rolls_nothing_back(world: World, cloudwatch: None) -> None:
    world.release(1, 2)
    before = world.file.read_text()
    call = Call("tumor-triage", "prod", None, "nope", "why", push=False, assume_yes=True, lock_seconds=0)
    with mock_aws(), pytest.raises(MissingError, match="There is no alarm 'nope'") as missing:
        roll_back(world.project, call, Output())
    assert missing.value.do == "`understudy status` lists the alarms of each service."
    assert (world.file.read_text(), world.rejected) == (before, [])
    assert not [call for call in world.engine.calls if call[0] == "up"]


def test_a_known_alarm_tells_when_it_fired(cloudwatch: None) -> None:
    with mock_aws():
        client = boto3.client("cloudwatch", region_name="us-west-2")
        client.put_metric_alarm(
            AlarmName="errors",
            MetricName="Errors",
            Namespace="Test",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        assert alarms.fired_at("errors", "us-west-2").tzinfo is not None
        now = client.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]["StateValue"]
        assert alarms.states(["errors", "nope"], "us-west-2") == {"errors": now, "nope": "missing"}
