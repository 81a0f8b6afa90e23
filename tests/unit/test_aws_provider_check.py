"""Check: names, defaults, region, tags, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.aws_provider.check import Failure, Request, check
from sandbox.aws_provider.naming import Autonaming
from sandbox.aws_provider.session import operation_model
from sandbox.aws_provider.table import resource_type
from sandbox.aws_provider.values import UNKNOWN

QUEUE = "aws:sqs/queue:Queue"
ROLE = "aws:iam/role:Role"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def run(token: str, news: dict[str, Any], name: str = "logical", **more: Any) -> tuple[dict[str, Any], list[Failure]]:
    spec = resource_type(token)
    request = Request(
        urn=f"urn:pulumi:dev::p::{token}::{name}",
        name=name,
        olds=more.get("olds", {}),
        news=news,
        seed=more.get("seed", b"seed"),
        region="eu-west-1",
        default_tags=more.get("default_tags", {}),
        autonaming=more.get("autonaming"),
    )
    models = [(call, operation_model(spec.client, call.call)) for call in (*spec.create, *spec.update)]
    return check(spec, request, models)


def checked(token: str, news: dict[str, Any], **more: Any) -> dict[str, Any]:
    inputs, failures = run(token, news, **more)
    assert failures == []
    return inputs


def test_region_tags_and_name_are_filled_in() -> None:
    inputs = checked(QUEUE, {"tags": {"a": "1"}}, default_tags={"project": "p", "a": "0"})
    assert inputs["region"] == "eu-west-1"
    assert inputs["tagsAll"] == {"project": "p", "a": "1"}
    assert inputs["tags"] == {"a": "1"}
    assert inputs["__defaults"] == ["maxMessageSize", "messageRetentionSeconds", "name", "visibilityTimeoutSeconds"]
    stem, digits = inputs["name"].rsplit("-", 1)
    assert stem == "logical"
    assert len(digits) == 7
    assert set(digits) <= set("0123456789abcdef")


def test_falsy_defaults_stay_out_and_iam_has_no_region() -> None:
    inputs = checked(ROLE, {"assumeRolePolicy": TRUST})
    assert set(inputs) == {"assumeRolePolicy", "maxSessionDuration", "name", "path", "tagsAll", "__defaults"}
    assert inputs["__defaults"] == ["maxSessionDuration", "name", "path"]


def test_a_name_is_stable_for_a_seed_and_kept_on_update() -> None:
    first, second = checked(QUEUE, {}), checked(QUEUE, {})
    assert first["name"] == second["name"]
    assert checked(QUEUE, {}, seed=b"other")["name"] != first["name"]
    assert checked(QUEUE, {}, seed=b"other", olds=first)["name"] == first["name"]


def test_an_explicit_old_name_is_not_reused() -> None:
    assert checked(QUEUE, {}, olds={"name": "mine", "__defaults": []})["name"] != "mine"


@pytest.mark.parametrize(
    ("token", "news", "name", "expected"),
    [
        ("aws:s3/bucket:Bucket", {}, "Data", r"data-"),
        ("aws:kms/alias:Alias", {"targetKeyId": "k"}, "key", r"alias/key-"),
        (QUEUE, {"fifoQueue": True}, "jobs", r"jobs-"),
    ],
)
def test_names_of_special_types(token: str, news: dict[str, Any], name: str, expected: str) -> None:
    spec = resource_type(token)
    assert spec.name is not None
    assert checked(token, news, name=name)[spec.name.property].startswith(expected)


def test_fifo_names_end_in_fifo() -> None:
    assert checked(QUEUE, {"fifoQueue": True})["name"].endswith(".fifo")
    assert not checked(QUEUE, {"fifoQueue": False})["name"].endswith(".fifo")


def test_an_object_key_is_the_logical_name() -> None:
    inputs = checked("aws:s3/bucketObjectv2:BucketObjectv2", {"bucket": "b"}, name="index.html")
    assert inputs["key"] == "index.html"
    assert inputs["__defaults"] == ["key"]


def test_too_long_a_name_is_an_error_not_cut() -> None:
    _, failures = run(ROLE, {"assumeRolePolicy": TRUST}, name="r" * 57)
    assert len(failures) == 1
    assert "has 65 characters, at most 64 are allowed" in failures[0].reason
    _, failures = run(ROLE, {"assumeRolePolicy": TRUST}, name="r" * 56)
    assert failures == []


@pytest.mark.parametrize(
    ("autonaming", "name"),
    [(Autonaming("propose", "dev-logical-1"), "dev-logical-1"), (Autonaming("enforce", "exact"), "exact")],
)
def test_autonaming_configuration(autonaming: Autonaming, name: str) -> None:
    assert checked(QUEUE, {}, autonaming=autonaming)["name"] == name


def test_autonaming_disabled() -> None:
    _, failures = run(QUEUE, {}, autonaming=Autonaming("disable", ""))
    assert [failure.reason for failure in failures] == [
        "automatic naming is disabled for this stack: give 'name' a value"
    ]


def test_nested_defaults_are_noted_where_they_apply() -> None:
    variants = [{"modelName": "m", "variantName": "One"}, {"modelName": "m", "initialVariantWeight": 3}]
    inputs = checked(CONFIGURATION, {"productionVariants": variants})
    assert inputs["productionVariants"] == [
        {"modelName": "m", "variantName": "One", "initialVariantWeight": 1, "__defaults": ["initialVariantWeight"]},
        {"modelName": "m", "initialVariantWeight": 3},
    ]
    assert variants[0] == {"modelName": "m", "variantName": "One"}


def test_unknown_properties_are_named_at_every_depth() -> None:
    news = {"productionVariants": [{"modelName": "m", "instanceSize": "xl"}], "colour": "red"}
    _, failures = run(CONFIGURATION, news)
    assert [failure.property for failure in failures] == ["productionVariants[0].instanceSize", "colour"]
    assert failures[0].reason == f"AWS knows no property 'productionVariants[0].instanceSize' for {CONFIGURATION}"
    assert failures[1].reason == f"the sandbox's table has no property 'colour' for {CONFIGURATION}"


def test_keys_of_maps_are_not_properties() -> None:
    checked("aws:lambda/function:Function", {"role": "r", "environment": {"variables": {"anyKey": "1"}}})
    checked(QUEUE, {"tags": {"anyKey": "1"}})


def test_required_properties() -> None:
    _, failures = run(CONFIGURATION, {})
    assert [failure.reason for failure in failures] == ["missing required property 'productionVariants'"]


def test_unknown_values_pass() -> None:
    inputs = checked(CONFIGURATION, {"productionVariants": [{"modelName": UNKNOWN}], "tags": {"a": UNKNOWN}})
    assert inputs["tagsAll"] == UNKNOWN
    assert checked(ROLE, {"assumeRolePolicy": UNKNOWN})["assumeRolePolicy"] == UNKNOWN


def test_policies_may_be_objects() -> None:
    assert checked(ROLE, {"assumeRolePolicy": {"Version": "v"}})["assumeRolePolicy"] == '{"Version":"v"}'
    assert checked(ROLE, {"assumeRolePolicy": {"Version": UNKNOWN}})["assumeRolePolicy"] == UNKNOWN


def test_other_json_must_be_text_and_valid() -> None:
    _, failures = run(QUEUE, {"redrivePolicy": {"maxReceiveCount": 5}})
    assert failures == [Failure("redrivePolicy", "'redrivePolicy' must be a JSON text, not an object")]
    _, failures = run(QUEUE, {"redrivePolicy": "{"})
    assert failures[0].reason.startswith("'redrivePolicy' contains invalid JSON: ")
