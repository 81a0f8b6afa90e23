"""A use case deployed in an environment: the components it takes, one of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components.candidate import Build, Candidate, CandidateArgs, build, check_processor, container_of
from components.errors import MistakeError
from components.function import FunctionLayer, FunctionLayerArgs
from components.model_endpoint import Container, ModelEndpoint, ModelEndpointArgs
from components.model_registry import ModelRegistry
from components.monitoring import Monitoring, MonitoringArgs
from components.naming import Scope, capture_account
from components.rollback_monitor import RollbackMonitor, RollbackMonitorArgs
from components.tags import tagging
from components.traffic_replay import TrafficReplay, TrafficReplayArgs
from model_package.manifest import load_manifest
from model_package.signing import read_public_key
from settings import Delivery, ModelPackageArn, ServiceSettings, Signing


class CandidateMissingError(MistakeError):
    """A shadow variant names a use case that was never trained."""


@dataclass(frozen=True)
class Registering:
    """What a shadow service needs of its environment."""

    registry: ModelRegistry
    build: Build
    capture_bus: pulumi.Input[str] | None = None
    """The bus that announces captures of other accounts, where production is in one."""


@dataclass(frozen=True)
class Production:
    """What a service that runs registered versions needs of its environment."""

    capture_bucket: pulumi.Input[str]
    topic_key_arn: pulumi.Input[str]
    delivery: Delivery | None


@dataclass(frozen=True)
class InferenceServiceArgs:
    """`layer_arn`: the functions' libraries; None where no service of the stack has a function."""

    scope: Scope
    stack: str
    service: ServiceSettings
    environment: Registering | Production
    root: Path
    layer_arn: pulumi.Input[str] | None = None
    signing: Signing | None = None

    @property
    def use_case(self) -> Path:
        return self.root / "use_cases" / self.service.use_case

    @property
    def public_key(self) -> str | None:
        """What signatures are verified with, PEM; None where versions are not signed. Raises SigningKeyMissing."""
        return read_public_key(self.root, self.signing.public_key) if self.signing else None


def function_layer(
    services: Iterable[ServiceSettings], delivery: Delivery | None, root: Path
) -> pulumi.Output[str] | None:
    """ARN of a stack's layer with the functions' libraries, which is made where some service has a function."""
    if not any(service.replay or delivery or service.alarms.prediction_accuracy for service in services):
        return None
    return FunctionLayer("functions", FunctionLayerArgs(root)).arn


def _is_elsewhere(args: InferenceServiceArgs) -> bool:
    """Whether another account captures what the service replays."""
    account = capture_account(args.service.replay.source) if args.service.replay else None
    return account not in (None, args.scope.account)


class InferenceService(pulumi.ComponentResource):
    outputs: dict[str, Any]
    """What the stack's output `services` says of it (docs/seams.md)."""

    def __init__(self, name: str, args: InferenceServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        tags = tagging({"service": name, "use_case": args.service.use_case})
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(transformations=[tags]))
        super().__init__("understudy:inference_service:InferenceService", name, None, opts)
        self._name, self._args = name, args
        match args.environment:
            case Registering() as environment:
                self.outputs = self._create_shadow(environment)
            case Production() as environment:
                self.outputs = self._create_production(environment)
        self.register_outputs(self.outputs)

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self)

    def _create_shadow(self, environment: Registering) -> dict[str, Any]:
        args, registry = self._args, environment.registry
        check_processor(environment.build, args.service.image, args.service.instance_type)
        candidate = Candidate(
            self._name,
            CandidateArgs(
                build=environment.build,
                image=args.service.image,
                artifacts=registry.artifacts,
                model_package_group_name=registry.groups[self._name],
                repository_url=registry.repositories[self._name],
                scope=args.scope,
                public_key=args.public_key,
            ),
            self._child(),
        )
        endpoint = ModelEndpoint(
            self._name,
            ModelEndpointArgs(
                scope=args.scope,
                service=args.service,
                container=candidate.container,
                artifacts=args.scope,
                artifact_key_arn=registry.key_arn,
            ),
            self._child(),
        )
        outputs = {
            "endpointName": endpoint.endpoint_name,
            "modelPackageArn": candidate.model_package_arn,
            "artifactDigest": candidate.artifact_digest,
        }
        if args.service.replay is not None and args.layer_arn is not None:
            replay = TrafficReplay(
                self._name,
                TrafficReplayArgs(
                    scope=args.scope,
                    replay=args.service.replay,
                    comparison=environment.build.manifest.comparison,
                    endpoint_name=endpoint.endpoint_name,
                    artifact_digest=candidate.artifact_digest,
                    records_bucket=registry.records_bucket,
                    key_arn=registry.key_arn,
                    layer_arn=args.layer_arn,
                    root=args.root,
                    use_case=args.use_case,
                    bus=environment.capture_bus if _is_elsewhere(args) else None,
                    after=endpoint.ready,
                ),
                self._child(),
            )
            outputs["replayQueueUrl"] = replay.queue_url
        return outputs

    def _create_production(self, environment: Production) -> dict[str, Any]:
        args, service = self._args, self._args.service
        package = ModelPackageArn.parse(str(service.model_package_arn))
        artifacts = args.scope.elsewhere(package.account, package.region)
        endpoint = ModelEndpoint(
            self._name,
            ModelEndpointArgs(
                scope=args.scope,
                service=service,
                container=Container(model_package_name=service.model_package_arn),
                artifacts=artifacts,
                capture_bucket=environment.capture_bucket,
                shadow_container=self._shadow_container(artifacts),
                public_key=args.public_key,
            ),
            self._child(),
        )
        parameter = args.scope.deployment_parameter(self._name)
        rollback = RollbackMonitor(
            self._name,
            RollbackMonitorArgs(
                scope=args.scope,
                artifacts=artifacts,
                stack=args.stack,
                service=service,
                delivery=environment.delivery,
                topic_key_arn=environment.topic_key_arn,
                deployment_parameter=parameter,
                layer_arn=args.layer_arn,
                root=args.root,
            ),
            self._child(),
        )
        monitoring = Monitoring(
            self._name,
            MonitoringArgs(
                scope=args.scope,
                service=service,
                endpoint_name=endpoint.endpoint_name,
                deployment_parameter=parameter,
                topic_arn=rollback.topic_arn,
                capture_bucket=environment.capture_bucket,
                root=args.root,
                manifest=load_manifest(args.use_case) if service.alarms.prediction_accuracy else None,
                layer_arn=args.layer_arn,
            ),
            self._child(),
        )
        outputs = {
            "endpointName": endpoint.endpoint_name,
            "modelPackageArn": service.model_package_arn,
            "endpointConfigName": endpoint.endpoint_config_name,
            "deploymentParameter": parameter,
            "alarms": monitoring.alarm_names,
            "rollbackTopicArn": rollback.topic_arn,
        }
        return outputs if rollback.project_name is None else {**outputs, "rollbackProject": rollback.project_name}

    def _shadow_container(self, artifacts: Scope) -> Container | None:
        """A registered version by ARN; or a candidate by its parts, approved or not, as it answers nobody."""
        variant = self._args.service.shadow_variant
        if variant is None:
            return None
        if variant.model_package_arn is not None:
            return Container(model_package_name=variant.model_package_arn)
        folder = self._args.root / "use_cases" / str(variant.use_case)
        candidate = build(folder, self._args.root)
        if candidate is None:
            raise CandidateMissingError(
                f"shadowVariant.useCase: {folder} has no model.lock.yaml yet; run `understudy train {folder.name}`"
            )
        if candidate.context is not None and self._args.service.image is None:
            raise CandidateMissingError(
                f"shadowVariant.useCase: {folder} has an image of its own, which shadow builds: set `image` beside "
                "shadowVariant to its URI by digest, the `image` of the version that `understudy history` shows"
            )
        check_processor(candidate, self._args.service.image, self._args.service.instance_type)
        return container_of(candidate, artifacts, folder.name.replace("_", "-"), self._args.service.image)
