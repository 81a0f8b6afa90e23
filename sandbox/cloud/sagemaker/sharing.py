"""What one account may do with the packages and images of another: what the owner's resource policies grant it.

Within an account everything is: the sandbox does not evaluate IAM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moto.ecr.models import Repository

from sandbox.cloud import identity
from sandbox.cloud.actions import AwsError, Call, Handler
from sandbox.cloud.resource_policies import Request, Verdict, evaluate, refusal
from sandbox.cloud.sagemaker.store import Store, scope_of

PULL = ("ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability")
_NAMING = ("ModelPackageName", "ModelPackageArn", "ModelPackageGroupName", "ResourceArn")
"""Members of requests that may hold another account's ARN."""
_ARN = re.compile(r"arn:aws:sagemaker:[a-z0-9-]+:\d{12}:.+")
_OF_GROUP = re.compile(r"(?P<owner>.+):model-package(?:-group)?/(?P<group>[^/]+)(?:/\d+)?")
_ON_VERSIONS = ("CreateModelPackage", "ListModelPackages")
"""Operations that name a group and are permitted on its versions."""


def guarded(store: Store, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
    """The handlers, each refusing what is another account's unless that account's policy grants it."""
    return {operation: _guarded(store, operation, handler) for operation, handler in handlers.items()}


def _guarded(store: Store, operation: str, handler: Handler) -> Handler:
    def checked(call: Call) -> Mapping[str, Any] | None:
        for member in _NAMING:
            require(store, call, operation, call.get(member))
        return handler(call)

    return checked


def require(store: Store, call: Call, operation: str, named: Any) -> None:
    """Raises AccessDeniedException, in AWS's words, if `named` is the ARN of another account that does not grant it."""
    if not isinstance(named, str) or not _ARN.fullmatch(named) or scope_of(named).account == call.scope.account:
        return
    match = _OF_GROUP.fullmatch(named)
    policy = store.shelf_of(named).group_policies.get(match["group"]) if match else None
    versions = match and operation in _ON_VERSIONS
    resource = f"{match['owner']}:model-package/{match['group']}/*" if match and versions else named
    status = call.get("ModelApprovalStatus")
    context = {"sagemaker:ModelApprovalStatus": status} if status else {}
    request = Request(identity.principal(call.caller), f"sagemaker:{operation}", resource, context)
    refused = refusal(policy, request)
    if refused is not None:
        raise AwsError("AccessDeniedException", refused)


def pullable(repository: Repository, role_arn: str) -> bool:
    """Whether the repository's policy lets that role of another account pull images."""
    asking = identity.role_principal(role_arn, "SageMaker")
    requests = (Request(asking, action, repository.arn) for action in PULL)
    return all(evaluate(repository.policy, request) is Verdict.ALLOWED for request in requests)
