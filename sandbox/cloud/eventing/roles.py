"""Whether a role's own policies allow what a service does in its name."""

from __future__ import annotations

from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.models import iam_backends

from sandbox.cloud.ports import Cloud


def role_allows(cloud: Cloud, role_arn: str, action: str, resource: str) -> bool:
    """Whether an inline or attached policy of the role permits the action and none denies it.

    Conditions are not evaluated, as moto does not.
    """
    with cloud.lock("iam"):
        backend = iam_backends[role_arn.split(":")[4]]["aws"]
        role = next((role for role in backend.roles.values() if role.arn == role_arn), None)
        if role is None:
            return False
        policies: list[Any] = [*role.policies.values(), *role.managed_policies.values()]
        results = [IAMPolicy(policy).is_action_permitted(action, resource) for policy in policies]
    return PermissionResult.PERMITTED in results and PermissionResult.DENIED not in results
