"""ModelPackage: what is checked, what is a change, what is sent to SageMaker and what comes back."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.stub import ANY, Stubber
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.output import UNKNOWN

from model_package.metadata import digest_of_environment
from providers import aws
from providers import model_package_content as content
from providers import registration as registration_module
from providers.aws import ProviderError
from providers.model_package import ModelPackageProvider
from providers.model_package_content import registration
from providers.registration import client_token

GROUP = "tumor-triage"
ARN = f"arn:aws:sagemaker:us-west-2:111111111111:model-package/{GROUP}/7"
DIGEST = "d" * 64
IMAGE = "683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5"
URL = f"s3://understudy-artifacts-111111111111-us-west-2/tumor-triage/{DIGEST}/model.tar.gz"
AUTHOR = "arn:aws:sts::111111111111:assumed-role/understudy-scientist/ann"
ENVIRONMENT = {"SAGEMAKER_PROGRAM": "inference.py"}
CREATED = {
    "understudy.artifact_digest": DIGEST,
    "understudy.environment_digest": digest_of_environment(ENVIRONMENT),
    "understudy.training_job": "job-1",
}
PROVENANCE = {"understudy.git_commit": "c0ffee", "understudy.author": AUTHOR}

PROPS: dict[str, Any] = {
    "model_package_group_name": GROUP,
    "image": IMAGE,
    "model_data_url": URL,
    "artifact_digest": DIGEST,
    "environment": ENVIRONMENT,
    "content_types": ["text/csv"],
    "framework": "XGBOOST",
    "framework_version": "3.0-5",
    "model_package_description": "Triage",
    "source_uri": "s3://training/model.ubj",
    "customer_metadata_properties": {"understudy.training_job": "job-1", **PROVENANCE},
    "region": "us-west-2",
}


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """SageMaker, which answers what a test tells it to and checks every request against the service model."""
    client = boto3.client(
        "sagemaker", region_name="us-west-2", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    monkeypatch.setattr(aws, "client", lambda service, props: client)
    monkeypatch.setattr(aws, "FIRST_POLL_SECONDS", 0)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def checked(**changes: Any) -> dict[str, Any]:
    result = ModelPackageProvider().check({}, {**PROPS, **changes})
    assert result.failures == []
    return result.inputs


def failures(**changes: Any) -> list[tuple[str, str]]:
    return [(f.property, f.reason) for f in ModelPackageProvider().check({}, {**PROPS, **changes}).failures]


def description(status: str = "Completed", **changes: Any) -> dict[str, Any]:
    return {
        "ModelPackageName": GROUP,
        "ModelPackageGroupName": GROUP,
        "ModelPackageVersion": 7,
        "ModelPackageArn": ARN,
        "ModelPackageDescription": "Triage",
        "CreationTime": datetime.now(UTC),
        "ModelPackageStatus": status,
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ModelApprovalStatus": "PendingManualApproval",
        "SourceUri": "s3://training/model.ubj",
        "InferenceSpecification": registration(checked())["InferenceSpecification"],
        "CustomerMetadataProperties": CREATED,
        **changes,
    }


def outputs() -> dict[str, Any]:
    return {**checked(), "model_package_arn": ARN, "version": 7.0, "model_approval_status": "PendingManualApproval"}


# check


def test_check_fills_in_what_it_answers_with() -> None:
    assert checked()["response_types"] == ["text/csv"]
    assert checked(response_types=["application/json"])["response_types"] == ["application/json"]
    assert "description" not in ModelPackageProvider().check({}, {**PROPS, "description": None}).inputs


@pytest.mark.parametrize(
    ("change", "prop", "reason"),
    [
        ({"image": None}, "image", "image is required"),
        ({"artifact_digest": "sha256:x"}, "artifact_digest", "must be 64 lower-case hex digits, found 'sha256:x'"),
        ({"model_package_group_name": "tumor_triage"}, "model_package_group_name", "ModelPackageGroupName must match"),
        (
            {"model_package_description": "x" * 1025},
            "model_package_description",
            "must be 0 to 1024 characters, found 1025",
        ),
        ({"framework_version": "3"}, "framework_version", "FrameworkVersion must be 3 to 10 characters, found 1"),
        ({"model_data_url": "/tmp/model.tar.gz"}, "model_data_url", "ModelDataUrl must match (https|s3)://"),
        ({"environment": {"1A": "x"}}, "environment", "Environment['1A'] (its key) must match"),
        ({"environment": {"A": ["1"]}}, "environment", "Environment['A'] must be a string, found ['1']"),
        ({"region": "eu-west-1"}, "image", "must be in the registry's region, eu-west-1"),
        (
            {"customer_metadata_properties": {"metrics": '{"a": 1}'}},
            "customer_metadata_properties",
            "customer metadata takes letters, digits, spaces and _.:/=+-@ only, found 'metrics'",
        ),
        (
            {"customer_metadata_properties": {f"k{n}": "v" for n in range(51)}},
            "customer_metadata_properties",
            "must be 1 to 50 entries, found 53",
        ),
    ],
)
def test_check_refuses_what_sagemaker_would(change: dict[str, Any], prop: str, reason: str) -> None:
    assert any(found == prop and reason in text for found, text in failures(**change)), failures(**change)


def test_check_writes_numbers_in_maps_of_texts_as_texts() -> None:
    given = {"WORKERS": 2.0, "RATE": 0.5, "DEBUG": True, "NAME": "x", "GONE": None}
    assert checked(environment=given)["environment"] == {"WORKERS": "2", "RATE": "0.5", "DEBUG": "true", "NAME": "x"}


def test_check_judges_the_known_part_of_a_map() -> None:
    metadata = {"understudy.object_version_id": UNKNOWN, "metrics": "{}"}
    assert [name for name, _ in failures(customer_metadata_properties=metadata)] == ["customer_metadata_properties"]


def test_check_lets_pass_what_is_not_known_yet() -> None:
    assert failures(image=UNKNOWN, model_data_url=UNKNOWN, environment={"A": UNKNOWN}, artifact_digest=UNKNOWN) == []


# diff


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_package_group_name", "other"),
        ("image", IMAGE.replace("3.0-5", "3.2-0")),
        ("model_data_url", URL + "2"),
        ("artifact_digest", "e" * 64),
        ("environment", {"SAGEMAKER_PROGRAM": "other.py"}),
        ("content_types", ["application/json"]),
        ("response_types", ["application/json"]),
        ("framework", None),
        ("framework_version", "3.2-0"),
        ("region", "eu-west-1"),
        ("image", UNKNOWN),
        ("environment", {"SAGEMAKER_PROGRAM": UNKNOWN}),
    ],
)
def test_another_version_replaces(name: str, value: Any) -> None:
    result = ModelPackageProvider().diff(ARN, outputs(), {**checked(), name: value})
    assert result.changes is True
    assert name in (result.replaces or [])
    assert result.delete_before_replace is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source_uri", "s3://elsewhere"),
        ("customer_metadata_properties", {**PROVENANCE, "understudy.training_job": "job-2"}),
        ("customer_metadata_properties", PROVENANCE),
        ("assume_role_arn", "arn:aws:iam::111111111111:role/understudy"),
    ],
)
def test_what_describes_a_version_is_updated_in_place(name: str, value: Any) -> None:
    result = ModelPackageProvider().diff(ARN, outputs(), {**checked(), name: value})
    assert (result.changes, result.replaces) == (True, [])


@pytest.mark.parametrize(
    ("olds", "news"),
    [
        ({}, {}),
        ({"model_approval_status": "Approved", "version": 7.0}, {}),
        ({"model_approval_status": "Rejected"}, {}),
        ({}, {"model_package_description": "another"}),
        (
            {},
            {
                "customer_metadata_properties": {
                    "understudy.training_job": "job-1",
                    "understudy.git_commit": "beef",
                    "understudy.author": "arn:aws:sts::111111111111:assumed-role/understudy-ci/build",
                }
            },
        ),
        ({"customer_metadata_properties": {**CREATED, **PROVENANCE}}, {}),
        ({"framework": None, "framework_version": None}, {"framework": "", "framework_version": None}),
        ({"environment": None}, {"environment": {}}),
        ({"region": None}, {}),
        ({}, {"region": None}),
        ({}, {"model_package_group_name": ARN.replace(":model-package/", ":model-package-group/")[:-2]}),
        ({}, {"customer_metadata_properties": {**CREATED, **PROVENANCE, "understudy.object_version_id": UNKNOWN}}),
    ],
)
def test_nothing_else_is_a_change(olds: dict[str, Any], news: dict[str, Any]) -> None:
    result = ModelPackageProvider().diff(ARN, {**outputs(), **olds}, {**checked(), **news})
    assert (result.changes, result.replaces) == (False, [])


def test_the_order_of_types_is_no_change() -> None:
    types = ["text/csv", "application/json"]
    olds = {**outputs(), "content_types": types, "response_types": types}
    assert ModelPackageProvider().diff(ARN, olds, checked(content_types=types[::-1])).changes is False


def test_a_group_of_another_account_is_another_group() -> None:
    foreign = f"arn:aws:sagemaker:us-west-2:999999999999:model-package-group/{GROUP}"
    news = checked(model_package_group_name=foreign)
    assert ModelPackageProvider().diff(ARN, outputs(), news).replaces == ["model_package_group_name"]


def test_a_state_of_an_earlier_release_has_no_diff() -> None:
    """It has no `requested_metadata`: the program's metadata, as it was, stands for it."""
    assert "requested_metadata" not in outputs()
    assert ModelPackageProvider().diff(ARN, outputs(), checked()).changes is False


def test_a_version_of_an_earlier_release_is_given_the_digest_of_its_environment_once(sagemaker: Stubber) -> None:
    earlier = {key: value for key, value in CREATED.items() if key != "understudy.environment_digest"}
    sagemaker.add_response("describe_model_package", description(CustomerMetadataProperties=earlier))
    state = ModelPackageProvider().read(ARN, {**outputs(), "requested_metadata": earlier}).outs
    assert state is not None
    found = ModelPackageProvider().diff(ARN, state, checked())
    assert (found.changes, found.replaces) == (True, [])
    digest = {"understudy.environment_digest": CREATED["understudy.environment_digest"]}
    update = {"ModelPackageArn": ARN, "CustomerMetadataProperties": digest}
    sagemaker.add_response("update_model_package", {"ModelPackageArn": ARN}, update)
    sagemaker.add_response("describe_model_package", description())
    updated = ModelPackageProvider().update(ARN, state, checked()).outs
    assert updated is not None
    assert ModelPackageProvider().diff(ARN, updated, checked()).changes is False


def test_an_environment_that_a_preview_does_not_know_has_no_digest_yet() -> None:
    for environment in (UNKNOWN, {"SAGEMAKER_PROGRAM": UNKNOWN}):
        assert "understudy.environment_digest" not in content.metadata({**PROPS, "environment": environment})
    assert content.metadata({**PROPS, "environment": None}) == content.metadata({**PROPS, "environment": {}})


TEXTS = st.text("abcXYZ019 _.:/=+@-", min_size=1, max_size=8)
VALUES = st.one_of(TEXTS, st.integers(-9, 10**9), st.booleans(), st.none())


@settings(max_examples=60, deadline=None)
@given(
    environment=st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), VALUES, max_size=4),
    metadata=st.dictionaries(TEXTS, VALUES, max_size=4),
    absent=st.sets(st.sampled_from(["framework_version", "source_uri", "region", "model_package_description"])),
)
def test_what_pulumi_makes_of_values_is_no_change(
    environment: dict[str, Any], metadata: dict[str, Any], absent: set[str]
) -> None:
    """On its way through Pulumi's wire format every number becomes a float and every None is dropped."""
    program = {**PROPS, **dict.fromkeys(absent), "environment": environment, "customer_metadata_properties": metadata}
    first, again = (ModelPackageProvider().check({}, value).inputs for value in (program, _over_the_wire(program)))
    assert first == again
    described = description(
        InferenceSpecification=registration(first)["InferenceSpecification"],
        CustomerMetadataProperties=content.metadata(first),
        SourceUri=first.get("source_uri"),
    )
    state = _over_the_wire(content.outputs(first, described))
    result = ModelPackageProvider().diff(ARN, state, _over_the_wire(again))
    assert (result.changes, result.replaces) == (False, [])


def _over_the_wire(value: Any) -> Any:
    """JSON as Pulumi's: one kind of number, no null in an object."""
    if isinstance(value, dict):
        return {key: _over_the_wire(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_over_the_wire(part) for part in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


# create


def test_create_registers_waits_and_writes_who_did_it(sagemaker: Stubber) -> None:
    request = registration(checked())
    assert request["ModelApprovalStatus"] == "PendingManualApproval"
    assert request["CustomerMetadataProperties"] == CREATED
    token = client_token(request)
    sagemaker.add_response("create_model_package", {"ModelPackageArn": ARN}, {**request, "ClientToken": token})
    for status in ("Pending", "InProgress", "Completed"):
        sagemaker.add_response("describe_model_package", description(status), {"ModelPackageName": ARN})
    update = {"ModelPackageArn": ARN, "CustomerMetadataProperties": PROVENANCE}
    sagemaker.add_response("update_model_package", {"ModelPackageArn": ARN}, update)
    result = ModelPackageProvider().create({**checked(), "__provider": "gANj"})
    assert result.id == ARN
    assert result.outs is not None
    assert (result.outs["version"], result.outs["model_approval_status"]) == (7, "PendingManualApproval")
    assert result.outs["model_package_status"] == "Completed"
    assert result.outs["customer_metadata_properties"] == {**CREATED, **PROVENANCE}
    assert "__provider" not in result.outs
    assert ModelPackageProvider().diff(ARN, result.outs, checked()).changes is False


def test_an_image_by_digest_is_in_the_metadata() -> None:
    image = f"111111111111.dkr.ecr.us-west-2.amazonaws.com/understudy/tumor-triage@sha256:{'1' * 64}"
    request = registration(checked(image=image))
    assert request["CustomerMetadataProperties"] == {**CREATED, "understudy.image_digest": f"sha256:{'1' * 64}"}
    assert "understudy.image_digest" not in registration(checked())["CustomerMetadataProperties"]


def test_a_token_is_the_contents_and_fits() -> None:
    token = client_token(registration(checked()))
    assert len(token) == 36
    other_commit = checked(
        customer_metadata_properties={"understudy.training_job": "job-1", "understudy.git_commit": "x"}
    )
    assert client_token(registration(other_commit)) == token
    assert client_token(registration(checked(artifact_digest="e" * 64))) != token


def test_a_killed_create_is_given_its_version_and_its_author_stays(sagemaker: Stubber) -> None:
    sagemaker.add_response(
        "create_model_package", {"ModelPackageArn": ARN}, {**registration(checked()), "ClientToken": ANY}
    )
    first = {**CREATED, "understudy.author": "arn:aws:sts::111111111111:assumed-role/understudy-scientist/bob"}
    sagemaker.add_response("describe_model_package", description(CustomerMetadataProperties=first))
    update = {"ModelPackageArn": ARN, "CustomerMetadataProperties": {"understudy.git_commit": "c0ffee"}}
    sagemaker.add_response("update_model_package", {"ModelPackageArn": ARN}, update)
    result = ModelPackageProvider().create(checked())
    assert result.outs is not None
    assert result.outs["customer_metadata_properties"]["understudy.author"].endswith("/bob")


def failed(created: datetime) -> dict[str, Any]:
    reason = {"Name": "Scan", "Status": "Failed", "FailureReason": "image not found"}
    return description("Failed", CreationTime=created, ModelPackageStatusDetails={"ValidationStatuses": [reason]})


def test_a_failed_version_carries_sagemakers_reason(sagemaker: Stubber) -> None:
    sagemaker.add_response("create_model_package", {"ModelPackageArn": ARN})
    sagemaker.add_response("describe_model_package", failed(datetime.now(UTC)))
    with pytest.raises(ProviderError, match=f"{ARN} is Failed: Scan: image not found"):
        ModelPackageProvider().create(checked())


def test_a_version_that_failed_in_an_earlier_up_is_passed_over(sagemaker: Stubber) -> None:
    request = registration(checked())
    sagemaker.add_response("create_model_package", {"ModelPackageArn": ARN}, {**request, "ClientToken": ANY})
    sagemaker.add_response("describe_model_package", failed(datetime.now(UTC) - timedelta(hours=1)))
    second = {**request, "ClientToken": client_token(request, ARN)}
    sagemaker.add_response("create_model_package", {"ModelPackageArn": ARN[:-1] + "8"}, second)
    complete = description(ModelPackageArn=ARN[:-1] + "8", CustomerMetadataProperties={**CREATED, **PROVENANCE})
    sagemaker.add_response("describe_model_package", complete)
    assert ModelPackageProvider().create(checked()).id == ARN[:-1] + "8"


def test_a_version_that_was_deleted_is_registered_anew(sagemaker: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    """SageMaker may still answer a token with the version that `understudy prune` took away."""
    monkeypatch.setattr(registration_module, "UNSEEN_SECONDS", 0)
    request = registration(checked())
    sagemaker.add_response("create_model_package", {"ModelPackageArn": ARN}, {**request, "ClientToken": ANY})
    sagemaker.add_client_error("describe_model_package", "ValidationException", f"ModelPackage {ARN} does not exist.")
    second = {**request, "ClientToken": client_token(request, ARN)}
    sagemaker.add_response("create_model_package", {"ModelPackageArn": ARN[:-1] + "8"}, second)
    complete = description(ModelPackageArn=ARN[:-1] + "8", CustomerMetadataProperties={**CREATED, **PROVENANCE})
    sagemaker.add_response("describe_model_package", complete)
    assert ModelPackageProvider().create(checked()).id == ARN[:-1] + "8"


def test_a_version_that_is_not_seen_yet_is_not_registered_twice(sagemaker: Stubber) -> None:
    sagemaker.add_response("create_model_package", {"ModelPackageArn": ARN})
    sagemaker.add_client_error("describe_model_package", "ValidationException", f"ModelPackage {ARN} does not exist.")
    complete = description(CustomerMetadataProperties={**CREATED, **PROVENANCE})
    sagemaker.add_response("describe_model_package", complete)
    assert ModelPackageProvider().create(checked()).id == ARN


@pytest.mark.parametrize(
    ("code", "message", "says"),
    [
        (
            "AccessDeniedException",
            "User: arn:aws:sts::2:assumed-role/x/y is not authorized to perform: sagemaker:CreateModelPackage",
            "no version can be registered in group tumor-triage: User: arn:aws:sts::2:assumed-role/x/y is not "
            "authorized to perform: sagemaker:CreateModelPackage. Nothing was registered. Allow "
            "sagemaker:CreateModelPackage to this identity; where the group is another account's, its owner's group "
            "policy has to allow it too",
        ),
        (
            "ValidationException",
            "ModelPackageGroup arn:aws:sagemaker:us-west-2:1:model-package-group/tumor-triage does not exist.",
            "there is no group tumor-triage: ModelPackageGroup arn:aws:sagemaker:us-west-2:1:model-package-group/"
            "tumor-triage does not exist. Nothing was registered. Check the name, account and region; the registry "
            "makes the group of each of its services",
        ),
    ],
    ids=["no permission", "no group"],
)
def test_a_registration_that_is_refused_says_what_to_do(sagemaker: Stubber, code: str, message: str, says: str) -> None:
    sagemaker.add_client_error("create_model_package", code, message)
    with pytest.raises(ProviderError) as refused:
        ModelPackageProvider().create(checked())
    assert str(refused.value) == says


def test_throttling_is_retried_with_full_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's pause before try n + 1 is anywhere between nothing and 2 ** (n - 1) s, at most 20 s."""
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        monkeypatch.setenv(name, value)
    client = aws.client("sagemaker", {"region": "us-west-2"})
    answers = [400] * 7 + [200]
    throttled = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
    registered = b'{"ModelPackageArn": "%s"}' % ARN.encode()

    def answer(request: Any, **_: Any) -> AWSResponse:
        status = answers.pop(0)
        body = io.BytesIO(throttled if status == 400 else registered)
        body.stream = lambda **_: iter([body.read()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, status, {"Content-Type": "application/x-amz-json-1.1"}, body)

    pauses: list[float] = []
    client.meta.events.register("before-send.sagemaker", answer)
    monkeypatch.setattr("time.sleep", pauses.append)
    random.seed(7)
    arn = client.create_model_package(**registration(checked()), ClientToken="once")["ModelPackageArn"]
    assert (arn, answers) == (ARN, [])
    drawn = random.Random(7)
    assert pauses == [drawn.random() * most for most in (1, 2, 4, 8, 16, 20, 20)]


def test_throttling_while_waiting_is_waited_out(sagemaker: Stubber) -> None:
    sagemaker.add_response("create_model_package", {"ModelPackageArn": ARN})
    sagemaker.add_client_error("describe_model_package", "ThrottlingException", "Rate exceeded")
    complete = description(CustomerMetadataProperties={**CREATED, **PROVENANCE})
    sagemaker.add_response("describe_model_package", complete)
    assert ModelPackageProvider().create(checked()).id == ARN


# read, update, delete


def test_refresh_takes_over_an_approval_made_elsewhere(sagemaker: Stubber) -> None:
    elsewhere = {**CREATED, **PROVENANCE, "understudy.approved_by": "arn:aws:sts::111111111111:assumed-role/x/eve"}
    approved = description(ModelApprovalStatus="Approved", CustomerMetadataProperties=elsewhere)
    sagemaker.add_response("describe_model_package", approved, {"ModelPackageName": ARN})
    result = ModelPackageProvider().read(ARN, outputs())
    assert result.id == ARN
    assert result.outs is not None
    assert result.outs["model_approval_status"] == "Approved"
    assert result.outs["customer_metadata_properties"] == elsewhere
    assert result.inputs is not None
    assert "understudy.approved_by" not in result.inputs["customer_metadata_properties"]
    assert ModelPackageProvider().diff(ARN, result.outs, checked()).changes is False


@pytest.mark.parametrize("status", ["Approved", "Rejected"])
def test_what_was_changed_in_the_console_is_no_diff_and_is_not_undone(sagemaker: Stubber, status: str) -> None:
    """Approval, our metadata, somebody's own, and even the digest: shown as they are now, and left alone."""
    console = {**PROVENANCE, "understudy.training_job": "by hand", "understudy.artifact_digest": "f" * 64, "team": "b"}
    now = description(ModelApprovalStatus=status, CustomerMetadataProperties=console)
    sagemaker.add_response("describe_model_package", now)
    refreshed = ModelPackageProvider().read(ARN, outputs()).outs
    assert refreshed is not None
    assert (refreshed["model_approval_status"], refreshed["customer_metadata_properties"]) == (status, console)
    assert refreshed["artifact_digest"] == DIGEST
    assert ModelPackageProvider().diff(ARN, refreshed, checked()).changes is False

    news = checked(source_uri="s3://elsewhere")
    sagemaker.add_response(
        "update_model_package", {"ModelPackageArn": ARN}, {"ModelPackageArn": ARN, "SourceUri": "s3://elsewhere"}
    )
    sagemaker.add_response("describe_model_package", {**now, "SourceUri": "s3://elsewhere"})
    updated = ModelPackageProvider().update(ARN, refreshed, news).outs
    assert updated is not None
    assert updated["customer_metadata_properties"] == console
    assert ModelPackageProvider().diff(ARN, updated, news).changes is False


def test_a_version_that_is_gone_leaves_the_state(sagemaker: Stubber) -> None:
    message = f"ModelPackage {ARN} does not exist."
    sagemaker.add_client_error("describe_model_package", "ValidationException", message)
    result = ModelPackageProvider().read(ARN, outputs())
    assert (result.id, result.outs) == ("", {})


def test_a_refresh_that_may_not_read_fails(sagemaker: Stubber) -> None:
    sagemaker.add_client_error("describe_model_package", "AccessDeniedException", "User: x is not authorized")
    with pytest.raises(Exception, match="AccessDeniedException"):
        ModelPackageProvider().read(ARN, outputs())


def test_a_version_of_the_same_content_is_taken_over_and_nothing_is_registered(sagemaker: Stubber) -> None:
    sagemaker.add_response("describe_model_package", description(), {"ModelPackageName": ARN})
    sagemaker.add_response(
        "update_model_package",
        {"ModelPackageArn": ARN},
        {"ModelPackageArn": ARN, "CustomerMetadataProperties": PROVENANCE},
    )
    created = ModelPackageProvider().create(checked(import_arn=ARN))
    assert (created.id, (created.outs or {})["version"]) == (ARN, 7)
    assert not ModelPackageProvider().diff(ARN, dict(created.outs or {}), checked()).changes


@pytest.mark.parametrize(
    ("found", "change", "says"),
    [
        ({}, {"artifact_digest": "e" * 64}, f"is another version: artifact_digest is '{DIGEST}', not '{'e' * 64}'"),
        ({}, {"model_package_group_name": "other"}, "model_package_group_name is 'tumor-triage', not 'other'"),
        ({"status": "Failed"}, {}, "is Failed: name a Completed version, or leave import_arn out"),
    ],
)
def test_a_version_of_another_content_is_not_taken_over(
    sagemaker: Stubber, found: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    sagemaker.add_response("describe_model_package", description(**found), {"ModelPackageName": ARN})
    with pytest.raises(ProviderError) as caught:
        ModelPackageProvider().create(checked(import_arn=ARN, **change))
    assert says in str(caught.value)


def test_a_version_that_is_gone_is_not_taken_over(sagemaker: Stubber) -> None:
    sagemaker.add_client_error("describe_model_package", "ValidationException", f"ModelPackage {ARN} does not exist.")
    with pytest.raises(ProviderError, match="is not in the registry"):
        ModelPackageProvider().create(checked(import_arn=ARN))


def test_only_a_version_can_be_taken_over() -> None:
    ((prop, reason),) = failures(import_arn=GROUP)
    assert prop == "import_arn"
    assert "must be a version's ARN" in reason


def test_an_import_by_arn_needs_nothing_else(sagemaker: Stubber) -> None:
    released = {**CREATED, **PROVENANCE, "understudy.approved_by": "arn:aws:sts::111111111111:assumed-role/x/eve"}
    sagemaker.add_response("describe_model_package", description(CustomerMetadataProperties=released))
    result = ModelPackageProvider().read(ARN, {"__provider": "gANj"})
    assert result.outs is not None
    assert result.inputs is not None
    assert result.inputs["artifact_digest"] == DIGEST
    assert "version" not in result.inputs
    assert "understudy.approved_by" not in result.inputs["customer_metadata_properties"]
    changes = ModelPackageProvider().diff(ARN, result.outs, checked())
    assert (changes.changes, changes.replaces) == (False, [])


def test_an_update_of_a_version_that_is_gone_says_so(sagemaker: Stubber) -> None:
    sagemaker.add_client_error("describe_model_package", "ValidationException", f"ModelPackage {ARN} does not exist.")
    with pytest.raises(ProviderError, match=f"{ARN} is no longer in the registry: run `up --refresh`"):
        ModelPackageProvider().update(ARN, outputs(), checked())


def test_update_sends_what_changed_and_never_the_approval(sagemaker: Stubber) -> None:
    news = checked(
        source_uri="s3://elsewhere", customer_metadata_properties={"understudy.metrics": "a=1", **PROVENANCE}
    )
    request = {
        "ModelPackageArn": ARN,
        "SourceUri": "s3://elsewhere",
        "CustomerMetadataProperties": {"understudy.metrics": "a=1"},
        "CustomerMetadataPropertiesToRemove": ["understudy.training_job"],
    }
    sagemaker.add_response("update_model_package", {"ModelPackageArn": ARN}, request)
    now = {"understudy.artifact_digest": DIGEST, "understudy.metrics": "a=1", **PROVENANCE}
    described = description(SourceUri="s3://elsewhere", CustomerMetadataProperties=now, ModelApprovalStatus="Rejected")
    sagemaker.add_response("describe_model_package", described)
    result = ModelPackageProvider().update(ARN, outputs(), news)
    assert result.outs is not None
    assert result.outs["model_approval_status"] == "Rejected"
    assert ModelPackageProvider().diff(ARN, result.outs, news).changes is False


def test_delete_keeps_history_and_says_so(sagemaker: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    ModelPackageProvider().delete(ARN, outputs())
    assert f"{ARN} stays in the registry" in capsys.readouterr().err
