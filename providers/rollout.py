"""One rollout of an endpoint: what is checked before, UpdateEndpoint, the wait, and the proof afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from providers import aws, endpoint_content, guardrails
from providers.aws import ProviderError

IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack")

ROLLBACK_SECONDS = 3600
"""How long a deployment may take to be undone once SageMaker's own maximum has passed."""

START_SECONDS = 10
"""How long DescribeEndpoint may lag behind UpdateEndpoint."""

ATTEMPTS = 5
"""How often an endpoint may be found busy at the moment of its update (autoscaling, AWS's own patching)."""


class Rollout:
    """Makes `endpoint_name` run the content of `endpoint_config_name`.

    `props` are EndpointRollout's checked inputs. Raises ProviderError with what happened, why, and what to do.
    """

    def __init__(self, sagemaker: Any, cloudwatch: Any, props: Mapping[str, Any]) -> None:
        self.sagemaker = sagemaker
        self.cloudwatch = cloudwatch
        self.endpoint_name = str(props["endpoint_name"])
        self.config_name = str(props["endpoint_config_name"])
        self.alarm_names = [str(name) for name in props.get("alarm_names", [])]
        self.deployment_config = guardrails.deployment_config(props)
        self.timeout_seconds = guardrails.maximum_seconds(props) + ROLLBACK_SECONDS
        self.poll_seconds = float(props.get("poll_seconds", aws.DEFAULT_POLL_SECONDS))
        self.last_line = ""

    def run(self) -> tuple[str, bool]:
        """(name of the live configuration, whether there was anything to deploy)."""
        wanted = endpoint_content.of_config(self.sagemaker, self.config_name)
        if wanted is None:
            raise ProviderError(
                f"endpoint configuration {self.config_name} (or its model) does not exist: run `up --refresh`"
            )
        for _ in range(ATTEMPTS):
            before = self._at_rest()
            live = before["EndpointConfigName"]
            running = endpoint_content.of_config(self.sagemaker, live)
            if running == wanted and before["EndpointStatus"] == "InService":
                self._say(f"already runs {endpoint_content.summary(wanted)}: nothing to deploy")
                return live, False
            if running is None:
                raise ProviderError(
                    f"{self.endpoint_name} runs endpoint configuration {live}, which was deleted (or its model was); "
                    "SageMaker refuses to update such an endpoint. Create it again under the same name with the same "
                    "content, then run `up` again."
                )
            self._check_alarms()
            if self._update(endpoint_content.deliberate_changes(running, wanted)):
                self._verify(self._wait(before), wanted)
                return self.config_name, True
        raise ProviderError(f"{self.endpoint_name} was busy with another update {ATTEMPTS} times: run `up` again")

    def _at_rest(self) -> dict[str, Any]:
        """The endpoint once no update is in progress; refuses one that cannot be updated."""
        for _ in aws.polls(self.timeout_seconds, self.poll_seconds):
            endpoint = self._describe()
            if endpoint is None:
                continue
            status = endpoint["EndpointStatus"]
            if status in IN_PROGRESS:
                self._say(f"{status}: waiting for the update in progress to end")
            elif status in ("InService", "UpdateRollbackFailed"):
                # A mix of two configurations is in service after a failed rollback; a new update restores it.
                return endpoint
            else:
                raise ProviderError(
                    f"{self.endpoint_name} is {status} and cannot be updated{_because(endpoint)}. Delete the endpoint "
                    "and run `up --refresh`, which creates it again."
                )
        raise ProviderError(f"{self.endpoint_name} is still being updated after {self.timeout_seconds} s")

    def _check_alarms(self) -> None:
        """Refuse to start without the alarms that shall watch, or with one that would end it at once."""
        states = self._alarms()
        if missing := [name for name in self.alarm_names if name not in states]:
            raise ProviderError(
                f"{self.endpoint_name}: alarm {', '.join(missing)} does not exist, so nothing would watch this "
                "deployment. Run `up --refresh` to create it again."
            )
        if ringing := _ringing(states):
            raise ProviderError(
                f"{self.endpoint_name}: in ALARM before the deployment began, which SageMaker would roll back at once: "
                f"{ringing}. Wait until it is OK, or deploy without guardrails (deploymentOverride.guardrails: false)."
            )
        for name, alarm in states.items():
            if alarm["StateValue"] == "INSUFFICIENT_DATA":
                self._say(f"alarm {name} has no data: it watches, but nothing has been measured yet")

    def _alarms(self) -> dict[str, dict[str, Any]]:
        if not self.alarm_names:
            return {}
        answer = self.cloudwatch.describe_alarms(
            AlarmNames=self.alarm_names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return {alarm["AlarmName"]: alarm for alarm in [*answer["MetricAlarms"], *answer["CompositeAlarms"]]}

    def _update(self, excluded: list[str]) -> bool:
        """UpdateEndpoint; False if another update was quicker."""
        request: dict[str, Any] = {
            "EndpointName": self.endpoint_name,
            "EndpointConfigName": self.config_name,
            "RetainAllVariantProperties": True,
            "DeploymentConfig": self.deployment_config,
        }
        if excluded:
            request["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": name} for name in excluded]
        try:
            self.sagemaker.update_endpoint(**request)
        except ClientError as error:
            if "Cannot update in-progress endpoint" in error.response["Error"].get("Message", ""):
                return False
            raise
        return True

    def _wait(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """The endpoint once the update has ended, one way or the other."""
        for waited in aws.polls(self.timeout_seconds, self.poll_seconds):
            endpoint = self._describe()
            if endpoint is None:
                continue
            status = endpoint["EndpointStatus"]
            if status in IN_PROGRESS:
                self._say(_progress(endpoint))
            elif _untouched(endpoint, before) and waited < START_SECONDS:
                continue
            else:
                return endpoint
        raise ProviderError(
            f"{self.endpoint_name} is still being updated after {self.timeout_seconds} s; SageMaker goes on. Run `up "
            "--refresh` when it has ended."
        )

    def _verify(self, endpoint: Mapping[str, Any], wanted: endpoint_content.Content) -> None:
        """InService is not enough: what is in service must be what was asked for."""
        status, live = endpoint["EndpointStatus"], endpoint["EndpointConfigName"]
        running = wanted if live == self.config_name else endpoint_content.of_config(self.sagemaker, live)
        if status == "InService" and running == wanted:
            self._say(f"runs {endpoint_content.summary(wanted)}")
            return
        what = f"{endpoint_content.summary(running)} (configuration {live})"
        if status == "InService":
            outcome = f"SageMaker rolled the deployment back: {self.endpoint_name} runs {what} again"
            advice = "The old version serves. Set the config back to it, or remove the cause and run `up` again."
        elif status == "UpdateRollbackFailed":
            outcome = f"the deployment failed and so did its rollback: {self.endpoint_name} runs a mix with {what}"
            advice = "Set the config to the version that shall run and run `up` again: a new update restores it."
        else:
            outcome = f"{self.endpoint_name} is {status} after the deployment, last with {what}"
            advice = "Only deleting the endpoint helps: delete it, then run `up --refresh`, which creates it again."
        ringing = _ringing(self._alarms())
        alarms = f" In ALARM: {ringing}." if ringing else " No guardrail alarm is in ALARM now."
        raise ProviderError(
            f"{outcome}, not {endpoint_content.summary(wanted)} (configuration {self.config_name})"
            f"{_because(endpoint) or ': SageMaker gives no reason'}.{alarms if self.alarm_names else ''} {advice}"
        )

    def _describe(self) -> dict[str, Any] | None:
        """DescribeEndpoint; None where AWS asks for patience."""
        try:
            return aws.patiently(lambda: dict(self.sagemaker.describe_endpoint(EndpointName=self.endpoint_name)))
        except ClientError as error:
            if aws.is_not_found(error):
                raise ProviderError(
                    f"endpoint {self.endpoint_name} does not exist: run `up --refresh`, which creates it again"
                ) from None
            raise

    def _say(self, line: str) -> None:
        if line != self.last_line:
            aws.say(f"{self.endpoint_name}: {line}")
            self.last_line = line


def _progress(endpoint: Mapping[str, Any]) -> str:
    """Status, and what SageMaker says about each fleet (`Baking for 300 seconds …`)."""
    pending = endpoint.get("PendingDeploymentSummary") or {}
    variants = [*endpoint.get("ProductionVariants", []), *pending.get("ProductionVariants", [])]
    states = [state for variant in variants for state in variant.get("VariantStatus", [])]
    messages = [state.get("StatusMessage") or state["Status"] for state in states]
    return ": ".join([endpoint["EndpointStatus"], *dict.fromkeys(messages)])


def _untouched(endpoint: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """True if this description may be older than the update."""
    seen = ("EndpointStatus", "EndpointConfigName", "LastModifiedTime", "FailureReason")
    return all(endpoint.get(name) == before.get(name) for name in seen)


def _because(endpoint: Mapping[str, Any]) -> str:
    reason = endpoint.get("FailureReason")
    return f": {reason.rstrip('.')}" if reason else ""


def _ringing(states: Mapping[str, Mapping[str, Any]]) -> str:
    ringing = [alarm for alarm in states.values() if alarm["StateValue"] == "ALARM"]
    return "; ".join(f"{alarm['AlarmName']} ({alarm.get('StateReason', 'no reason given')})" for alarm in ringing)
