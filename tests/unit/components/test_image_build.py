"""A use case with a Dockerfile, and environments that sign: what the program registers for them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components import image_build
from model_package.metadata import digest_of_environment
from tests.unit.components.test_controls import RULES, seen, waiver

PARTS = "understudy:inference_service:InferenceService$understudy:candidate:Candidate$"
REPOSITORY = "111111111111.dkr.ecr.us-west-2.amazonaws.com/understudy/tumor-triage"


@pytest.fixture
def custom(project: Path, train: Callable[[str], None]) -> Path:
    """The project with a Dockerfile instead of a framework, trained."""
    train("tumor_triage")
    file = project / "use_cases" / "tumor_triage" / "package.yaml"
    manifest = yaml.safe_load(file.read_text())
    manifest["training"]["framework"] = manifest.pop("framework")
    manifest["dockerfile"] = "Dockerfile"
    file.write_text(yaml.safe_dump(manifest))
    return project


@pytest.fixture
def signing(project: Path) -> str:
    """The public key that the stacks' config names."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    (project / "signing.pub").write_text(pem)
    return pem


def dynamic(recording: Any, name: str) -> Any:
    return recording.one(f"pulumi-python:dynamic/understudy:{name}")


def changed(configs: Any, stack: str, **top: Any) -> dict[str, Any]:
    return {**copy.deepcopy(configs[stack]), **{f"understudy:{key}": value for key, value in top.items()}}


def test_a_dockerfile_s_image_is_built_under_its_context_s_digest(custom: Path, run_program: Any, configs: Any) -> None:
    recording = run_program("shadow", configs["shadow"])
    image = dynamic(recording, "ContainerImage")
    digest = image.inputs["context_digest"]
    parent = f"{PARTS}understudy:image_build:ImageBuild"
    assert image.urn.endswith(f"{parent}$pulumi-python:dynamic/understudy:ContainerImage::tumor-triage")
    assert image.inputs["image"].endswith(f":{digest}")
    assert image.inputs["dockerfile"] == "use_cases/tumor_triage/Dockerfile"
    context = recording.one("aws:s3/bucketObjectv2:BucketObjectv2", "tumor-triage-image")
    assert context.inputs["key"] == f"tumor-triage/context/{digest}/context.tar.gz"
    assert context.retained
    package = dynamic(recording, "ModelPackage").inputs
    assert package["image"].endswith(f"@sha256:{'a' * 64}")
    metadata = package["customer_metadata_properties"]
    assert metadata["understudy.image_context"] == digest
    assert metadata["understudy.image_digest"] == f"sha256:{'a' * 64}"
    assert "framework" not in package


def test_the_build_may_read_its_context_and_push_to_its_own_repository(
    custom: Path, run_program: Any, configs: Any
) -> None:
    recording = run_program("shadow", configs["shadow"])
    project = recording.one("aws:codebuild/project:Project").inputs
    assert (project["environment"]["privilegedMode"], project["concurrentBuildLimit"]) == (True, 1)
    assert project["logsConfig"]["cloudwatchLogs"]["groupName"] == "tumor-triage-image-build-0a1b2c3"
    allowed = {
        action: statement["Resource"]
        for statement in recording.policy("aws:iam/rolePolicy:RolePolicy", "tumor-triage-image-build")
        for action in statement["Action"]
    }
    bucket = "arn:aws:s3:::understudy-artifacts-111111111111-us-west-2"
    assert allowed["s3:GetObject"] == [f"{bucket}/tumor-triage/context/*"]
    assert allowed["ecr:PutImage"] == ["arn:aws:ecr:us-west-2:111111111111:repository/understudy/tumor-triage"]
    assert {action for action, resources in allowed.items() if resources == ["*"]} == {"ecr:GetAuthorizationToken"}
    assert not {action for action in allowed if action.startswith(("s3:Put", "s3:Delete", "ecr:Delete", "iam:"))}


def test_the_buildspec_checks_its_context_and_logs_in_after_the_build() -> None:
    spec = yaml.safe_load(image_build.buildspec())
    commands = [command.split(" ")[:2] for command in spec["phases"]["build"]["commands"]]
    assert commands[2] == ["echo", '"$CONTEXT_DIGEST']
    assert commands[-3:] == [["docker", "build"], ["aws", "ecr"], ["docker", "push"]]
    assert spec["env"]["variables"] == {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def test_an_image_that_the_stack_names_is_not_built(custom: Path, run_program: Any, configs: Any) -> None:
    config = copy.deepcopy(configs["shadow"])
    config["understudy:services"]["tumor-triage"] = {"image": f"{REPOSITORY}:mine"}
    recording = run_program("shadow", config)
    assert dynamic(recording, "ContainerImage").inputs["image"] == f"{REPOSITORY}:mine"
    assert recording.of_type("aws:codebuild/project:Project") == []
    assert "understudy.image_context" not in dynamic(recording, "ModelPackage").inputs["customer_metadata_properties"]


def test_no_control_is_broken(custom: Path, run_program: Any, configs: Any) -> None:
    stack = seen(run_program("shadow", configs["shadow"]))
    broken = {name: [one for one in rule(stack) if waiver(name, "shadow", one) is None] for name, rule in RULES.items()}
    assert {name: found for name, found in broken.items() if found} == {}


def test_a_first_preview_knows_the_context(custom: Path, run_program: Any, configs: Any) -> None:
    recording = run_program("shadow", configs["shadow"], preview=True)
    assert len(dynamic(recording, "ContainerImage").inputs["context_digest"]) == 64


def test_a_shadow_variant_of_a_dockerfile_needs_its_image(custom: Path, run_program: Any, configs: Any) -> None:
    config = copy.deepcopy(configs["prod"])
    service = config["understudy:services"]["tumor-triage"]
    del service["scaling"]
    service["shadowVariant"] = {"useCase": "tumor_triage", "percent": 50}
    with pytest.raises(pulumi.RunError, match=r"has an image of its own, which shadow builds: set `image` beside"):
        run_program("prod", config)
    service["image"] = f"{REPOSITORY}@sha256:{'b' * 64}"
    model = run_program("prod", config).one("aws:sagemaker/model:Model", "tumor-triage-shadow")
    assert model.inputs["primaryContainer"]["image"] == service["image"]


def test_a_candidate_is_signed_before_it_is_registered(
    signing: str, train: Callable[[str], None], run_program: Any, configs: Any
) -> None:
    train("tumor_triage")
    recording = run_program("shadow", changed(configs, "shadow", signing={"publicKey": "signing.pub"}))
    signature, package = dynamic(recording, "ModelSignature"), dynamic(recording, "ModelPackage")
    metadata = package.inputs["customer_metadata_properties"]
    assert signature.inputs["service"] == "tumor-triage"
    for name in ("artifact_digest", "object_sha256", "image_digest"):
        assert signature.inputs[name] == metadata[f"understudy.{name}"]
    assert signature.inputs["environment_digest"] == digest_of_environment(package.inputs["environment"])
    assert signature.inputs["public_key"] == signing
    assert signature.urn in package.options.dependencies
    assert "PRIVATE" not in json.dumps([one.inputs for one in recording.registrations], default=str)


def test_without_signing_there_is_no_signature(train: Callable[[str], None], run_program: Any, configs: Any) -> None:
    train("tumor_triage")
    assert run_program("shadow", configs["shadow"]).of_type("pulumi-python:dynamic/understudy:ModelSignature") == []
    verified = dynamic(run_program("prod", configs["prod"]), "VerifiedPackage").inputs
    assert "public_key" not in verified


def test_production_s_model_waits_for_the_verification(signing: str, run_program: Any, configs: Any) -> None:
    recording = run_program("prod", changed(configs, "prod", signing={"publicKey": "signing.pub"}))
    verified, model = dynamic(recording, "VerifiedPackage"), recording.one("aws:sagemaker/model:Model")
    assert verified.inputs["public_key"] == signing
    assert verified.inputs["model_package_arn"] == model.inputs["primaryContainer"]["modelPackageName"]
    configuration = recording.one("aws:sagemaker/endpointConfiguration:EndpointConfiguration")
    (variant,) = configuration.inputs["productionVariants"]
    assert verified.inputs["instance_type"] == variant["instanceType"]
    assert verified.urn in model.options.dependencies


@pytest.mark.parametrize("stack", ["shadow", "prod"])
def test_a_public_key_that_is_not_there_is_a_sentence(
    stack: str, train: Callable[[str], None], run_program: Any, configs: Any
) -> None:
    train("tumor_triage")
    with pytest.raises(pulumi.RunError, match=r"understudy:signing\.publicKey: .*signing\.pub cannot be read: No such"):
        run_program(stack, changed(configs, stack, signing={"publicKey": "signing.pub"}))
