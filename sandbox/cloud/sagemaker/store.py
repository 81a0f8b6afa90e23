"""What SageMaker knows in each account and region.

Resources are kept as AWS describes them (a dict of the Describe response); endpoints and training jobs are objects of
their own. All of it is guarded by `cloud.lock("sagemaker")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.cloud.actions import AwsError
from sandbox.cloud.ports import Scope

if TYPE_CHECKING:
    from sandbox.cloud.sagemaker.endpoint import Endpoint
    from sandbox.cloud.sagemaker.training import TrainingJob

Description = dict[str, Any]


@dataclass
class Shelf:
    """The resources of one account in one region, by name (packages by ARN, groups by name in lower case)."""

    models: dict[str, Description] = field(default_factory=dict)
    endpoint_configs: dict[str, Description] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    package_groups: dict[str, Description] = field(default_factory=dict)
    group_policies: dict[str, str] = field(default_factory=dict)
    packages: dict[str, Description] = field(default_factory=dict)
    last_versions: dict[str, int] = field(default_factory=dict)
    client_tokens: dict[tuple[str, str], tuple[str, Description]] = field(default_factory=dict)
    """By group (or package) name and token: the ARN that was given, and the request."""
    training_jobs: dict[str, TrainingJob] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def tag(self, arn: str, tags: list[dict[str, str]] | None) -> None:
        if tags:
            self.tags.setdefault(arn, {}).update({tag["Key"]: tag["Value"] for tag in tags})


class Store:
    """The shelves of all accounts and regions."""

    def __init__(self) -> None:
        self._shelves: dict[Scope, Shelf] = {}

    def shelf(self, scope: Scope) -> Shelf:
        return self._shelves.setdefault(scope, Shelf())

    def shelf_of(self, resource_arn: str) -> Shelf:
        """The shelf that an ARN belongs to, whoever asks."""
        return self.shelf(scope_of(resource_arn))

    def endpoints(self) -> Iterator[Endpoint]:
        for shelf in list(self._shelves.values()):
            yield from list(shelf.endpoints.values())

    def training_jobs(self) -> Iterator[TrainingJob]:
        for shelf in list(self._shelves.values()):
            yield from list(shelf.training_jobs.values())


def arn(scope: Scope, kind: str, name: str) -> str:
    """`arn:aws:sagemaker:<region>:<account>:<kind>/<name>`; SageMaker writes names in lower case there."""
    return f"arn:aws:sagemaker:{scope.region}:{scope.account}:{kind}/{name.lower()}"


def scope_of(resource_arn: str) -> Scope:
    _, _, _, region, account, _ = resource_arn.split(":", 5)
    return Scope(account, region)


def now() -> datetime:
    return datetime.now(UTC)


def refuse(message: str) -> AwsError:
    """SageMaker's answer to almost everything: a ValidationException."""
    return AwsError("ValidationException", message)
