"""The sandbox's evaluator of resource policies: who is meant, what is denied, and what it refuses to guess."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.cloud.resource_policies import (
    PolicyNotUnderstoodError,
    Principal,
    Request,
    Verdict,
    evaluate,
    refusal,
)

ROLE = "arn:aws:iam::222222222222:role/team/deployer"
SESSION = "arn:aws:sts::222222222222:assumed-role/deployer/ada"
WHO = Principal("222222222222", SESSION, ROLE)
OBJECT = "arn:aws:s3:::artifacts/tumor-triage/model.tar.gz"
ALLOW = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "s3:GetObject", "Resource": OBJECT}


def verdict(*statements: dict[str, Any], who: Principal = WHO, **context: str) -> Verdict:
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return evaluate(policy, Request(who, "s3:GetObject", OBJECT, {"s3:prefix": "a/b", **context}))


@pytest.mark.parametrize(
    ("principal", "meant"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": "222222222222"}, True),
        ({"AWS": ["arn:aws:iam::333333333333:root", "arn:aws:iam::222222222222:root"]}, True),
        ({"AWS": ROLE}, True),
        ({"AWS": SESSION}, True),
        ({"AWS": "arn:aws:iam::333333333333:root"}, False),
        ({"AWS": "arn:aws:iam::222222222222:role/team/*"}, False),
        ({"Service": "sagemaker.amazonaws.com"}, False),
        ("arn:aws:iam::222222222222:root", False),
    ],
)
def test_who_a_statement_means(principal: Any, meant: bool) -> None:
    assert verdict(ALLOW | {"Principal": principal}) is (Verdict.ALLOWED if meant else Verdict.SILENT)


def test_a_service_is_meant_by_its_name_alone() -> None:
    who = Principal(service="events.amazonaws.com")
    assert verdict(ALLOW, who=who) is Verdict.SILENT
    assert verdict(ALLOW | {"Principal": {"Service": "events.amazonaws.com"}}, who=who) is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("element", "value", "meant"),
    [
        ("Action", "s3:*", True),
        ("Action", ["s3:PutObject", "S3:getobject"], True),
        ("Action", "s3:Get", False),
        ("Resource", "arn:aws:s3:::artifacts/tumor-triage/*", True),
        ("Resource", "arn:aws:s3:::artifacts/*/model.tar.g?", True),
        ("Resource", "arn:aws:s3:::artifacts", False),
        ("Resource", "arn:aws:s3:::artifacts/[tumor-triage]*", False),
    ],
)
def test_wildcards_are_of_two_kinds(element: str, value: Any, meant: bool) -> None:
    assert verdict(ALLOW | {element: value}) is (Verdict.ALLOWED if meant else Verdict.SILENT)


def test_a_denial_goes_before_any_permission() -> None:
    assert verdict(ALLOW, {**ALLOW, "Effect": "Deny", "Principal": "*"}) is Verdict.DENIED
    assert verdict(ALLOW, {**ALLOW, "Effect": "Deny", "Principal": {"AWS": "333333333333"}}) is Verdict.ALLOWED


def test_no_policy_says_nothing() -> None:
    assert evaluate(None, Request(WHO, "s3:GetObject", OBJECT)) is Verdict.SILENT


def test_a_repository_s_policy_names_no_resource() -> None:
    assert verdict({key: value for key, value in ALLOW.items() if key != "Resource"}) is Verdict.ALLOWED


CONDITIONS = [
    ({"StringEquals": {"s3:prefix": ["x", "a/b"]}}, True),
    ({"StringEquals": {"S3:Prefix": "a/*"}}, False),
    ({"StringEqualsIgnoreCase": {"s3:prefix": "A/B"}}, True),
    ({"StringNotEquals": {"s3:prefix": ["x", "a/b"]}}, False),
    ({"StringNotLike": {"s3:prefix": "x*"}}, True),
    ({"StringLike": {"s3:prefix": "a/*"}}, True),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/team/deploy*"}}, True),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/deployer"}}, False),
    ({"ArnNotEquals": {"aws:PrincipalArn": ROLE}}, False),
    ({"StringEquals": {"aws:PrincipalAccount": "222222222222"}}, True),
    ({"Bool": {"aws:SecureTransport": "false"}}, False),
    ({"Bool": {"aws:SecureTransport": True}}, True),
    ({"StringEquals": {"kms:ViaService": "s3.us-west-2.amazonaws.com"}}, False),
    ({"StringEqualsIfExists": {"kms:ViaService": "s3.us-west-2.amazonaws.com"}}, True),
    ({"StringNotEquals": {"kms:ViaService": "s3.us-west-2.amazonaws.com"}}, True),
    ({"Null": {"kms:ViaService": "true"}}, True),
    ({"Null": {"s3:prefix": "true"}}, False),
    ({"StringEquals": {"s3:prefix": "a/b"}, "Bool": {"aws:SecureTransport": "false"}}, False),
]


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS, ids=[json.dumps(each) for each, _ in CONDITIONS])
def test_conditions(condition: dict[str, Any], holds: bool) -> None:
    assert verdict(ALLOW | {"Condition": condition}) is (Verdict.ALLOWED if holds else Verdict.SILENT)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"Condition": {"NumericLessThan": {"s3:max-keys": "10"}}}, "condition operator NumericLessThan"),
        ({"Condition": {"ForAnyValue:StringLike": {"s3:prefix": "a"}}}, "condition operator ForAnyValue:StringLike"),
        ({"Condition": {"NotBool": {"aws:SecureTransport": "true"}}}, "condition operator NotBool"),
        ({"Condition": {"StringEquals": {"s3:prefix": "${aws:username}"}}}, "policy variables"),
        ({"NotAction": "s3:PutObject"}, "NotAction"),
        ({"NotPrincipal": {"AWS": "222222222222"}}, "NotPrincipal"),
        ({"NotResource": OBJECT}, "NotResource"),
    ],
)
def test_what_is_not_understood_is_an_error(statement: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyNotUnderstoodError, match=said):
        verdict(ALLOW | statement)


def test_an_unknown_operator_is_an_error_whether_or_not_the_statement_is_about_the_request() -> None:
    with pytest.raises(PolicyNotUnderstoodError, match="DateLessThan"):
        verdict(ALLOW | {"Action": "s3:PutObject", "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}})


def test_a_refusal_is_in_aws_s_words() -> None:
    request = Request(
        WHO, "sagemaker:DescribeModelPackage", "arn:aws:sagemaker:us-west-2:111111111111:model-package/g/1"
    )
    asked = f"User: {SESSION} is not authorized to perform: {request.action} on resource: {request.resource}"
    silent = f"{asked} because no resource-based policy allows the sagemaker:DescribeModelPackage action"
    assert refusal(None, request) == silent
    everything = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}
    denied = json.dumps({"Statement": everything})
    assert refusal(denied, request) == f"{asked} with an explicit deny in a resource-based policy"
    assert refusal(json.dumps({"Statement": everything | {"Effect": "Allow"}}), request) is None
