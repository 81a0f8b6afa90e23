"""IAM statements: pure functions from names to statements, shared by the roles of several components.

Every role is for one service principal, in this account only (confused deputy). A `*` resource appears only where
AWS has no resource for the action, and then a condition narrows it; each says so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from components.naming import Scope, bucket_arn

Statement = dict[str, Any]
PULL_ACTIONS = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")
"""What pulling an image takes of its repository."""


def document(statements: Sequence[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Sequence[str], resources: Sequence[Any], condition: dict[str, Any] | None = None) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**statement, "Condition": condition} if condition else statement


def grant_roles(
    scope: Scope,
    accounts: Sequence[str],
    roles: Sequence[str],
    actions: Sequence[str],
    condition: dict[str, Any] | None = None,
) -> Statement:
    """For resource policies, without Resource: roles of these names (patterns) in other accounts.

    A policy may not name roles that do not exist yet, so it names their accounts, and a condition names the roles.
    """
    iam = [f"arn:{scope.partition}:iam::{account}:" for account in accounts]
    patterns = [f"{prefix}role/{role}" for prefix in iam for role in roles]
    return {
        "Effect": "Allow",
        "Principal": {"AWS": [f"{prefix}root" for prefix in iam]},
        "Action": list(actions),
        "Condition": {"ArnLike": {"aws:PrincipalArn": patterns}, **(condition or {})},
    }


def trust(scope: Scope, principal: str, source: str | None = None) -> str:
    """Assume-role policy for an AWS service acting for this account; `source` is an ARN pattern of what acts."""
    condition: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": scope.account}}
    if source:
        condition["ArnLike"] = {"aws:SourceArn": source}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    return document([statement])


def function_trust() -> str:
    """Assume-role policy for Lambda, which sends no source account or ARN when it assumes a function's role."""
    return document([{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}])


def sagemaker_trust(scope: Scope) -> str:
    return trust(scope, "sagemaker.amazonaws.com", scope.arn("sagemaker", "*"))


def write_logs(log_group_arn: Any) -> Statement:
    """Write to a log group that exists (`log_group_arn` without `:*`)."""
    return allow(["logs:CreateLogStream", "logs:PutLogEvents"], [log_group_arn, f"{log_group_arn}:*"])


def read_objects(scope: Scope, bucket: str, *prefixes: str) -> list[Statement]:
    """Read and list what is under the prefixes."""
    listed = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}}
    return [get_objects(scope, bucket, *prefixes), allow(["s3:ListBucket"], [bucket_arn(scope, bucket)], listed)]


def get_objects(scope: Scope, bucket: str, *prefixes: str) -> Statement:
    return allow(["s3:GetObject"], [f"{bucket_arn(scope, bucket)}/{prefix}*" for prefix in prefixes])


def list_objects(scope: Scope, bucket: str) -> Statement:
    """List a whole bucket: without it, S3 answers 403 instead of 404 for an object that is not there."""
    return allow(["s3:ListBucket"], [bucket_arn(scope, bucket)])


def write_objects(scope: Scope, bucket: str, *prefixes: str) -> Statement:
    return allow(["s3:PutObject"], [f"{bucket_arn(scope, bucket)}/{prefix}*" for prefix in prefixes])


def put_metrics(*namespaces: str) -> Statement:
    """PutMetricData knows no resources: `*`, narrowed to namespaces."""
    return allow(["cloudwatch:PutMetricData"], ["*"], {"StringEquals": {"cloudwatch:namespace": list(namespaces)}})


def use_key(key_arn: Any, *, encrypt: bool = False) -> Statement:
    return allow(["kms:Decrypt", *(["kms:GenerateDataKey"] if encrypt else [])], [key_arn])


def use_key_by_alias(scope: Scope, alias: str) -> Statement:
    """Decrypt with a key of another stack, known by its alias only: any key there that carries the alias."""
    return allow(
        ["kms:Decrypt"], [scope.arn("kms", "key/*")], {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
    )


def pull_images(repository_arns: Sequence[str]) -> list[Statement]:
    """GetAuthorizationToken knows no resources: `*`."""
    return [
        allow(PULL_ACTIONS, repository_arns),
        allow(["ecr:GetAuthorizationToken"], ["*"]),
    ]


def deny_plain_http(service: str, resources: Sequence[Any]) -> Statement:
    """For resource policies: nobody without TLS."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": f"{service}:*",
        "Resource": list(resources),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def accept_from(scope: Scope, principal: str, actions: Sequence[str], resource: Any, source: Any) -> Statement:
    """For resource policies: one AWS service, acting for `source` (an ARN or pattern) of this account."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": list(actions),
        "Resource": resource,
        "Condition": {"StringEquals": {"aws:SourceAccount": scope.account}, "ArnLike": {"aws:SourceArn": source}},
    }
