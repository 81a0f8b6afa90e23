"""Whether a resource's policy lets an AWS service (or another account) use it, as deliveries ask."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cloud.resource_policies import Principal, Request, Verdict, evaluate


@dataclass(frozen=True)
class ServiceRequest:
    """A call by the service principal `service` (or, if empty, by the account `source_account`) for `source_arn`."""

    service: str
    action: str
    resource: str
    source_arn: str
    source_account: str


def allows(policy: str | None, request: ServiceRequest) -> bool:
    """Whether some statement of the policy document allows the request and none denies it."""
    account = request.source_account
    context = {
        "aws:SourceArn": request.source_arn,
        "aws:SourceAccount": account,
        "aws:SourceOwner": account,
        "aws:PrincipalAccount": account,
    }
    who = Principal(service=request.service) if request.service else Principal(account, request.source_arn)
    return evaluate(policy, Request(who, request.action, request.resource, context)) is Verdict.ALLOWED
