"""Where candidates come from: buckets, key and training role of a registering environment; a registry a use case."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies, vending
from components.encryption import EncryptionKey, EncryptionKeyArgs
from components.naming import Scope, logical
from components.storage import ContentStore, Expiry, PrivateBucket, PrivateBucketArgs, kept
from components.tags import tagging

RECORD_DAYS = 365
UNTAGGED_IMAGE_DAYS = 90
TRAINING_JOBS_DAYS = 90
FRAMEWORK_REPOSITORIES = ("sagemaker-xgboost", "sagemaker-scikit-learn", "pytorch-training", "pytorch-inference")
"""AWS's own image repositories. Their registry's account differs by region, so it stays open in the ARN."""


@dataclass(frozen=True)
class ModelRegistryArgs:
    """`services`: use case folder by service name; `consumers`: who else runs what is registered here."""

    scope: Scope
    services: dict[str, str]
    consumers: vending.Consumers | None = None


def image_repositories(scope: Scope, services: Sequence[str]) -> list[str]:
    """ARNs of the repositories that the services' images come from: their own, and AWS's framework images."""
    own = [scope.arn("ecr", f"repository/{scope.repository(service)}") for service in services]
    frameworks = [f"arn:{scope.partition}:ecr:{scope.region}:*:repository/{name}" for name in FRAMEWORK_REPOSITORIES]
    return own + frameworks


def training_statements(scope: Scope, services: Sequence[str], bucket: str, key_arn: str) -> list[policies.Statement]:
    """What a training job does: read data and models, write its output, log, report metrics, pull its image."""
    log_group = scope.arn("logs", "log-group:/aws/sagemaker/TrainingJobs")
    return [
        *policies.read_objects(scope, bucket, "data/", "jobs/", "models/"),
        policies.write_objects(scope, bucket, "jobs/", "models/"),
        policies.use_key(key_arn, encrypt=True),
        *policies.pull_images(image_repositories(scope, services)),
        policies.allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            [log_group, f"{log_group}:*"],
        ),
        policies.put_metrics("/aws/sagemaker/TrainingJobs"),
    ]


def image_lifecycle() -> str:
    """Untagged images go after a while. Released ones are referenced by digest and keep their tag, so they stay."""
    rule = {
        "rulePriority": 1,
        "description": f"untagged images go after {UNTAGGED_IMAGE_DAYS} days",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": UNTAGGED_IMAGE_DAYS,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})


class ModelRegistry(pulumi.ComponentResource):
    """Artifact, training and records buckets, their key, the training role; a group and a repository a use case."""

    key_arn: pulumi.Output[str]
    artifact_bucket: pulumi.Output[str]
    artifacts: ContentStore
    """Where the candidates' artifacts and build contexts go: the artifact bucket."""
    training_bucket: pulumi.Output[str]
    records_bucket: pulumi.Output[str]
    training_role_arn: pulumi.Output[str]
    groups: dict[str, pulumi.Output[str]]
    """Group name by service; an Output, so that what registers there waits for the group."""
    repositories: dict[str, pulumi.Output[str]]
    """URL of the repository of a service's own images, by service."""

    def __init__(self, name: str, args: ModelRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:model_registry:ModelRegistry", name, None, opts)
        self._name, self._args = name, args
        self._create_key()
        self._create_buckets()
        self._create_training_role()
        self.repositories = {}
        self.groups = {service: self._create_registry(service, use_case) for service, use_case in args.services.items()}
        self.register_outputs({"artifact_bucket": self.artifact_bucket, "training_bucket": self.training_bucket})

    def _create_key(self) -> None:
        consumers = self._args.consumers
        args = EncryptionKeyArgs(
            self._args.scope,
            "Model artifacts, training data and comparison records",
            self._args.scope.artifact_key_alias,
            grants=vending.key_statements(consumers, list(self._args.services)) if consumers else (),
        )
        self.key_arn = EncryptionKey("artifacts", args, pulumi.ResourceOptions(parent=self)).arn

    def _create_buckets(self) -> None:
        child = pulumi.ResourceOptions(parent=self)
        consumers = self._args.consumers
        artifacts = PrivateBucketArgs(
            bucket=self._args.scope.artifact_bucket,
            key_arn=self.key_arn,
            grants=vending.artifact_statements(consumers, list(self._args.services)) if consumers else (),
        )
        bucket = PrivateBucket("artifacts", artifacts, child)
        self.artifact_bucket = bucket.bucket
        self.artifacts = ContentStore(bucket.bucket, self.key_arn, bucket.versioning)
        training = PrivateBucketArgs(key_arn=self.key_arn, expiries=[Expiry("jobs/", TRAINING_JOBS_DAYS)])
        self.training_bucket = PrivateBucket("training", training, child).bucket
        records = PrivateBucketArgs(key_arn=self.key_arn, expiries=[Expiry("comparisons/", RECORD_DAYS)])
        self.records_bucket = PrivateBucket("records", records, child).bucket

    def _create_training_role(self) -> None:
        scope, services = self._args.scope, list(self._args.services)
        role = aws.iam.Role(
            logical("role", "training"),
            assume_role_policy=policies.sagemaker_trust(scope),
            opts=pulumi.ResourceOptions(parent=self),
        )
        statements = pulumi.Output.all(self.training_bucket, self.key_arn).apply(
            lambda known: policies.document(training_statements(scope, services, known[0], known[1]))
        )
        aws.iam.RolePolicy(
            logical("role", "training"), role=role.name, policy=statements, opts=pulumi.ResourceOptions(parent=self)
        )
        self.training_role_arn = role.arn

    def _create_registry(self, service: str, use_case: str) -> pulumi.Output[str]:
        keep = kept(self, transformations=[tagging({"service": service, "use_case": use_case})])
        group = aws.sagemaker.ModelPackageGroup(service, model_package_group_name=service, opts=keep)
        repository = aws.ecr.Repository(
            service,
            name=self._args.scope.repository(service),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "KMS", "kms_key": self.key_arn}],
            opts=keep,
        )
        aws.ecr.LifecyclePolicy(
            service,
            repository=repository.name,
            policy=image_lifecycle(),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.repositories[service] = repository.repository_url
        if self._args.consumers:
            self._share(service, group, repository, self._args.consumers)
        return group.model_package_group_name

    def _share(
        self,
        service: str,
        group: aws.sagemaker.ModelPackageGroup,
        repository: aws.ecr.Repository,
        consumers: vending.Consumers,
    ) -> None:
        aws.sagemaker.ModelPackageGroupPolicy(
            service,
            model_package_group_name=group.model_package_group_name,
            resource_policy=policies.document(vending.group_statements(consumers, service)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.ecr.RepositoryPolicy(
            service,
            repository=repository.name,
            policy=policies.document(vending.image_statements(consumers, service)),
            opts=pulumi.ResourceOptions(parent=self),
        )
