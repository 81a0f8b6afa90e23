"""A customer-managed key with its alias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components import policies
from components.naming import Scope
from components.storage import kept


@dataclass(frozen=True)
class EncryptionKeyArgs:
    """`alias`: with `alias/`, None for Pulumi's name; `services`: AWS services that use the key for this account;
    `grants`: further statements of the key's policy."""

    scope: Scope
    description: str
    alias: str | None = None
    services: Sequence[str] = field(default_factory=tuple)
    grants: Sequence[policies.Statement] = field(default_factory=tuple)


def key_policy(scope: Scope, services: Sequence[str], grants: Sequence[policies.Statement] = ()) -> str:
    """The account's IAM policies decide, and the named services act for this account only; `grants` are for others.

    In a key's policy `Resource: *` is the key itself; no other form exists.
    """
    statements: list[policies.Statement] = [
        {
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{scope.partition}:iam::{scope.account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    if services:
        statements.append(
            {
                "Sid": "Services",
                "Effect": "Allow",
                "Principal": {"Service": sorted(services)},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:SourceAccount": scope.account}},
            }
        )
    return policies.document([*statements, *grants])


class EncryptionKey(pulumi.ComponentResource):
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptionKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:encryption:EncryptionKey", name, None, opts)
        key = aws.kms.Key(
            name,
            description=args.description,
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=key_policy(args.scope, args.services, args.grants),
            opts=kept(self),
        )
        aws.kms.Alias(name, name=args.alias, target_key_id=key.key_id, opts=kept(self))
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})
