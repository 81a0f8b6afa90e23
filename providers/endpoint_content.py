"""What an endpoint configuration makes an endpoint run, apart from its name.

Pulumi names every configuration anew, so names say nothing about whether two of them mean the same. Content is what
DescribeEndpointConfig returns, without names and times, with each variant's model replaced by what DescribeModel
returns for it (its containers or package, role, network).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from providers import aws

Content = dict[str, Any]

_CONFIG_IDENTITY = ("EndpointConfigName", "EndpointConfigArn", "CreationTime", "ResponseMetadata")
_MODEL_IDENTITY = ("ModelName", "ModelArn", "CreationTime", "DeploymentRecommendation", "ResponseMetadata")
_VARIANT_LISTS = ("ProductionVariants", "ShadowProductionVariants")


def of_config(sagemaker: Any, endpoint_config_name: str) -> Content | None:
    """The configuration's content, None if it (or a model of it) does not exist."""
    try:
        config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint_config_name)
        content = _without(config, _CONFIG_IDENTITY)
        for name in _VARIANT_LISTS:
            variants = [_variant(sagemaker, variant) for variant in config.get(name, [])]
            content[name] = sorted(variants, key=lambda variant: str(variant["VariantName"]))
    except ClientError as error:
        if aws.is_not_found(error):
            return None
        raise
    pruned: Content = _pruned(content)
    return pruned


def _variant(sagemaker: Any, variant: Mapping[str, Any]) -> dict[str, Any]:
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    return {**_without(variant, ("ModelName",)), "Model": _without(model, _MODEL_IDENTITY)}


def deliberate_changes(running: Content, wanted: Content) -> list[str]:
    """ExcludeRetainedVariantProperties: what `wanted` changes on purpose, as `running`'s configuration differs.

    Everything else keeps the value the endpoint has now, which autoscaling may have moved away from its configuration.
    """
    before, after = _variants_by_name(running), _variants_by_name(wanted)
    changed = []
    for prop, member in (("DesiredInstanceCount", "InitialInstanceCount"), ("DesiredWeight", "InitialVariantWeight")):
        if any(before[name].get(member) != after[name].get(member) for name in before.keys() & after.keys()):
            changed.append(prop)
    if running.get("DataCaptureConfig") != wanted.get("DataCaptureConfig"):
        changed.append("DataCaptureConfig")
    return changed


def summary(content: Content | None) -> str:
    """One phrase for people: each variant with its model and fleet."""
    if content is None:
        return "a configuration that no longer exists"
    return "; ".join(
        f"{name}: {_model_phrase(variant['Model'])} on {variant.get('InitialInstanceCount', '?')} x "
        f"{variant.get('InstanceType', 'serverless')}"
        for name, variant in _variants_by_name(content).items()
    )


def _model_phrase(model: Mapping[str, Any]) -> str:
    container = model.get("PrimaryContainer") or (model.get("Containers") or [{}])[0]
    return str(container.get("ModelPackageName") or container.get("ModelDataUrl") or container.get("Image"))


def _variants_by_name(content: Content) -> dict[str, dict[str, Any]]:
    return {variant["VariantName"]: variant for name in _VARIANT_LISTS for variant in content.get(name, [])}


def _without(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _pruned(value: Any) -> Any:
    """Without None, empty lists and empty maps: SageMaker is not consistent about leaving them out."""
    if isinstance(value, Mapping):
        parts = {name: _pruned(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part not in (None, [], {})}
    if isinstance(value, list):
        return [_pruned(part) for part in value]
    return value
