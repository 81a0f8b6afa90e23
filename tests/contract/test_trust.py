"""Who may assume a role is what its trust policy says, to people of two accounts and to services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components import capture_reader, policies
from components.naming import Scope
from settings import Reader

Boto = Callable[..., Any]
Unique = Callable[[str], str]
HERE, THERE = "123456789012", "222222222222"
SCIENTIST = f"arn:aws:sts::{HERE}:assumed-role/understudy-scientist/scientist"
SCIENTIST_ROLE = f"arn:aws:iam::{HERE}:role/understudy-scientist"


def statement(principal: Any, **members: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **members}


@pytest.fixture
def role(boto: Boto, unique: Unique) -> Callable[..., str]:
    """`role(statement, …)`: the ARN of a new role in the other account with that trust policy."""

    def made(*statements: dict[str, Any]) -> str:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        created = boto("iam", "other").create_role(RoleName=unique("role"), AssumeRolePolicyDocument=document)
        return str(created["Role"]["Arn"])

    return made


def assumes(boto: Boto, role_arn: str, profile: str = "scientist", **members: Any) -> str | None:
    """The session's ARN; AWS's words where it is refused."""
    try:
        answer = boto("sts", profile).assume_role(RoleArn=role_arn, RoleSessionName="ada", **members)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return str(error.response["Error"]["Message"])
    return str(answer["AssumedRoleUser"]["Arn"])


def refusal(role_arn: str, who: str = SCIENTIST, action: str = "sts:AssumeRole") -> str:
    return f"User: {who} is not authorized to perform: {action} on resource: {role_arn}"


def session(role_arn: str) -> str:
    return f"arn:aws:sts::{role_arn.split(':')[4]}:assumed-role/{role_arn.rpartition('/')[2]}/ada"


@pytest.mark.parametrize(
    "principal",
    [HERE, f"arn:aws:iam::{HERE}:root", SCIENTIST_ROLE, SCIENTIST, [THERE, HERE], "*"],
    ids=["account", "root", "role", "session", "one of several", "everybody"],
)
def test_a_role_lets_in_whom_its_trust_policy_names(boto: Boto, role: Callable[..., str], principal: Any) -> None:
    arn = role(statement({"AWS": principal}))
    assert assumes(boto, arn) == session(arn)


@pytest.mark.parametrize(
    "statements",
    [
        [statement({"AWS": THERE})],
        [statement({"AWS": f"arn:aws:iam::{HERE}:role/understudy-approver"})],
        [statement({"Service": "sagemaker.amazonaws.com"})],
        [statement({"AWS": HERE}, Action="sts:TagSession")],
        [statement({"AWS": HERE}), statement({"AWS": SCIENTIST_ROLE}, Effect="Deny")],
        [statement({"AWS": HERE}, Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{HERE}:role/other-*"}})],
    ],
    ids=["another account", "another role", "a service", "another action", "denied", "another role's name"],
)
def test_and_nobody_else(boto: Boto, role: Callable[..., str], statements: list[dict[str, Any]]) -> None:
    arn = role(*statements)
    assert assumes(boto, arn) == refusal(arn)


def test_a_role_that_is_not_there_is_refused_in_the_same_words(boto: Boto, refused: Any) -> None:
    missing = f"arn:aws:iam::{THERE}:role/nobody"
    assert assumes(boto, missing) == refusal(missing)
    with refused("ValidationError", "understudy-scientist-of-nowhere is invalid"):
        boto("sts").assume_role(RoleArn="understudy-scientist-of-nowhere", RoleSessionName="ada")


def test_an_external_id_has_to_be_the_one_agreed(boto: Boto, role: Callable[..., str]) -> None:
    arn = role(statement({"AWS": HERE}, Condition={"StringEquals": {"sts:ExternalId": "triage-7"}}))
    assert assumes(boto, arn, ExternalId="triage-7") == session(arn)
    assert assumes(boto, arn, ExternalId="triage-8") == refusal(arn)
    assert assumes(boto, arn) == refusal(arn)


def test_tags_and_a_source_identity_take_a_permission_of_their_own(boto: Boto, role: Callable[..., str]) -> None:
    plain = role(statement({"AWS": HERE}))
    tags = [{"Key": "team", "Value": "triage"}]
    assert assumes(boto, plain, Tags=tags) == refusal(plain, action="sts:TagSession")
    assert assumes(boto, plain, SourceIdentity="ada") == refusal(plain, action="sts:SetSourceIdentity")
    whole = role(statement({"AWS": HERE}, Action=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]))
    assert assumes(boto, whole, Tags=tags, SourceIdentity="ada") == session(whole)


def test_a_changed_trust_policy_counts_at_once(boto: Boto, role: Callable[..., str]) -> None:
    arn = role(statement({"AWS": HERE}))
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement({"AWS": THERE})]})
    boto("iam", "other").update_assume_role_policy(RoleName=arn.rpartition("/")[2], PolicyDocument=document)
    assert assumes(boto, arn) == refusal(arn)
    assert assumes(boto, arn, "other") == session(arn)


def test_the_reader_role_of_production_is_for_the_roles_that_it_names(boto: Boto, role: Callable[..., str]) -> None:
    reader = Reader(account=HERE, roles=("understudy-ci",))
    document = json.loads(capture_reader.reader_trust(Scope("understudy", "prod", THERE, "us-west-2"), reader))
    arn = role(*document["Statement"])
    assert assumes(boto, arn, "ci") == session(arn)
    assert assumes(boto, arn, "scientist") == refusal(arn)
    assert assumes(boto, arn, "other") == refusal(arn, f"arn:aws:sts::{THERE}:assumed-role/understudy-ci/ci")


def test_a_trust_policy_that_is_not_understood_gives_no_session(boto: Boto, role: Callable[..., str]) -> None:
    arn = role(statement({"AWS": HERE}, Condition={"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}))
    with pytest.raises(ClientError, match="condition operator DateLessThan"):
        boto("sts").assume_role(RoleArn=arn, RoleSessionName="ada")


def test_tokens_of_other_identity_providers_are_refused_as_nobody_looks_at_them(
    boto: Boto, role: Callable[..., str]
) -> None:
    arn = role(
        statement({"Federated": f"arn:aws:iam::{THERE}:oidc-provider/x"}, Action="sts:AssumeRoleWithWebIdentity")
    )
    with pytest.raises(ClientError, match="The sandbox does not have this: federated identities"):
        boto("sts").assume_role_with_web_identity(RoleArn=arn, RoleSessionName="ada", WebIdentityToken="a.b.c" * 2)


MODEL = {"Image": "683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5"}


@pytest.mark.parametrize(
    ("account", "source", "trusted"),
    [
        (HERE, f"arn:aws:sagemaker:us-west-2:{HERE}:*", True),
        (HERE, f"arn:aws:sagemaker:us-west-2:{HERE}:endpoint/*", False),
        (THERE, f"arn:aws:sagemaker:us-west-2:{HERE}:*", False),
    ],
)
def test_a_service_assumes_a_role_for_a_resource_of_the_account(
    boto: Boto, unique: Unique, refused: Any, account: str, source: str, trusted: bool
) -> None:
    trust = policies.trust(Scope("understudy", "prod", account, "us-west-2"), "sagemaker.amazonaws.com", source)
    name = unique("execution")
    arn = boto("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    request = {"ModelName": name, "ExecutionRoleArn": arn, "PrimaryContainer": MODEL}
    if trusted:
        assert boto("sagemaker").create_model(**request)["ModelArn"].endswith(f":model/{name}")
    else:
        with refused("ValidationException", f'The execution role ARN "{arn}" is invalid.'):
            boto("sagemaker").create_model(**request)
