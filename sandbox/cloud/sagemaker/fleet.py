"""The instances that serve one endpoint configuration.

An endpoint has one fleet, or two while it is updated; requests go to fleets by share, to variants by weight, to the
instance with the fewest requests.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.cloud.ports import Cloud
from sandbox.cloud.sagemaker.instance import Instance
from sandbox.cloud.sagemaker.store import now

# A container has to be healthy within 4 minutes. Starting a process and loading a model are real, whatever the speed:
# a server that does not answer yet, or that its model is being loaded, gets 30 s, one that is not healthy 5 s.
HEALTH_SECONDS = 240.0
SILENT_FLOOR_SECONDS = 30.0
UNHEALTHY_FLOOR_SECONDS = 5.0
EXITS_BEFORE_GIVING_UP = 3
POLL_SECONDS = 0.05


class PingError(Exception):
    """A variant's container did not become healthy; the message is AWS's."""


@dataclass
class VariantStatus:
    """One entry of a variant's VariantStatus."""

    status: str
    message: str
    started: datetime = field(default_factory=now)

    def describe(self) -> dict[str, Any]:
        return {"Status": self.status, "StatusMessage": self.message, "StartTime": self.started}


@dataclass
class Variant:
    """A production or shadow variant of a fleet."""

    name: str
    instance_type: str
    image: str
    weight: float
    count: int
    current_count: int = 0
    instances: list[Instance] = field(default_factory=list)
    status: VariantStatus | None = None
    resolved: datetime = field(default_factory=now)

    def pick(self) -> Instance | None:
        """The least busy instance that is up; to be called on the event loop."""
        return min((one for one in self.instances if one.ready), key=lambda one: one.in_flight, default=None)

    def describe(self, *, pending: bool = False) -> dict[str, Any]:
        """ProductionVariantSummary, or PendingProductionVariantSummary."""
        summary: dict[str, Any] = {
            "VariantName": self.name,
            "DeployedImages": [
                {"SpecifiedImage": self.image, "ResolvedImage": self.image, "ResolutionTime": self.resolved}
            ],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            "CurrentInstanceCount": self.current_count,
            "DesiredInstanceCount": self.count,
        }
        if self.status is not None:
            summary["VariantStatus"] = [self.status.describe()]
        if pending:
            summary["InstanceType"] = self.instance_type
        return summary


@dataclass
class Fleet:
    """The variants of one endpoint configuration, running."""

    cloud: Cloud
    config_name: str
    directory: Path
    role_arn: str
    production: list[Variant]
    shadow: Variant | None
    capture: Mapping[str, Any] | None
    capture_key: str | None = None

    def variants(self) -> Iterator[Variant]:
        yield from self.production
        if self.shadow is not None:
            yield self.shadow

    def instances(self) -> Iterator[Instance]:
        for variant in self.variants():
            yield from variant.instances

    def pick_variant(self, target: str | None = None) -> Variant | None:
        """A production variant by weight, or the one that the request names."""
        if target is not None:
            return next((variant for variant in self.production if variant.name == target), None)
        if len(self.production) == 1:
            return self.production[0]
        weights = [variant.weight for variant in self.production]
        return random.choices(self.production, weights)[0]  # noqa: S311 - traffic, not secrets

    def shadowed(self) -> Variant | None:
        """The shadow variant, where this request is to be copied to it (shadow weight / production weight)."""
        if self.shadow is None:
            return None
        weight = self.production[0].weight
        ratio = 1.0 if weight <= 0 else self.shadow.weight / weight
        return self.shadow if random.random() < ratio else None  # noqa: S311

    def launch(self, wait: Callable[[float], None]) -> None:
        """Start all instances and wait, by `wait(seconds)`, until they are healthy.

        Raises `PingError` with AWS's words, and whatever `wait` raises.
        """
        began = time.monotonic()
        for instance in self.instances():
            instance.launch()
        waiting = [(variant, instance) for variant in self.variants() for instance in variant.instances]
        while waiting:
            waiting = [(variant, instance) for variant, instance in waiting if not instance.check()]
            for variant, instance in waiting:
                if self._hopeless(instance, began):
                    raise PingError(
                        f"The primary container for production variant {variant.name} did not pass the ping health "
                        "check. Please check CloudWatch logs for this endpoint."
                    )
            wait(POLL_SECONDS)
        for variant in self.variants():
            variant.current_count = variant.count

    def _hopeless(self, instance: Instance, began: float) -> bool:
        moment = time.monotonic()
        if instance.exits >= EXITS_BEFORE_GIVING_UP:
            return True
        if instance.unhealthy_since is not None:
            return moment > instance.unhealthy_since + self.cloud.seconds(HEALTH_SECONDS, UNHEALTHY_FLOOR_SECONDS)
        return moment > began + self.cloud.seconds(HEALTH_SECONDS, SILENT_FLOOR_SECONDS)

    def supervise(self) -> None:
        """Restart what crashed."""
        for instance in self.instances():
            instance.check()

    def busy(self) -> bool:
        """Whether requests are in flight. Once the fleet is out of the routing, False stays False.

        The look at the counters happens on the event loop, after every pick that saw the old routing.
        """
        return asyncio.run_coroutine_threadsafe(self._busy(), self.cloud.loop).result()

    async def _busy(self) -> bool:
        return any(instance.in_flight for instance in self.instances())

    def stop(self) -> None:
        """End the processes and remove their files."""
        for instance in self.instances():
            instance.stop()
        for variant in self.variants():
            variant.current_count = 0
        shutil.rmtree(self.directory, ignore_errors=True)

    def mark(self, status: str, message: str, share: float = 1.0) -> None:
        """Set the VariantStatus of all variants; `{count}` in the message is that share of the variant's instances."""
        for variant in self.variants():
            count = max(1, round(variant.count * share))
            variant.status = VariantStatus(status, message.format(count=count))

    def clear(self) -> None:
        for variant in self.variants():
            variant.status = None
