"""`EndpointRollout`: every change of what an endpoint runs, as a Pulumi resource.

`aws.sagemaker.Endpoint` makes an endpoint once; this resource owns each UpdateEndpoint afterwards. It exists because
the native resource waits for InService and never asks which configuration is in service: after SageMaker rolled a
deployment back, it reports success and the engine deletes the configuration that is live. Here a silent rollback is a
failed step, and nothing after a failed step is deleted.

- An endpoint that already runs the content asked for is left alone (`deployed` is False): names of configurations
  change without anything changing.
- RetainAllVariantProperties keeps what autoscaling did; what the new configuration changes on purpose is excluded.
- How a rollout is done (strategy, waits, alarms) matters only when there is one, so changing that alone is no change.

API: DescribeEndpoint, DescribeEndpointConfig, DescribeModel, UpdateEndpoint, cloudwatch:DescribeAlarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from providers import aws, guardrails, properties
from providers.properties import ClientArgs
from providers.rollout import Rollout

DEFAULTS: dict[str, Any] = {
    "strategy": "allAtOnce",
    "wait_seconds": 0,
    "bake_seconds": 0,
    "alarm_names": [],
    "poll_seconds": aws.DEFAULT_POLL_SECONDS,
}


@dataclass(frozen=True)
class EndpointRolloutArgs(ClientArgs):
    """The inputs. Only `endpoint_name` and `endpoint_config_name` make a change; the rest is how it is carried out."""

    endpoint_name: Input[str]
    """The endpoint, which exists. Another one replaces this resource, which does nothing to either endpoint."""
    endpoint_config_name: Input[str]
    """The configuration it shall run."""
    strategy: Input[str] = "allAtOnce"
    """`allAtOnce`, `canary`, `linear` (blue/green) or `rolling`."""
    canary_percent: Input[int] | None = None
    """Share of the new fleet that gets traffic first, 1-50 percent of instances; needed by `canary`."""
    linear_percent: Input[int] | None = None
    """Share of each step, 10-50 percent of instances; needed by `linear`."""
    rolling_percent: Input[int] | None = None
    """Share of each batch, 5-50 percent of instances; needed by `rolling`."""
    wait_seconds: Input[int] = 0
    """Pause after each step, 0-3600 s."""
    bake_seconds: Input[int] = 0
    """How long the old fleet is kept while all traffic is on the new one, 0-3600 s; not with `rolling`."""
    maximum_seconds: Input[int] | None = None
    """When SageMaker gives up and rolls back, 600-28800 s, more than all waits; if not given, 1800 s more."""
    alarm_names: Input[Sequence[Input[str]]] | None = None
    """Alarms that roll the deployment back, at most 10."""
    poll_seconds: Input[float] = aws.DEFAULT_POLL_SECONDS
    """Longest pause between two looks at the endpoint; they begin at 0.2 s."""


class EndpointRollout(Resource, module="understudy", name="EndpointRollout"):
    """What an endpoint runs. Its id is the endpoint's name."""

    endpoint_name: Output[str]
    endpoint_config_name: Output[str]
    """The configuration that is live: another one than asked for, where that has the same content."""
    deployed: Output[bool]
    """False where the endpoint already ran the content asked for."""

    def __init__(self, name: str, args: EndpointRolloutArgs, opts: ResourceOptions | None = None) -> None:
        outputs = ("requested_endpoint_config_name", "deployed")
        super().__init__(EndpointRolloutProvider(), name, properties.registered(args, *outputs), opts)


class EndpointRolloutProvider(ResourceProvider):
    """Thin CRUD over `Rollout`; stateless, importable, released under this name."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Fill in defaults; refuse what SageMaker would refuse of the policy."""
        inputs = {**DEFAULTS, **properties.given(news)}
        known = {name: value for name, value in inputs.items() if not isinstance(value, Unknown)}
        required = ("endpoint_name", "endpoint_config_name")
        failures = [CheckFailure(name, f"{name} is required") for name in required if not inputs.get(name)]
        failures += [CheckFailure(name, reason) for name, reason in guardrails.mistakes(known)]
        return CheckResult(inputs, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Old outputs against new inputs: a change is another endpoint or another configuration asked for."""
        replaced = olds.get("endpoint_name") != news.get("endpoint_name")
        asked_for = olds.get("requested_endpoint_config_name")
        return DiffResult(
            changes=replaced or asked_for != news.get("endpoint_config_name"),
            replaces=["endpoint_name"] if replaced else [],
            delete_before_replace=False,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the endpoint, which `aws.sagemaker.Endpoint` has created, run the configuration; usually it does."""
        return CreateResult(str(props["endpoint_name"]), self._roll_out(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Roll out, and fail unless the endpoint then runs what was asked for."""
        return UpdateResult(self._roll_out(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The configuration that is live. Where it is not the one this resource left, the next `up` has a change."""
        try:
            endpoint = aws.client("sagemaker", props).describe_endpoint(EndpointName=id_)
        except ClientError as error:
            if aws.is_not_found(error):
                return ReadResult("", {})
            raise
        live = endpoint["EndpointConfigName"]
        outputs = properties.own(props)
        if live != props.get("endpoint_config_name"):
            outputs |= {"endpoint_config_name": live, "requested_endpoint_config_name": live}
        return ReadResult(id_, outputs)

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Nothing: a rollout is an event. The endpoint keeps running what it runs until it is itself destroyed."""
        aws.say(f"{id_} keeps its configuration: a rollout cannot be undone by forgetting it")

    def _roll_out(self, props: dict[str, Any]) -> dict[str, Any]:
        rollout = Rollout(aws.client("sagemaker", props), aws.client("cloudwatch", props), props)
        live, deployed = rollout.run()
        return {
            **properties.own(props),
            "endpoint_config_name": live,
            "requested_endpoint_config_name": props["endpoint_config_name"],
            "deployed": deployed,
        }
