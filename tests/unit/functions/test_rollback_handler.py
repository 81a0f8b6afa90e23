"""The rollback function: which alarms start a build, with what, and how often."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from functions.common.deployment import WrongDeploymentParameterError
from functions.common.environment import WrongEnvironmentError
from functions.rollback import handler as function
from functions.rollback.alarm import Alarm, NotAnAlarmError
from functions.rollback.handler import RollbackMonitor, RollbackSettings

DEPLOYED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PARAMETER = "/understudy/prod/tumor-triage/deployment"
SETTINGS = RollbackSettings("tumor-triage", "prod", "tumor-triage-rollback", PARAMETER)


def message(minutes: float = 30, **changes: Any) -> str:
    """A composite alarm's message: it has no Trigger."""
    changed = DEPLOYED + timedelta(minutes=minutes)
    value = {
        "AlarmName": "tumor-triage-prod-composite",
        "AlarmArn": "arn:aws:cloudwatch:us-west-2:111111111111:alarm:tumor-triage-prod-composite",
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "NewStateReason": "PredictionAccuracy 0.6 < 0.95",
        "StateChangeTime": changed.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        "AlarmRule": "ALARM(accuracy)",
    }
    return json.dumps(value | changes)


class Desk:
    """Stubbed SSM and CodeBuild; what is not expected is refused."""

    def __init__(self) -> None:
        keys = {"region_name": "us-west-2", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.ssm: Any = boto3.client("ssm", **keys)
        self.codebuild: Any = boto3.client("codebuild", **keys)
        self.stubs = Stubber(self.ssm), Stubber(self.codebuild)
        self.tokens: list[str] = []
        self.codebuild.meta.events.register("provide-client-params.codebuild.StartBuild", self._keep_token)
        self.monitor = RollbackMonitor(SETTINGS, self.ssm, self.codebuild)

    def _keep_token(self, params: dict[str, Any], **_: Any) -> None:
        self.tokens.append(params["idempotencyToken"])

    def deployed(self, rollback: str = "automatic", value: str | None = None) -> None:
        text = value or json.dumps({"modelPackageArn": "arn:7", "strategy": "canary", "rollback": rollback})
        answer = {"Parameter": {"Name": PARAMETER, "Value": text, "LastModifiedDate": DEPLOYED}}
        self.stubs[0].add_response("get_parameter", answer, {"Name": PARAMETER})

    def will_build(self, reason: str = "tumor-triage-prod-composite: PredictionAccuracy 0.6 < 0.95") -> None:
        variables = {
            "SERVICE": "tumor-triage",
            "STACK": "prod",
            "ALARM_NAME": "tumor-triage-prod-composite",
            "REASON": reason,
        }
        expected = {
            "projectName": "tumor-triage-rollback",
            "environmentVariablesOverride": [
                {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
            ],
            "idempotencyToken": ANY,
        }
        self.stubs[1].add_response("start_build", {"build": {"id": "rollback:1"}}, expected)

    def is_full(self, *running: str) -> None:
        """The build is refused; the project's latest builds have these statuses."""
        ids = [f"rollback:{number}" for number in range(len(running))]
        self.stubs[1].add_client_error("start_build", "AccountLimitExceededException", "Cannot have more than 1 builds")
        listed = {"projectName": "tumor-triage-rollback", "sortOrder": "DESCENDING"}
        self.stubs[1].add_response("list_builds_for_project", {"ids": ids} if ids else {}, listed)
        if ids:
            builds = [{"id": id_, "buildStatus": status} for id_, status in zip(ids, running, strict=True)]
            self.stubs[1].add_response("batch_get_builds", {"builds": builds}, {"ids": ids})

    def on(self, text: str) -> str | None:
        for stub in self.stubs:
            stub.activate()
        started = self.monitor.on_alarm(Alarm.parse(text))
        for stub in self.stubs:
            stub.assert_no_pending_responses()
        return started


def test_an_alarm_of_the_current_deployment_starts_one_build() -> None:
    desk = Desk()
    desk.deployed()
    desk.will_build()
    assert desk.on(message()) == "rollback:1"
    assert len(desk.tokens[0]) == 64


def test_the_same_state_change_has_the_same_token_and_another_one_another() -> None:
    desk = Desk()
    for text in (message(), message(), message(minutes=31)):
        desk.deployed()
        desk.will_build()
        desk.on(text)
    first, again, later = desk.tokens
    assert first == again != later


def test_a_build_that_runs_is_the_rollback(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.deployed()
    desk.is_full("IN_PROGRESS", "SUCCEEDED")
    assert desk.on(message()) is None
    assert "already rolling back" in caplog.text


@pytest.mark.parametrize("builds", [(), ("FAILED", "SUCCEEDED")])
def test_an_account_at_its_limit_is_tried_again(builds: tuple[str, ...]) -> None:
    """Nobody is rolling back: an event that is lost here leaves a bad version in production."""
    desk = Desk()
    desk.deployed()
    desk.is_full(*builds)
    with pytest.raises(ClientError, match=r"AccountLimitExceededException.*Cannot have more than 1 builds"):
        desk.on(message())


def test_another_refusal_is_tried_again() -> None:
    desk = Desk()
    desk.deployed()
    desk.stubs[1].add_client_error("start_build", "AccessDeniedException", "no")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        desk.on(message())


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_other_transitions_are_ignored_without_a_look(state: str, caplog: pytest.LogCaptureFixture) -> None:
    assert Desk().on(message(NewStateValue=state)) is None
    assert "ignored: the alarm did not go off" in caplog.text


@pytest.mark.parametrize("mode", ["manual", "off"])
def test_other_modes_only_log(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.deployed(mode)
    assert desk.on(message()) is None
    assert f"no rollback: this deployment's mode is {mode}" in caplog.text


def test_an_alarm_older_than_the_deployment_is_not_about_it(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.deployed()
    assert desk.on(message(minutes=-1)) is None
    assert "ignored: the alarm is older than the current deployment" in caplog.text


def test_a_long_reason_is_cut() -> None:
    desk = Desk()
    desk.deployed()
    desk.will_build(reason=("tumor-triage-prod-composite: " + "x" * 5000)[:1024])
    assert desk.on(message(NewStateReason="x" * 5000)) == "rollback:1"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("hello", "SNS message is not JSON"),
        ("[]", "SNS message is no JSON object"),
        ('{"StateChangeTime": "2026-11-23T12:30:00.000+0000"}', "alarm has no AlarmName; it has StateChangeTime"),
        ('{"AlarmName": "a", "StateChangeTime": "noon"}', "alarm's StateChangeTime: Invalid isoformat string: 'noon'"),
        ('{"AlarmName": "a", "StateChangeTime": "2026-11-23T12:30:00"}', "2026-11-23T12:30:00 has no zone"),
    ],
)
def test_what_is_no_alarm_is_named(text: str, error: str) -> None:
    with pytest.raises(NotAnAlarmError, match=error):
        Alarm.parse(text)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("{", "is unreadable .*run `pulumi up`"),
        ('{"modelPackageArn": "a", "strategy": "canary"}', "KeyError"),
        (
            '{"modelPackageArn": "a", "strategy": "canary", "rollback": "maybe"}',
            "rollback is 'maybe', must be one of automatic, manual, off",
        ),
    ],
)
def test_a_wrong_parameter_is_named(value: str, error: str) -> None:
    desk = Desk()
    desk.deployed(value=value)
    with pytest.raises(WrongDeploymentParameterError, match=error):
        desk.on(message())


def test_the_handler_wants_its_environment_and_an_sns_event(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongEnvironmentError, match="SERVICE is not set"):
        function.handler({"Records": []}, None)  # type: ignore[arg-type]
    for name in ("SERVICE", "ENVIRONMENT", "PROJECT_NAME", "DEPLOYMENT_PARAMETER"):
        monkeypatch.setenv(name, "x")
    with pytest.raises(NotAnAlarmError, match="expected an event of SNS"):
        function.handler({"detail": {}}, None)  # type: ignore[arg-type]
    event = {"Records": [{"Sns": {"Message": message(NewStateValue="OK")}}]}
    assert function.handler(event, None) == {"builds": []}  # type: ignore[arg-type]
