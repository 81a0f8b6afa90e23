"""The provider's configuration: what `aws:region` and its neighbours in the stack's config say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws_provider.errors import ProviderError
from sandbox.aws_provider.values import is_unknown

# Properties of the real provider that change nothing in what the sandbox's provider does.
_WITHOUT_EFFECT = frozenset(
    {
        "version", "__internal", "pluginDownloadURL", "skipCredentialsValidation", "skipMetadataApiCheck",
        "skipRegionValidation", "skipRequestingAccountId", "s3UsePathStyle", "maxRetries", "retryMode",
        "useFipsEndpoint", "useDualstackEndpoint", "allowedAccountIds", "forbiddenAccountIds", "insecure",
        "sharedConfigFiles", "sharedCredentialsFiles", "stsRegion", "tokenBucketRateLimiterCapacity",
    }
)  # fmt: skip


@dataclass(frozen=True)
class AssumedRole:
    """One role of `aws:assumeRoles`, assumed with the credentials before it."""

    arn: str
    session: str
    external_id: str | None = None
    policy: str | None = None


@dataclass(frozen=True)
class Configuration:
    """A provider's configuration; equal ones share their AWS clients."""

    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    token: str | None = None
    profile: str | None = None
    assume_roles: tuple[AssumedRole, ...] = ()
    default_tags: tuple[tuple[str, str], ...] = ()
    endpoints: tuple[tuple[str, str], ...] = ()


def parse(arguments: Mapping[str, Any], profile: str | None = None) -> Configuration:
    """Configure's arguments; nested values arrive as JSON texts. Raises ProviderError on what is not understood.

    `profile` counts where the arguments name neither a profile nor keys, as AWS_PROFILE does for a plugin.
    """
    given = {name: _decoded(value) for name, value in arguments.items() if not is_unknown(value)}
    known = {"region", "accessKey", "secretKey", "token", "profile", "assumeRoles", "assumeRole", "defaultTags"}
    if strange := sorted(set(given) - known - {"endpoints"} - _WITHOUT_EFFECT):
        raise ProviderError(f"provider configuration aws:{strange[0]} is not served by the sandbox's provider")
    tags = (given.get("defaultTags") or {}).get("tags") or {}
    endpoints = {service: url for block in given.get("endpoints") or [] for service, url in block.items() if url}
    roles = given.get("assumeRoles") or ([given["assumeRole"]] if given.get("assumeRole") else [])
    return Configuration(
        region=given.get("region") or None,
        access_key=given.get("accessKey") or None,
        secret_key=given.get("secretKey") or None,
        token=given.get("token") or None,
        profile=given.get("profile") or (None if given.get("accessKey") else profile),
        assume_roles=tuple(_role(role) for role in roles),
        default_tags=tuple(sorted((str(key), str(value)) for key, value in tags.items())),
        endpoints=tuple(sorted(endpoints.items())),
    )


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _role(role: Mapping[str, Any]) -> AssumedRole:
    if not role.get("roleArn"):
        raise ProviderError("provider configuration aws:assumeRoles: every role needs a roleArn")
    return AssumedRole(
        role["roleArn"], role.get("sessionName") or "pulumi-sandbox", role.get("externalId"), role.get("policy")
    )
