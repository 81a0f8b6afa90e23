"""A custom image from its context to an endpoint: the project's buildspec, ContainerImage, ECR, SageMaker.

The sandbox's `docker` builds nothing (see `sandbox.cloud.compute.image_tools`): it proves the way, not the image.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import CreateResult

from components.image_build import buildspec
from model_package.image import BuildContext, build_context
from model_package.manifest import load_manifest
from providers import aws
from providers.aws import ProviderError
from providers.container_image import ContainerImageProvider

ROOT = Path(__file__).parents[2]
ACCOUNT, REGION = "123456789012", "us-west-2"
pytestmark = pytest.mark.timeout(120)  # each build is five processes

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Workshop:
    """A repository with immutable tags, a bucket and a project, as `components.image_build` makes them."""

    boto: Callable[..., Any]
    folder: Path
    repository: str
    bucket: str
    project: str

    def context(self, addition: str = "") -> BuildContext:
        """tumor_triage's build context, with more at the end of its Dockerfile, uploaded."""
        use_case = self.folder / "tumor_triage"
        shutil.copytree(ROOT / "use_cases" / "tumor_triage", use_case, dirs_exist_ok=True)
        with (use_case / "Dockerfile").open("a") as file:
            file.write(addition)
        manifest = load_manifest(use_case).model_copy(update={"framework": None, "dockerfile": "Dockerfile"})
        context = build_context(use_case, manifest, self.folder)
        assert context is not None
        self.boto("s3").put_object(Bucket=self.bucket, Key=context.digest, Body=context.path.read_bytes())
        return context

    def props(self, context: BuildContext) -> dict[str, Any]:
        return {
            "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{self.repository}:{context.digest}",
            "project_name": self.project,
            "context_uri": f"s3://{self.bucket}/{context.digest}",
            "context_digest": context.digest,
            "dockerfile": context.dockerfile,
            "region": REGION,
        }

    def builds(self) -> list[str]:
        return list(self.boto("codebuild").list_builds_for_project(projectName=self.project).get("ids", []))

    def push(self, tag: str, media_type: str = DOCKER) -> str:
        """Something else under a tag, by somebody else; its digest."""
        manifest = json.dumps({"schemaVersion": 2, "mediaType": media_type, "layers": [], "tag": tag})
        made = self.boto("ecr").put_image(
            repositoryName=self.repository, imageTag=tag, imageManifest=manifest, imageManifestMediaType=media_type
        )
        return str(made["image"]["imageId"]["imageDigest"])


def outs(result: CreateResult) -> dict[str, Any]:
    return dict(result.outs or {})


@pytest.fixture
def workshop(
    boto: Callable[..., Any], unique: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workshop:
    monkeypatch.setattr(aws, "client", lambda service, props: boto(service))
    repository, bucket, project = f"understudy/{unique('triage')}", unique("artifacts"), unique("project")
    boto("ecr").create_repository(repositoryName=repository, imageTagMutability="IMMUTABLE")
    boto("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    statement = {"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = boto("iam").create_role(RoleName=unique("builder"), AssumeRolePolicyDocument=document)["Role"]["Arn"]
    boto("codebuild").create_project(
        name=project,
        source={"type": "NO_SOURCE", "buildspec": buildspec()},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "privilegedMode": True,
        },
        logsConfig={"cloudWatchLogs": {"status": "ENABLED", "groupName": f"builds/{project}"}},
        concurrentBuildLimit=1,
        serviceRole=role,
    )
    return Workshop(boto, tmp_path, repository, bucket, project)


def test_a_context_becomes_an_image_once_and_an_endpoint_runs_it(
    workshop: Workshop, lab: Any, unique: Callable[[str], str]
) -> None:
    props = workshop.props(workshop.context())
    made = ContainerImageProvider().create(props)
    repository, digest = made.id.split("@")
    assert repository == props["image"].rpartition(":")[0]
    images = workshop.boto("ecr").describe_images(repositoryName=workshop.repository)["imageDetails"]
    assert [(one["imageDigest"], one["imageTags"]) for one in images] == [(digest, [props["context_digest"]])]
    assert workshop.builds() == [outs(made)["build_id"]]
    again = ContainerImageProvider().create(props)
    assert (again.id, outs(again)["build_id"], len(workshop.builds())) == (made.id, None, 1)
    model = unique("model")
    lab.sagemaker.create_model(
        ModelName=model, ExecutionRoleArn=lab.role, PrimaryContainer={**lab.container("own"), "Image": made.id}
    )
    endpoint = lab.endpoint(lab.config(model, count=1))
    assert lab.invoke(endpoint, "1") == "own:1"
    lab.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_two_runs_at_once_are_one_build(workshop: Workshop) -> None:
    """As after a killed `up`: the second finds the first one's build under way."""
    props = workshop.props(workshop.context())
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ContainerImageProvider().create(props), range(2))
    assert first.id == second.id
    assert workshop.builds() == [outs(first)["build_id"]] == [outs(second)["build_id"]]


def test_a_failed_build_brings_the_end_of_its_log(workshop: Workshop) -> None:
    with pytest.raises(ProviderError) as caught:
        ContainerImageProvider().create(workshop.props(workshop.context("COPY secrets.txt .\n")))
    said = str(caught.value)
    assert f"build {workshop.builds()[0]} FAILED: BUILD: Error while executing command: docker build" in said
    assert 'docker: COPY failed: "/secrets.txt": not found in the build context' in said
    assert f"log-group/builds%2F{workshop.project}/log-events/" in said.splitlines()[-1]


def test_a_context_that_is_not_what_the_tag_says_is_not_built(workshop: Workshop) -> None:
    first, second = workshop.context(), workshop.context("ENV A=1\n")
    props = {**workshop.props(first), "context_uri": f"s3://{workshop.bucket}/{second.digest}"}
    with pytest.raises(ProviderError, match=r"context\.tar: FAILED"):
        ContainerImageProvider().create(props)


def test_without_privileged_mode_there_is_no_docker(workshop: Workshop) -> None:
    environment = {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"}
    workshop.boto("codebuild").update_project(name=workshop.project, environment=environment)
    with pytest.raises(ProviderError, match=r"Cannot connect to the Docker daemon at unix:///var/run/docker\.sock"):
        ContainerImageProvider().create(workshop.props(workshop.context()))


def test_an_oci_image_is_refused_by_the_provider_and_by_sagemaker(workshop: Workshop, lab: Any, refused: Any) -> None:
    context = workshop.context()
    digest = workshop.push(context.digest, OCI)
    with pytest.raises(ProviderError, match=r"has a manifest of type application/vnd\.oci\.image\.manifest"):
        ContainerImageProvider().create(workshop.props(context))
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{workshop.repository}@{digest}"
    with refused("ValidationException", f"Unsupported manifest media type {OCI} for image {image}."):
        lab.sagemaker.create_model(
            ModelName="oci", ExecutionRoleArn=lab.role, PrimaryContainer={**lab.container("v1"), "Image": image}
        )


def test_aws_s_own_images_can_be_looked_up_and_other_accounts_cannot(boto: Callable[..., Any], refused: Any) -> None:
    def look_up(registry: str, name: str, tag: str) -> Any:
        return boto("ecr").batch_get_image(registryId=registry, repositoryName=name, imageIds=[{"imageTag": tag}])

    aws_s = "246618743249"
    first, again = (look_up(aws_s, "sagemaker-xgboost", "3.0-5")["images"][0] for _ in range(2))
    assert first["imageId"]["imageDigest"] == again["imageId"]["imageDigest"]
    assert first["imageManifestMediaType"] == DOCKER
    other = look_up(aws_s, "sagemaker-xgboost", "1.7-1")["images"][0]
    assert other["imageId"]["imageDigest"] != first["imageId"]["imageDigest"]
    with refused("RepositoryNotFoundException", "'nothing' does not exist in the registry with id '246618743249'"):
        look_up(aws_s, "nothing", "1")


def test_another_account_reads_a_repository_that_grants_it(
    workshop: Workshop, boto: Callable[..., Any], refused: Any
) -> None:
    digest = workshop.push("1")
    other = boto("ecr", profile="other")
    asked = {"registryId": ACCOUNT, "repositoryName": workshop.repository, "imageIds": [{"imageTag": "1"}]}
    with refused(
        "AccessDeniedException", "is not authorized to perform: ecr:BatchGetImage", "no resource-based policy"
    ):
        other.batch_get_image(**asked)
    grant = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": ["ecr:BatchGetImage"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    boto("ecr").set_repository_policy(repositoryName=workshop.repository, policyText=policy)
    (image,) = other.batch_get_image(**asked)["images"]
    assert image["imageId"] == {"imageTag": "1", "imageDigest": digest}
    (failure,) = other.batch_get_image(**{**asked, "imageIds": [{"imageTag": "2"}]})["failures"]
    assert failure["failureCode"] == "ImageNotFound"
