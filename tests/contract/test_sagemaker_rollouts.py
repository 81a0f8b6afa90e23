"""Rollouts: states, traffic by weight, guardrails, rollback, and no request lost on the way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

# At speed 600 a step of 1,200 s takes 2 s: long enough to be seen, short enough for a test.
STEP_SECONDS = 1200


def blue_green(kind: str, wait: int = 0, bake: int = 0, **members: Any) -> dict[str, Any]:
    sizes = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
    routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": wait}
    if kind in sizes:
        routing[sizes[kind]] = {"Type": "CAPACITY_PERCENT", "Value": 50}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": bake}
    return {"BlueGreenUpdatePolicy": policy, **members}


ROLLING = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 300,
    }
}


class Load:
    """Clients that ask an endpoint all the time; every answer and every failure is kept."""

    def __init__(self, lab: Any, endpoint: str) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._lab, self._endpoint = lab, endpoint
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.answers[self._lab.invoke(self._endpoint, "sleep 0.02")] += 1
            except Exception as error:
                self.failures.append(str(error))

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join()


@pytest.mark.parametrize(
    "deployment",
    [
        None,
        blue_green("ALL_AT_ONCE", bake=300),
        blue_green("CANARY", wait=600, bake=300),
        blue_green("LINEAR", wait=300, bake=300),
        ROLLING,
    ],
    ids=["plain", "all-at-once", "canary", "linear", "rolling"],
)
def test_no_request_fails_while_an_endpoint_moves(lab: Any, deployment: dict[str, Any] | None) -> None:
    old, new = lab.config(lab.model("v1")), lab.config(lab.model("v2"))
    endpoint = lab.endpoint(old)
    members = {} if deployment is None else {"DeploymentConfig": deployment}
    load = Load(lab, endpoint)
    with load.running():
        lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new, **members)
        description = lab.settled(endpoint)
        time.sleep(0.2)
    assert description["EndpointStatus"] == "InService"
    assert description["EndpointConfigName"] == new
    assert "FailureReason" not in description
    assert "PendingDeploymentSummary" not in description
    assert load.failures == []
    assert set(load.answers) == {"v1:sleep 0.02", "v2:sleep 0.02"}
    assert lab.invoke(endpoint) == "v2:1"


def test_a_canary_shares_traffic_and_shows_what_is_pending(lab: Any) -> None:
    old, new = lab.config(lab.model("v1")), lab.config(lab.model("v2"))
    endpoint = lab.endpoint(old)
    lab.sagemaker.update_endpoint(
        EndpointName=endpoint, EndpointConfigName=new, DeploymentConfig=blue_green("CANARY", wait=STEP_SECONDS)
    )
    description = _until(lab, endpoint, "ActivatingTraffic")
    assert description["EndpointStatus"] == "Updating"
    assert description["EndpointConfigName"] == old
    pending = description["PendingDeploymentSummary"]
    assert pending["EndpointConfigName"] == new
    variant = pending["ProductionVariants"][0]
    assert variant["InstanceType"] == "ml.m5.large"
    assert variant["VariantStatus"][0]["StatusMessage"] == "Activating traffic on canary capacity of 1 instance(s)."
    answers = Counter(lab.invoke(endpoint) for _ in range(200))
    assert 60 <= answers["v2:1"] <= 140
    assert lab.settled(endpoint)["EndpointConfigName"] == new


def test_an_alarm_brings_the_old_configuration_back(lab: Any, unique: Any) -> None:
    alarm = unique("alarm")
    _put_alarm(lab, alarm)
    old, new = lab.config(lab.model("v1")), lab.config(lab.model("v2"))
    endpoint = lab.endpoint(old)
    deployment = blue_green("CANARY", wait=3600, AutoRollbackConfiguration={"Alarms": [{"AlarmName": alarm}]})
    load = Load(lab, endpoint)
    with load.running():
        lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new, DeploymentConfig=deployment)
        _until(lab, endpoint, "ActivatingTraffic")
        lab.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
        description = lab.settled(endpoint)
    assert description["EndpointStatus"] == "InService"
    assert description["EndpointConfigName"] == old
    assert alarm in description["FailureReason"]
    assert load.failures == []
    assert {lab.invoke(endpoint) for _ in range(20)} == {"v1:1"}


def test_errors_of_the_new_fleet_fire_its_alarm_and_it_goes(lab: Any, unique: Any) -> None:
    """The whole chain: requests, metrics by EndpointConfigName, the alarm's evaluation, the guardrail."""
    alarm = unique("alarm")
    old, new = lab.config(lab.model("v1")), lab.config(lab.model("failing"))
    endpoint = lab.endpoint(old)
    dimensions = {"EndpointName": endpoint, "VariantName": "Main", "EndpointConfigName": new}
    lab.cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/SageMaker",
        MetricName="InvocationModelErrors",
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    deployment = blue_green(
        "CANARY", wait=3600, bake=3600, AutoRollbackConfiguration={"Alarms": [{"AlarmName": alarm}]}
    )
    load = Load(lab, endpoint)
    with load.running():
        lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new, DeploymentConfig=deployment)
        description = lab.settled(endpoint)
    assert description["EndpointConfigName"] == old
    assert alarm in description["FailureReason"]
    assert load.failures and all("boom" in failure for failure in load.failures)
    assert {lab.invoke(endpoint) for _ in range(20)} == {"v1:1"}


def test_an_alarm_during_the_bake_brings_the_old_configuration_back(lab: Any, unique: Any) -> None:
    alarm = unique("alarm")
    _put_alarm(lab, alarm)
    old, new = lab.config(lab.model("v1")), lab.config(lab.model("v2"))
    endpoint = lab.endpoint(old)
    deployment = blue_green("ALL_AT_ONCE", bake=3600, AutoRollbackConfiguration={"Alarms": [{"AlarmName": alarm}]})
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new, DeploymentConfig=deployment)
    _until(lab, endpoint, "Baking")
    assert {lab.invoke(endpoint) for _ in range(20)} == {"v2:1"}
    lab.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    assert lab.settled(endpoint)["EndpointConfigName"] == old
    assert {lab.invoke(endpoint) for _ in range(20)} == {"v1:1"}


def test_a_model_that_does_not_load_never_gets_traffic(lab: Any) -> None:
    old, new = lab.config(lab.model("v1")), lab.config(lab.model("broken"))
    endpoint = lab.endpoint(old)
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    description = lab.settled(endpoint)
    assert description["EndpointStatus"] == "InService"
    assert description["EndpointConfigName"] == old
    assert description["FailureReason"] == (
        "The primary container for production variant Main did not pass the ping health check. Please check "
        "CloudWatch logs for this endpoint."
    )
    assert lab.invoke(endpoint) == "v1:1"


def test_a_first_model_that_does_not_load_fails_the_endpoint(lab: Any, refused: Any) -> None:
    config = lab.config(lab.model("broken"))
    endpoint = lab.endpoint(config, status="Failed")
    assert "did not pass the ping health check" in lab.settled(endpoint)["FailureReason"]
    with refused("ValidationError", f"Endpoint {endpoint} of account 123456789012 not found."):
        lab.invoke(endpoint)
    with refused("ValidationException", "Cannot update failed endpoint"):
        lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    lab.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_retained_properties_survive_an_update(lab: Any) -> None:
    model = lab.model()
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 7,
        "DestinationS3Uri": f"s3://{lab.bucket}/retained",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    first, second = lab.config(model, DataCaptureConfig=capture), lab.config(model)
    endpoint = lab.endpoint(first)
    lab.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "Main", "DesiredWeight": 3, "DesiredInstanceCount": 5}],
    )
    assert _counts(lab.settled(endpoint)) == (5, 3.0)
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=second, RetainAllVariantProperties=True)
    description = lab.settled(endpoint)
    assert _counts(description) == (5, 3.0)
    assert description["DataCaptureConfig"]["CurrentSamplingPercentage"] == 7
    lab.sagemaker.update_endpoint(
        EndpointName=endpoint,
        EndpointConfigName=second,
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[
            {"VariantPropertyType": "DesiredInstanceCount"},
            {"VariantPropertyType": "DataCaptureConfig"},
        ],
    )
    description = lab.settled(endpoint)
    assert _counts(description) == (2, 3.0)
    assert "DataCaptureConfig" not in description


def test_deleting_an_endpoint_ends_it(lab: Any, refused: Any) -> None:
    endpoint = lab.endpoint(lab.config(lab.model()))
    lab.sagemaker.delete_endpoint(EndpointName=endpoint)
    with refused("ValidationError", "not found."):
        lab.invoke(endpoint)
    deadline = time.monotonic() + 10
    while lab.sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _counts(description: dict[str, Any]) -> tuple[int, float]:
    variant = description["ProductionVariants"][0]
    return variant["CurrentInstanceCount"], variant["CurrentWeight"]


def _put_alarm(lab: Any, name: str) -> None:
    lab.cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Test",
        MetricName="Nothing",
        Statistic="Sum",
        Period=3600,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )


def _until(lab: Any, endpoint: str, status: str) -> dict[str, Any]:
    """The endpoint's description, once its pending variant has this status."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        description: dict[str, Any] = lab.sagemaker.describe_endpoint(EndpointName=endpoint)
        variants = description.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        if any(entry["Status"] == status for variant in variants for entry in variant.get("VariantStatus", [])):
            return description
        time.sleep(0.02)
    raise AssertionError(f"{endpoint} was never {status}: {description}")
