"""What CloudWatch shows of invocations.

Requests only append to a queue; a thread publishes, so that no request waits for it. Every metric goes out under
{EndpointName, VariantName} and once more with EndpointConfigName, by which alarms watch the new fleet alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime

from sandbox.cloud.periodic import Periodic
from sandbox.cloud.ports import Cloud, Scope

NAMESPACE = "AWS/SageMaker"
PUBLISH_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request as metrics see it. `status` is the model's HTTP status, 0 where it gave none."""

    scope: Scope
    endpoint: str
    variant: str
    config: str
    status: int
    model_microseconds: float
    overhead_microseconds: float
    moment: datetime


class InvocationMetrics(Periodic):
    """Publishes invocations in the background."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__("invocation-metrics", PUBLISH_SECONDS, self._publish, last=self._publish)
        self._cloud = cloud
        self._queue: deque[Invocation] = deque()

    def record(self, invocation: Invocation) -> None:
        self._queue.append(invocation)

    def _publish(self) -> None:
        while self._queue:
            self._put(self._queue.popleft())

    def _put(self, one: Invocation) -> None:
        dimensions = {"EndpointName": one.endpoint, "VariantName": one.variant}
        values = (
            ("Invocations", 1.0, "None"),
            ("Invocation4XXErrors", float(400 <= one.status < 500), "None"),
            ("Invocation5XXErrors", float(500 <= one.status < 600), "None"),
            ("InvocationModelErrors", float(not 200 <= one.status < 300), "None"),
            ("ModelLatency", one.model_microseconds, "Microseconds"),
            ("OverheadLatency", one.overhead_microseconds, "Microseconds"),
        )
        for chosen in (dimensions, {**dimensions, "EndpointConfigName": one.config}):
            for name, value, unit in values:
                self._cloud.metrics.put(one.scope, NAMESPACE, name, chosen, value, unit=unit, timestamp=one.moment)
