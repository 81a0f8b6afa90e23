"""Compute that really runs: Lambda functions and CodeBuild builds, each in processes of its own."""

from __future__ import annotations

from moto.codebuild.responses import CodeBuildResponse

from sandbox.cloud.actions import plug_in
from sandbox.cloud.compute.asynchronous import AsyncInvocations
from sandbox.cloud.compute.builds import BuildService
from sandbox.cloud.compute.functions import FunctionService
from sandbox.cloud.compute.lambda_api import LambdaApi
from sandbox.cloud.eventing.bus import EventBus
from sandbox.cloud.ports import Cloud, Stage


def install(cloud: Cloud) -> None:
    """Plugs Lambda and CodeBuild into `cloud` and into event delivery."""
    if not isinstance(cloud.events, EventBus):
        raise TypeError("sandbox.cloud.eventing must be installed before sandbox.cloud.compute")
    deliveries = cloud.events.deliveries
    functions = FunctionService(cloud)
    invocations = AsyncInvocations(cloud, functions, deliveries)
    deliveries.functions = invocations
    LambdaApi(functions, invocations).install()
    builds = BuildService(cloud)
    deliveries.builds = builds
    plug_in(CodeBuildResponse, builds.handlers())
    cloud.on_start(invocations.workers.start)
    cloud.on_stop(Stage.WORK, invocations.stop)
    cloud.on_stop(Stage.WORK, builds.stop)
