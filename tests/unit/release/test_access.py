"""Whose clients look at another account's stack: the caller's own at home, its reader role's elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from release import access
from release.errors import UsageError

HERE = "arn:aws:sts::111111111111:assumed-role/understudy-ci/ada"
ROLE = "arn:aws:iam::{}:role/capture-reader-0a1b2c3"
KEYS = {"AccessKeyId": "key", "SecretAccessKey": "secret", "SessionToken": "token"}


class Boto:
    """boto3, which records as whom a client is made; `refusal` is what STS answers to AssumeRole."""

    def __init__(self) -> None:
        self.assumed: list[dict[str, str]] = []
        self.refusal: str | None = None

    def client(self, service: str, **options: Any) -> Any:
        return self if service == "sts" else ("own", service, options)

    def assume_role(self, **asked: str) -> Any:
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "AssumeRole")
        self.assumed.append(asked)
        return {"Credentials": KEYS}

    def Session(self, *keys: str) -> Any:  # noqa: N802  (boto3's name)
        boto = Boto()
        boto.client = lambda service, **options: (*keys, service, options)  # type: ignore[method-assign]
        return boto


@pytest.fixture
def boto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Boto]:
    boto = Boto()
    monkeypatch.setattr(access, "boto3", boto)
    monkeypatch.setattr(access, "caller_arn", lambda: HERE)
    access._assumed.cache_clear()
    yield boto
    access._assumed.cache_clear()


@pytest.mark.parametrize("role", [None, ROLE.format("111111111111")])
def test_at_home_the_caller_s_own_permissions_count(role: str | None, boto: Boto) -> None:
    assert access.client("s3", role, region_name="us-west-2") == ("own", "s3", {"region_name": "us-west-2"})
    assert boto.assumed == []


def test_elsewhere_the_reader_role_is_assumed_once_in_the_caller_s_name(boto: Boto) -> None:
    role = ROLE.format("222222222222")
    made = [access.client(service, role) for service in ("s3", "cloudwatch")]
    assert made == [("key", "secret", "token", "s3", {}), ("key", "secret", "token", "cloudwatch", {})]
    assert boto.assumed == [{"RoleArn": role, "RoleSessionName": "ada"}]


def test_who_may_not_assume_it_hears_what_to_do(boto: Boto) -> None:
    boto.refusal = "AccessDenied"
    with pytest.raises(UsageError, match=f"{HERE} may not assume the reader role") as refused:
        access.client("s3", ROLE.format("222222222222"))
    assert refused.value.where == ROLE.format("222222222222")
    assert "understudy:reader.roles" in str(refused.value.do)


def test_other_refusals_are_not_explained_away(boto: Boto) -> None:
    boto.refusal = "ExpiredToken"
    with pytest.raises(ClientError, match="ExpiredToken"):
        access.client("s3", ROLE.format("222222222222"))


@pytest.mark.parametrize(("outputs", "role"), [({}, None), ({"readerRoleArn": "arn"}, "arn")])
def test_the_role_is_a_stack_s_output(outputs: dict[str, str], role: str | None) -> None:
    assert access.reader_role(outputs) == role
