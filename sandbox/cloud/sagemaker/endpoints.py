"""The operations on endpoints: what is refused at once, and what is handed to a rollout."""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.cloud.actions import Call, Handler
from sandbox.cloud.ports import Cloud
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.archives import extract
from sandbox.cloud.sagemaker.deployment_config import plan, retained
from sandbox.cloud.sagemaker.endpoint import IN_PROGRESS, Endpoint
from sandbox.cloud.sagemaker.endpoint_configs import EndpointConfigs
from sandbox.cloud.sagemaker.fleet import Fleet, Variant
from sandbox.cloud.sagemaker.instance import Instance, Workload
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.models import Container, Models, check_pull
from sandbox.cloud.sagemaker.rollout import Rollouts
from sandbox.cloud.sagemaker.storage import Storage
from sandbox.cloud.sagemaker.store import Description, Store, arn, now, refuse


class Endpoints:
    """Create, update (configuration; weights and counts), describe, list and delete endpoints."""

    def __init__(
        self,
        cloud: Cloud,
        store: Store,
        models: Models,
        configs: EndpointConfigs,
        storage: Storage,
        rollouts: Rollouts,
    ) -> None:
        self._cloud = cloud
        self._store = store
        self._models = models
        self._configs = configs
        self._storage = storage
        self._rollouts = rollouts

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateEndpoint": self.create,
            "UpdateEndpoint": self.update,
            "UpdateEndpointWeightsAndCapacities": self.update_weights,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list_all,
            "DeleteEndpoint": self.delete,
        }

    def create(self, call: Call) -> Description:
        shelf, name = self._store.shelf(call.scope), call["EndpointName"]
        endpoint_arn = arn(call.scope, "endpoint", name)
        if name in shelf.endpoints:
            raise refuse(f'Cannot create already existing endpoint "{endpoint_arn}".')
        config = self._configs.find(call.scope, call["EndpointConfigName"])
        endpoint = Endpoint(call.scope, name, endpoint_arn, config["EndpointConfigName"])
        endpoint.last_deployment_config = call.get("DeploymentConfig")
        fleet, downloads = self._fleet(endpoint, config)
        plan(call.get("DeploymentConfig"), {variant.name: variant.count for variant in fleet.variants()})
        endpoint.pending, endpoint.pending_since = fleet, now()
        shelf.endpoints[name] = endpoint
        shelf.tag(endpoint_arn, call.get("Tags"))
        self._rollouts.become(endpoint, "Creating", None)
        self._rollouts.create(endpoint, fleet, lambda: self._prepare(downloads))
        return {"EndpointArn": endpoint_arn}

    def update(self, call: Call) -> Description:
        endpoint = self._find(call)
        self._check_idle(endpoint, call)
        config = self._configs.find(call.scope, call["EndpointConfigName"])
        # The running configuration has to exist as well; deleting it in use was accepted, and this is the price.
        self._configs.find(call.scope, endpoint.config_name)
        fleet, downloads = self._fleet(endpoint, config)
        kept = retained(
            call.get("ExcludeRetainedVariantProperties"),
            retain_all=bool(call.get("RetainAllVariantProperties", False)),
        )
        _retain(kept, endpoint.live, fleet)
        deployment = call.get("DeploymentConfig")
        if deployment is None and call.get("RetainDeploymentConfig"):
            deployment = endpoint.last_deployment_config
        steps = plan(deployment, {variant.name: variant.count for variant in fleet.variants()})
        if steps.alarms:
            known = self._cloud.metrics.alarm_states(call.scope, steps.alarms)
            missing = [name for name in steps.alarms if name not in known]
            if missing:
                raise refuse(wording.MISSING_ALARM.format(names=", ".join(missing)))
        endpoint.last_deployment_config = deployment
        endpoint.pending, endpoint.pending_since = fleet, now()
        self._rollouts.become(endpoint, "Updating", None)
        self._rollouts.update(endpoint, fleet, lambda: self._prepare(downloads), steps)
        return {"EndpointArn": endpoint.arn}

    def update_weights(self, call: Call) -> Description:
        endpoint = self._find(call)
        self._check_idle(endpoint, call)
        fleet = endpoint.live
        weights: dict[str, float] = {}
        counts: dict[str, int] = {}
        known = {variant.name: variant for variant in fleet.variants()}
        for wanted in call["DesiredWeightsAndCapacities"]:
            name = wanted["VariantName"]
            if name not in known:
                raise refuse(wording.UNKNOWN_VARIANT.format(variant=name, arn=endpoint.arn))
            if wanted.get("DesiredWeight") is not None:
                weights[name] = wanted["DesiredWeight"]
            if wanted.get("DesiredInstanceCount") is not None:
                counts[name] = wanted["DesiredInstanceCount"]
        if not any(weights.get(variant.name, variant.weight) > 0 for variant in fleet.production):
            raise refuse(wording.ALL_WEIGHTS_ZERO)
        self._rollouts.become(endpoint, "Updating", None)
        self._rollouts.reweigh(endpoint, weights, counts)
        return {"EndpointArn": endpoint.arn}

    def describe(self, call: Call) -> Description:
        return self._find(call).describe()

    def list_all(self, call: Call) -> Description:
        summaries = [endpoint.summary() for endpoint in self._store.shelf(call.scope).endpoints.values()]
        return page(call, "Endpoints", summaries, name="EndpointName", status="EndpointStatus")

    def delete(self, call: Call) -> None:
        endpoint = self._find(call)
        if endpoint.status in IN_PROGRESS:
            raise refuse(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        self._rollouts.become(endpoint, "Deleting", None)
        self._rollouts.delete(endpoint)

    def _find(self, call: Call) -> Endpoint:
        endpoint = self._store.shelf(call.scope).endpoints.get(call["EndpointName"])
        if endpoint is None:
            raise refuse(f'Could not find endpoint "{arn(call.scope, "endpoint", call["EndpointName"])}".')
        return endpoint

    def _check_idle(self, endpoint: Endpoint, call: Call) -> None:
        if endpoint.status in IN_PROGRESS:
            raise refuse(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        if endpoint.status == "Failed":
            raise refuse(wording.FAILED_ENDPOINT.format(arn=endpoint.arn))

    def _fleet(self, endpoint: Endpoint, config: Description) -> tuple[Fleet, list[tuple[Container, Workload]]]:
        """A fleet that is not started yet, and the model data it needs."""
        directory = self._cloud.directory / "endpoints" / endpoint.name / uuid.uuid4().hex[:12]
        needed: list[tuple[Container, Workload]] = []

        def variant(definition: dict[str, Any]) -> Variant:
            model = self._models.find(endpoint.scope, definition["ModelName"])
            container = self._models.container(model)
            workload = Workload(
                endpoint.scope,
                endpoint.name,
                definition["VariantName"],
                directory / definition["VariantName"] / "model",
                container.environment,
                model["ExecutionRoleArn"],
            )
            needed.append((container, workload))
            count = definition["InitialInstanceCount"]
            processes = min(count, self._cloud.instances_per_variant)
            return Variant(
                name=definition["VariantName"],
                instance_type=definition["InstanceType"],
                image=container.image,
                weight=definition["InitialVariantWeight"],
                count=count,
                instances=[Instance(self._cloud, workload) for _ in range(processes)],
            )

        production = [variant(definition) for definition in config["ProductionVariants"]]
        shadows = [variant(definition) for definition in config.get("ShadowProductionVariants", [])]
        fleet = Fleet(
            cloud=self._cloud,
            config_name=config["EndpointConfigName"],
            directory=directory,
            role_arn=needed[0][1].role_arn,
            production=production,
            shadow=shadows[0] if shadows else None,
            capture=config.get("DataCaptureConfig"),
        )
        return fleet, needed

    def _prepare(self, needed: list[tuple[Container, Workload]]) -> None:
        """Download and unpack the model data of all variants; raises PullError where an image is out of reach."""
        for container, workload in needed:
            check_pull(container.image, workload.role_arn, workload.scope)
            workload.model_dir.mkdir(parents=True)
            if container.model_data_url:
                archive = workload.model_dir.with_name("model.tar.gz")
                self._storage.download(container.model_data_url, archive, workload.role_arn, workload.scope)
                extract(archive, workload.model_dir)
                archive.unlink()


def _retain(kept: frozenset[str], old: Fleet, new: Fleet) -> None:
    """Carry over what the update keeps."""
    if "DataCaptureConfig" in kept:
        new.capture = old.capture
    running = {variant.name: variant for variant in old.variants()}
    for variant in new.variants():
        before = running.get(variant.name)
        if before is None:
            continue
        if "DesiredInstanceCount" in kept:
            variant.count = before.count
        if "DesiredWeight" in kept:
            variant.weight = before.weight
