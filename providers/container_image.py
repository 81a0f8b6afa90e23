"""`ContainerImage`: the image that a candidate runs, by digest, as a Pulumi resource.

AWS's images are looked up: the tag in the lock file becomes `repository@sha256:…`, so that what was tried is what
ships, whatever AWS does to its tag. A custom image is built first, by the CodeBuild project that the resource names,
unless its tag is there: the tag is the build context's digest and the repository's tags are immutable, so the same
context is built once. Where an `up` was killed while the build ran, the next one waits for that build.

- another image (tag, repository, digest): another resource; the old image stays in its repository, as versions of the
  registry name it.
- project, context's location, Dockerfile, poll: how it is built, no change.

API: ecr:BatchGetImage; codebuild:ListBuildsForProject, BatchGetBuilds, StartBuild; logs:GetLogEvents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, Resource, ResourceProvider
from pulumi.output import Unknown

from model_package import image_reference
from model_package.errors import ImageRefused
from model_package.image_reference import Image, ImageReference
from providers import aws, properties
from providers.aws import ProviderError
from providers.properties import ClientArgs

BUILD_SECONDS = 4 * 3600
"""How long a build may be queued and run; the project's own limits are below."""
RECENT_BUILDS = 20
LOG_LINES = 15
RACED = "AccountLimitExceededException"
"""CodeBuild's answer while the project's only build is running."""


@dataclass(frozen=True)
class ContainerImageArgs(ClientArgs):
    """The inputs. `project_name` and what follows it are for an image that is built here."""

    image: Input[str]
    """ECR URI with tag or digest, in the endpoint's region. A custom image's tag is its build context's digest."""
    project_name: Input[str] | None = None
    """CodeBuild project that builds the image and pushes it as `$IMAGE`; None if it must be there already."""
    context_uri: Input[str] | None = None
    """`s3://…/context.tar.gz`, `$CONTEXT_URI` of the build."""
    context_digest: Input[str] | None = None
    """SHA-256 of the context's tar stream, `$CONTEXT_DIGEST` of the build."""
    dockerfile: Input[str] | None = None
    """The Dockerfile's path in the context, `$DOCKERFILE` of the build."""
    poll_seconds: Input[float] = aws.DEFAULT_POLL_SECONDS
    """Longest pause between two looks at the build; they begin at 0.2 s."""


class ContainerImage(Resource, module="understudy", name="ContainerImage"):
    """An image in ECR. Its id is its URI by digest."""

    image_uri: Output[str]
    """`repository@sha256:…`"""
    image_digest: Output[str]
    """`sha256:…`"""
    build_id: Output[str]
    """The build that made it; None where it was there."""

    def __init__(self, name: str, args: ContainerImageArgs, opts: ResourceOptions | None = None) -> None:
        outputs = ("image_uri", "image_digest", "build_id")
        super().__init__(ContainerImageProvider(), name, properties.registered(args, *outputs), opts)


class ContainerImageProvider(ResourceProvider):
    """Look-up by tag, and a build where there is nothing; stateless, importable, released under this name."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse what is no ECR image, and one of another region, before anything exists."""
        inputs = properties.given(news)
        return CheckResult(inputs, [CheckFailure(name, reason) for name, reason in _mistakes(inputs)])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Old outputs against new inputs: only another image is a change."""
        replaced = isinstance(news.get("image"), Unknown) or olds.get("image") != news.get("image")
        return DiffResult(changes=replaced, replaces=["image"] if replaced else [], delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """The image, built if its tag is not there. Raises ProviderError with the end of a failed build's log."""
        reference = image_reference.parse(str(props["image"]))
        if reference.digest:
            return _created(props, reference, reference.digest, None)
        ecr, build_id = aws.client("ecr", props), None
        found = _look_up(ecr, reference)
        if found is None:
            build_id = _build(props)
            found = _look_up(ecr, reference)
        if found is None:
            raise ProviderError(f"build {build_id} succeeded, and there is no image {props['image']}: see its log")
        if found.media_type != image_reference.DOCKER_MANIFEST:
            raise ProviderError(
                f"{props['image']} has a manifest of type {found.media_type}, which SageMaker refuses: build it with "
                f"Docker media types ({image_reference.DOCKER_MANIFEST}), without attestations, for linux/amd64 alone"
            )
        return _created(props, reference, found.digest, build_id)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Of an image that is built here, what is under its tag now; of others, whether the pinned one is still there.

        AWS moves the tags of its own images: that is no drift, and makes no new candidate.
        """
        reference = image_reference.parse(str(props["image"]) if props.get("project_name") else id_)
        found = image_reference.served(aws.client("ecr", props), reference)
        if found is None:
            return ReadResult("", {})
        outputs = _created(
            {**props, "image": props.get("image") or id_}, reference, found.digest, props.get("build_id")
        )
        return ReadResult(outputs.id, outputs.outs)

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Keep the image: registered versions name it. Only `understudy prune` deletes."""
        aws.say(f"{id_} stays in its repository: registered versions name it")


def _mistakes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    image, region = inputs.get("image"), inputs.get("region")
    if not image:
        yield "image", "image is required"
    elif not isinstance(image, Unknown):
        try:
            image_reference.parse(image)
            if region:
                image_reference.check_region(image, region)
        except ImageRefused as error:
            yield "image", str(error)
    if inputs.get("project_name"):
        for name in ("context_uri", "context_digest", "dockerfile"):
            if not inputs.get(name):
                yield name, f"{name} is required with project_name"


def _created(props: Mapping[str, Any], reference: ImageReference, digest: str, build_id: str | None) -> CreateResult:
    uri = reference.pinned(digest)
    return CreateResult(uri, {**properties.own(props), "image_uri": uri, "image_digest": digest, "build_id": build_id})


def _look_up(ecr: Any, reference: ImageReference) -> Image | None:
    """What is under the tag. None only where nothing is; a registry that may not be read is an error."""
    try:
        return image_reference.served(ecr, reference)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code != "AccessDeniedException":
            raise
        raise ProviderError(
            f"{reference.name}:{reference.tag} cannot be looked up: {error.response['Error']['Message']}; the identity "
            f"in use needs ecr:BatchGetImage on repository/{reference.repository} of account {reference.account}"
        ) from error


# -- building ---------------------------------------------------------------------------------------------------------


def _build(props: Mapping[str, Any]) -> str:
    """Build and push the image; the build's id once it succeeded."""
    image, project = str(props["image"]), props.get("project_name")
    if not project:
        raise ProviderError(f"there is no image {image}: check its tag, or that its repository was not emptied")
    codebuild = aws.client("codebuild", props)
    build_id = _running(codebuild, project, image) or _started(codebuild, project, props)
    told = ""
    for _ in aws.polls(BUILD_SECONDS, float(props.get("poll_seconds", aws.DEFAULT_POLL_SECONDS))):
        build = aws.patiently(lambda: dict(codebuild.batch_get_builds(ids=[build_id])["builds"][0]))
        if build is None:
            continue
        if build.get("currentPhase") != told:
            told = str(build.get("currentPhase"))
            aws.say(f"building {image}: {told} ({build_id})")
        if build["buildStatus"] != "IN_PROGRESS":
            if build["buildStatus"] != "SUCCEEDED":
                raise ProviderError(_failure(build, aws.client("logs", props)))
            return build_id
    raise ProviderError(
        f"build {build_id} is not over after {BUILD_SECONDS} s: see it in CodeBuild, then run `up` again"
    )


def _running(codebuild: Any, project: str, image: str) -> str | None:
    """The build of this very image that an earlier `up` started, if it is not over."""
    listed = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING")
    ids = listed.get("ids", [])[:RECENT_BUILDS]
    builds = codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
    return next(
        (str(one["id"]) for one in builds if one["buildStatus"] == "IN_PROGRESS" and _image(one) == image), None
    )


def _image(build: Mapping[str, Any]) -> str | None:
    variables = build.get("environment", {}).get("environmentVariables", [])
    return next((item["value"] for item in variables if item["name"] == "IMAGE"), None)


def _started(codebuild: Any, project: str, props: Mapping[str, Any]) -> str:
    variables = {
        "IMAGE": props["image"],
        "CONTEXT_URI": props["context_uri"],
        "CONTEXT_DIGEST": props["context_digest"],
        "DOCKERFILE": props["dockerfile"],
    }
    overrides = [{"name": name, "value": str(value), "type": "PLAINTEXT"} for name, value in variables.items()]
    try:
        return str(codebuild.start_build(projectName=project, environmentVariablesOverride=overrides)["build"]["id"])
    except ClientError as error:
        if error.response["Error"]["Code"] != RACED:
            raise
        # Both runs looked before either had started.
        if (running := _running(codebuild, project, str(props["image"]))) is not None:
            return running
        raise ProviderError(
            f"{project} builds another image at the moment ({error.response['Error']['Message']}): run `up` again when "
            "that is over"
        ) from error


def _failure(build: Mapping[str, Any], logs: Any) -> str:
    """What failed, the last lines of the log, and where the rest is."""
    contexts = [
        f"{phase['phaseType']}: {context['message']}"
        for phase in build.get("phases", [])
        for context in phase.get("contexts", [])
        if context.get("message")
    ]
    where = build.get("logs", {})
    lines = [f"build {build['id']} {build['buildStatus']}: {'; '.join(contexts) or 'CodeBuild gives no reason'}"]
    if where.get("groupName"):
        try:
            answer = logs.get_log_events(
                logGroupName=where["groupName"], logStreamName=where["streamName"], limit=LOG_LINES
            )
            lines += [f"  {event['message'].rstrip()}" for event in answer["events"][-LOG_LINES:]]
        except ClientError as error:
            lines.append(f"  (its log cannot be read: {error.response['Error']['Message']})")
    return "\n".join([*lines, f"log: {where.get('deepLink', 'see the build in CodeBuild')}"])
