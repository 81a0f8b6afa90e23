"""EndpointRollout: when there is a rollout, what is asked of SageMaker, and that success is proven, not assumed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from pulumi.output import UNKNOWN

from providers import aws, endpoint_content, guardrails, rollout
from providers.aws import ProviderError
from providers.endpoint_rollout import EndpointRolloutProvider

ENDPOINT = "tumor-triage-prod"
ARN = "arn:aws:sagemaker:us-west-2:111111111111"
EARLIER = datetime(2026, 11, 1, tzinfo=UTC)
LATER = EARLIER + timedelta(minutes=10)
PROPS: dict[str, Any] = {
    "endpoint_name": ENDPOINT,
    "endpoint_config_name": "config-7",
    "strategy": "canary",
    "canary_percent": 10.0,
    "wait_seconds": 300.0,
    "bake_seconds": 600.0,
    "alarm_names": ["latency", "errors"],
    "region": "us-west-2",
}


class Aws:
    """SageMaker and CloudWatch, which answer what a test tells them to, in order."""

    def __init__(self) -> None:
        keys = {"region_name": "us-west-2", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.clients = {name: boto3.client(name, **keys) for name in ("sagemaker", "cloudwatch")}
        self.sagemaker, self.cloudwatch = Stubber(self.clients["sagemaker"]), Stubber(self.clients["cloudwatch"])

    def endpoint(self, status: str, config: str, modified: datetime = LATER, **changes: Any) -> None:
        answer = {
            "EndpointName": ENDPOINT,
            "EndpointArn": f"{ARN}:endpoint/{ENDPOINT}",
            "EndpointConfigName": config,
            "EndpointStatus": status,
            "CreationTime": EARLIER,
            "LastModifiedTime": modified,
            **changes,
        }
        self.sagemaker.add_response("describe_endpoint", answer, {"EndpointName": ENDPOINT})

    def config(self, name: str, package: str, capture: int | None = None, **variant: Any) -> None:
        """DescribeEndpointConfig and DescribeModel of a configuration with one variant."""
        answer: dict[str, Any] = {
            "EndpointConfigName": name,
            "EndpointConfigArn": f"{ARN}:endpoint-config/{name}",
            "CreationTime": EARLIER,
            "ProductionVariants": [
                {
                    "VariantName": "ProductionVariant",
                    "ModelName": f"model-of-{name}",
                    "InstanceType": "ml.m5.xlarge",
                    "InitialInstanceCount": 2,
                    "InitialVariantWeight": 1.0,
                    **variant,
                }
            ],
        }
        if capture is not None:
            answer["DataCaptureConfig"] = {
                "InitialSamplingPercentage": capture,
                "DestinationS3Uri": "s3://capture",
                "CaptureOptions": [{"CaptureMode": "Input"}],
            }
        self.sagemaker.add_response("describe_endpoint_config", answer, {"EndpointConfigName": name})
        model = {
            "ModelName": f"model-of-{name}",
            "ModelArn": f"{ARN}:model/model-of-{name}",
            "CreationTime": EARLIER,
            "PrimaryContainer": {"ModelPackageName": f"{ARN}:model-package/tumor-triage/{package}"},
            "ExecutionRoleArn": "arn:aws:iam::111111111111:role/execution",
        }
        self.sagemaker.add_response("describe_model", model, {"ModelName": f"model-of-{name}"})

    def alarms(self, **states: str) -> None:
        answer = {
            "MetricAlarms": [
                {"AlarmName": name, "StateValue": state, "StateReason": "Threshold Crossed: 1 datapoint"}
                for name, state in states.items()
            ],
            "CompositeAlarms": [],
        }
        request = {"AlarmNames": ["latency", "errors"], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
        self.cloudwatch.add_response("describe_alarms", answer, request)

    def update(self, excluded: list[str] | None = None, **changes: Any) -> None:
        request = {
            "EndpointName": ENDPOINT,
            "EndpointConfigName": "config-7",
            "RetainAllVariantProperties": True,
            "DeploymentConfig": guardrails.deployment_config(PROPS),
            **changes,
        }
        if excluded:
            request["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": name} for name in excluded]
        self.sagemaker.add_response("update_endpoint", {"EndpointArn": f"{ARN}:endpoint/{ENDPOINT}"}, request)

    def begun(self) -> None:
        """Everything up to and with UpdateEndpoint, of version 6 to version 7."""
        self.config("config-7", "7")
        self.endpoint("InService", "config-6", EARLIER)
        self.config("config-6", "6")
        self.alarms(latency="OK", errors="INSUFFICIENT_DATA")
        self.update()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    cloud = Aws()
    monkeypatch.setattr(aws, "client", lambda service, props: cloud.clients[service])
    monkeypatch.setattr(aws, "FIRST_POLL_SECONDS", 0)
    with cloud.sagemaker, cloud.cloudwatch:
        yield cloud
        cloud.sagemaker.assert_no_pending_responses()
        cloud.cloudwatch.assert_no_pending_responses()


def roll_out(**changes: Any) -> Mapping[str, Any]:
    result = EndpointRolloutProvider().update(ENDPOINT, {}, {**PROPS, **changes, "__provider": "gANj"})
    assert result.outs is not None
    return result.outs


# rollouts that end well


def test_the_first_deployment_finds_its_content_running(cloud: Aws) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("InService", "config-7")
    cloud.config("config-7", "7")
    result = EndpointRolloutProvider().create({**PROPS, "__provider": "gANj"})
    assert result.id == ENDPOINT
    assert result.outs == {
        **PROPS,
        "requested_endpoint_config_name": "config-7",
        "deployed": False,
    }


def test_the_same_content_under_another_name_is_left_alone(cloud: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("InService", "config-5")
    cloud.config("config-5", "7")
    outs = roll_out()
    assert (outs["endpoint_config_name"], outs["deployed"]) == ("config-5", False)
    assert f"{ENDPOINT}: already runs ProductionVariant: {ARN}:model-package/tumor-triage/7" in capsys.readouterr().err
    assert EndpointRolloutProvider().diff(ENDPOINT, dict(outs), PROPS).changes is False


def test_a_rollout_is_guarded_told_and_verified(cloud: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.begun()
    status = [{"Status": "Baking", "StatusMessage": "Baking for 600 seconds"}]
    variants = [{"VariantName": "ProductionVariant", "VariantStatus": status}]
    summary = {"EndpointConfigName": "config-7", "ProductionVariants": variants}
    cloud.endpoint("Updating", "config-6", PendingDeploymentSummary=summary)
    cloud.endpoint("Updating", "config-6", PendingDeploymentSummary=summary)
    cloud.endpoint("InService", "config-7")
    outs = roll_out()
    assert (outs["endpoint_config_name"], outs["deployed"]) == ("config-7", True)
    lines = capsys.readouterr().err.splitlines()
    assert lines.count(f"{ENDPOINT}: Updating: Baking for 600 seconds") == 1
    assert f"{ENDPOINT}: alarm errors has no data: it watches, but nothing has been measured yet" in lines
    assert lines[-1].startswith(f"{ENDPOINT}: runs ProductionVariant: {ARN}:model-package/tumor-triage/7 on 2 x ml.m5")


def test_an_update_in_progress_is_waited_for(cloud: Aws) -> None:
    cloud.config("config-7", "7")
    for status in ("Updating", "SystemUpdating", "RollingBack"):
        cloud.endpoint(status, "config-6")
    cloud.endpoint("InService", "config-7")
    cloud.config("config-7", "7")
    assert roll_out()["deployed"] is False


def test_an_update_that_was_quicker_is_waited_for(cloud: Aws) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("InService", "config-6", EARLIER)
    cloud.config("config-6", "6")
    cloud.alarms(latency="OK", errors="OK")
    message = f'Cannot update in-progress endpoint "{ARN}:endpoint/{ENDPOINT}".'
    cloud.sagemaker.add_client_error("update_endpoint", "ValidationException", message)
    cloud.endpoint("SystemUpdating", "config-6")
    cloud.endpoint("InService", "config-6", EARLIER)
    cloud.config("config-6", "6")
    cloud.alarms(latency="OK", errors="OK")
    cloud.update()
    cloud.endpoint("InService", "config-7")
    assert roll_out()["deployed"] is True


def test_a_description_older_than_the_update_is_not_its_end(cloud: Aws) -> None:
    cloud.begun()
    cloud.endpoint("InService", "config-6", EARLIER)
    cloud.endpoint("InService", "config-7")
    assert roll_out()["deployed"] is True


def test_throttling_is_waited_out(cloud: Aws) -> None:
    cloud.begun()
    cloud.sagemaker.add_client_error("describe_endpoint", "ThrottlingException", "Rate exceeded")
    cloud.endpoint("InService", "config-7")
    assert roll_out()["deployed"] is True


def test_without_guardrails_no_alarm_is_asked(cloud: Aws) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("InService", "config-6", EARLIER)
    cloud.config("config-6", "6")
    props = {**PROPS, "alarm_names": []}
    cloud.update(DeploymentConfig=guardrails.deployment_config(props))
    cloud.endpoint("InService", "config-7")
    assert roll_out(alarm_names=[])["deployed"] is True


@pytest.mark.parametrize(
    ("before", "after", "excluded"),
    [
        ({"InitialInstanceCount": 3}, {"InitialInstanceCount": 4}, ["DesiredInstanceCount"]),
        ({"InitialVariantWeight": 1.0}, {"InitialVariantWeight": 0.5}, ["DesiredWeight"]),
        ({"capture": 50}, {"capture": 100}, ["DataCaptureConfig"]),
        ({}, {"capture": 100}, ["DataCaptureConfig"]),
        ({"InstanceType": "ml.m5.large"}, {"InstanceType": "ml.m5.xlarge"}, None),
    ],
)
def test_only_what_the_configuration_changes_is_not_retained(
    cloud: Aws, before: dict[str, Any], after: dict[str, Any], excluded: list[str] | None
) -> None:
    cloud.config("config-7", "7", **after)
    cloud.endpoint("InService", "config-6", EARLIER)
    cloud.config("config-6", "7", **before)
    cloud.alarms(latency="OK", errors="OK")
    cloud.update(excluded)
    cloud.endpoint("InService", "config-7")
    assert roll_out()["deployed"] is True


def test_a_mix_after_a_failed_rollback_is_restored_even_to_the_same_configuration(cloud: Aws) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("UpdateRollbackFailed", "config-7", EARLIER)
    cloud.config("config-7", "7")
    cloud.alarms(latency="OK", errors="OK")
    cloud.update()
    cloud.endpoint("InService", "config-7")
    assert roll_out()["deployed"] is True


# rollouts that end badly


def test_a_silent_rollback_is_a_failure_with_its_alarms(cloud: Aws) -> None:
    cloud.begun()
    cloud.endpoint("Updating", "config-6")
    cloud.endpoint("InService", "config-6", FailureReason="One or more alarms went off.")
    cloud.config("config-6", "6")
    cloud.alarms(latency="ALARM", errors="OK")
    with pytest.raises(ProviderError) as caught:
        roll_out()
    package = f"{ARN}:model-package/tumor-triage"
    assert str(caught.value) == (
        f"SageMaker rolled the deployment back: {ENDPOINT} runs ProductionVariant: {package}/6 on "
        f"2 x ml.m5.xlarge (configuration config-6) again, not ProductionVariant: {package}/7 on "
        "2 x ml.m5.xlarge (configuration config-7): One or more alarms went off. In ALARM: latency (Threshold Crossed: "
        "1 datapoint). The old version serves. Set the config back to it, or remove the cause and run `up` again."
    )


def test_a_silent_rollback_without_a_reason_says_so(cloud: Aws) -> None:
    cloud.begun()
    cloud.endpoint("InService", "config-6")
    cloud.config("config-6", "6")
    cloud.alarms(latency="OK", errors="OK")
    message = r"SageMaker gives no reason\. No guardrail alarm is in ALARM now\. The old version serves\."
    with pytest.raises(ProviderError, match=message):
        roll_out()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("UpdateRollbackFailed", "the deployment failed and so did its rollback: .* a new update restores it"),
        (
            "Failed",
            "tumor-triage-prod is Failed after the deployment.*: out of capacity.*delete it, then run `up --refresh`",
        ),
        ("OutOfService", "tumor-triage-prod is OutOfService after the deployment"),
    ],
)
def test_other_ends_say_what_helps(cloud: Aws, status: str, message: str) -> None:
    cloud.begun()
    cloud.endpoint(status, "config-6", FailureReason="out of capacity")
    cloud.config("config-6", "6")
    cloud.alarms(latency="OK", errors="OK")
    with pytest.raises(ProviderError, match=message):
        roll_out()


def test_an_endpoint_that_failed_before_cannot_be_updated(cloud: Aws) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("Failed", "config-6", FailureReason="no capacity.")
    with pytest.raises(ProviderError, match=r"is Failed and cannot be updated: no capacity\. Delete the endpoint"):
        roll_out()


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ({"latency": "OK"}, "alarm errors does not exist, so nothing would watch this deployment"),
        (
            {"latency": "OK", "errors": "ALARM"},
            r"in ALARM before the deployment began, .*: errors \(Threshold Crossed: 1 datapoint\)\. Wait until it is",
        ),
    ],
)
def test_alarms_that_could_not_watch_stop_it_before_it_begins(cloud: Aws, states: dict[str, str], message: str) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("InService", "config-6")
    cloud.config("config-6", "6")
    cloud.alarms(**states)
    with pytest.raises(ProviderError, match=message):
        roll_out()


def test_a_live_configuration_that_was_deleted_is_named(cloud: Aws) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("InService", "config-6")
    text = f'Could not find endpoint configuration "{ARN}:endpoint-config/config-6".'
    cloud.sagemaker.add_client_error("describe_endpoint_config", "ValidationException", text)
    with pytest.raises(ProviderError, match=r"runs .* config-6, which was deleted .* Create it again"):
        roll_out()


def test_a_missing_configuration_or_endpoint_is_named(cloud: Aws) -> None:
    text = f'Could not find endpoint configuration "{ARN}:endpoint-config/config-7".'
    cloud.sagemaker.add_client_error("describe_endpoint_config", "ValidationException", text)
    with pytest.raises(ProviderError, match=r"endpoint configuration config-7 .* does not exist: run `up --refresh`"):
        roll_out()
    cloud.config("config-7", "7")
    text = f'Could not find endpoint "{ARN}:endpoint/{ENDPOINT}".'
    cloud.sagemaker.add_client_error("describe_endpoint", "ValidationException", text)
    with pytest.raises(ProviderError, match="endpoint tumor-triage-prod does not exist: run `up --refresh`"):
        roll_out()


def test_a_refusal_of_sagemaker_is_passed_on(cloud: Aws) -> None:
    cloud.config("config-7", "7")
    cloud.endpoint("InService", "config-6")
    cloud.config("config-6", "6")
    cloud.alarms(latency="OK", errors="OK")
    cloud.sagemaker.add_client_error("update_endpoint", "ResourceLimitExceeded", "The account-level service limit")
    with pytest.raises(Exception, match="ResourceLimitExceeded"):
        roll_out()


def test_a_rollout_without_end_is_given_up(cloud: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "polls", lambda timeout, poll: iter([0.0]))
    cloud.begun()
    cloud.endpoint("Updating", "config-6")
    with pytest.raises(ProviderError, match=f"still being updated after {300 + 600 + 1800 + 3600} s; SageMaker goes"):
        roll_out()


# check, diff, read, delete


def test_check_fills_in_defaults() -> None:
    result = EndpointRolloutProvider().check({}, {"endpoint_name": ENDPOINT, "endpoint_config_name": "config-7"})
    assert result.failures == []
    assert (result.inputs["strategy"], result.inputs["alarm_names"]) == ("allAtOnce", [])


@pytest.mark.parametrize(
    ("change", "prop", "reason"),
    [
        ({"endpoint_name": None}, "endpoint_name", "endpoint_name is required"),
        ({"strategy": "bluegreen"}, "strategy", "must be one of allAtOnce, canary, linear, rolling, found 'bluegreen'"),
        ({"canary_percent": 51.0}, "canary_percent", "must be 1 to 50 percent of the instances, found 51"),
        ({"strategy": "linear"}, "linear_percent", "is required by strategy linear: 10 to 50 percent"),
        ({"strategy": "rolling", "rolling_percent": 4}, "rolling_percent", "must be 5 to 50 percent"),
        ({"wait_seconds": 3601}, "wait_seconds", "must be 0 to 3600 seconds, found 3601"),
        ({"bake_seconds": -1}, "bake_seconds", "must be 0 to 3600 seconds, found -1"),
        ({"maximum_seconds": 599}, "maximum_seconds", "must be 600 to 28800"),
        ({"maximum_seconds": 900}, "maximum_seconds", r"more than all waits together (900 s), found 900"),
        ({"alarm_names": [str(n) for n in range(11)]}, "alarm_names", "takes at most 10 alarms, found 11"),
    ],
)
def test_check_refuses_what_sagemaker_would(change: dict[str, Any], prop: str, reason: str) -> None:
    failures = EndpointRolloutProvider().check({}, {**PROPS, **change}).failures
    assert [(failure.property, reason in failure.reason) for failure in failures] == [(prop, True)]


def test_check_lets_pass_what_is_not_known_yet() -> None:
    news = {**PROPS, "endpoint_config_name": UNKNOWN, "alarm_names": UNKNOWN}
    assert EndpointRolloutProvider().check({}, news).failures == []


@pytest.mark.parametrize(
    ("change", "changes", "replaces"),
    [
        ({}, False, []),
        ({"endpoint_config_name": "config-8"}, True, []),
        ({"endpoint_config_name": UNKNOWN}, True, []),
        ({"endpoint_name": "other"}, True, ["endpoint_name"]),
        ({"strategy": "allAtOnce", "wait_seconds": 0, "alarm_names": [], "poll_seconds": 1}, False, []),
    ],
)
def test_a_change_is_another_configuration(change: dict[str, Any], changes: bool, replaces: list[str]) -> None:
    olds = {**PROPS, "requested_endpoint_config_name": "config-7", "deployed": True}
    result = EndpointRolloutProvider().diff(ENDPOINT, olds, {**PROPS, **change})
    assert (result.changes, result.replaces) == (changes, replaces)


def test_a_refresh_finds_what_is_live(cloud: Aws) -> None:
    olds = {**PROPS, "requested_endpoint_config_name": "config-7", "deployed": True}
    cloud.endpoint("InService", "config-7")
    assert EndpointRolloutProvider().read(ENDPOINT, dict(olds)).outs == olds
    cloud.endpoint("InService", "config-6")
    drifted = EndpointRolloutProvider().read(ENDPOINT, dict(olds)).outs
    assert drifted is not None
    assert drifted["endpoint_config_name"] == "config-6"
    assert EndpointRolloutProvider().diff(ENDPOINT, drifted, PROPS).changes is True


def test_a_refresh_without_an_endpoint_drops_the_rollout(cloud: Aws) -> None:
    text = f'Could not find endpoint "{ARN}:endpoint/{ENDPOINT}".'
    cloud.sagemaker.add_client_error("describe_endpoint", "ValidationException", text)
    result = EndpointRolloutProvider().read(ENDPOINT, dict(PROPS))
    assert (result.id, result.outs) == ("", {})


def test_delete_touches_nothing_and_says_so(cloud: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    EndpointRolloutProvider().delete(ENDPOINT, dict(PROPS))
    assert f"{ENDPOINT} keeps its configuration" in capsys.readouterr().err


# guardrails, content, patience


def test_each_strategy_is_sagemakers_policy() -> None:
    seconds = {"wait_seconds": 60, "bake_seconds": 120, "maximum_seconds": 3000}
    canary = guardrails.deployment_config(
        {**seconds, "strategy": "canary", "canary_percent": 10.0, "alarm_names": ["a"]}
    )
    assert canary == {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 60,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
            },
            "TerminationWaitInSeconds": 120,
            "MaximumExecutionTimeoutInSeconds": 3000,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}]},
    }
    linear = guardrails.deployment_config({**seconds, "strategy": "linear", "linear_percent": 30})
    assert linear["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == {
        "Type": "LINEAR",
        "WaitIntervalInSeconds": 60,
        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 30},
    }
    assert guardrails.deployment_config({**seconds, "strategy": "rolling", "rolling_percent": 25}) == {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 25},
            "WaitIntervalInSeconds": 60,
            "MaximumExecutionTimeoutInSeconds": 3000,
        }
    }
    all_at_once = guardrails.deployment_config({"strategy": "allAtOnce"})
    assert all_at_once["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"


def test_waits_are_counted_by_step() -> None:
    assert guardrails.waits_seconds({"strategy": "linear", "linear_percent": 30, "wait_seconds": 60}) == 240
    assert guardrails.maximum_seconds({"strategy": "linear", "linear_percent": 30, "wait_seconds": 60}) == 2040
    assert guardrails.maximum_seconds({"strategy": "linear", "linear_percent": 10, "wait_seconds": 3600}) == 28_800


def test_content_knows_variants_by_name_and_empty_from_absent(cloud: Aws) -> None:
    def answer(variants: list[str], **environment: Any) -> None:
        cloud.sagemaker.add_response(
            "describe_endpoint_config",
            {
                "EndpointConfigName": "c",
                "EndpointConfigArn": f"{ARN}:endpoint-config/c",
                "CreationTime": EARLIER,
                "ProductionVariants": [{"VariantName": name, "ModelName": name} for name in variants],
            },
        )
        for name in variants:
            model: dict[str, Any] = {"ModelName": name, "ModelArn": f"{ARN}:model/{name}", "CreationTime": LATER}
            cloud.sagemaker.add_response("describe_model", {**model, "PrimaryContainer": {"Image": "i", **environment}})

    answer(["a", "b"], Environment={})
    answer(["b", "a"])
    client = cloud.clients["sagemaker"]
    assert endpoint_content.of_config(client, "c") == endpoint_content.of_config(client, "c")


def test_pauses_begin_short_and_end_at_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    waited = list(aws.polls(600, 15))
    assert waited[0] == 0
    assert pauses[0] == aws.FIRST_POLL_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15
    assert waited[-1] < 600
    assert len(waited) < 100
    assert rollout.START_SECONDS < 15
