"""A custom image: its build context in S3, the CodeBuild project that builds and pushes it, and the image itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import yaml

from components import policies
from components.naming import Scope, logical
from components.storage import ContentStore
from model_package.image import BuildContext
from providers.container_image import ContainerImage, ContainerImageArgs

BUILD_IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
"""AWS's own, which brings Docker and the aws command."""
TIMEOUT_MINUTES = 60
LOG_DAYS = 365
PUSH_ACTIONS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


@dataclass(frozen=True)
class ImageBuildArgs:
    """`repository_url`: the service's own repository, whose tags are immutable."""

    scope: Scope
    context: BuildContext
    repository_url: pulumi.Input[str]
    artifacts: ContentStore


def context_key(service: str, digest: str) -> str:
    return f"{service}/context/{digest}/context.tar.gz"


def buildspec() -> str:
    """Fetch the context, make sure that it is the one the tag names, build, log in, push.

    SageMaker takes no OCI manifests, and no image indexes, which attestations make of an image. The log-in comes after
    the build, so that a Dockerfile never runs beside it.
    """
    commands = [
        'aws s3 cp --only-show-errors "$CONTEXT_URI" context.tar.gz',
        "gzip -dc context.tar.gz > context.tar",
        'echo "$CONTEXT_DIGEST  context.tar" | sha256sum --check --strict',
        "mkdir context",
        "tar -xf context.tar -C context",
        'docker build --platform linux/amd64 --tag "$IMAGE" --file "context/$DOCKERFILE" context',
        'aws ecr get-login-password | docker login --username AWS --password-stdin "${IMAGE%%/*}"',
        'docker push "$IMAGE"',
    ]
    variables = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    spec = {"version": 0.2, "env": {"variables": variables}, "phases": {"build": {"commands": commands}}}
    return yaml.safe_dump(spec, sort_keys=False, width=200)


def build_statements(
    scope: Scope, service: str, bucket: str, key_arn: str, log_group_arn: str
) -> list[policies.Statement]:
    """What a build does: read its context, push to the service's own repository, log."""
    return [
        policies.write_logs(log_group_arn),
        policies.get_objects(scope, bucket, f"{service}/context/"),
        policies.use_key(key_arn),
        policies.allow(PUSH_ACTIONS, [scope.arn("ecr", f"repository/{scope.repository(service)}")]),
        # Knows no resources.
        policies.allow(["ecr:GetAuthorizationToken"], ["*"]),
    ]


class ImageBuild(pulumi.ComponentResource):
    image: ContainerImage

    def __init__(self, name: str, args: ImageBuildArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:image_build:ImageBuild", name, None, opts)
        self._service, self._name, self._args = name, f"{name}-image", args
        # What an image was built from stays beside it.
        key = context_key(self._service, args.context.digest)
        context = args.artifacts.upload(self._name, key, args.context.path, self)
        project, policy = self._create_project()
        self.image = ContainerImage(
            name,
            ContainerImageArgs(
                image=pulumi.Output.format("{0}:{1}", args.repository_url, args.context.digest),
                project_name=project.name,
                context_uri=pulumi.Output.format("s3://{0}/{1}", context.bucket, context.key),
                context_digest=args.context.digest,
                dockerfile=args.context.dockerfile,
                region=args.scope.region,
            ),
            self._child(depends_on=[policy]),
        )
        self.register_outputs({"image_uri": self.image.image_uri})

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)

    def _create_project(self) -> tuple[aws.codebuild.Project, aws.iam.RolePolicy]:
        args, role_name = self._args, logical("role", self._name, "build")
        log_group = aws.cloudwatch.LogGroup(role_name, retention_in_days=LOG_DAYS, opts=self._child())
        project_arns = args.scope.arn("codebuild", f"project/{self._name}-*")
        role = aws.iam.Role(
            role_name,
            assume_role_policy=policies.trust(args.scope, "codebuild.amazonaws.com", project_arns),
            opts=self._child(),
        )
        document = pulumi.Output.all(args.artifacts.bucket, args.artifacts.key_arn, log_group.arn).apply(
            lambda known: policies.document(build_statements(args.scope, self._service, *known))
        )
        policy = aws.iam.RolePolicy(role_name, role=role.name, policy=document, opts=self._child())
        project = aws.codebuild.Project(
            self._name,
            description=f"Builds {self._service}'s own image",
            service_role=role.arn,
            source={"type": "NO_SOURCE", "buildspec": buildspec()},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "compute_type": "BUILD_GENERAL1_SMALL",
                "image": BUILD_IMAGE,
                # A Docker daemon inside the build needs it.
                "privileged_mode": True,
            },
            logs_config={"cloudwatch_logs": {"status": "ENABLED", "group_name": log_group.name}},
            build_timeout=TIMEOUT_MINUTES,
            # Two runs of `up` are one build: the second waits for the first one's.
            concurrent_build_limit=1,
            opts=self._child(depends_on=[policy]),
        )
        return project, policy
