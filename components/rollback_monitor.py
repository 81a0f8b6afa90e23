"""What happens when production's alarm goes off: topic → function → build that runs `understudy rollback`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws
import yaml

from components import Block, policies
from components.function import Function, FunctionArgs
from components.naming import Scope, bucket_arn, logical
from settings import Delivery, ServiceSettings

TIMEOUT_SECONDS = 30
BUILD_MARGIN_SECONDS = 1_800
"""For cloning, set-up, waiting for the stack's lock and the rest of the `up`, on top of the rollout's limit."""
ECR_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.[a-z]+)?/([a-z0-9._/-]+?)(?:[:@].*)?")
"""`<account>.dkr.ecr.<region>.amazonaws.com/<repository>`, with a tag or a digest."""
ENGINE_CHECK = (
    '[ -n "$UNDERSTUDY_ENGINE" ] || command -v pulumi || '
    '{ echo "There is no pulumi in this image: delivery.buildImage must name one that brings it" >&2; false; }'
)
LOG_DAYS = 365
CREATE_ACTIONS = (
    "sagemaker:CreateModel",
    "sagemaker:DescribeModel",
    "sagemaker:CreateEndpointConfig",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:AddTags",
    "sagemaker:ListTags",
)


@dataclass(frozen=True)
class RollbackMonitorArgs:
    """`artifacts`: where the versions' artifacts are; `delivery`: None builds the topic alone, which pages people."""

    scope: Scope
    artifacts: Scope
    stack: str
    service: ServiceSettings
    delivery: Delivery | None
    topic_key_arn: pulumi.Input[str]
    deployment_parameter: str
    layer_arn: pulumi.Input[str] | None
    root: Path


def topic_policy(scope: Scope, topic_arn: str, service: str) -> str:
    alarms = scope.arn("cloudwatch", f"alarm:{service}-*")
    publish = policies.accept_from(scope, "cloudwatch.amazonaws.com", ["sns:Publish"], topic_arn, alarms)
    insecure = {**policies.deny_plain_http("sns", [topic_arn]), "Action": "sns:Publish"}
    return policies.document([publish, insecure])


def buildspec() -> str:
    """Clones what the stack is deployed from and reverts it; the command itself commits and pushes the config.

    The engine is the image's: what reverts production is not downloaded while production is broken. An image without
    it fails before anything else happens; one that sets UNDERSTUDY_ENGINE has chosen its engine.
    """
    commands = [
        ENGINE_CHECK,
        'git clone --branch "$BRANCH" "$REPOSITORY_URL" checkout',
        "cd checkout",
        "make setup",
        '.venv/bin/python -m release rollback "$SERVICE" --stack "$STACK"'
        ' --alarm "$ALARM_NAME" --reason "$REASON" --yes',
    ]
    return yaml.safe_dump({"version": 0.2, "phases": {"build": {"commands": commands}}}, sort_keys=False)


def build_timeout_minutes(service: ServiceSettings) -> int:
    """More than the longest rollout the service may have, so that the build never leaves one unwatched."""
    return ceil((service.rollout.maximum_execution_seconds + BUILD_MARGIN_SECONDS) / 60)


def build_environment(stack: str, service: str, delivery: Delivery) -> Block:
    """Variables of the project; the function overrides SERVICE, STACK, ALARM_NAME and REASON."""
    plain = {
        "SERVICE": service,
        "STACK": stack,
        "ALARM_NAME": "",
        "REASON": "",
        "REPOSITORY_URL": delivery.repository_url,
        "BRANCH": delivery.branch,
        "PULUMI_BACKEND_URL": delivery.backend_url,
    }
    variables = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in plain.items()]
    secret = {"name": "PULUMI_CONFIG_PASSPHRASE", "value": delivery.passphrase_parameter, "type": "PARAMETER_STORE"}
    return [*variables, secret]


def image_credentials(image: str) -> str:
    """Who pulls the build's image: the project's own role from ECR, CodeBuild any other."""
    return "SERVICE_ROLE" if ECR_IMAGE.fullmatch(image) else "CODEBUILD"


def image_statements(scope: Scope, image: str) -> list[policies.Statement]:
    """What the role needs to pull the build's image, if that is in ECR."""
    found = ECR_IMAGE.fullmatch(image)
    if not found:
        return []
    account, region, repository = found.groups()
    return policies.pull_images([scope.elsewhere(account, region).arn("ecr", f"repository/{repository}")])


def function_statements(scope: Scope, parameter: str, project_arn: str) -> list[policies.Statement]:
    return [
        policies.allow(["ssm:GetParameter"], [scope.arn("ssm", f"parameter{parameter}")]),
        policies.allow(
            ["codebuild:StartBuild", "codebuild:ListBuildsForProject", "codebuild:BatchGetBuilds"], [project_arn]
        ),
    ]


def build_statements(
    scope: Scope, artifacts: Scope, service: str, parameter: str, delivery: Delivery, log_group_arn: str
) -> list[policies.Statement]:
    """What reverting one service takes: its endpoint, its alarms, its parameter, the stack's state, and a quarantine.

    Its artifacts too, which are verified before they are deployed.

    Describe calls that a plan needs know no narrower resources than the service's own names.
    """
    endpoint = scope.endpoint_name(service)
    named = [scope.arn("sagemaker", f"{kind}/{service}-*") for kind in ("model", "endpoint-config")]
    passphrase = delivery.passphrase_parameter
    execution_role = f"arn:{scope.partition}:iam::{scope.account}:role/{service}-execution-*"
    statements = [
        policies.write_logs(log_group_arn),
        policies.allow(
            CREATE_ACTIONS,
            named,
        ),
        policies.allow(
            ["sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpoint", "sagemaker:ListTags"],
            [scope.arn("sagemaker", f"endpoint/{endpoint}"), *named[1:]],
        ),
        # The group may be another account's; its policy there decides too (FACTS 4).
        policies.allow(
            [
                "sagemaker:DescribeModelPackage",
                "sagemaker:ListModelPackages",
                "sagemaker:CreateModel",
                "sagemaker:UpdateModelPackage",
            ],
            [
                f"arn:{scope.partition}:sagemaker:{scope.region}:*:model-package{kind}/{service}{rest}"
                for kind, rest in (("", "/*"), ("-group", ""))
            ],
        ),
        policies.allow(
            ["iam:PassRole"], [execution_role], {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        ),
        policies.allow(
            ["cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:ListTagsForResource"],
            [scope.arn("cloudwatch", f"alarm:{service}-*")],
        ),
        policies.allow(
            ["ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter", "ssm:ListTagsForResource"],
            [scope.arn("ssm", f"parameter{parameter}")],
        ),
        policies.allow(
            ["ssm:GetParameter", "ssm:GetParameters"], [scope.arn("ssm", f"parameter/{passphrase.lstrip('/')}")]
        ),
        # Knows no resources.
        policies.allow(["ssm:DescribeParameters"], ["*"]),
    ]
    return [
        *statements,
        *verification_statements(artifacts, service),
        *image_statements(scope, delivery.build_image),
        *backend_statements(scope, delivery.backend_url),
    ]


def verification_statements(artifacts: Scope, service: str) -> list[policies.Statement]:
    """What VerifiedPackage reads of the version to return to: artifact, signature, a custom image's tag."""
    return [
        policies.get_objects(artifacts, artifacts.artifact_bucket, f"{service}/"),
        policies.use_key_by_alias(artifacts, artifacts.artifact_key_alias),
        policies.allow(["ecr:BatchGetImage"], [artifacts.arn("ecr", f"repository/{artifacts.repository(service)}")]),
    ]


def backend_statements(scope: Scope, backend_url: str) -> list[policies.Statement]:
    """Read and write state in an S3 backend; other backends have credentials of their own."""
    url = urlsplit(backend_url)
    if url.scheme != "s3":
        return []
    bucket, prefix = url.netloc, url.path.strip("/")
    objects = f"{bucket_arn(scope, bucket)}/{prefix}/.pulumi/*" if prefix else f"{bucket_arn(scope, bucket)}/.pulumi/*"
    return [
        policies.allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [objects]),
        policies.list_objects(scope, bucket),
    ]


class RollbackMonitor(pulumi.ComponentResource):
    topic_arn: pulumi.Output[str]
    project_name: pulumi.Output[str] | None

    def __init__(self, name: str, args: RollbackMonitorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:rollback_monitor:RollbackMonitor", name, None, opts)
        self._service, self._name, self._args = name, f"{name}-rollback", args
        self._create_topic()
        self.topic_arn, self.project_name = self._topic.arn, None
        if args.delivery is not None and args.layer_arn is not None:
            project = self._create_project(args.delivery)
            self._create_function(project, args.layer_arn)
            self.project_name = project.name
        self.register_outputs({"topic_arn": self.topic_arn})

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)

    def _create_topic(self) -> None:
        args = self._args
        self._topic = aws.sns.Topic(
            logical("topic", self._name), kms_master_key_id=args.topic_key_arn, opts=self._child()
        )
        aws.sns.TopicPolicy(
            self._name,
            arn=self._topic.arn,
            policy=self._topic.arn.apply(lambda arn: topic_policy(args.scope, arn, self._service)),
            opts=self._child(),
        )

    def _create_project(self, delivery: Delivery) -> aws.codebuild.Project:
        args, role_name = self._args, logical("role", self._name, "build")
        log_group = aws.cloudwatch.LogGroup(role_name, retention_in_days=LOG_DAYS, opts=self._child())
        role = aws.iam.Role(
            role_name,
            assume_role_policy=policies.trust(
                args.scope, "codebuild.amazonaws.com", args.scope.arn("codebuild", f"project/{self._name}-*")
            ),
            opts=self._child(),
        )
        policy = aws.iam.RolePolicy(
            role_name,
            role=role.name,
            policy=log_group.arn.apply(
                lambda arn: policies.document(
                    build_statements(
                        args.scope, args.artifacts, self._service, args.deployment_parameter, delivery, arn
                    )
                )
            ),
            opts=self._child(),
        )
        environment: Block = {
            "type": "LINUX_CONTAINER",
            "compute_type": "BUILD_GENERAL1_SMALL",
            "image": delivery.build_image,
            "image_pull_credentials_type": image_credentials(delivery.build_image),
            "environment_variables": build_environment(args.stack, self._service, delivery),
        }
        return aws.codebuild.Project(
            self._name,
            description=f"Brings {self._service} back to its last known good version",
            service_role=role.arn,
            source={"type": "NO_SOURCE", "buildspec": buildspec()},
            artifacts={"type": "NO_ARTIFACTS"},
            environment=environment,
            logs_config={"cloudwatch_logs": {"status": "ENABLED", "group_name": log_group.name}},
            build_timeout=build_timeout_minutes(args.service),
            # Two alarms of one fault are one rollback: a second build would go back one version further.
            concurrent_build_limit=1,
            opts=self._child(depends_on=[policy]),
        )

    def _create_function(self, project: aws.codebuild.Project, layer_arn: pulumi.Input[str]) -> None:
        args = self._args
        function = Function(
            self._name,
            FunctionArgs(
                function="rollback",
                root=args.root,
                layer_arn=layer_arn,
                environment={
                    "DEPLOYMENT_PARAMETER": args.deployment_parameter,
                    "PROJECT_NAME": project.name,
                    "ENVIRONMENT": args.stack,
                    "SERVICE": self._service,
                },
                statements=project.arn.apply(
                    lambda arn: function_statements(args.scope, args.deployment_parameter, arn)
                ),
                timeout_seconds=TIMEOUT_SECONDS,
                asynchronous=True,
            ),
            self._child(),
        )
        permission = aws.lambda_.Permission(
            self._name,
            action="lambda:InvokeFunction",
            function=function.function_name,
            principal="sns.amazonaws.com",
            source_arn=self._topic.arn,
            opts=self._child(),
        )
        aws.sns.TopicSubscription(
            self._name,
            topic=self._topic.arn,
            protocol="lambda",
            endpoint=function.arn,
            opts=self._child(depends_on=[permission]),
        )
