"""Stack configuration: the only reader of `pulumi.Config`, parsed once into frozen models.

`load(raw, stack)` is pure and serves the `understudy` command too; `from_pulumi()` is what the program calls.
Keys are camelCase in YAML, snake_case here. Nothing is looked up: validation is offline.

Errors: SettingsError, one for everything that is wrong with a stack, each line naming key, value and what is allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

PROJECT = "understudy"
ENDPOINT_NAME_LIMIT = 63
ENVIRONMENT_PATTERN = r"^[a-z][a-z0-9-]{0,15}$"
SERVICE_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
SHADOW_VARIANT_NAME = "ShadowVariant"
MAXIMUM_EXECUTION_SECONDS = 28_800
PROVISIONING_SECONDS = 1_800
"""What is allowed for starting instances, on top of the waits, where `maximumSeconds` is not given."""


@dataclass(frozen=True)
class Problem:
    """One wrong value: where it is, what it is and what would be right."""

    key: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.key} is {self.value}; allowed: {self.allowed}"


class SettingsError(Exception):
    """The stack's configuration is wrong; says everything that is wrong with it."""

    def __init__(self, stack: str, problems: list[Problem]) -> None:
        self.stack, self.problems = stack, problems
        super().__init__(f"stack {stack}: " + "\n".join(str(problem) for problem in problems))


@dataclass(frozen=True)
class ModelPackageArn:
    """A versioned model package's ARN in its parts."""

    partition: str
    region: str
    account: str
    group: str
    version: int

    FORM = "arn:aws:sagemaker:<region>:<account>:model-package/<group>/<version>"
    _PATTERN = re.compile(
        r"arn:(aws[a-z-]*):sagemaker:([a-z]{2}(?:-[a-z]+)+-\d):(\d{12}):model-package/([a-zA-Z0-9](?:-*[a-zA-Z0-9])*)/([1-9]\d*)"
    )

    @classmethod
    def parse(cls, arn: str) -> Self:
        """Raises ValueError for anything but a versioned package's ARN."""
        match = cls._PATTERN.fullmatch(arn)
        if not match:
            raise ValueError(f"{arn!r} is not of the form {cls.FORM}")
        partition, region, account, group, version = match.groups()
        return cls(partition, region, account, group, int(version))

    def __str__(self) -> str:
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:model-package/{self.group}/{self.version}"


class Document(BaseModel):
    """A piece of configuration: unknown keys are errors, values do not change."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )


class Capture(Document):
    sampling_percent: int = Field(
        100, ge=0, le=100, description="percent of requests recorded, 0-100 (default 100; 0 records nothing)"
    )


class Scaling(Document):
    min_capacity: int = Field(ge=1, le=1000, description="least instances, 1-1000")
    max_capacity: int = Field(ge=1, le=1000, description="most instances, 1-1000, not below minCapacity")
    invocations_per_instance: float = Field(gt=0, description="requests a minute each instance should get, above 0")


Strategy = Literal["canary", "linear", "rolling", "allAtOnce"]
RollbackMode = Literal["automatic", "manual", "off"]


class Rollout(Document):
    """How SageMaker moves the endpoint from one config to the next, and what happens when an alarm goes off later."""

    strategy: Strategy = Field(
        "canary", description="canary, linear, rolling or allAtOnce (default canary; shadow: allAtOnce)"
    )
    canary_percent: int = Field(10, ge=1, le=50, description="percent of instances that go first, 1-50 (default 10)")
    linear_percent: int = Field(25, ge=10, le=50, description="percent of instances a step, 10-50 (default 25)")
    rolling_percent: int = Field(25, ge=5, le=50, description="percent of instances a batch, 5-50 (default 25)")
    wait_seconds: int = Field(300, ge=0, le=3600, description="seconds between steps, 0-3600 (default 300)")
    bake_seconds: int = Field(
        300,
        ge=0,
        le=3600,
        description="seconds watched after the traffic moved, 0-3600 (default 300; shadow: 0; not with rolling)",
    )
    maximum_seconds: int | None = Field(
        None,
        ge=600,
        le=MAXIMUM_EXECUTION_SECONDS,
        description="seconds a rollout may take, 600-28800, more than its waits (default waits + 1800)",
    )
    poll_seconds: float = Field(
        15.0, ge=0.1, le=60, description="longest pause between two looks at a rollout, seconds, 0.1-60 (default 15)"
    )
    rollback: RollbackMode = Field(
        "manual", description="automatic (needs understudy:delivery), manual (page people only) or off (default manual)"
    )

    @property
    def waits_seconds(self) -> int:
        """Seconds of all waits together, the bake included."""
        match self.strategy:
            case "canary":
                return self.wait_seconds + self.bake_seconds
            case "linear":
                return ceil(100 / self.linear_percent) * self.wait_seconds + self.bake_seconds
            case "rolling":
                return ceil(100 / self.rolling_percent) * self.wait_seconds
            case "allAtOnce":
                return self.bake_seconds

    @property
    def maximum_execution_seconds(self) -> int:
        if self.maximum_seconds is not None:
            return self.maximum_seconds
        return min(MAXIMUM_EXECUTION_SECONDS, self.waits_seconds + PROVISIONING_SECONDS)


class DeploymentOverride(Document):
    """Another way for one deployment; it counts only while its ARN is the service's ARN."""

    model_package_arn: str = Field(description=f"the deployment it is for: {ModelPackageArn.FORM}")
    strategy: Strategy | None = Field(None, description="canary, linear, rolling or allAtOnce")
    guardrails: bool = Field(True, description="whether alarms may undo the rollout, true or false (default true)")
    reason: str = Field(min_length=1, max_length=256, description="why, 1-256 characters; recorded")


class PredictionAccuracy(Document):
    threshold: float = Field(gt=0, le=1, description="least share of right predictions, above 0 to 1")
    evaluation_periods: int = Field(5, ge=1, le=100, description="periods in a row below it, 1-100 (default 5)")
    minimum_labels: int = Field(30, ge=1, description="labels a period needs to count, at least 1 (default 30)")


class Alarms(Document):
    latency_p99_milliseconds: float | None = Field(
        None,
        gt=0,
        alias="latencyP99Milliseconds",
        description="most p99 model latency, milliseconds, above 0 (default: no alarm)",
    )
    error_rate_percent: float = Field(
        1.0,
        gt=0,
        le=100,
        description="most requests answered with a model error or 5xx, percent, above 0 to 100 (default 1)",
    )
    period_seconds: int = Field(
        60, ge=60, le=3600, multiple_of=60, description="seconds a period, 60-3600 in steps of 60 (default 60)"
    )
    prediction_accuracy: PredictionAccuracy | None = Field(None, description="an object (default: no alarm)")


class Replay(Document):
    """Production's captured requests, played to shadow."""

    source: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="name of production's capture bucket"
    )
    source_endpoint: str = Field(
        pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", description="production's endpoint name (default <service>-prod)"
    )
    source_variant: str = Field(
        "ProductionVariant", description="production's variant name (default ProductionVariant)"
    )
    traffic_percent: float = Field(100.0, gt=0, le=100, description="percent of requests, above 0 to 100 (default 100)")
    max_requests_per_second: float = Field(
        50.0, gt=0, le=10_000, description="requests a second, above 0 to 10000 (default 50)"
    )
    speed: float = Field(1.0, gt=0, le=1000, description="times the recorded pace, above 0 to 1000 (default 1)")
    max_concurrency: int = Field(2, ge=2, le=1000, description="functions at once, 2-1000 (default 2)")
    transform: bool | None = Field(
        None, description="whether replay.py of the use case changes requests, true or false (default: if there is one)"
    )


class ShadowVariant(Document):
    """A candidate beside production's variant, answering nobody."""

    use_case: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9_]*$", description="a folder of use_cases (or modelPackageArn)"
    )
    model_package_arn: str | None = Field(None, description=f"{ModelPackageArn.FORM} (or useCase)")
    percent: float = Field(gt=0, le=100, description="percent of requests copied, above 0 to 100")


class ServiceSettings(Document):
    """A use case deployed in an environment."""

    use_case: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="the folder in use_cases (default: the service's name with _ for -)"
    )
    model_package_arn: str | None = Field(None, description=f"{ModelPackageArn.FORM}; without it nothing is deployed")
    instance_type: str = Field(
        "ml.m5.large",
        pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$",
        description="a SageMaker instance type (default ml.m5.large)",
    )
    initial_instance_count: int = Field(ge=1, le=1000, description="instances, 1-1000 (default 2; shadow: 1)")
    variant_name: str = Field(
        "ProductionVariant",
        pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$",
        description="letters, digits and hyphens, at most 63, not ShadowVariant (default ProductionVariant)",
    )
    image: str | None = Field(
        None,
        pattern=r"^\S{1,255}$",
        description="an ECR image URI of at most 255 characters (default: the lock file's image)",
    )
    capture: Capture | None = Field(
        None, description="an object {samplingPercent} (default: everything; shadow: nothing)"
    )
    scaling: Scaling | None = Field(None, description="an object (default: a fixed number of instances)")
    rollout: Rollout = Field(default_factory=Rollout, description="an object")
    deployment_override: DeploymentOverride | None = Field(None, description="an object")
    alarms: Alarms = Field(default_factory=Alarms, description="an object")
    replay: Replay | None = Field(None, description="an object; in shadow only")
    shadow_variant: ShadowVariant | None = Field(
        None, description="an object with useCase or modelPackageArn, and percent"
    )

    @property
    def override(self) -> DeploymentOverride | None:
        """The override, while it is for the version that the service runs."""
        override = self.deployment_override
        return override if override and override.model_package_arn == self.model_package_arn else None

    @property
    def effective_rollout(self) -> Rollout:
        if self.override and self.override.strategy:
            return self.rollout.model_copy(update={"strategy": self.override.strategy})
        return self.rollout

    @property
    def guardrails(self) -> bool:
        """Whether alarms on the new fleet may undo the rollout."""
        return self.override is None or self.override.guardrails


class Delivery(Document):
    """What the rollback build needs to work on this stack by itself."""

    repository_url: str = Field(min_length=1, description="what `git clone` takes")
    branch: str = Field("main", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", description="a branch name (default main)")
    backend_url: str = Field(pattern=r"^[a-z0-9]+://", description="Pulumi's backend, such as s3://bucket")
    passphrase_parameter: str = Field(
        pattern=r"^/?[A-Za-z0-9._/-]+$", description="name of the SSM SecureString that holds the stack's passphrase"
    )


class Settings(Document):
    """One stack: an environment and its services by name."""

    stack: str
    environment: str = Field(
        pattern=ENVIRONMENT_PATTERN,
        description="1-16 lower-case letters, digits and hyphens, a letter first, such as shadow or prod",
    )
    services: dict[str, ServiceSettings] = Field(description="an object of services by name")
    delivery: Delivery | None = Field(
        None, description="an object {repositoryUrl, branch, backendUrl, passphraseParameter}"
    )

    @property
    def registers_candidates(self) -> bool:
        """Whether this environment builds and registers what is in use_cases; all others run registered ARNs."""
        return registers_candidates(self.environment)


def registers_candidates(environment: str) -> bool:
    return environment == "shadow" or environment.startswith("shadow-")


# -- loading ----------------------------------------------------------------------------------------------------------


def from_pulumi() -> Settings:
    """The settings of the stack that is being run. Raises SettingsError."""
    import pulumi
    from pulumi.runtime import config as runtime_config

    # pulumi.Config looks up one key at a time; a misspelt key can only be refused by whoever sees them all.
    return load({**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}, pulumi.get_stack())


def load(raw: Mapping[str, Any], stack: str) -> Settings:
    """Settings from a stack's `config` as it stands in YAML or as Pulumi hands it over (objects as JSON text).

    Keys may carry the project's namespace; keys of other namespaces (`aws:region`) are passed over.
    Raises SettingsError.
    """
    values = _own_keys(raw, stack)
    environment = values.get("environment")
    top: dict[str, Any] = {key: values[key] for key in ("environment", "delivery") if key in values}
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
        raise SettingsError(stack, [_problem(detail, prefixes) for detail in error.errors()]) from None
    problems = [problem for name in services for problem in _service_problems(settings, name, prefixes[name])]
    if problems:
        raise SettingsError(stack, problems)
    return settings


def _own_keys(raw: Mapping[str, Any], stack: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in raw.items():
        namespace, _, name = key.rpartition(":")
        if namespace in ("", PROJECT):
            values[name] = _decoded(value)
    service_keys = {_alias(name, field) for name, field in ServiceSettings.model_fields.items()}
    known = {"environment", "services", "delivery", "replay", *service_keys}
    if unknown := sorted(values.keys() - known):
        allowed = ", ".join(sorted(known))
        raise SettingsError(
            stack, [Problem(f"{PROJECT}:{key}", f"{_shown(values[key])}, an unknown key", allowed) for key in unknown]
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
    single = {key: value for key, value in values.items() if key not in ("environment", "services", "delivery")}
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
                        f"{_shown(values[others[0]])} beside {PROJECT}:services",
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
                        _shown(services),
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
        value = "missing" if arn is None else _shown(arn)
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


# -- rules over several values ----------------------------------------------------------------------------------------


def _service_problems(settings: Settings, name: str, prefix: str) -> Iterator[Problem]:
    service = settings.services[name]
    separator = ":" if prefix == PROJECT else "."

    def problem(key: str, value: object, allowed: str) -> Problem:
        return Problem(f"{prefix}{separator}{key}", value if isinstance(value, str) else _shown(value), allowed)

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


Found = tuple[str, object, str]


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
    if service.rollout.rollback == "automatic" and settings.delivery is None:
        yield "rollout.rollback", "automatic", f"manual or off, as long as {PROJECT}:delivery is missing"
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


# -- readable errors --------------------------------------------------------------------------------------------------


def _problem(detail: Any, prefixes: Mapping[str, str]) -> Problem:
    """A pydantic error as a Problem."""
    location: tuple[str | int, ...] = detail["loc"]
    if location[:1] == ("services",) and len(location) > 1:
        prefix, path = prefixes[str(location[1])], location[2:]
        key = ".".join([prefix, *map(str, path)]) if prefix != PROJECT else f"{PROJECT}:{'.'.join(map(str, path))}"
    else:
        key = f"{PROJECT}:{'.'.join(map(str, location))}"
    model, field = _field_at(location)
    if detail["type"] == "extra_forbidden":
        keys = ", ".join(_alias(name, info) for name, info in model.model_fields.items())
        return Problem(key, f"{_shown(detail['input'])}, an unknown key", keys)
    description = field.description if field else None
    value = "missing" if detail["type"] == "missing" else _shown(detail["input"])
    return Problem(key, value, description or str(detail["msg"]))


def _field_at(location: tuple[str | int, ...]) -> tuple[type[Document], FieldInfo | None]:
    """The innermost model on the way to a location, and its field there."""
    model: type[Document] = Settings
    field: FieldInfo | None = None
    for step in location:
        inner = _model_in(field.annotation) if field else None
        if inner is not None and field is not None and get_origin(field.annotation) is dict:
            # The step through the services map is a name, not a field.
            model, field = inner, None
            continue
        if inner is not None:
            model = inner
        field = next((info for name, info in model.model_fields.items() if step in (name, _alias(name, info))), None)
    return model, field


def _model_in(annotation: Any) -> type[Document] | None:
    if isinstance(annotation, type) and issubclass(annotation, Document):
        return annotation
    if get_origin(annotation) in (Union, UnionType, dict):
        return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
    return None


def _alias(name: str, field: FieldInfo) -> str:
    return field.alias or to_camel(name)


def _shown(value: object) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(by_alias=True, exclude_none=True)
    text = json.dumps(value, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."
