"""Rules over several values of a service: what fits together, and what belongs to the other kind of environment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from settings.arn import ModelPackageArn
from settings.models import MAXIMUM_EXECUTION_SECONDS, PROJECT, SHADOW_VARIANT_NAME, ServiceSettings, Settings
from settings.problems import Problem, shown

ENDPOINT_NAME_LIMIT = 63
SERVICE_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"

Found = tuple[str, object, str]
"""Key, value and what is allowed."""


def stack_problems(settings: Settings) -> Iterator[Problem]:
    here = f"nothing in environment {settings.environment}"
    if settings.reader and settings.registers_candidates:
        yield Problem(f"{PROJECT}:reader", shown(settings.reader), f"{here}: it captures nothing")
    if settings.registry is None:
        return
    key = f"{PROJECT}:registry"
    if not settings.registers_candidates:
        yield Problem(key, shown(settings.registry), f"{here}: it registers nothing")
    accounts = settings.registry.consumer_accounts
    if len(set(accounts)) < len(accounts):
        yield Problem(f"{key}.consumerAccounts", shown(accounts), "every account once")


def service_problems(settings: Settings, name: str, prefix: str) -> Iterator[Problem]:
    service = settings.services[name]
    separator = ":" if prefix == PROJECT else "."

    def problem(key: str, value: object, allowed: str) -> Problem:
        return Problem(f"{prefix}{separator}{key}", value if isinstance(value, str) else shown(value), allowed)

    endpoint = f"{name}-{settings.environment}"
    if not re.match(SERVICE_PATTERN, name) or len(endpoint) > ENDPOINT_NAME_LIMIT:
        limit = ENDPOINT_NAME_LIMIT - len(settings.environment) - 1
        yield Problem(
            prefix,
            f"{name!r}",
            f"a service name of lower-case letters, digits and single hyphens, at most {limit} characters",
        )
    if service.use_case.replace("_", "-") != name:
        yield problem("useCase", service.use_case, f"{name.replace('-', '_')}, the folder of service {name}")
    if service.variant_name == SHADOW_VARIANT_NAME:
        yield problem("variantName", service.variant_name, "another name; the shadow variant has this one")
    for key, arn in _arns(service):
        yield from (problem(key, arn, allowed) for allowed in _arn_problems(arn, name))
    yield from (problem(*found) for found in _environment_problems(settings, service))
    yield from (problem(*found) for found in _rollout_problems(service))
    yield from (problem(*found) for found in _capacity_problems(service))


def _arns(service: ServiceSettings) -> Iterator[tuple[str, str]]:
    if service.model_package_arn is not None:
        yield "modelPackageArn", service.model_package_arn
    if service.deployment_override:
        yield "deploymentOverride.modelPackageArn", service.deployment_override.model_package_arn
    if service.shadow_variant and service.shadow_variant.model_package_arn is not None:
        yield "shadowVariant.modelPackageArn", service.shadow_variant.model_package_arn


def _arn_problems(arn: str, service: str) -> Iterator[str]:
    try:
        group = ModelPackageArn.parse(arn).group
    except ValueError:
        yield ModelPackageArn.FORM
        return
    if group != service:
        yield f"a version of group {service}; this one is another service's"


def _environment_problems(settings: Settings, service: ServiceSettings) -> Iterator[Found]:
    """What belongs to the other kind of environment."""
    here = f"nothing in environment {settings.environment}"
    if settings.registers_candidates:
        if service.model_package_arn is not None:
            yield "modelPackageArn", service.model_package_arn, f"{here}: it registers what useCase holds"
        if service.capture is not None:
            yield "capture", service.capture, f"{here}: a replayed endpoint is not captured"
        if service.shadow_variant is not None:
            yield "shadowVariant", service.shadow_variant, f"{here}: its endpoint is the candidate's already"
        if service.deployment_override is not None:
            yield "deploymentOverride", service.deployment_override, f"{here}: it is for a promoted version"
        if service.rollout.rollback != "off":
            yield "rollout.rollback", service.rollout.rollback, "off: only production is rolled back"
        return
    if service.replay is not None:
        yield "replay", service.replay, f"{here}: replay is shadow's"
    yield from _production_problems(settings, service)


def _production_problems(settings: Settings, service: ServiceSettings) -> Iterator[Found]:
    """What needs something else beside it."""
    variant, accuracy = service.shadow_variant, service.alarms.prediction_accuracy
    if service.image is not None and not (variant and variant.use_case):
        yield "image", service.image, "nothing without shadowVariant.useCase: the registered package brings its image"
    if settings.delivery is None:
        for key, mode in _rollback_modes(service):
            if mode == "automatic":
                yield key, mode, f"manual or off, as long as {PROJECT}:delivery is missing"
    if accuracy and not (service.capture and service.capture.sampling_percent):
        yield "alarms.predictionAccuracy", accuracy, "nothing without capture: labels are joined with captured answers"
    if variant and (variant.use_case is None) == (variant.model_package_arn is None):
        yield "shadowVariant", variant, "exactly one of useCase and modelPackageArn, and percent"
    if variant and service.scaling is not None:
        yield (
            "shadowVariant",
            variant,
            "nothing beside scaling: SageMaker does not scale endpoints with shadow variants",
        )


def _rollback_modes(service: ServiceSettings) -> Iterator[tuple[str, str | None]]:
    yield "rollout.rollback", service.rollout.rollback
    if service.deployment_override:
        yield "deploymentOverride.rollback", service.deployment_override.rollback


def _rollout_problems(service: ServiceSettings) -> Iterator[Found]:
    rollout = service.effective_rollout
    if rollout.strategy == "rolling" and "bake_seconds" in rollout.model_fields_set:
        yield (
            "rollout.bakeSeconds",
            rollout.bake_seconds,
            "nothing with rolling: the wait after the last batch is its bake",
        )
    if rollout.waits_seconds >= (rollout.maximum_seconds or MAXIMUM_EXECUTION_SECONDS):
        yield (
            "rollout.maximumSeconds",
            rollout.maximum_execution_seconds,
            f"600-{MAXIMUM_EXECUTION_SECONDS} seconds, more than the waits together, {rollout.waits_seconds} seconds",
        )


def _capacity_problems(service: ServiceSettings) -> Iterator[Found]:
    rollout, scaling, count = service.effective_rollout, service.scaling, service.initial_instance_count
    if rollout.strategy in ("canary", "linear") and count < 2:
        yield (
            "initialInstanceCount",
            count,
            f"at least 2 for a {rollout.strategy} rollout, or rollout.strategy allAtOnce",
        )
    if scaling:
        if scaling.max_capacity < scaling.min_capacity:
            yield "scaling.maxCapacity", scaling.max_capacity, f"at least minCapacity, {scaling.min_capacity}"
        elif not scaling.min_capacity <= count <= scaling.max_capacity:
            yield "initialInstanceCount", count, f"{scaling.min_capacity}-{scaling.max_capacity}, as scaling says"
        if rollout.strategy in ("canary", "linear") and scaling.min_capacity < 2:
            yield "scaling.minCapacity", scaling.min_capacity, f"at least 2 for a {rollout.strategy} rollout"
