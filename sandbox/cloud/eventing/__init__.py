"""Events between services: EventBridge, S3 notifications, SNS deliveries, Lambda's SQS event source mappings.

moto stores rules, buses, topics, subscriptions and queues; delivery is ours, always outside the request that caused it,
with the receiver's resource policy checked as AWS checks it.
"""

from __future__ import annotations

from moto.awslambda.responses import LambdaResponse
from moto.events.responses import EventsHandler

from sandbox.cloud.actions import plug_in
from sandbox.cloud.eventing.buckets import Buckets
from sandbox.cloud.eventing.bus import EventBus
from sandbox.cloud.eventing.mappings import Mappings
from sandbox.cloud.eventing.schedules import Schedules, check_rule
from sandbox.cloud.eventing.topics import Topics
from sandbox.cloud.ports import Cloud, Stage


def install(cloud: Cloud) -> None:
    """Plugs event delivery into `cloud`; `sandbox.cloud.compute` adds the functions and builds it delivers to."""
    bus = EventBus(cloud)
    cloud.events = bus
    plug_in(EventsHandler, {"PutEvents": bus.put_events, "PutRule": check_rule})
    schedules = Schedules(cloud, bus)
    Topics(cloud, bus.deliveries).install()
    Buckets(cloud, bus.deliveries).install()
    mappings = Mappings(cloud, bus.deliveries)
    plug_in(LambdaResponse, mappings.handlers())
    cloud.on_start(bus.deliveries.workers.start)
    cloud.on_start(schedules.start)
    cloud.on_stop(Stage.CAUSES, bus.deliveries.workers.stop)
    cloud.on_stop(Stage.CAUSES, schedules.stop)
    cloud.on_stop(Stage.CAUSES, mappings.stop)
    # What they started ends with the functions.
    cloud.on_stop(Stage.TRAFFIC, mappings.join)
