"""An endpoint: its status, its fleets and how requests are shared between them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.cloud.ports import Scope
from sandbox.cloud.sagemaker.fleet import Fleet
from sandbox.cloud.sagemaker.store import now

IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


@dataclass(frozen=True)
class Route:
    """A fleet and the share of requests it gets."""

    fleet: Fleet
    share: float


@dataclass
class Endpoint:
    """One endpoint. `routing` is replaced, never changed, so the event loop may read it without a lock."""

    scope: Scope
    name: str
    arn: str
    config_name: str
    status: str = "Creating"
    fleet: Fleet | None = None
    pending: Fleet | None = None
    pending_since: datetime | None = None
    routing: tuple[Route, ...] = ()
    failure_reason: str | None = None
    last_deployment_config: dict[str, Any] | None = None
    created: datetime = field(default_factory=now)
    modified: datetime = field(default_factory=now)

    @property
    def serving(self) -> bool:
        return bool(self.routing)

    @property
    def live(self) -> Fleet:
        """The fleet of an endpoint that is in service."""
        if self.fleet is None:
            raise RuntimeError(f"{self.name} is {self.status} and has no fleet.")
        return self.fleet

    def choose(self) -> Fleet:
        """The fleet for one request, by share."""
        if len(self.routing) == 1:
            return self.routing[0].fleet
        shares = [route.share for route in self.routing]
        return random.choices(self.routing, shares)[0].fleet  # noqa: S311 - traffic, not secrets

    def describe(self) -> dict[str, Any]:
        """DescribeEndpoint: while an update runs, the top level stays with the old configuration and fleet."""
        answer: dict[str, Any] = {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointConfigName": self.config_name,
            "EndpointStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }
        fleet = self.fleet or (self.pending if self.status == "Creating" else None)
        if fleet is not None:
            answer |= _fleet_summary(fleet, pending=False)
            if fleet.capture is not None:
                answer["DataCaptureConfig"] = _capture_summary(fleet.capture)
        if self.failure_reason:
            answer["FailureReason"] = self.failure_reason
        if self.last_deployment_config:
            answer["LastDeploymentConfig"] = self.last_deployment_config
        if self.pending is not None and self.fleet is not None:
            answer["PendingDeploymentSummary"] = {
                "EndpointConfigName": self.pending.config_name,
                "StartTime": self.pending_since,
                **_fleet_summary(self.pending, pending=True),
            }
        return answer

    def summary(self) -> dict[str, Any]:
        """EndpointSummary of ListEndpoints."""
        members = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        description = self.describe()
        return {member: description[member] for member in members}


def _fleet_summary(fleet: Fleet, *, pending: bool) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "ProductionVariants": [variant.describe(pending=pending) for variant in fleet.production]
    }
    if fleet.shadow is not None:
        summary["ShadowProductionVariants"] = [fleet.shadow.describe(pending=pending)]
    return summary


def _capture_summary(capture: Mapping[str, Any]) -> dict[str, Any]:
    enabled = bool(capture.get("EnableCapture", False))
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }
