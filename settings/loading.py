"""A stack's raw configuration, in either of its two forms, as Settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from settings.arn import ModelPackageArn
from settings.models import PROJECT, ServiceSettings, Settings, alias, registers_candidates
from settings.problems import Problem, SettingsError, problem_of, shown
from settings.rules import service_problems, stack_problems

TOP = ("environment", "delivery", "signing", "registry", "reader")
"""Keys of a stack, in both of its forms."""


def load(raw: Mapping[str, Any], stack: str) -> Settings:
    """Settings from a stack's `config` as it stands in YAML or as Pulumi hands it over (objects as JSON text).

    Keys may carry the project's namespace; keys of other namespaces (`aws:region`) are passed over.
    Raises SettingsError.
    """
    values = _own_keys(raw, stack)
    environment = values.get("environment")
    top: dict[str, Any] = {key: values[key] for key in TOP if key in values}
    services, prefixes = _services_form(values, stack)
    registers = isinstance(environment, str) and registers_candidates(environment)
    defaults = values.get("replay") if "services" in values else None
    document: dict[str, Any] = {
        **top,
        "stack": stack,
        "services": {name: _with_defaults(name, service, registers, defaults) for name, service in services.items()},
    }
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise SettingsError(stack, [problem_of(detail, prefixes) for detail in error.errors()]) from None
    problems = [*stack_problems(settings)]
    problems += [problem for name in services for problem in service_problems(settings, name, prefixes[name])]
    if problems:
        raise SettingsError(stack, problems)
    return settings


def _own_keys(raw: Mapping[str, Any], stack: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in raw.items():
        namespace, _, name = key.rpartition(":")
        if namespace in ("", PROJECT):
            values[name] = _decoded(value)
    service_keys = {alias(name, field) for name, field in ServiceSettings.model_fields.items()}
    known = {*TOP, "services", "replay", *service_keys}
    if unknown := sorted(values.keys() - known):
        allowed = ", ".join(sorted(known))
        raise SettingsError(
            stack, [Problem(f"{PROJECT}:{key}", f"{shown(values[key])}, an unknown key", allowed) for key in unknown]
        )
    return values


def _decoded(value: Any) -> Any:
    """Pulumi hands objects over as JSON text; plain values stay what they are."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _services_form(values: Mapping[str, Any], stack: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Raw services by name and the key each stands under, from the map or from the single-service form."""
    single = {key: value for key, value in values.items() if key not in (*TOP, "services")}
    if "services" in values:
        services = values["services"]
        others = sorted(single.keys() - {"replay"})
        if others:
            key = f"{PROJECT}:{others[0]}"
            raise SettingsError(
                stack,
                [
                    Problem(
                        key,
                        f"{shown(values[others[0]])} beside {PROJECT}:services",
                        "one form: the services map, or one service's keys",
                    )
                ],
            )
        if not isinstance(services, Mapping) or not all(isinstance(service, Mapping) for service in services.values()):
            raise SettingsError(
                stack,
                [
                    Problem(
                        f"{PROJECT}:services",
                        shown(services),
                        "an object of services by name, each an object ({} is one)",
                    )
                ],
            )
        return dict(services), {name: f"{PROJECT}:services.{name}" for name in services}
    if not single.keys() - {"replay"}:
        return {}, {}
    name = _single_service_name(single, stack)
    return {name: single}, {name: PROJECT}


def _single_service_name(single: Mapping[str, Any], stack: str) -> str:
    use_case, arn = single.get("useCase"), single.get("modelPackageArn")
    if isinstance(use_case, str):
        return use_case.replace("_", "-")
    try:
        return ModelPackageArn.parse(str(arn)).group
    except ValueError:
        value = "missing" if arn is None else shown(arn)
        key = "useCase" if arn is None else "modelPackageArn"
        allowed = "useCase or modelPackageArn, which names the service" if arn is None else ModelPackageArn.FORM
        raise SettingsError(stack, [Problem(f"{PROJECT}:{key}", value, allowed)]) from None


def _with_defaults(name: str, raw: Mapping[str, Any], registers: bool, replay_defaults: Any) -> dict[str, Any]:
    """The service with the defaults that depend on its name and environment; wrong types are left to the models."""
    service = {"useCase": name.replace("-", "_"), "initialInstanceCount": 1 if registers else 2, **raw}
    if registers:
        rollout = service.get("rollout", {})
        service["rollout"] = (
            {"strategy": "allAtOnce", "bakeSeconds": 0, "rollback": "off", **rollout}
            if isinstance(rollout, Mapping)
            else rollout
        )
        replay = service.get("replay", {})
        if isinstance(replay, Mapping) and isinstance(replay_defaults, Mapping | None):
            merged = {"sourceEndpoint": f"{name}-prod", **(replay_defaults or {}), **replay}
            service["replay"] = merged if "source" in merged else None
    elif service.get("capture") is None:
        service["capture"] = {}
    return service
