"""Endpoint configurations: variants, data capture. Immutable; deleting one that is in use is accepted."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.actions import Call, Handler
from sandbox.cloud.ports import Scope
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.models import Models
from sandbox.cloud.sagemaker.store import Description, Store, arn, now, refuse

_KEPT = (
    "ProductionVariants",
    "ShadowProductionVariants",
    "DataCaptureConfig",
    "KmsKeyId",
    "AsyncInferenceConfig",
    "ExplainerConfig",
    "ExecutionRoleArn",
    "VpcConfig",
    "MetricsConfig",
)


class EndpointConfigs:
    """CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig."""

    def __init__(self, store: Store, models: Models) -> None:
        self._store = store
        self._models = models

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateEndpointConfig": self.create,
            "DescribeEndpointConfig": self.describe,
            "ListEndpointConfigs": self.list,
            "DeleteEndpointConfig": self.delete,
        }

    def create(self, call: Call) -> Description:
        shelf, name = self._store.shelf(call.scope), call["EndpointConfigName"]
        config_arn = arn(call.scope, "endpoint-config", name)
        if name in shelf.endpoint_configs:
            raise refuse(f'Cannot create already existing endpoint configuration "{config_arn}".')
        production, shadow = call["ProductionVariants"], call.get("ShadowProductionVariants") or []
        _check_variants(production, shadow, asynchronous=call.get("AsyncInferenceConfig") is not None)
        for variant in [*production, *shadow]:
            self._models.find(call.scope, variant["ModelName"])
        config = {member: call[member] for member in _KEPT if call.get(member)}
        for member in ("ProductionVariants", "ShadowProductionVariants"):
            if member in config:
                config[member] = [{"InitialVariantWeight": 1.0, **variant} for variant in config[member]]
        config |= {"EndpointConfigName": name, "EndpointConfigArn": config_arn, "CreationTime": now()}
        config["EnableNetworkIsolation"] = bool(call.get("EnableNetworkIsolation", False))
        shelf.endpoint_configs[name] = config
        shelf.tag(config_arn, call.get("Tags"))
        return {"EndpointConfigArn": config_arn}

    def describe(self, call: Call) -> Description:
        return self.find(call.scope, call["EndpointConfigName"])

    def list(self, call: Call) -> Description:
        configs = self._store.shelf(call.scope).endpoint_configs.values()
        return page(call, "EndpointConfigs", configs, name="EndpointConfigName")

    def delete(self, call: Call) -> None:
        config = self.find(call.scope, call["EndpointConfigName"])
        shelf = self._store.shelf(call.scope)
        del shelf.endpoint_configs[config["EndpointConfigName"]]
        shelf.tags.pop(config["EndpointConfigArn"], None)

    def find(self, scope: Scope, name: str) -> Description:
        config = self._store.shelf(scope).endpoint_configs.get(name)
        if config is None:
            raise refuse(f'Could not find endpoint configuration "{arn(scope, "endpoint-config", name)}".')
        return config


def _check_variants(production: list[Any], shadow: list[Any], *, asynchronous: bool) -> None:
    """What SageMaker refuses whatever models there are."""
    names = [variant["VariantName"] for variant in [*production, *shadow]]
    if len(set(names)) != len(names):
        raise refuse(wording.VARIANT_NAMES)
    if len(shadow) > 1:
        raise refuse(wording.ONE_SHADOW)
    if shadow and len(production) != 1:
        raise refuse(wording.SHADOW_NEEDS_ONE)
    if shadow and (asynchronous or any("ServerlessConfig" in variant for variant in [*production, *shadow])):
        raise refuse(wording.SHADOW_SERVERLESS)
    for variant in [*production, *shadow]:
        if variant.get("ManagedInstanceScaling") and variant.get("ModelName"):
            raise refuse("ManagedInstanceScaling is only supported for inference component endpoints.")
        if not variant.get("ModelName"):
            raise refuse(wording.INFERENCE_COMPONENTS)
        if variant.get("ServerlessConfig"):
            raise refuse(wording.SERVERLESS)
        if not variant.get("InitialInstanceCount") or not variant.get("InstanceType"):
            raise refuse(wording.VARIANT_CAPACITY.format(variant=variant["VariantName"]))
