"""SageMaker: control plane, endpoints that are real processes, registry, training jobs that really train."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from sandbox.cloud.actions import AwsError, Call, Handler, plug_in
from sandbox.cloud.periodic import Periodic
from sandbox.cloud.ports import Cloud, Stage
from sandbox.cloud.sagemaker import sharing, wording
from sandbox.cloud.sagemaker.capture import Capture
from sandbox.cloud.sagemaker.endpoint_configs import EndpointConfigs
from sandbox.cloud.sagemaker.endpoints import Endpoints
from sandbox.cloud.sagemaker.invocation_metrics import InvocationMetrics
from sandbox.cloud.sagemaker.models import Models
from sandbox.cloud.sagemaker.package_groups import PackageGroups
from sandbox.cloud.sagemaker.registry import Registry
from sandbox.cloud.sagemaker.rollout import Rollouts
from sandbox.cloud.sagemaker.runtime import Runtime
from sandbox.cloud.sagemaker.scaling import Scaling
from sandbox.cloud.sagemaker.search import Search
from sandbox.cloud.sagemaker.storage import Storage
from sandbox.cloud.sagemaker.store import Store
from sandbox.cloud.sagemaker.tags import Tags
from sandbox.cloud.sagemaker.training import Training

SUPERVISE_SECONDS = 0.5


def install(cloud: Cloud) -> None:
    """Serve SageMaker and its runtime from here."""
    store, storage = Store(), Storage(cloud)
    metrics, capture = InvocationMetrics(cloud), Capture(cloud, storage)
    runtime = Runtime(store, metrics, capture)
    rollouts = Rollouts(cloud, store)
    models = Models(store)
    configs = EndpointConfigs(store, models)
    endpoints = Endpoints(cloud, store, models, configs, storage, rollouts)
    training = Training(cloud, store, storage)
    groups = PackageGroups(store)
    registry = Registry(cloud, store, groups)
    parts = (models, configs, endpoints, groups, registry, training, Tags(store), Search(store))
    handlers: dict[str, Handler] = {}
    for part in parts:
        handlers |= part.handlers()
    shared = sharing.guarded(store, handlers)
    plug_in(SageMakerResponse, {name: _locked(cloud, handler) for name, handler in shared.items()})
    plug_in(SageMakerRuntimeResponse, {"InvokeEndpointAsync": _refuse_async}, validate=False)
    plug_in(ApplicationAutoScalingResponse, Scaling(store).handlers())
    cloud.invocations = runtime
    supervisor = _Supervisor(store)
    # The processes of fleets end with the sandbox's children, all at once.
    cloud.on_stop(Stage.CAUSES, supervisor.stop)
    cloud.on_stop(Stage.WORK, training.stop)
    cloud.on_stop(Stage.WORK, rollouts.stop)
    cloud.on_stop(Stage.TRAFFIC, lambda: asyncio.run_coroutine_threadsafe(runtime.close(), cloud.loop).result())
    cloud.on_stop(Stage.RECORDS, capture.stop)
    cloud.on_stop(Stage.RECORDS, metrics.stop)
    for start in (metrics.start, capture.start, supervisor.start):
        cloud.on_start(start)


def _refuse_async(call: Call) -> None:
    """moto would answer for endpoints that do not exist; asynchronous inference is not served here."""
    raise AwsError("ValidationError", wording.ASYNCHRONOUS.format(endpoint=call["EndpointName"]))


def _locked(cloud: Cloud, handler: Handler) -> Handler:
    def locked(call: Call) -> Mapping[str, object] | None:
        with cloud.lock("sagemaker"):
            return handler(call)

    return locked


class _Supervisor(Periodic):
    """Restarts crashed instances of the fleets that serve."""

    def __init__(self, store: Store) -> None:
        super().__init__("supervisor", SUPERVISE_SECONDS, self._look)
        self._store = store

    def _look(self) -> None:
        for endpoint in self._store.endpoints():
            for route in endpoint.routing:
                route.fleet.supervise()
