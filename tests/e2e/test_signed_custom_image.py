"""A use case with a Dockerfile in an environment that signs: built, signed, released; and refused once it was swapped.

The program and the command against a running sandbox. What the sandbox's `docker` does not prove is said in
`sandbox.cloud.compute.image_tools`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from release.errors import ExitCode
from release.rehearsal.service import Service, stack_file
from release.rehearsal.stage import Outcome, Stage

ROOT = Path(__file__).parents[2]
REGION, ACCOUNT = "us-west-2", "123456789012"
NAME = "tumor-triage"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{NAME}/1"
REPOSITORY = f"understudy/{NAME}"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def prepare(stage: Stage, keys: Path) -> None:
    """A key pair, a use case with a Dockerfile instead of a framework, stacks of that one service that sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    keys.write_bytes(private)
    (stage.work / "signing.pub").write_bytes(public)
    file = stage.work / "use_cases" / "tumor_triage" / "package.yaml"
    manifest = yaml.safe_load(file.read_text())
    manifest["training"]["framework"] = manifest.pop("framework")
    manifest["dockerfile"] = "Dockerfile"
    file.write_text(yaml.safe_dump(manifest, sort_keys=False))

    def signing(config: dict[str, Any]) -> None:
        service = {"initialInstanceCount": 1, "rollout": {"strategy": "allAtOnce", "bakeSeconds": 0, "rollback": "off"}}
        config["understudy:services"] = {NAME: service}
        config["understudy:signing"] = {"publicKey": "signing.pub"}

    for stack in ("shadow", "prod"):
        stack_file(stage, stack, signing)
        stage.pulumi("stack", "init", stack, role="ci")
    stage.commit("Sign versions")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(ROOT, tmp_path / "stage", speed=60, engine="embedded")
    stage.prepare()
    monkeypatch.delenv("UNDERSTUDY_SIGNING_KEY", raising=False)
    with stage.sandbox():
        for name, value in stage.environment("ci").items():
            monkeypatch.setenv(name, value)
        prepare(stage, tmp_path / "signing.key")
        yield stage


def test_from_a_dockerfile_to_production(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = ("deploy", "--stack", "shadow", "--yes")
    # There is nothing to sign yet: registry, buckets and roles take no key.
    stage.understudy(*deploy, role="scientist")
    train(stage)
    sagemaker, codebuild = stage.client("sagemaker"), stage.client("codebuild")

    refused = stage.understudy(*deploy, role="scientist", check=False)
    assert_says(refused, ExitCode.FAILED, "UNDERSTUDY_SIGNING_KEY is not set: set it to the path of the private key")
    assert sagemaker.list_model_packages(ModelPackageGroupName=NAME)["ModelPackageSummaryList"] == []
    assert codebuild.list_projects()["projects"] == []

    monkeypatch.setenv("UNDERSTUDY_SIGNING_KEY", str(tmp_path / "signing.key"))
    said = stage.understudy(*deploy, role="scientist")
    context, digest = image(stage)
    uri = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}:{context}"
    assert f"building {uri}: " in said.stdout + said.stderr
    assert_registered(stage, context, digest)
    assert len(codebuild.list_builds()["ids"]) == 1
    line = (tmp_path / "signing.key").read_text().splitlines()[1]
    assert len(line) == 64 and line not in states(stage)

    stage.understudy("approve", NAME, "1", "--override", "a trial", "--yes", role="approver")
    swapped(stage, context, digest)
    stage.understudy("promote", NAME, "1", "--yes", role="ci")
    endpoint = sagemaker.describe_endpoint(EndpointName=f"{NAME}-prod")
    assert endpoint["EndpointStatus"] == "InService"
    assert invoke(stage).startswith("0,")


def train(stage: Stage) -> None:
    service = Service(stage, "tumor_triage", rate=0)
    bucket = stage.pulumi("stack", "output", "--json", "--stack", "shadow", role="ci").json()["trainingBucket"]
    service.upload_data(bucket)
    stage.understudy("train", "tumor_triage", role="scientist")


def image(stage: Stage) -> tuple[str, str]:
    """Tag and digest of the one image that was built."""
    (found,) = stage.client("ecr").describe_images(repositoryName=REPOSITORY)["imageDetails"]
    (tag,) = found["imageTags"]
    return str(tag), str(found["imageDigest"])


def assert_registered(stage: Stage, context: str, digest: str) -> None:
    package = stage.client("sagemaker").describe_model_package(ModelPackageName=ARN)
    (container,) = package["InferenceSpecification"]["Containers"]
    assert container["Image"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}@{digest}"
    metadata = package["CustomerMetadataProperties"]
    assert (metadata["understudy.image_digest"], metadata["understudy.image_context"]) == (digest, context)


def states(stage: Stage) -> str:
    return "".join(file.read_text() for file in (stage.state / ".pulumi" / "stacks").rglob("*.json"))


def swapped(stage: Stage, context: str, digest: str) -> None:
    """Artifact overwritten, tag moved, signature broken: `promote` and a plain `up` refuse, and no model is made."""
    bucket, key = artifact(stage)
    models = stage.client("sagemaker").list_models()["Models"]
    with overwritten(stage, bucket, key):
        refused = stage.understudy("promote", NAME, "1", "--yes", role="ci", check=False)
        assert_says(refused, ExitCode.REFUSED, "The artifact is no longer the one that was approved.", ", approved ")
        assert_stops(plain_up(stage), "the artifact is no longer the one that was registered", "registered is")
    with moved(stage, context) as other:
        refused = stage.understudy("promote", NAME, "1", "--yes", role="ci", check=False)
        assert_says(refused, ExitCode.REFUSED, "The image is no longer the one that was approved.", other, digest)
    package = stage.client("sagemaker").describe_model_package(ModelPackageName=ARN)
    environment = package["CustomerMetadataProperties"]["understudy.environment_digest"]
    signature = f"{key.removesuffix('model.tar.gz')}{digest.removeprefix('sha256:')}-{environment}.sig"
    with overwritten(stage, bucket, signature):
        assert_stops(plain_up(stage), "the signature is refused")
    assert stage.client("sagemaker").list_models()["Models"] == models


def assert_stops(ended: Outcome, *words: str) -> None:
    """A step of the program failed; Pulumi's host of dynamic providers shows such an error with its stack trace."""
    said = ended.stdout + ended.stderr
    assert ended.code != 0, said
    assert [text for text in ("VerifiedPackage tumor-triage failed", *words) if text not in said] == [], said


def plain_up(stage: Stage) -> Outcome:
    """`pulumi up` with the ARN in the stack's file, as a person would who does not use the command."""
    file = stage.work / "Pulumi.prod.yaml"
    before = file.read_bytes()
    stage.pulumi("config", "set", "--path", f"services.{NAME}.modelPackageArn", ARN, "--stack", "prod", role="ci")
    try:
        return stage.pulumi("up", "--yes", "--skip-preview", "--stack", "prod", role="ci", check=False)
    finally:
        file.write_bytes(before)


def artifact(stage: Stage) -> tuple[str, str]:
    package = stage.client("sagemaker").describe_model_package(ModelPackageName=ARN)
    url = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


@contextmanager
def overwritten(stage: Stage, bucket: str, key: str) -> Iterator[None]:
    """An object with its last byte but two flipped, while the block runs."""
    s3 = stage.client("s3")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    other = bytearray(body)
    other[len(body) // 2] ^= 1
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(other))
    yield
    s3.put_object(Bucket=bucket, Key=key, Body=body)


@contextmanager
def moved(stage: Stage, tag: str) -> Iterator[str]:
    """Another image under the tag, which takes deleting the immutable one first; its digest."""
    ecr, where = stage.client("ecr"), {"repositoryName": REPOSITORY}
    (found,) = ecr.batch_get_image(**where, imageIds=[{"imageTag": tag}])["images"]
    kind = found["imageManifestMediaType"]
    manifest = json.dumps({**json.loads(found["imageManifest"]), "layers": []})

    def push(text: str, **more: str) -> str:
        ecr.batch_delete_image(**where, imageIds=[{"imageTag": tag}])
        made = ecr.put_image(**where, imageTag=tag, imageManifest=text, imageManifestMediaType=kind, **more)
        return str(made["image"]["imageId"]["imageDigest"])

    yield push(manifest)
    push(found["imageManifest"], imageDigest=found["imageId"]["imageDigest"])


def invoke(stage: Stage) -> str:
    manifest = yaml.safe_load((ROOT / "use_cases" / "tumor_triage" / "package.yaml").read_text())
    answer = stage.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=f"{NAME}-prod", Body=manifest["sample"]["body"], ContentType="text/csv", Accept="text/csv"
    )
    return str(answer["Body"].read().decode())


def assert_says(ended: Outcome, code: int, *words: str) -> None:
    said = ended.stdout + ended.stderr
    assert ended.code == code, said
    assert [text for text in words if text not in said] == [], said
    assert "Traceback" not in said
