"""A model behind an endpoint: model, endpoint configuration, endpoint, and the rollouts between configurations.

The endpoint is created once and never touched by its own resource again; EndpointRollout owns every UpdateEndpoint
(DESIGN 5). Model and EndpointConfiguration are kept on replacement: the old ones may be the live ones (FACTS 1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import pulumi
import pulumi_aws as aws

from components import Block, alarms, policies
from components.capture_store import CAPTURE_PREFIX
from components.model_registry import image_repositories
from components.naming import Scope, logical
from providers.endpoint_rollout import EndpointRollout, EndpointRolloutArgs
from providers.verified_package import VerifiedPackage, VerifiedPackageArgs
from settings import SHADOW_VARIANT_NAME, Rollout, ServiceSettings

CSV_CONTENT_TYPES = ("text/csv",)
JSON_CONTENT_TYPES = ("application/json", "application/jsonlines")
LATENCY_GUARDRAIL_PERIODS = 2
"""The first requests of a new fleet are slow; two periods in a row are not a warm-up."""
ERROR_GUARDRAIL_PERIODS = 1


@dataclass(frozen=True)
class Container:
    """What a variant runs: a registered version's ARN, or the version's parts while it is not approved."""

    model_package_name: pulumi.Input[str] | None = None
    image: pulumi.Input[str] | None = None
    model_data_url: pulumi.Input[str] | None = None
    environment: pulumi.Input[Mapping[str, str]] | None = None

    def primary_container(self) -> Block:
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class ModelEndpointArgs:
    """`artifacts`: where the model's artifacts are; `artifact_key_arn`: their key, None if only its alias is known.

    `public_key`: PEM; None where versions are not signed.
    """

    scope: Scope
    service: ServiceSettings
    container: Container
    artifacts: Scope
    artifact_key_arn: pulumi.Input[str] | None = None
    capture_bucket: pulumi.Input[str] | None = None
    shadow_container: Container | None = None
    public_key: str | None = None


# -- pure parts -------------------------------------------------------------------------------------------------------


def production_variant(service: ServiceSettings, model_name: pulumi.Input[str]) -> Block:
    return {
        "variant_name": service.variant_name,
        "model_name": model_name,
        "instance_type": service.instance_type,
        "initial_instance_count": service.initial_instance_count,
        "initial_variant_weight": 1.0,
    }


def shadow_variant(service: ServiceSettings, model_name: pulumi.Input[str]) -> Block:
    """The shadow variant; its weight over production's (1) is the share of requests it is sent copies of."""
    if service.shadow_variant is None:
        raise ValueError("the service has no shadowVariant")
    percent = service.shadow_variant.percent
    return {
        "variant_name": SHADOW_VARIANT_NAME,
        "model_name": model_name,
        "instance_type": service.instance_type,
        "initial_instance_count": shadow_instances(service.initial_instance_count, percent),
        "initial_variant_weight": percent / 100,
    }


def shadow_instances(production_instances: int, percent: float) -> int:
    """Instances for `percent` of production's requests, at production's load an instance: 1 at least, never more."""
    return max(1, ceil(production_instances * percent / 100))


def capture_config(bucket: str, sampling_percent: int) -> Block:
    """Requests and answers as text: without the lists of content types everything would be Base64."""
    return {
        "enable_capture": True,
        "initial_sampling_percentage": sampling_percent,
        "destination_s3_uri": f"s3://{bucket}/{CAPTURE_PREFIX}",
        "capture_options": [{"capture_mode": "Input"}, {"capture_mode": "Output"}],
        "capture_content_type_header": {
            "csv_content_types": list(CSV_CONTENT_TYPES),
            "json_content_types": list(JSON_CONTENT_TYPES),
        },
    }


def rollout_arguments(rollout: Rollout) -> dict[str, Any]:
    """How EndpointRollout carries a deployment out: the strategy's own share, its waits and its limit."""
    shares = {
        "canary": {"canary_percent": rollout.canary_percent},
        "linear": {"linear_percent": rollout.linear_percent},
        "rolling": {"rolling_percent": rollout.rolling_percent},
        "allAtOnce": {},
    }
    return {
        "strategy": rollout.strategy,
        **shares[rollout.strategy],
        "wait_seconds": 0 if rollout.strategy == "allAtOnce" else rollout.wait_seconds,
        "bake_seconds": 0 if rollout.strategy == "rolling" else rollout.bake_seconds,
        "maximum_seconds": rollout.maximum_execution_seconds,
        "poll_seconds": rollout.poll_seconds,
    }


def execution_statements(
    scope: Scope, artifacts: Scope, service: str, key_arn: str | None, capture_bucket: str | None
) -> list[policies.Statement]:
    """What the endpoint's role does: fetch and decrypt the model, pull the image, log, measure, capture, see alarms."""
    endpoint = scope.endpoint_name(service)
    log_group = scope.arn("logs", f"log-group:/aws/sagemaker/Endpoints/{endpoint}")
    key = policies.use_key(key_arn) if key_arn else policies.use_key_by_alias(artifacts, artifacts.artifact_key_alias)
    statements = [
        *policies.read_objects(scope, artifacts.artifact_bucket, f"{service}/"),
        key,
        *policies.pull_images(image_repositories(artifacts, [service])),
        policies.allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            [log_group, f"{log_group}:*"],
        ),
        policies.put_metrics("AWS/SageMaker", "/aws/sagemaker/Endpoints"),
        policies.allow(["cloudwatch:DescribeAlarms"], [scope.arn("cloudwatch", f"alarm:{service}-*")]),
    ]
    if capture_bucket:
        statements.append(policies.write_objects(scope, capture_bucket, f"{CAPTURE_PREFIX}/{endpoint}/"))
    return statements


def deployment_record(service: ServiceSettings) -> str:
    """What the current deployment asked for: the deployment parameter's JSON (docs/seams.md)."""
    rollout = service.effective_rollout
    record = {
        "modelPackageArn": service.model_package_arn,
        "strategy": rollout.strategy,
        "rollback": rollout.rollback,
    }
    return json.dumps(record)


# -- the component ----------------------------------------------------------------------------------------------------


class ModelEndpoint(pulumi.ComponentResource):
    """An endpoint that runs `container`; production's also has guardrails, capture and a deployment parameter."""

    endpoint_name: str
    endpoint_config_name: pulumi.Output[str]
    """The configuration that the endpoint runs, as the last rollout found it."""
    deployment_parameter: str | None
    ready: list[pulumi.Resource]
    """Once these are deployed, the endpoint answers with this version."""

    def __init__(self, name: str, args: ModelEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:model_endpoint:ModelEndpoint", name, None, opts)
        self._name, self._args = name, args
        self._guarded = args.service.model_package_arn is not None
        self.endpoint_name = args.scope.endpoint_name(name)
        self._create_execution_role()
        self._create_endpoint_configuration()
        self._create_endpoint()
        guardrails = self._create_guardrails() if self._guarded else []
        self._create_rollout(guardrails)
        self.deployment_parameter = self._create_deployment_parameter() if self._guarded else None
        if args.service.scaling:
            self._create_scaling()
        self.endpoint_config_name = self._rollout.endpoint_config_name
        self.ready = [self._rollout]
        self.register_outputs({"endpoint_name": self.endpoint_name, "endpoint_config_name": self.endpoint_config_name})

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)

    def _create_execution_role(self) -> None:
        args, name = self._args, logical("role", self._name, "execution")
        self._role = aws.iam.Role(name, assume_role_policy=policies.sagemaker_trust(args.scope), opts=self._child())
        document = pulumi.Output.all(args.artifact_key_arn, args.capture_bucket).apply(
            lambda known: policies.document(execution_statements(args.scope, args.artifacts, self._name, *known))
        )
        self._role_policy = aws.iam.RolePolicy(name, role=self._role.name, policy=document, opts=self._child())

    def _verify(self, name: str, container: Container) -> list[pulumi.Resource]:
        """What a model of a registered version waits for: that its bytes are the registered ones."""
        args = self._args
        if container.model_package_name is None:
            return []
        verified = VerifiedPackageArgs(
            container.model_package_name, args.public_key, args.service.instance_type, region=args.scope.region
        )
        return [VerifiedPackage(name, verified, self._child())]

    def _create_model(self, name: str, container: Container) -> aws.sagemaker.Model:
        verified = self._verify(name, container)
        return aws.sagemaker.Model(
            logical("model", name),
            execution_role_arn=self._role.arn,
            primary_container=container.primary_container(),
            # CreateModel checks at once that the role can read the model data.
            opts=self._child(retain_on_delete=True, depends_on=[self._role_policy, *verified]),
        )

    def _create_endpoint_configuration(self) -> None:
        args, service = self._args, self._args.service
        model = self._create_model(self._name, args.container)
        optional: dict[str, Any] = {}
        if args.shadow_container is not None:
            shadow = self._create_model(logical("model", self._name, "shadow"), args.shadow_container)
            optional["shadow_production_variants"] = [shadow_variant(service, shadow.name)]
        if args.capture_bucket is not None and service.capture and service.capture.sampling_percent:
            percent = service.capture.sampling_percent
            optional["data_capture_config"] = pulumi.Output.from_input(args.capture_bucket).apply(
                lambda bucket: capture_config(bucket, percent)
            )
        self._config = aws.sagemaker.EndpointConfiguration(
            logical("model", self._name),
            production_variants=[production_variant(service, model.name)],
            opts=self._child(retain_on_delete=True),
            **optional,
        )

    def _create_endpoint(self) -> None:
        self._endpoint = aws.sagemaker.Endpoint(
            self._name,
            name=self.endpoint_name,
            endpoint_config_name=self._config.name,
            opts=self._child(protect=True, ignore_changes=["endpointConfigName", "deploymentConfig"]),
        )

    def _create_guardrails(self) -> list[pulumi.Output[str]]:
        """Alarms on the new fleet alone: its metrics carry the new configuration's name as a dimension."""
        settings = self._args.service.alarms
        fleet = {
            "EndpointName": self.endpoint_name,
            "VariantName": self._args.service.variant_name,
            "EndpointConfigName": self._config.name,
        }
        specifications = {"errors": alarms.error_alarm(settings, fleet, ERROR_GUARDRAIL_PERIODS)}
        if settings.latency_p99_milliseconds is not None:
            specifications["latency"] = alarms.latency_alarm(settings, fleet, LATENCY_GUARDRAIL_PERIODS)
        return [
            aws.cloudwatch.MetricAlarm(
                logical("alarm", self._name, f"guardrail-{kind}"), opts=self._child(), **specification
            ).name
            for kind, specification in specifications.items()
        ]

    def _create_rollout(self, guardrails: Sequence[pulumi.Output[str]]) -> None:
        args, service = self._args, self._args.service
        self._rollout = EndpointRollout(
            self._name,
            EndpointRolloutArgs(
                endpoint_name=self.endpoint_name,
                endpoint_config_name=self._config.name,
                alarm_names=list(guardrails) if service.guardrails else [],
                region=args.scope.region,
                **rollout_arguments(service.effective_rollout),
            ),
            self._child(depends_on=[self._endpoint]),
        )

    def _create_deployment_parameter(self) -> str:
        """Written after the rollout: its last change is the moment from which the version answers for itself."""
        name = self._args.scope.deployment_parameter(self._name)
        aws.ssm.Parameter(
            self._name,
            name=name,
            type="String",
            insecure_value=deployment_record(self._args.service),
            description="What the current deployment asked for; the rollback function reads it",
            opts=self._child(depends_on=[self._rollout]),
        )
        return name

    def _create_scaling(self) -> None:
        scaling = self._args.service.scaling
        if scaling is None:
            return
        target = aws.appautoscaling.Target(
            self._name,
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{self.endpoint_name}/variant/{self._args.service.variant_name}",
            min_capacity=scaling.min_capacity,
            max_capacity=scaling.max_capacity,
            opts=self._child(depends_on=[self._endpoint]),
        )
        aws.appautoscaling.Policy(
            self._name,
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            target_tracking_scaling_policy_configuration={
                "target_value": scaling.invocations_per_instance,
                "predefined_metric_specification": {"predefined_metric_type": "SageMakerVariantInvocationsPerInstance"},
            },
            opts=self._child(),
        )
