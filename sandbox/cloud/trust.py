"""Who may assume a role: what its trust policy says to people (AssumeRole) and to services.

moto gives everybody a session of any role, there or not. That the caller's own policies allow `sts:AssumeRole` too is
not looked at (see the README's "What a rehearsal does not prove"), so a trust policy that names an account lets in
everybody there.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from moto.core.exceptions import AccessDeniedError
from moto.iam.models import iam_backends
from moto.sts.exceptions import STSValidationError
from moto.sts.responses import TokenResponse

from sandbox.cloud import identity
from sandbox.cloud.actions import Call, FallbackSignal, plug_in
from sandbox.cloud.ports import Cloud
from sandbox.cloud.resource_policies import Principal, Request, Verdict, evaluate

_ROLE = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/.+")
# What a parameter of AssumeRole takes on top of sts:AssumeRole, and the condition keys that parameters set.
_MORE_ACTIONS = {"Tags": "sts:TagSession", "SourceIdentity": "sts:SetSourceIdentity"}
_KEYS = {
    "ExternalId": "sts:ExternalId",
    "RoleSessionName": "sts:RoleSessionName",
    "SourceIdentity": "sts:SourceIdentity",
}


def install(_cloud: Cloud) -> None:
    handlers = {
        "AssumeRole": assume_role,
        "AssumeRoleWithSAML": _refuse_federation,
        "AssumeRoleWithWebIdentity": _refuse_federation,
    }
    # STS says ValidationError where other services say ValidationException; moto does.
    plug_in(TokenResponse, handlers, validate=False)


def assume_role(call: Call) -> NoReturn:
    """moto's answer, where the role's trust policy lets the caller in; of a missing role AWS says nothing else."""
    role_arn, asking = call["RoleArn"], identity.principal(call.caller)
    if not _ROLE.fullmatch(role_arn):
        raise STSValidationError(f"{role_arn} is invalid")
    context = {key: str(call[name]) for name, key in _KEYS.items() if call.get(name)}
    actions = ["sts:AssumeRole", *(action for name, action in _MORE_ACTIONS.items() if call.get(name))]
    for action in actions:
        if not _trusts(role_arn, Request(asking, action, role_arn, context)):
            raise AccessDeniedError(call.caller, f"{action} on resource: {role_arn}")
    raise FallbackSignal


def trusts_service(role_arn: str, service: str, source_arn: str = "") -> bool:
    """Whether the role is there and lets the service principal assume it.

    `source_arn`: the resource for which the service asks; empty for services that do not say (Lambda).
    """
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": source_arn.split(":")[4]} if source_arn else {}
    return _trusts(role_arn, Request(Principal(service=service), "sts:AssumeRole", role_arn, context))


def _trusts(role_arn: str, request: Request) -> bool:
    match = _ROLE.fullmatch(role_arn)
    roles = iam_backends[match["account"]][identity.PARTITION].roles.values() if match else ()
    role = next((role for role in roles if role.arn == role_arn), None)
    return role is not None and evaluate(role.assume_role_policy_document, request) is Verdict.ALLOWED


def _refuse_federation(call: Call) -> dict[str, Any]:
    # moto would not look at the token.
    raise NotImplementedError(f"federated identities: {call['RoleArn']} cannot be assumed by a token")
