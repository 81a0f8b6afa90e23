"""What a registry grants to accounts that run its versions: package group, artifacts, their key, images.

Every grant is to an account, narrowed to the roles in it that need it. All pure: ModelRegistry puts the statements
into its resources' own policies.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-deploy-xaccount.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components import policies
from components.errors import MistakeError
from components.naming import Scope, bucket_arn, logical
from settings import Registry


class OwnAccountError(MistakeError):
    """The configuration grants something to the account that the stack is in."""


@dataclass(frozen=True)
class Consumers:
    """`accounts` run the versions registered in `scope`; `deployers` are names of the roles there that deploy them."""

    scope: Scope
    accounts: Sequence[str]
    deployers: Sequence[str]

    def __post_init__(self) -> None:
        """Raises OwnAccountError: within an account IAM decides, and a grant would only look like one."""
        if self.scope.account in self.accounts:
            raise OwnAccountError(
                f"understudy:registry.consumerAccounts names {self.scope.account}, the account that this stack is in; "
                "leave it out: within an account no grant is needed"
            )

    def grant(
        self, roles: Sequence[str], actions: Sequence[str], condition: dict[str, Any] | None = None
    ) -> policies.Statement:
        """A statement, without Resource, for the roles of these names (patterns) in every consumer account."""
        return policies.grant_roles(self.scope, self.accounts, roles, actions, condition)

    def readers(self, *services: str) -> list[str]:
        """Roles that get the services' artifacts and images: what runs them, and whoever verifies them before."""
        running = [role for service in services for role in (execution_roles(service), rollback_roles(service))]
        return [*running, *self.deployers]


def consumers(scope: Scope, registry: Registry | None) -> Consumers | None:
    """Who the configuration names; None for nobody. Raises OwnAccountError."""
    return Consumers(scope, registry.consumer_accounts, registry.deployer_roles) if registry else None


def execution_roles(service: str) -> str:
    """Pattern of the names of the roles that a service's endpoints run with."""
    return f"{logical('role', service, 'execution')}-*"


def rollback_roles(service: str) -> str:
    """Pattern of the names of the roles that a service's rollback builds run with."""
    return f"{logical('role', f'{service}-rollback', 'build')}-*"


def group_statements(consumers: Consumers, service: str) -> list[policies.Statement]:
    """Look at a service's versions, deploy them, and quarantine them; approving stays with the registry's account."""
    roles = [*consumers.deployers, rollback_roles(service)]
    group = consumers.scope.arn("sagemaker", f"model-package-group/{service}")
    versions = consumers.scope.arn("sagemaker", f"model-package/{service}/*")
    read = ["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages", "sagemaker:CreateModel"]
    rejected = {"StringEquals": {"sagemaker:ModelApprovalStatus": "Rejected"}}
    return [
        {**consumers.grant(roles, ["sagemaker:DescribeModelPackageGroup"]), "Sid": "Group", "Resource": group},
        {**consumers.grant(roles, read), "Sid": "Versions", "Resource": versions},
        {
            **consumers.grant(roles, ["sagemaker:UpdateModelPackage"], rejected),
            "Sid": "Quarantine",
            "Resource": versions,
        },
    ]


def artifact_statements(consumers: Consumers, services: Sequence[str]) -> list[policies.Statement]:
    """For the bucket: read the services' artifacts.

    One statement for all services, as a bucket's policy has 20 KB; an execution role's own policy knows one service.
    """
    bucket = bucket_arn(consumers.scope, consumers.scope.artifact_bucket)
    read = consumers.grant(consumers.readers(*services), ["s3:GetObject", "s3:GetObjectVersion"])
    return [{**read, "Sid": "Artifacts", "Resource": [f"{bucket}/{service}/*" for service in services]}]


def key_statements(consumers: Consumers, services: Sequence[str]) -> list[policies.Statement]:
    """For the artifacts' key, which other buckets have too: decrypt what S3 gives out, nothing else."""
    through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{consumers.scope.region}.amazonaws.com"}}
    decrypt = consumers.grant(consumers.readers(*services), ["kms:Decrypt"], through_s3)
    return [{**decrypt, "Sid": "Artifacts", "Resource": "*"}]


def image_statements(consumers: Consumers, service: str) -> list[policies.Statement]:
    """For a service's repository, which is the resource: pull its images."""
    return [{**consumers.grant(consumers.readers(service), policies.PULL_ACTIONS), "Sid": "Pull"}]
