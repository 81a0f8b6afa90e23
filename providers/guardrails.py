"""SageMaker's DeploymentConfig from the few numbers a rollout is described by, and what it allows.

Source: UpdateEndpoint's DeploymentConfig (BlueGreenUpdatePolicy, RollingUpdatePolicy, AutoRollbackConfiguration).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

STRATEGIES = ("allAtOnce", "canary", "linear", "rolling")

PERCENT = {
    "canary": ("canary_percent", 1, 50),
    "linear": ("linear_percent", 10, 50),
    "rolling": ("rolling_percent", 5, 50),
}
"""A strategy's percentage: its name, least and most. SageMaker refuses a step of more than half the fleet."""

MOST_WAIT_SECONDS = 3600
LEAST_EXECUTION_SECONDS = 600
MOST_EXECUTION_SECONDS = 28_800
PROVISIONING_SECONDS = 1800
"""What starting and stopping instances may take, on top of all waits, where no maximum is given."""
MOST_ALARMS = 10


def waits_seconds(props: Mapping[str, Any]) -> int:
    """All pauses of a rollout together: between its steps and before the old fleet ends."""
    wait, bake = int(props.get("wait_seconds", 0)), int(props.get("bake_seconds", 0))
    match props["strategy"]:
        case "canary":
            return wait + bake
        case "linear":
            return wait * math.ceil(100 / float(props["linear_percent"])) + bake
        case "rolling":
            return wait * math.ceil(100 / float(props["rolling_percent"]))
    return bake


def maximum_seconds(props: Mapping[str, Any]) -> int:
    """MaximumExecutionTimeoutInSeconds: as given, or all waits and half an hour."""
    given = props.get("maximum_seconds")
    if given is not None:
        return int(given)
    return min(MOST_EXECUTION_SECONDS, waits_seconds(props) + PROVISIONING_SECONDS)


def deployment_config(props: Mapping[str, Any]) -> dict[str, Any]:
    """DeploymentConfig for checked `props` (strategy, percentages, seconds, alarm_names)."""
    strategy, wait = props["strategy"], int(props.get("wait_seconds", 0))
    config: dict[str, Any] = {}
    if strategy == "rolling":
        config["RollingUpdatePolicy"] = {
            "MaximumBatchSize": _share(props["rolling_percent"]),
            "WaitIntervalInSeconds": wait,
            "MaximumExecutionTimeoutInSeconds": maximum_seconds(props),
        }
    else:
        config["BlueGreenUpdatePolicy"] = {
            "TrafficRoutingConfiguration": _routing(strategy, wait, props),
            "TerminationWaitInSeconds": int(props.get("bake_seconds", 0)),
            "MaximumExecutionTimeoutInSeconds": maximum_seconds(props),
        }
    if alarms := props.get("alarm_names"):
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def _routing(strategy: str, wait: int, props: Mapping[str, Any]) -> dict[str, Any]:
    match strategy:
        case "canary":
            return {
                "Type": "CANARY",
                "WaitIntervalInSeconds": wait,
                "CanarySize": _share(props["canary_percent"]),
            }
        case "linear":
            return {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": wait,
                "LinearStepSize": _share(props["linear_percent"]),
            }
    # There are no steps to wait between; bake_seconds watches the whole fleet.
    return {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}


def _share(percent: float) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": int(percent)}


def mistakes(props: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (property, what is wrong and what is allowed). `props` holds known values only."""
    strategy = props.get("strategy")
    if strategy is None:
        return
    if strategy not in STRATEGIES:
        yield "strategy", f"strategy must be one of {', '.join(STRATEGIES)}, found {strategy!r}"
        return
    if strategy in PERCENT:
        name, least, most = PERCENT[strategy]
        percent = props.get(name)
        if percent is None:
            yield name, f"{name} is required by strategy {strategy}: {least} to {most} percent of the instances"
            return
        if not least <= percent <= most:
            yield name, f"{name} must be {least} to {most} percent of the instances, found {percent:g}"
            return
    for name in ("wait_seconds", "bake_seconds"):
        if not 0 <= props.get(name, 0) <= MOST_WAIT_SECONDS:
            yield name, f"{name} must be 0 to {MOST_WAIT_SECONDS} seconds, found {props[name]:g}"
    maximum, waits = maximum_seconds(props), waits_seconds(props)
    if not LEAST_EXECUTION_SECONDS <= maximum <= MOST_EXECUTION_SECONDS or maximum <= waits:
        yield (
            "maximum_seconds",
            f"maximum_seconds must be {LEAST_EXECUTION_SECONDS} to {MOST_EXECUTION_SECONDS} and more than all waits "
            f"together ({waits} s), found {maximum}",
        )
    if len(props.get("alarm_names", ())) > MOST_ALARMS:
        yield "alarm_names", f"alarm_names takes at most {MOST_ALARMS} alarms, found {len(props['alarm_names'])}"
