"""Tags: one transformation a scope (the stack, a service) puts them on every taggable resource below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi


def tagging(tags: Mapping[str, str]) -> pulumi.ResourceTransformation:
    """A transformation that adds `tags` to every resource whose type has them; a tag already there stays."""

    def add(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not isinstance(getattr(type(args.resource), "tags", None), property):
            return None
        own: Any = args.props.get("tags") or {}
        return pulumi.ResourceTransformationResult({**args.props, "tags": {**tags, **own}}, args.opts)

    return add
