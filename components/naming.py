"""Where a stack is, and every physical name the program chooses: the one place that knows AWS's naming rules.

Explicit names are few (docs/seams.md, Names); all others are Pulumi's auto-names, `<logical>-<7 hex>`, which the
provider refuses rather than cuts when they are too long. So logical names are cut here, deterministically.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from settings import ENDPOINT_NAME_LIMIT

Kind = Literal[
    "alarm", "bucket", "dashboard", "endpoint", "function", "layer", "model", "queue", "role", "rule", "topic"
]

LIMITS: dict[Kind, int] = {
    "alarm": 255,
    "bucket": 63,
    "dashboard": 255,
    "endpoint": ENDPOINT_NAME_LIMIT,
    "function": 64,
    "layer": 64,
    "model": 63,
    "queue": 80,
    "role": 64,
    "rule": 64,
    "topic": 80,
}
"""Longest physical name, in characters. SageMaker's own limit counts, not the provider's 255."""

AUTO_NAME_SUFFIX = 8
"""Characters that Pulumi adds to a logical name: a hyphen and 7 hex digits."""

_ALLOWED = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
_DIGEST = 6


def logical(kind: Kind, base: str, suffix: str = "") -> str:
    """`<base>-<suffix>`, short enough that Pulumi's auto-name fits AWS's limit for `kind`.

    A base that is too long loses its end to a digest of itself, so that two long bases stay two names.
    Raises ValueError for characters that AWS refuses somewhere.
    """
    return _fitted(base, suffix, LIMITS[kind] - AUTO_NAME_SUFFIX)


def physical(kind: Kind, base: str, suffix: str = "") -> str:
    """`<base>-<suffix>` as an explicit physical name. Raises ValueError when AWS would refuse it."""
    name = f"{base}-{suffix}" if suffix else base
    _check(name)
    if len(name) > LIMITS[kind]:
        raise ValueError(f"{kind} name {name!r} has {len(name)} characters; AWS allows {LIMITS[kind]}")
    return name


def _fitted(base: str, suffix: str, limit: int) -> str:
    name = f"{base}-{suffix}" if suffix else base
    _check(name)
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(base.encode()).hexdigest()[:_DIGEST]
    kept = limit - len(suffix) - _DIGEST - (2 if suffix else 1)
    if kept < 1:
        raise ValueError(f"suffix {suffix!r} leaves no room for a name in {limit} characters")
    head = f"{base[:kept].rstrip('-')}-{digest}"
    return f"{head}-{suffix}" if suffix else head


def _check(name: str) -> None:
    if not _ALLOWED.fullmatch(name):
        raise ValueError(f"{name!r} must be lower-case letters and digits with single hyphens between them")


@dataclass(frozen=True)
class Scope:
    """Where the stack is. Account, region and partition are asked of AWS, never assumed."""

    project: str
    environment: str
    account: str
    region: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def elsewhere(self, account: str, region: str) -> Scope:
        """The same project in the account and region where, for one, a model package is registered."""
        return Scope(self.project, self.environment, account, region, self.partition)

    def endpoint_name(self, service: str) -> str:
        return physical("endpoint", service, self.environment)

    def deployment_parameter(self, service: str) -> str:
        return f"/{self.project}/{self.environment}/{service}/deployment"

    def composite_alarm(self, service: str) -> str:
        return physical("alarm", self.endpoint_name(service), "health")

    def dashboard(self, service: str) -> str:
        return physical("dashboard", self.endpoint_name(service))

    @property
    def artifact_bucket(self) -> str:
        return physical("bucket", f"{self.project}-artifacts", f"{self.account}-{self.region}")

    @property
    def capture_bucket(self) -> str:
        return physical("bucket", f"{self.project}-capture-{self.environment}", f"{self.account}-{self.region}")

    def capture_bus(self, environment: str) -> str:
        """Name of the event bus that a registering environment hears of another account's captures on."""
        return f"{self.project}-captures-{environment}"

    @property
    def artifact_key_alias(self) -> str:
        return f"alias/{self.project}-artifacts"

    def repository(self, service: str) -> str:
        """Name of the ECR repository of a use case's own images."""
        return f"{self.project}/{service}"


def capture_account(bucket: str) -> str | None:
    """The account in a capture bucket's name; None for a bucket of another name."""
    match = re.fullmatch(r"[a-z0-9-]+-capture-[a-z0-9-]+-(\d{12})-[a-z]{2}(?:-[a-z]+)+-\d", bucket)
    return match[1] if match else None


def bucket_arn(scope: Scope, bucket: str) -> str:
    return f"arn:{scope.partition}:s3:::{bucket}"
