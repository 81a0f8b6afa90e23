"""Who calls: accounts, roles and credentials of the sandbox.

Roles live in moto's IAM, sessions in its STS. A key that STS gave for a role of another account works in that account,
which is how several accounts share one sandbox.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from sandbox.cloud.ports import Scope
from sandbox.cloud.resource_policies import Principal

PARTITION = "aws"
ACCOUNT = DEFAULT_ACCOUNT_ID
"""The sandbox's first account."""
PIPELINE = "ci"
PERSONAS = ("scientist", "approver", PIPELINE)
SESSION_SECONDS = 12 * 3600


@dataclass(frozen=True)
class Profiles:
    """The files that plain boto3, the aws command and Pulumi read."""

    config_file: Path
    credentials_file: Path


def caller_arn(access_key: str, scope: Scope) -> str:
    """The ARN of the session (or user) that holds `access_key`, as `sts get-caller-identity` shows it."""
    _, arn, _ = sts_backends[scope.account][PARTITION].get_caller_identity(access_key, scope.region)
    return str(arn)


def principal(caller: str) -> Principal:
    """Who a caller is to the policies of resources: sessions of a role also go by the role's own ARN, path included."""
    _, _, _, _, account, resource = caller.split(":", 5)
    kind, _, rest = resource.partition("/")
    if kind != "assumed-role":
        return Principal(account, caller, caller)
    name = rest.split("/")[0]
    roles = iam_backends[account][PARTITION].roles.values()
    known = next((role.arn for role in roles if role.name == name), f"arn:{PARTITION}:iam::{account}:role/{name}")
    return Principal(account, caller, str(known))


def role_principal(role_arn: str, session: str) -> Principal:
    """An AWS service that works with that role, as SageMaker does with an execution role."""
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    return Principal(account, f"arn:{PARTITION}:sts::{account}:assumed-role/{name}/{session}", role_arn)


def principal_exists(named: str) -> bool:
    """Whether a policy may name this as `Principal.AWS`: accounts and `*` always, users and roles if IAM has them."""
    if not named.startswith("arn:") or named.endswith(":root") or ":sts:" in named:
        return True
    backend = iam_backends[named.split(":")[4]][PARTITION]
    return named in {
        *(role.arn for role in backend.roles.values()),
        *(user.arn for user in backend.users.values()),
    }


def role_environment(role_arn: str, session: str, region: str) -> dict[str, str]:
    """Credentials of a new session of `role_arn`, as environment variables."""
    role = _assume(role_arn, session, region)
    return {
        "AWS_ACCESS_KEY_ID": role.access_key_id,
        "AWS_SECRET_ACCESS_KEY": role.secret_access_key,
        "AWS_SESSION_TOKEN": role.session_token,
    }


def write_profiles(directory: Path, region: str, accounts: Mapping[str, str]) -> Profiles:
    """Make the sandbox's roles `understudy-<persona>` and a profile with a session of each.

    `accounts`: further accounts by the name of a profile, which is a session of that account's `understudy-ci`.
    """
    config, credentials = configparser.RawConfigParser(), configparser.RawConfigParser()
    people = {persona: (ACCOUNT, persona) for persona in PERSONAS}
    people |= {name: (account, PIPELINE) for name, account in accounts.items()}
    for profile, (account, persona) in people.items():
        role_arn = _make_role(account, f"understudy-{persona}")
        config[f"profile {profile}"] = {"region": region, "output": "json"}
        environment = role_environment(role_arn, persona, region)
        credentials[profile] = {name.lower(): value for name, value in environment.items()}
    profiles = Profiles(directory / "aws-config", directory / "aws-credentials")
    for file, parser in ((profiles.config_file, config), (profiles.credentials_file, credentials)):
        file.touch(mode=0o600)
        with file.open("w") as stream:
            parser.write(stream)
    return profiles


def _make_role(account: str, name: str) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
    role = iam_backends[account][PARTITION].create_role(
        role_name=name,
        assume_role_policy_document=json.dumps(trust),
        path="/",
        permissions_boundary=None,
        description="A person or pipeline of the rehearsal.",
        tags=[],
        max_session_duration=str(SESSION_SECONDS),
    )
    return str(role.arn)


def _assume(role_arn: str, session: str, region: str) -> Any:
    account = role_arn.split(":")[4]
    return sts_backends[account][PARTITION].assume_role(
        region_name=region,
        role_session_name=session,
        role_arn=role_arn,
        policy="",
        duration=SESSION_SECONDS,
        external_id="",
    )
