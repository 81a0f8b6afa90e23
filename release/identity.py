"""Who is calling, and whether two ARNs are the same person.

An assumed role's session name is the person where an identity provider gives it. Where whoever assumes
the role may choose the name, pin it in the role's trust policy (`sts:RoleSessionName`), or the four eyes are two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import boto3

_ARN = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::(?P<account>\d{12}):(?P<resource>.+)")
_UNNAMED_SESSION = re.compile(
    r"botocore-session-\d+|aws-sdk-[\w-]+|AWSCLI-Session|AWSCodeBuild-[\w-]+|GitHubActions|i-[0-9a-f]{8,17}|\d+"
)
"""Session names that a tool made: two people who use the tool look alike."""


@dataclass(frozen=True)
class Identity:
    """A principal. `role` is empty for users and root, `person` is the user or session name."""

    arn: str
    account: str
    role: str
    person: str

    @classmethod
    def parse(cls, arn: str) -> Identity:
        """From an STS or IAM ARN. Raises ValueError on anything else."""
        match = _ARN.fullmatch(arn)
        if match is None:
            raise ValueError(f"{arn!r} is no IAM or STS ARN")
        kind, _, rest = match["resource"].partition("/")
        if kind == "assumed-role":
            role, _, session = rest.partition("/")
            return cls(arn, match["account"], role, session)
        if kind == "role":
            return cls(arn, match["account"], rest.rpartition("/")[2], "")
        return cls(arn, match["account"], "", rest.rpartition("/")[2] or kind)

    @property
    def is_named(self) -> bool:
        """Whether `person` tells people apart; SDK-made session names do not."""
        return bool(self.person) and not (self.role and _UNNAMED_SESSION.fullmatch(self.person))


def same_person(one: str, other: str) -> bool:
    """Whether two ARNs are one person.

    Whoever has a name, as a user or a role session, is compared by it, across roles and accounts: one person may
    assume several roles.
    Where either has no name of its own, the role decides: two unnamed callers in one role cannot be told apart.
    """
    a, b = Identity.parse(one), Identity.parse(other)
    if a.arn == b.arn:
        return True
    if a.is_named and b.is_named:
        return a.person == b.person
    return bool(a.role) and (a.account, a.role) == (b.account, b.role)


def caller_arn() -> str:
    """The ARN of whoever's credentials are in use (sts:GetCallerIdentity)."""
    return str(boto3.client("sts").get_caller_identity()["Arn"])
