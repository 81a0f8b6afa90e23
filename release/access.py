"""Clients for what is in a stack's account, which need not be the account of whoever runs the command.

A command acts as one identity, the one that boto3 and Pulumi find (`AWS_PROFILE`). Where it also looks at a stack of
another account, it assumes the role which that stack publishes for its readers (output `readerRoleArn`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from release.errors import UsageError
from release.identity import Identity, caller_arn

READER_ROLE = "readerRoleArn"
"""The stack output."""


def reader_role(outputs: Mapping[str, Any]) -> str | None:
    """The role that a stack publishes for readers in other accounts; None where it publishes none."""
    arn = outputs.get(READER_ROLE)
    return str(arn) if arn else None


def client(service: str, role: str | None, **options: Any) -> Any:
    """A boto3 client as the caller, or as `role` if that is in another account. Raises `UsageError`."""
    session = _assumed(role) if role else None
    return (session or boto3).client(service, **options)


@cache
def _assumed(role: str) -> boto3.Session | None:
    """None in the role's own account: there the caller's own permissions count. API: GetCallerIdentity, AssumeRole."""
    caller = Identity.parse(caller_arn())
    if caller.account == Identity.parse(role).account:
        return None
    try:
        granted = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName=caller.person or "understudy")
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        raise UsageError(
            f"{caller.arn} may not assume the reader role of the other account.",
            where=role,
            do="Name your role in understudy:reader.roles of that stack and deploy it; your own policy must allow "
            "sts:AssumeRole on the role too.",
        ) from error
    keys = granted["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
