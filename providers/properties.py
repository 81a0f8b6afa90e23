"""What the dynamic resources have in common: as whom they call AWS, and their properties on the way to and from Pulumi.

Like everything that a provider's module imports it has no side effects: providers are loaded from state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pulumi import Input


@dataclass(frozen=True, kw_only=True)
class ClientArgs:
    """Where and as whom a resource's provider calls AWS (`providers.aws.client`).

    An explicit `aws.Provider` does not reach a dynamic provider, so both are inputs of every resource.
    """

    region: Input[str] | None = None
    """Region of what the resource looks at; boto3's default, if not given."""
    assume_role_arn: Input[str] | None = None
    """Role to act as, such as one of another account; boto3's default identity, if not given."""


def registered(args: ClientArgs, *outputs: str) -> dict[str, Any]:
    """The properties that a resource is registered with: its inputs, and None for each output that is yet to come."""
    inputs = {field.name: getattr(args, field.name) for field in fields(args)}
    return {**inputs, **dict.fromkeys(outputs)}


def given(news: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that a program gave; Pulumi's host hands over None for the others."""
    return {name: value for name, value in news.items() if value is not None}


def own(props: Mapping[str, Any]) -> dict[str, Any]:
    """The resource's properties without the host's (`__provider`), which never become outputs."""
    return {name: value for name, value in props.items() if not name.startswith("__")}
