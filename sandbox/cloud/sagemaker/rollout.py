"""How an endpoint comes up, moves to another configuration, goes back, and goes away.

Each runs in a thread of its own. The new fleet gets traffic by the plan's shares; the alarms are watched from the
first shift to the end of the bake; whoever leaves the routing is drained before its processes get a signal, so no
request is lost in either direction.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.cloud.ports import Cloud
from sandbox.cloud.sagemaker import events, wording
from sandbox.cloud.sagemaker.archives import BadArchiveError
from sandbox.cloud.sagemaker.deployment_config import Plan
from sandbox.cloud.sagemaker.endpoint import Endpoint, Route
from sandbox.cloud.sagemaker.fleet import Fleet, PingError
from sandbox.cloud.sagemaker.models import PullError
from sandbox.cloud.sagemaker.store import Store, now

# What AWS spends on getting and returning instances, in its seconds.
LAUNCH_SECONDS = 120.0
TERMINATE_SECONDS = 30.0
# An invocation may take 60 s; nothing in flight is older.
DRAIN_SECONDS = 61.0
WATCH_SECONDS = 0.1
POLL_SECONDS = 0.05


class _StoppedError(Exception):
    """The sandbox stops; what the rollout made is ended by its owner."""


class _RollBackError(Exception):
    """The deployment has to be undone; the message is the endpoint's FailureReason."""


class Rollouts:
    """Starts and runs the rollouts of one sandbox."""

    def __init__(self, cloud: Cloud, store: Store) -> None:
        self._cloud = cloud
        self._store = store
        self._lock = cloud.lock("sagemaker")
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def create(self, endpoint: Endpoint, fleet: Fleet, prepare: Callable[[], None]) -> None:
        self._run(self._create, endpoint, fleet, prepare)

    def update(self, endpoint: Endpoint, fleet: Fleet, prepare: Callable[[], None], plan: Plan) -> None:
        self._run(self._update, endpoint, fleet, prepare, plan)

    def reweigh(self, endpoint: Endpoint, weights: dict[str, float], counts: dict[str, int]) -> None:
        self._run(self._reweigh, endpoint, weights, counts)

    def delete(self, endpoint: Endpoint) -> None:
        self._run(self._delete, endpoint)

    def stop(self) -> None:
        """End all rollouts where they are."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[..., None], endpoint: Endpoint, *arguments: object) -> None:
        def run() -> None:
            try:
                work(endpoint, *arguments)
            except _StoppedError:
                return
            except Exception as error:
                # A bug of the sandbox must not leave an endpoint in progress for ever.
                traceback.print_exc()
                with self._lock:
                    status = "Failed" if endpoint.fleet is None else "UpdateRollbackFailed"
                    self.become(endpoint, status, f"Internal error of the sandbox: {error}")

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=run, name="rollout", daemon=True)
        self._threads.append(thread)
        thread.start()

    # -- the ways of an endpoint

    def _create(self, endpoint: Endpoint, fleet: Fleet, prepare: Callable[[], None]) -> None:
        began = time.monotonic()
        failure = self._launch(fleet, prepare)
        self._wait_until(began + self._cloud.seconds(LAUNCH_SECONDS))
        if failure:
            fleet.stop()
        with self._lock:
            endpoint.pending = None
            if failure is None:
                fleet.clear()
                endpoint.fleet, endpoint.routing = fleet, (Route(fleet, 1.0),)
            self.become(endpoint, "Failed" if failure else "InService", failure)

    def _update(self, endpoint: Endpoint, green: Fleet, prepare: Callable[[], None], plan: Plan) -> None:
        blue = endpoint.live
        deadline = time.monotonic() + self._cloud.seconds(plan.maximum_seconds)
        try:
            self._launch_green(endpoint, green, prepare)
            for number, share in enumerate(plan.shares):
                last = number == len(plan.shares) - 1
                self._shift(endpoint, blue, green, share, last=last)
                if last:
                    green.mark("Baking", _baking_text(plan))
                self._deployment_event(endpoint)
                self._watch(endpoint, plan, plan.bake_seconds if last else plan.wait_seconds, deadline)
        except _RollBackError as reason:
            self._roll_back(endpoint, blue, green, str(reason))
            return
        with self._lock:
            endpoint.routing = (Route(green, 1.0),)
            blue.mark("Deleting", "Terminating {count} instance(s).")
        self._deployment_event(endpoint)
        self._retire(blue)
        with self._lock:
            green.clear()
            endpoint.fleet, endpoint.pending, endpoint.pending_since = green, None, None
            endpoint.config_name = green.config_name
            self.become(endpoint, "InService", None)

    def _reweigh(self, endpoint: Endpoint, weights: dict[str, float], counts: dict[str, int]) -> None:
        self._wait_until(time.monotonic() + self._cloud.seconds(TERMINATE_SECONDS))
        with self._lock:
            fleet = endpoint.live
            for variant in fleet.variants():
                variant.weight = weights.get(variant.name, variant.weight)
                variant.count = variant.current_count = counts.get(variant.name, variant.count)
            fleet.clear()
            self.become(endpoint, "InService", None)

    def _delete(self, endpoint: Endpoint) -> None:
        fleet = endpoint.fleet
        endpoint.routing = ()
        if fleet is not None:
            self._retire(fleet)
        with self._lock:
            self._store.shelf(endpoint.scope).endpoints.pop(endpoint.name, None)
            self._store.shelf(endpoint.scope).tags.pop(endpoint.arn, None)

    # -- steps

    def _launch(self, fleet: Fleet, prepare: Callable[[], None]) -> str | None:
        """Get the model data and start the instances; returns why it failed."""
        fleet.mark("Creating", "Launching {count} instance(s).")
        try:
            prepare()
            fleet.launch(self._wait)
        except (PingError, PullError, BadArchiveError) as error:
            return str(error)
        except (BotoCoreError, ClientError) as error:
            return f"Failed to download model data: {error}"
        return None

    def _launch_green(self, endpoint: Endpoint, green: Fleet, prepare: Callable[[], None]) -> None:
        began = time.monotonic()
        self._deployment_event(endpoint)
        failure = self._launch(green, prepare)
        self._wait_until(began + self._cloud.seconds(LAUNCH_SECONDS))
        if failure:
            raise _RollBackError(failure)

    def _shift(self, endpoint: Endpoint, blue: Fleet, green: Fleet, share: float, *, last: bool) -> None:
        with self._lock:
            capacity = "full" if last else "canary"
            text = f"Activating traffic on {capacity} capacity of {{count}} instance(s)."
            green.mark("ActivatingTraffic", text, share)
            if share < 1:
                endpoint.routing = (Route(blue, 1.0 - share), Route(green, share))
            else:
                endpoint.routing = (Route(green, 1.0),)

    def _watch(self, endpoint: Endpoint, plan: Plan, seconds: float, deadline: float) -> None:
        """Wait, watching the alarms; an alarm or the end of the allowed time raises `_RollBackError`."""
        until = time.monotonic() + self._cloud.seconds(seconds)
        while True:
            if plan.alarms:
                states = self._cloud.metrics.alarm_states(endpoint.scope, plan.alarms)
                firing = sorted(name for name, state in states.items() if state == "ALARM")
                if firing:
                    raise _RollBackError(wording.ALARM_ROLLBACK.format(names=", ".join(firing)))
            moment = time.monotonic()
            if moment >= deadline:
                raise _RollBackError(wording.TIMEOUT_ROLLBACK.format(seconds=int(plan.maximum_seconds)))
            if moment >= until:
                return
            self._wait_until(min(until, moment + WATCH_SECONDS))

    def _roll_back(self, endpoint: Endpoint, blue: Fleet, green: Fleet, reason: str) -> None:
        with self._lock:
            endpoint.routing = (Route(blue, 1.0),)
            green.mark("Deleting", "Terminating {count} instance(s).")
            self.become(endpoint, "RollingBack", reason)
        self._deployment_event(endpoint)
        self._retire(green)
        with self._lock:
            blue.clear()
            endpoint.pending, endpoint.pending_since = None, None
            self.become(endpoint, "InService", reason)

    def _retire(self, fleet: Fleet) -> None:
        """Drain and end a fleet that no request is routed to any more."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while fleet.busy() and time.monotonic() < deadline:
            self._wait(POLL_SECONDS)
        fleet.stop()
        self._wait_until(time.monotonic() + self._cloud.seconds(TERMINATE_SECONDS))

    def become(self, endpoint: Endpoint, status: str, reason: str | None) -> None:
        """Change the status and say so on the event bus; under the lock."""
        endpoint.status, endpoint.failure_reason, endpoint.modified = status, reason, now()
        events.endpoint_state(self._cloud, endpoint, self._store.shelf(endpoint.scope).tags.get(endpoint.arn, {}))

    def _deployment_event(self, endpoint: Endpoint) -> None:
        events.endpoint_deployment(self._cloud, endpoint)

    def _wait_until(self, moment: float) -> None:
        self._wait(max(0.0, moment - time.monotonic()))

    def _wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise _StoppedError


def _baking_text(plan: Plan) -> str:
    return (
        f"Baking for {int(plan.bake_seconds)} seconds (TerminationWaitInSeconds) with traffic enabled on full "
        "capacity of {count} instance(s)."
    )
