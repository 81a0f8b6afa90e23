"""What a stack's configuration is: one frozen model a piece of it. Keys are camelCase in YAML, snake_case here."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from settings.arn import ModelPackageArn

PROJECT = "understudy"
ENVIRONMENT_PATTERN = r"^[a-z][a-z0-9-]{0,15}$"
SHADOW_VARIANT_NAME = "ShadowVariant"
MAXIMUM_EXECUTION_SECONDS = 28_800
PROVISIONING_SECONDS = 1_800
"""What is allowed for starting instances, on top of the waits, where `maximumSeconds` is not given."""


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


Account = Annotated[str, Field(pattern=r"^\d{12}$")]
RoleName = Annotated[str, Field(pattern=r"^[\w+=,.@/*-]*[\w+=,.@/-][\w+=,.@/*-]*$")]
Strategy = Literal["canary", "linear", "rolling", "allAtOnce"]
RollbackMode = Annotated[
    Literal["automatic", "manual", "off"],
    # YAML 1.1, which PyYAML reads, takes an unquoted `off` for false; YAML 1.2, which Pulumi reads, does not.
    BeforeValidator(lambda value: "off" if value is False else value),
]


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
    strategy: Strategy | None = Field(
        None, description="canary, linear, rolling or allAtOnce (default: the service's own)"
    )
    rollback: RollbackMode | None = Field(
        None, description="automatic (needs understudy:delivery), manual or off (default: the service's own)"
    )
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
    minimum_requests: int = Field(
        10,
        ge=1,
        description="requests a period needs before its share of errors counts, at least 1 (default 10)",
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
        """The service's rollout, with what the override says otherwise for this deployment."""
        if self.override is None:
            return self.rollout
        return self.rollout.model_copy(
            update=self.override.model_dump(include={"strategy", "rollback"}, exclude_none=True)
        )

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
    build_image: str = Field(
        pattern=r"^\S{1,255}$",
        description="the build's image, which brings git, make, a supported Python and the Pulumi CLI",
    )


class Signing(Document):
    """Versions are signed where they are registered, and only signed ones run elsewhere."""

    public_key: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*$",
        description="path, from the project's root, of the public key in PEM form that signatures are verified with",
    )


class Registry(Document):
    """Who else runs what a registering environment registers."""

    consumer_accounts: tuple[Account, ...] = Field(
        min_length=1, description='a list of AWS accounts, 12 digits in quotes each, such as ["222222222222"]'
    )
    deployer_roles: tuple[RoleName, ...] = Field(
        min_length=1,
        description="a list of names of the roles there that deploy and verify versions, with their paths; "
        "* stands for any text, but not for a whole name",
    )


class Reader(Document):
    """The registering environment of another account that reads captured traffic."""

    account: Account = Field(description='an AWS account, 12 digits in quotes, such as "111111111111"')
    environment: str = Field("shadow", pattern=ENVIRONMENT_PATTERN, description="its environment (default shadow)")
    roles: tuple[RoleName, ...] = Field(
        min_length=1,
        description="a list of names of the roles there that compare and replay, with their paths; "
        "* stands for any text, but not for a whole name",
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
        None, description="an object {repositoryUrl, branch, backendUrl, passphraseParameter, buildImage}"
    )
    signing: Signing | None = Field(None, description="an object {publicKey} (default: versions are not signed)")
    registry: Registry | None = Field(None, description="an object {consumerAccounts, deployerRoles}; in shadow only")
    reader: Reader | None = Field(None, description="an object {account, environment, roles}; not in shadow")

    @property
    def registers_candidates(self) -> bool:
        """Whether this environment builds and registers what is in use_cases; all others run registered ARNs."""
        return registers_candidates(self.environment)


def registers_candidates(environment: str) -> bool:
    return environment == "shadow" or environment.startswith("shadow-")


def alias(name: str, field: FieldInfo) -> str:
    """A field's key in YAML."""
    return field.alias or to_camel(name)
