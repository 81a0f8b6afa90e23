"""Where shadow hears of captures in other accounts: a bus of its own, which production's rules forward events to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.capture_reader import FORWARDING
from components.naming import Scope, capture_account
from settings import ServiceSettings


@dataclass(frozen=True)
class CaptureBusArgs:
    """`sources`: accounts whose captures are replayed here."""

    scope: Scope
    sources: Sequence[str]


def bus_policy(scope: Scope, bus_arn: str, sources: Sequence[str]) -> str:
    """Events of the forwarding roles of those accounts."""
    accept = policies.grant_roles(scope, sources, [f"{FORWARDING}-*"], ["events:PutEvents"])
    return policies.document([{**accept, "Sid": "Captures", "Resource": bus_arn}])


def sources(scope: Scope, services: Mapping[str, ServiceSettings]) -> list[str]:
    """The other accounts whose captures the services replay."""
    accounts = {capture_account(service.replay.source) for service in services.values() if service.replay}
    return sorted(account for account in accounts if account not in (None, scope.account))


class CaptureBus(pulumi.ComponentResource):
    """`bus`: its name, once it takes events."""

    bus: pulumi.Output[str]

    def __init__(self, name: str, args: CaptureBusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:capture_bus:CaptureBus", name, None, opts)
        bus = aws.cloudwatch.EventBus(
            name,
            name=args.scope.capture_bus(args.scope.environment),
            description="Captured requests of production in other accounts",
            opts=pulumi.ResourceOptions(parent=self),
        )
        policy = aws.cloudwatch.EventBusPolicy(
            name,
            event_bus_name=bus.name,
            policy=bus.arn.apply(lambda arn: bus_policy(args.scope, arn, args.sources)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.bus = policy.event_bus_name.apply(str)
        self.register_outputs({"bus": self.bus})
