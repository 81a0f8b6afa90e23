"""Bucket policies with conditions.

moto evaluates a bucket's policy without looking at conditions, so "deny what does not come by TLS" denies everything.
This loopback endpoint stands in for S3's TLS endpoints: `aws:SecureTransport` is true for every request to it.
Statements under any other condition are left out of the evaluation: the sandbox does not evaluate IAM (see the
README's "What a rehearsal does not prove").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

from sandbox.cloud.eventing.overrides import override
from sandbox.cloud.ports import Cloud

_MET_BY_TLS = {"Bool": {"aws:SecureTransport": "true"}}


def install(_cloud: Cloud) -> None:
    override(FakeBucket, "get_permission", lambda _: _get_permission)


def in_force(statement: Mapping[str, Any]) -> bool:
    """Whether a statement holds for every request here: it has no condition, or the one that TLS meets."""
    return bool(statement.get("Condition", _MET_BY_TLS) == _MET_BY_TLS)


def _get_permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Replaces moto's evaluation of a bucket's policy for one action on one resource."""
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(bucket.policy.decode())
    statements = document["Statement"]
    document["Statement"] = [
        {key: value for key, value in statement.items() if key != "Condition"}
        for statement in ([statements] if isinstance(statements, dict) else statements)
        if in_force(statement)
    ]
    return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)
