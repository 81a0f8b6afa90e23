"""ContainerImage: when there is a build, what is asked of CodeBuild, and what a failed one says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from pulumi.dynamic import CreateResult, ReadResult
from pulumi.output import UNKNOWN

from model_package.image_reference import DOCKER_MANIFEST
from providers import aws
from providers.aws import ProviderError
from providers.container_image import ContainerImageProvider

CONTEXT, DIGEST, OTHER = "c" * 64, f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
NAME = "111111111111.dkr.ecr.us-west-2.amazonaws.com/understudy/tumor-triage"
IMAGE = f"{NAME}:{CONTEXT}"
BUILD = "tumor-triage-image-0a1b2c3:1"
FRAMEWORK = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5"
PROPS: dict[str, Any] = {
    "image": IMAGE,
    "project_name": "tumor-triage-image-0a1b2c3",
    "context_uri": f"s3://artifacts/tumor-triage/context/{CONTEXT}/context.tar.gz",
    "context_digest": CONTEXT,
    "dockerfile": "use_cases/tumor_triage/Dockerfile",
    "poll_seconds": 15.0,
    "region": "us-west-2",
}
STARTED = {
    "IMAGE": IMAGE,
    "CONTEXT_URI": PROPS["context_uri"],
    "CONTEXT_DIGEST": CONTEXT,
    "DOCKERFILE": PROPS["dockerfile"],
}


class Aws:
    """ECR, CodeBuild and Logs, which answer what a test tells them to, in order."""

    def __init__(self) -> None:
        keys = {"region_name": "us-west-2", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.clients = {name: boto3.client(name, **keys) for name in ("ecr", "codebuild", "logs")}
        self.ecr, self.codebuild, self.logs = (Stubber(self.clients[name]) for name in ("ecr", "codebuild", "logs"))

    def serves(self, digest: str | None, media_type: str = DOCKER_MANIFEST) -> None:
        images = [{"imageId": {"imageDigest": digest}, "imageManifestMediaType": media_type}] if digest else []
        self.ecr.add_response("batch_get_image", {"images": images, "failures": []})

    def running(self, *builds: dict[str, Any]) -> None:
        """ListBuildsForProject and, where there are builds, BatchGetBuilds."""
        ids = [build["id"] for build in builds]
        asked = {"projectName": PROPS["project_name"], "sortOrder": "DESCENDING"}
        self.codebuild.add_response("list_builds_for_project", {"ids": ids} if ids else {}, asked)
        if builds:
            self.codebuild.add_response("batch_get_builds", {"builds": list(builds)}, {"ids": ids})

    def starts(self) -> None:
        overrides = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in STARTED.items()]
        asked = {"projectName": PROPS["project_name"], "environmentVariablesOverride": overrides}
        self.codebuild.add_response("start_build", {"build": build()}, asked)

    def looks(self, status: str, phase: str = "BUILD", **more: Any) -> None:
        answer = {"builds": [build(status, currentPhase=phase, **more)]}
        self.codebuild.add_response("batch_get_builds", answer, {"ids": [BUILD]})


def build(status: str = "IN_PROGRESS", image: str = IMAGE, **more: Any) -> dict[str, Any]:
    environment = {
        "type": "LINUX_CONTAINER",
        "image": "x",
        "computeType": "BUILD_GENERAL1_SMALL",
        "environmentVariables": [{"name": "IMAGE", "value": image}],
    }
    return {"id": BUILD, "buildStatus": status, "environment": environment, **more}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    answers = Aws()
    monkeypatch.setattr(aws, "client", lambda service, props: answers.clients[service])
    monkeypatch.setattr(aws, "FIRST_POLL_SECONDS", 0)
    with answers.ecr, answers.codebuild, answers.logs:
        yield answers
        for one in (answers.ecr, answers.codebuild, answers.logs):
            one.assert_no_pending_responses()


def outs(result: CreateResult | ReadResult) -> dict[str, Any]:
    return dict(result.outs or {})


def failures(**changes: Any) -> list[tuple[str, str]]:
    return [(f.property, f.reason) for f in ContainerImageProvider().check({}, {**PROPS, **changes}).failures]


def test_check_refuses_before_anything_exists() -> None:
    assert failures() == failures(image=UNKNOWN) == failures(image=FRAMEWORK, project_name=None) == []
    assert failures(image=None) == [("image", "image is required")]
    assert failures(dockerfile=None) == [("dockerfile", "dockerfile is required with project_name")]
    ((name, reason),) = failures(image="python:3.11")
    assert (name, reason[:44]) == ("image", "'python:3.11' is no image in ECR: expected <")


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "ap-southeast-2"])
def test_an_image_of_another_region_is_refused(region: str) -> None:
    ((name, reason),) = failures(image=FRAMEWORK, project_name=None, region=region)
    assert name == "image"
    assert f"{FRAMEWORK} is in us-west-2, and its endpoint will be in {region}" in reason


def test_only_another_image_is_a_change() -> None:
    diff = ContainerImageProvider().diff
    olds = {**PROPS, "image_uri": f"{NAME}@{DIGEST}", "image_digest": DIGEST}
    assert not diff("", olds, {**PROPS, "project_name": "another", "context_uri": UNKNOWN}).changes
    for image in (f"{NAME}:{'d' * 64}", UNKNOWN):
        found = diff("", olds, {**PROPS, "image": image})
        assert (found.changes, found.replaces, found.delete_before_replace) == (True, ["image"], False)


def test_aws_s_image_is_pinned_to_what_its_tag_is_now(stub: Aws) -> None:
    stub.serves(DIGEST)
    made = ContainerImageProvider().create({"image": FRAMEWORK, "region": "us-west-2"})
    assert made.id == outs(made)["image_uri"] == f"{FRAMEWORK.rpartition(':')[0]}@{DIGEST}"
    assert (outs(made)["image_digest"], outs(made)["build_id"]) == (DIGEST, None)


def test_an_image_by_digest_is_taken_as_it_is(stub: Aws) -> None:
    made = ContainerImageProvider().create({"image": f"{NAME}@{DIGEST}"})
    assert (made.id, outs(made)["image_digest"]) == (f"{NAME}@{DIGEST}", DIGEST)


def test_a_context_that_was_built_is_not_built_again(stub: Aws) -> None:
    stub.serves(DIGEST)
    assert outs(ContainerImageProvider().create(PROPS))["build_id"] is None


def test_a_new_context_is_built_with_progress(stub: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    stub.serves(None)
    stub.running(build("SUCCEEDED"))  # an earlier one, whose image somebody deleted
    stub.starts()
    for status, phase in (("IN_PROGRESS", "QUEUED"), ("IN_PROGRESS", "BUILD"), ("SUCCEEDED", "COMPLETED")):
        stub.looks(status, phase)
    stub.serves(DIGEST)
    made = ContainerImageProvider().create(PROPS)
    assert (made.id, outs(made)["build_id"]) == (f"{NAME}@{DIGEST}", BUILD)
    told = capsys.readouterr().err.splitlines()
    assert told == [f"building {IMAGE}: {phase} ({BUILD})" for phase in ("QUEUED", "BUILD", "COMPLETED")]


def test_a_killed_up_s_build_is_waited_for(stub: Aws) -> None:
    stub.serves(None)
    stub.running(build(image=f"{NAME}:other"), build())
    stub.looks("SUCCEEDED")
    stub.serves(DIGEST)
    assert outs(ContainerImageProvider().create(PROPS))["build_id"] == BUILD


def test_a_build_that_somebody_started_first_is_waited_for(stub: Aws) -> None:
    stub.serves(None)
    stub.running()
    stub.codebuild.add_client_error("start_build", "AccountLimitExceededException", "Cannot have more than 1 builds")
    stub.running(build())
    stub.looks("SUCCEEDED")
    stub.serves(DIGEST)
    assert outs(ContainerImageProvider().create(PROPS))["build_id"] == BUILD


def test_a_failed_build_says_why_and_where(stub: Aws) -> None:
    stub.serves(None)
    stub.running()
    stub.starts()
    phases = [{"phaseType": "BUILD", "contexts": [{"statusCode": "X", "message": "exit status 1"}]}]
    logs = {"groupName": "g", "streamName": "s", "deepLink": "https://console/log"}
    stub.looks("FAILED", phases=phases, logs=logs)
    lines = [{"message": f"line {number}\n", "timestamp": 1} for number in range(3)]
    asked = {"logGroupName": "g", "logStreamName": "s", "limit": ANY}
    stub.logs.add_response("get_log_events", {"events": lines}, asked)
    with pytest.raises(ProviderError) as caught:
        ContainerImageProvider().create(PROPS)
    assert str(caught.value).splitlines() == [
        f"build {BUILD} FAILED: BUILD: exit status 1",
        "  line 0",
        "  line 1",
        "  line 2",
        "log: https://console/log",
    ]


def test_a_build_of_another_image_is_not_waited_for(stub: Aws) -> None:
    stub.serves(None)
    stub.running(build(image=f"{NAME}:other"))
    stub.codebuild.add_client_error("start_build", "AccountLimitExceededException", "Cannot have more than 1 builds")
    stub.running(build(image=f"{NAME}:other"))
    with pytest.raises(ProviderError, match=r"builds another image at the moment \(Cannot have more.* run `up` again"):
        ContainerImageProvider().create(PROPS)


@pytest.mark.parametrize(
    "kind", ["application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"]
)
def test_an_oci_manifest_is_refused_before_sagemaker_does(stub: Aws, kind: str) -> None:
    stub.serves(DIGEST, kind)
    with pytest.raises(
        ProviderError, match=rf"{kind.replace('+', '.')}, which SageMaker refuses: build it with Docker"
    ):
        ContainerImageProvider().create(PROPS)


def test_an_image_that_is_not_there_or_may_not_be_seen(stub: Aws) -> None:
    stub.serves(None)
    with pytest.raises(ProviderError, match=r"there is no image .*xgboost:3\.0-5: check its tag"):
        ContainerImageProvider().create({"image": FRAMEWORK})
    stub.ecr.add_client_error("batch_get_image", "AccessDeniedException", "no policy allows it")
    with pytest.raises(
        ProviderError, match=r"no policy allows it; the identity in use needs ecr:BatchGetImage on repo"
    ):
        ContainerImageProvider().create({"image": FRAMEWORK})


def test_a_refresh_sees_a_moved_and_a_deleted_tag(stub: Aws) -> None:
    olds = {**PROPS, "image_uri": f"{NAME}@{DIGEST}", "image_digest": DIGEST, "build_id": BUILD}
    stub.serves(OTHER)
    moved = ContainerImageProvider().read(f"{NAME}@{DIGEST}", olds)
    assert (moved.id, outs(moved)["image_digest"], outs(moved)["image"]) == (f"{NAME}@{OTHER}", OTHER, IMAGE)
    stub.serves(None)
    assert ContainerImageProvider().read(f"{NAME}@{DIGEST}", olds).id == ""


def test_a_refresh_asks_for_aws_s_image_by_digest(stub: Aws) -> None:
    olds = {"image": FRAMEWORK, "image_digest": DIGEST}
    asked = {"registryId": ANY, "repositoryName": ANY, "acceptedMediaTypes": ANY, "imageIds": [{"imageDigest": DIGEST}]}
    stub.ecr.add_response("batch_get_image", {"images": [{"imageId": {"imageDigest": DIGEST}}]}, asked)
    pinned = f"{FRAMEWORK.rpartition(':')[0]}@{DIGEST}"
    found = ContainerImageProvider().read(pinned, olds)
    assert (found.id, outs(found)["image_uri"], outs(found)["image"]) == (pinned, pinned, FRAMEWORK)


def test_delete_keeps_the_image(stub: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    ContainerImageProvider().delete(f"{NAME}@{DIGEST}", PROPS)
    assert "stays in its repository" in capsys.readouterr().err
