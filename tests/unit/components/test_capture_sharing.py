"""Production's captures for shadow in another account, as data: what is published, what is granted, who subscribes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from components import capture_bus, capture_reader
from components.naming import Scope, capture_account
from settings import Reader

PROD = Scope("understudy", "prod", "111111111111", "us-west-2")
SHADOW = Scope("understudy", "shadow", "222222222222", "us-west-2")
READER = Reader(account="222222222222", environment="shadow", roles=("ci-deployer",))
BUS = "arn:aws:events:us-west-2:222222222222:event-bus/understudy-captures-shadow"
SOURCE = "understudy-capture-prod-111111111111-us-west-2"
ROOT = {"AWS": ["arn:aws:iam::222222222222:root"]}


def test_replay_functions_read_captures_and_nothing_else_of_the_bucket() -> None:
    read, listed = capture_reader.bucket_grants(PROD, READER, ["tumor-triage", "diabetes-progression"])
    assert (read["Action"], read["Resource"]) == (["s3:GetObject"], f"arn:aws:s3:::{SOURCE}/capture/*")
    assert (listed["Action"], listed["Resource"]) == (["s3:ListBucket"], f"arn:aws:s3:::{SOURCE}")
    assert listed["Condition"]["StringLike"] == {"s3:prefix": "capture/*"}
    for statement in (read, listed):
        assert statement["Principal"] == ROOT
        assert statement["Condition"]["ArnLike"]["aws:PrincipalArn"] == [
            "arn:aws:iam::222222222222:role/tumor-triage-replay-*",
            "arn:aws:iam::222222222222:role/diabetes-progression-replay-*",
        ]


def test_nobody_reads_where_nobody_is_named() -> None:
    assert capture_reader.bucket_grants(PROD, None, ["tumor-triage"]) == []
    assert capture_reader.bucket_grants(PROD, READER, []) == []


def test_the_names_are_those_that_shadow_gives_its_roles(shadow: Any) -> None:
    names = {registration.name for registration in shadow.of_type("aws:iam/role:Role")}
    assert "tumor-triage-replay" in names


def test_people_and_pipelines_there_assume_a_role_that_only_reads(prod: Any) -> None:
    role = prod.one("aws:iam/role:Role", "capture-reader")
    [trust] = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert (trust["Principal"], trust["Action"]) == (ROOT, ["sts:AssumeRole"])
    assert trust["Condition"] == {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::222222222222:role/ci-deployer"]}}
    statements = prod.policy("aws:iam/rolePolicy:RolePolicy", "capture-reader")
    assert [action for statement in statements for action in statement["Action"]] == [
        "s3:GetObject",
        "s3:ListBucket",
        "cloudwatch:GetMetricStatistics",
        "cloudwatch:DescribeAlarms",
    ]
    assert prod.outputs["readerRoleArn"] == f"arn:aws:mock:us-west-2:111111111111:{role.name}-0a1b2c3"


def test_capture_events_go_to_the_bus_there_by_a_role_that_can_do_nothing_else(prod: Any) -> None:
    target = prod.one("aws:cloudwatch/eventTarget:EventTarget", "capture-reader")
    assert target.inputs["arn"] == BUS
    assert target.inputs["roleArn"].endswith(":capture-forward-0a1b2c3")
    pattern = json.loads(prod.one("aws:cloudwatch/eventRule:EventRule", "capture-reader").inputs["eventPattern"])
    assert pattern["detail"] == {"bucket": {"name": [SOURCE]}, "object": {"key": [{"prefix": "capture/"}]}}
    [statement] = prod.policy("aws:iam/rolePolicy:RolePolicy", "capture-forward")
    assert (statement["Action"], statement["Resource"]) == (["events:PutEvents"], [BUS])


def test_the_bus_takes_events_of_the_forwarding_role_alone() -> None:
    [statement] = json.loads(capture_bus.bus_policy(SHADOW, BUS, ["111111111111"]))["Statement"]
    assert (statement["Action"], statement["Resource"]) == (["events:PutEvents"], BUS)
    assert statement["Condition"] == {
        "ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::111111111111:role/capture-forward-*"]}
    }


@pytest.mark.parametrize(
    ("bucket", "account"),
    [
        (SOURCE, "111111111111"),
        ("understudy-capture-prod-eu-west-111111111111-us-gov-west-1", "111111111111"),
        ("captures-of-ours", None),
        ("understudy-artifacts-111111111111-us-west-2", None),
    ],
)
def test_a_capture_bucket_s_name_says_whose_it_is(bucket: str, account: str | None) -> None:
    assert capture_account(bucket) == account


def test_shadow_listens_on_a_bus_of_its_own_to_another_account_s_captures(
    run_program: Any, configs: Any, train: Any
) -> None:
    train("tumor_triage")
    config = copy.deepcopy(configs["shadow"])
    config["understudy:replay"]["source"] = "understudy-capture-prod-333333333333-us-west-2"
    recording = run_program("shadow", config)
    assert recording.one("aws:cloudwatch/eventBus:EventBus").inputs["name"] == "understudy-captures-shadow"
    [statement] = recording.policy("aws:cloudwatch/eventBusPolicy:EventBusPolicy", "captures")
    assert statement["Principal"] == {"AWS": ["arn:aws:iam::333333333333:root"]}
    for type_ in ("aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"):
        assert recording.one(type_, "tumor-triage-replay").inputs["eventBusName"] == "understudy-captures-shadow"


def test_within_an_account_the_default_bus_is_enough(shadow: Any) -> None:
    assert not shadow.of_type("aws:cloudwatch/eventBus:EventBus")
    rule = shadow.one("aws:cloudwatch/eventRule:EventRule", "tumor-triage-replay")
    assert "eventBusName" not in rule.inputs


def test_a_reader_in_the_own_account_is_a_person_s_mistake(run_program: Any, configs: Any) -> None:
    config = copy.deepcopy(configs["prod"])
    config["understudy:reader"]["account"] = "111111111111"
    with pytest.raises(Exception, match=r"leave understudy:reader out: within an account no grant is needed"):
        run_program("prod", config)
