"""Who is the same person: session names, users, roles."""

from __future__ import annotations

import pytest

from release.identity import Identity, same_person


def session(role: str, name: str, account: str = "111111111111") -> str:
    return f"arn:aws:sts::{account}:assumed-role/{role}/{name}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (session("scientist", "ada"), session("scientist", "ada"), True),
        (session("scientist", "ada"), session("approver", "ada"), True),
        (session("scientist", "ada"), session("approver", "ada", "222222222222"), True),
        (session("scientist", "ada"), session("scientist", "grace"), False),
        (session("scientist", "ada"), session("approver", "grace"), False),
        (session("team", "botocore-session-1700000000"), session("team", "botocore-session-1700009999"), True),
        (session("team", "botocore-session-1700000000"), session("team", "ada"), True),
        (session("build", "AWSCodeBuild-1f2e"), session("approver", "ada"), False),
        (session("build", "AWSCodeBuild-1f2e"), session("build", "AWSCodeBuild-9a8b"), True),
        ("arn:aws:iam::111111111111:user/team/ada", session("approver", "ada"), True),
        ("arn:aws:iam::111111111111:user/ada", "arn:aws:iam::111111111111:user/grace", False),
        ("arn:aws:iam::111111111111:root", "arn:aws:iam::111111111111:root", True),
        ("arn:aws-us-gov:iam::111111111111:role/x/scientist", session("scientist", "ada"), True),
    ],
)
def test_same_person(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same
    assert same_person(other, one) is same


def test_an_arn_of_something_else_is_no_identity() -> None:
    with pytest.raises(ValueError, match="'arn:aws:s3:::bucket' is no IAM or STS ARN"):
        Identity.parse("arn:aws:s3:::bucket")
