"""The program: settings → components → exports. One stack is one environment (DESIGN 1)."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

import settings
from components.candidate import build
from components.capture_bus import CaptureBus, CaptureBusArgs, sources
from components.capture_reader import CaptureReader, CaptureReaderArgs, bucket_grants
from components.capture_store import CaptureStore, CaptureStoreArgs
from components.encryption import EncryptionKey, EncryptionKeyArgs
from components.errors import MistakeError
from components.inference_service import (
    InferenceService,
    InferenceServiceArgs,
    Production,
    Registering,
    function_layer,
)
from components.model_registry import ModelRegistry, ModelRegistryArgs
from components.naming import Scope
from components.tags import tagging
from components.vending import consumers
from model_package.errors import ModelPackageError
from settings import Settings

ROOT = Path(__file__).resolve().parent
PERSONS_MISTAKES = (settings.SettingsError, ModelPackageError, MistakeError)
GARBAGE_THRESHOLD = 100_000
"""New objects before Python looks for garbage (its own default: 700)."""


def where(config: Settings) -> Scope:
    """Account, region and partition, asked of AWS."""
    return Scope(
        project=pulumi.get_project(),
        environment=config.environment,
        account=aws.get_caller_identity().account_id,
        region=aws.get_region().region,
        partition=aws.get_partition().partition,
    )


def registering(config: Settings, scope: Scope) -> dict[str, Any]:
    """Shadow: a registry, and every use case that has been trained."""
    use_cases = {name: service.use_case for name, service in config.services.items()}
    registry = ModelRegistry("registry", ModelRegistryArgs(scope, use_cases, consumers(scope, config.registry)))
    builds = {name: build(ROOT / "use_cases" / use_case, ROOT) for name, use_case in use_cases.items()}
    trained = {name: candidate for name, candidate in builds.items() if candidate}
    layer_arn = function_layer([config.services[name] for name in trained], config.delivery, ROOT)
    elsewhere = sources(scope, config.services)
    bus = CaptureBus("captures", CaptureBusArgs(scope, elsewhere)).bus if elsewhere else None
    services = {}
    for name, candidate in trained.items():
        environment, service = Registering(registry, candidate, bus), config.services[name]
        args = InferenceServiceArgs(scope, config.stack, service, environment, ROOT, layer_arn, config.signing)
        services[name] = InferenceService(name, args).outputs
    missing = "has no model.lock.yaml yet; run `understudy train {}`"
    return {
        "artifactBucket": registry.artifact_bucket,
        "trainingBucket": registry.training_bucket,
        "recordsBucket": registry.records_bucket,
        "trainingRoleArn": registry.training_role_arn,
        "services": services,
        "skipped": {name: missing.format(use_cases[name]) for name in config.services if name not in trained},
    }


def running(config: Settings, scope: Scope) -> dict[str, Any]:
    """Everywhere else: registered versions, and what watches them."""
    reader = config.reader
    store = CaptureStore("capture", CaptureStoreArgs(scope, bucket_grants(scope, reader, config.services)))
    shared = CaptureReader("capture-reader", CaptureReaderArgs(scope, reader, store.bucket)) if reader else None
    key = EncryptionKey("alarms", EncryptionKeyArgs(scope, "Alarm topics", services=["cloudwatch.amazonaws.com"]))
    environment = Production(store.bucket, key.arn, config.delivery)
    deployed = {name: service for name, service in config.services.items() if service.model_package_arn}
    layer_arn = function_layer(deployed.values(), config.delivery, ROOT)
    services = {}
    for name, service in deployed.items():
        args = InferenceServiceArgs(scope, config.stack, service, environment, ROOT, layer_arn, config.signing)
        services[name] = InferenceService(name, args).outputs
    missing = "has no modelPackageArn yet; run `understudy promote {}`"
    return {
        "captureBucket": store.bucket,
        **({"readerRoleArn": shared.role_arn} if shared else {}),
        "services": services,
        "skipped": {name: missing.format(name) for name in config.services if name not in deployed},
    }


def main() -> None:
    # A plan is over in seconds and keeps what it makes; looking for garbage all the time takes a fifth of them.
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        config = settings.from_pulumi()
        scope = where(config)
        pulumi.runtime.register_stack_transformation(
            tagging({"project": scope.project, "environment": scope.environment})
        )
        outputs = (registering if config.registers_candidates else running)(config, scope)
    except PERSONS_MISTAKES as error:
        # A person's mistake, not the program's: a sentence without a stack trace.
        raise pulumi.RunError(str(error)) from error
    for name, reason in outputs["skipped"].items():
        pulumi.log.warn(f"{name} is skipped: it {reason}")
    for name, value in outputs.items():
        pulumi.export(name, value)


main()
