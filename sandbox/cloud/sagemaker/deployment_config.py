"""What a DeploymentConfig asks for, as the steps of a rollout. Pure; durations are AWS's seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.store import refuse

DEFAULT_MAXIMUM_SECONDS = 14_400


@dataclass(frozen=True)
class Plan:
    """A rollout: the new fleet's share of traffic after each step; the last is 1."""

    shares: tuple[float, ...] = (1.0,)
    wait_seconds: float = 0.0
    bake_seconds: float = 0.0
    maximum_seconds: float = DEFAULT_MAXIMUM_SECONDS
    alarms: tuple[str, ...] = ()


def plan(config: Mapping[str, Any] | None, counts: Mapping[str, int]) -> Plan:
    """The plan of a DeploymentConfig for variants with these instance counts.

    Raises ValidationException for what SageMaker's guardrails do not take.
    """
    if not config:
        return Plan()
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if (blue_green is None) == (rolling is None):
        raise refuse(wording.TWO_POLICIES)
    alarms = tuple(
        alarm["AlarmName"] for alarm in config.get("AutoRollbackConfiguration", {}).get("Alarms", []) if alarm
    )
    steps = _blue_green(blue_green, counts) if blue_green is not None else _rolling(rolling or {}, counts)
    shares, wait, bake, maximum = steps
    waits = wait * (len(shares) - 1) + bake
    if maximum is not None and maximum <= waits:
        raise refuse(wording.MAXIMUM_TIME.format(seconds=waits))
    return Plan(shares, wait, bake, maximum or DEFAULT_MAXIMUM_SECONDS, alarms)


_Steps = tuple[tuple[float, ...], float, float, float | None]


def _blue_green(policy: Mapping[str, Any], counts: Mapping[str, int]) -> _Steps:
    traffic = policy["TrafficRoutingConfiguration"]
    kind = traffic["Type"]
    canary, linear = traffic.get("CanarySize"), traffic.get("LinearStepSize")
    for member, allowed in (("CanarySize", "CANARY"), ("LinearStepSize", "LINEAR")):
        if traffic.get(member) and kind != allowed:
            raise refuse(wording.NO_SIZE.format(member=member, type=kind))
    shares: tuple[float, ...] = (1.0,)
    if kind == "CANARY":
        shares = (_share(canary, counts, 0.0, 0.5, wording.CANARY_SIZE), 1.0)
    elif kind == "LINEAR":
        shares = _steps(_share(linear, counts, 0.1, 0.5, wording.LINEAR_STEP))
    bake = policy.get("TerminationWaitInSeconds", 0)
    return shares, traffic["WaitIntervalInSeconds"], bake, policy.get("MaximumExecutionTimeoutInSeconds")


def _rolling(policy: Mapping[str, Any], counts: Mapping[str, int]) -> _Steps:
    shares = _steps(_share(policy["MaximumBatchSize"], counts, 0.05, 0.5, wording.ROLLING_BATCH))
    wait = policy["WaitIntervalInSeconds"]
    # A rolling update waits after its last batch, too: that is its bake.
    return shares, wait, wait, policy.get("MaximumExecutionTimeoutInSeconds")


def _share(size: Mapping[str, Any] | None, counts: Mapping[str, int], least: float, most: float, refusal: str) -> float:
    """The share of traffic that a CapacitySize gives; it must be whole instances within the bounds of each variant."""
    shares: list[float] = []
    for variant, count in counts.items():
        if size is None:
            raise refuse(refusal.format(variant=variant))
        share = size["Value"] / 100 if size["Type"] == "CAPACITY_PERCENT" else size["Value"] / count
        # Capacity is whole instances: of one instance the smallest part is all of it.
        if not least <= share <= most or (count == 1 and share < 1):
            raise refuse(refusal.format(variant=variant))
        shares.append(share)
    return min(shares)


def _steps(step: float) -> tuple[float, ...]:
    count = ceil(round(1 / step, 6))
    return (*(min(1.0, step * number) for number in range(1, count)), 1.0)


def retained(excluded: Sequence[Mapping[str, str]] | None, *, retain_all: bool) -> frozenset[str]:
    """The properties that an update keeps from the running endpoint (RetainAllVariantProperties)."""
    if not retain_all:
        return frozenset()
    dropped = {item["VariantPropertyType"] for item in excluded or ()}
    return frozenset({"DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig"} - dropped)
