"""Stack configuration: both forms, the defaults, and a sentence for everything that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import settings
from settings import ModelPackageArn, Rollout, SettingsError, load

ROOT = Path(__file__).parents[2]
ARN = "arn:aws:sagemaker:us-west-2:111111111111:model-package/tumor-triage/7"
OTHER_ARN = "arn:aws:sagemaker:us-west-2:111111111111:model-package/diabetes-progression/2"
DELIVERY = {
    "repositoryUrl": "https://git.example/u.git",
    "backendUrl": "s3://state",
    "passphraseParameter": "/u/phrase",
    "buildImage": "builder:1",
}


def prod(service: dict[str, Any] | None = None, name: str = "tumor-triage", **others: Any) -> dict[str, Any]:
    named = {f"understudy:{key}": value for key, value in others.items()}
    services = {name: {"modelPackageArn": ARN, **(service or {})}}
    return {"aws:region": "us-west-2", "understudy:environment": "prod", "understudy:services": services, **named}


def shadow(service: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    named = {f"understudy:{key}": value for key, value in others.items()}
    return {"understudy:environment": "shadow", "understudy:services": {"tumor-triage": service or {}}, **named}


def test_design_example() -> None:
    loaded = load(
        prod(
            {
                "instanceType": "ml.m5.xlarge",
                "initialInstanceCount": 2,
                "capture": {"samplingPercent": 50},
                "scaling": {"minCapacity": 2, "maxCapacity": 8, "invocationsPerInstance": 700},
                "rollout": {"strategy": "canary", "canaryPercent": 20, "waitSeconds": 60, "rollback": "automatic"},
                "alarms": {"latencyP99Milliseconds": 50, "predictionAccuracy": {"threshold": 0.95}},
            },
            delivery=DELIVERY,
        ),
        "prod",
    )
    service = loaded.services["tumor-triage"]
    assert service.use_case == "tumor_triage"
    assert service.scaling and service.scaling.max_capacity == 8
    assert service.rollout.canary_percent == 20
    assert service.alarms.latency_p99_milliseconds == 50
    assert service.alarms.prediction_accuracy and service.alarms.prediction_accuracy.minimum_labels == 30
    assert loaded.delivery and loaded.delivery.branch == "main"
    assert not loaded.registers_candidates


def test_defaults_differ_by_environment() -> None:
    candidate = load(shadow(), "shadow").services["tumor-triage"]
    assert (candidate.initial_instance_count, candidate.rollout.strategy, candidate.rollout.bake_seconds) == (
        1,
        "allAtOnce",
        0,
    )
    assert candidate.capture is None and candidate.replay is None and candidate.rollout.rollback == "off"
    running = load(prod(), "prod").services["tumor-triage"]
    assert (running.initial_instance_count, running.rollout.strategy, running.rollout.rollback) == (
        2,
        "canary",
        "manual",
    )
    assert running.capture and running.capture.sampling_percent == 100


def test_single_service_form_is_named_by_its_package_or_use_case() -> None:
    by_arn = load(
        {"understudy:environment": "prod", "understudy:modelPackageArn": ARN, "understudy:initialInstanceCount": "3"},
        "one",
    )
    assert by_arn.services["tumor-triage"].initial_instance_count == 3
    by_folder = load({"environment": "shadow-2", "useCase": "tumor_triage"}, "shadow-2")
    assert list(by_folder.services) == ["tumor-triage"] and by_folder.registers_candidates


def test_objects_may_arrive_as_json_text_as_pulumi_hands_them_over() -> None:
    raw = {key: value if isinstance(value, str) else json.dumps(value) for key, value in prod().items()}
    assert load(raw, "prod") == load(prod(), "prod")


def test_no_service_at_all_is_a_new_installation() -> None:
    assert (
        load({"understudy:environment": "shadow", "understudy:replay": {"source": "bucket-of-captures"}}, "s").services
        == {}
    )


def test_replay_takes_the_stack_wide_default_and_is_left_out_without_a_source() -> None:
    loaded = load(shadow({"replay": {"trafficPercent": 10}}, replay={"source": "captures", "speed": 2}), "shadow")
    replay = loaded.services["tumor-triage"].replay
    assert replay is not None
    assert (replay.source, replay.speed, replay.traffic_percent) == ("captures", 2, 10)
    assert replay.source_endpoint == "tumor-triage-prod"
    assert load(shadow({"replay": {"trafficPercent": 10}}), "shadow").services["tumor-triage"].replay is None


def test_override_counts_only_for_its_own_version() -> None:
    override = {"modelPackageArn": ARN, "strategy": "allAtOnce", "guardrails": False, "reason": "going back"}
    service = load(prod({"deploymentOverride": override}), "prod").services["tumor-triage"]
    assert service.effective_rollout.strategy == "allAtOnce" and not service.guardrails
    next_version = {"modelPackageArn": ARN.replace("/7", "/8"), "deploymentOverride": override}
    service = load(prod(next_version), "prod").services["tumor-triage"]
    assert service.effective_rollout.strategy == "canary" and service.guardrails


@pytest.mark.parametrize(
    ("asked", "strategy", "rollback"),
    [
        ({"rollback": "off"}, "linear", "off"),
        ({"strategy": "allAtOnce"}, "allAtOnce", "automatic"),
        ({"strategy": "allAtOnce", "rollback": "manual"}, "allAtOnce", "manual"),
        ({}, "linear", "automatic"),
    ],
)
def test_override_changes_what_it_names_and_nothing_else(asked: dict[str, str], strategy: str, rollback: str) -> None:
    override = {"modelPackageArn": ARN, "reason": "quiet hours", **asked}
    values = {"rollout": {"strategy": "linear", "waitSeconds": 60, "rollback": "automatic"}}
    loaded = load(prod({**values, "deploymentOverride": override}, delivery=DELIVERY), "prod")
    service = loaded.services["tumor-triage"]
    assert (service.effective_rollout.strategy, service.effective_rollout.rollback) == (strategy, rollback)
    assert service.effective_rollout.wait_seconds == 60
    assert (service.rollout.strategy, service.rollout.rollback) == ("linear", "automatic")


@pytest.mark.parametrize("text", ["off", "'off'", "false"])
def test_an_unquoted_off_is_off_whichever_yaml_read_it(text: str) -> None:
    """YAML 1.1 takes it for false; `on` is no rollback mode in either."""
    read = yaml.safe_load(f"{{rollback: {text}}}")
    assert load(prod({"rollout": read}), "prod").services["tumor-triage"].rollout.rollback == "off"
    with pytest.raises(SettingsError, match=r"rollout\.rollback is true; allowed: automatic"):
        load(prod({"rollout": {"rollback": True}}), "prod")


PREFIX = "understudy:services.tumor-triage"
WRONG_IN_PROD: list[tuple[dict[str, Any], str]] = [
    (
        {"rollout": {"canaryPercent": 80}},
        f"{PREFIX}.rollout.canaryPercent is 80; allowed: percent of instances that go first, 1-50",
    ),
    (
        {"rollout": {"linearPercent": 9}},
        f"{PREFIX}.rollout.linearPercent is 9; allowed: percent of instances a step, 10-50",
    ),
    (
        {"rollout": {"rollingPercent": 4}},
        f"{PREFIX}.rollout.rollingPercent is 4; allowed: percent of instances a batch, 5-50",
    ),
    (
        {"rollout": {"waitSeconds": 3601}},
        f"{PREFIX}.rollout.waitSeconds is 3601; allowed: seconds between steps, 0-3600",
    ),
    (
        {"rollout": {"maximumSeconds": 599}},
        f"{PREFIX}.rollout.maximumSeconds is 599; allowed: seconds a rollout may take, 600-28800",
    ),
    (
        {"rollout": {"strategy": "bluegreen"}},
        f'{PREFIX}.rollout.strategy is "bluegreen"; allowed: canary, linear, rolling',
    ),
    (
        {"rollout": {"waitSeconds": 600, "bakeSeconds": 600, "maximumSeconds": 1200}},
        f"{PREFIX}.rollout.maximumSeconds is 1200; allowed: 600-28800 seconds, more than the waits together, 1200",
    ),
    (
        {"rollout": {"strategy": "linear", "linearPercent": 10, "waitSeconds": 3000}},
        f"{PREFIX}.rollout.maximumSeconds is 28800; allowed: 600-28800 seconds, more than the waits together, 30300",
    ),
    (
        {"rollout": {"strategy": "rolling", "bakeSeconds": 10}},
        f"{PREFIX}.rollout.bakeSeconds is 10; allowed: nothing with rolling",
    ),
    ({"initialInstanceCount": 1}, f"{PREFIX}.initialInstanceCount is 1; allowed: at least 2 for a canary rollout"),
    (
        {"scaling": {"minCapacity": 1, "maxCapacity": 4, "invocationsPerInstance": 9}},
        f"{PREFIX}.scaling.minCapacity is 1; allowed: at least 2 for a canary rollout",
    ),
    (
        {"scaling": {"minCapacity": 3, "maxCapacity": 2, "invocationsPerInstance": 9}},
        f"{PREFIX}.scaling.maxCapacity is 2; allowed: at least minCapacity, 3",
    ),
    (
        {"scaling": {"minCapacity": 3, "maxCapacity": 5, "invocationsPerInstance": 9}},
        f"{PREFIX}.initialInstanceCount is 2; allowed: 3-5, as scaling says",
    ),
    (
        {"rollout": {"rollback": "automatic"}},
        f"{PREFIX}.rollout.rollback is automatic; allowed: manual or off, as long as",
    ),
    (
        {"modelPackageArn": "tumor-triage:7"},
        f"{PREFIX}.modelPackageArn is tumor-triage:7; allowed: {ModelPackageArn.FORM}",
    ),
    (
        {"modelPackageArn": OTHER_ARN},
        f"{PREFIX}.modelPackageArn is {OTHER_ARN}; allowed: a version of group tumor-triage; this one",
    ),
    (
        {"deploymentOverride": {"modelPackageArn": OTHER_ARN, "reason": "r"}},
        f"{PREFIX}.deploymentOverride.modelPackageArn is {OTHER_ARN}; allowed: a version of group tumor-triage",
    ),
    (
        {"useCase": "diabetes"},
        f"{PREFIX}.useCase is diabetes; allowed: tumor_triage, the folder of service tumor-triage",
    ),
    (
        {"shadowVariant": {"percent": 50}},
        f'{PREFIX}.shadowVariant is {{"percent": 50.0}}; allowed: exactly one of useCase',
    ),
    (
        {"shadowVariant": {"percent": 50, "useCase": "tumor_triage", "modelPackageArn": ARN}},
        "allowed: exactly one of useCase and modelPackageArn, and percent",
    ),
    (
        {"shadowVariant": {"percent": 0, "useCase": "x"}},
        f"{PREFIX}.shadowVariant.percent is 0; allowed: percent of requests",
    ),
    ({"variantName": "ShadowVariant"}, f"{PREFIX}.variantName is ShadowVariant; allowed: another name"),
    ({"replay": {"source": "captures"}}, f"{PREFIX}.replay"),
    (
        {"deploymentOverride": {"modelPackageArn": ARN, "rollback": "automatic", "reason": "x"}},
        f"{PREFIX}.deploymentOverride.rollback is automatic; allowed: manual or off, as long as understudy:delivery is",
    ),
    (
        {"alarms": {"minimumRequests": 0}},
        f"{PREFIX}.alarms.minimumRequests is 0; allowed: requests a period needs before its share of errors counts",
    ),
    ({"image": "1.dkr.ecr/x:1"}, f"{PREFIX}.image is 1.dkr.ecr/x:1; allowed: nothing without shadowVariant.useCase"),
    ({"instanceType": "m5.large"}, f'{PREFIX}.instanceType is "m5.large"; allowed: a SageMaker instance type'),
    (
        {"alarms": {"periodSeconds": 90}},
        f"{PREFIX}.alarms.periodSeconds is 90; allowed: seconds a period, 60-3600 in steps of 60",
    ),
    (
        {"capture": {"samplingPercent": 0}, "alarms": {"predictionAccuracy": {"threshold": 0.9}}},
        "allowed: nothing without capture: labels are joined with captured answers",
    ),
    ({"rolout": {}}, f"{PREFIX}.rolout is {{}}, an unknown key; allowed: useCase, modelPackageArn, instanceType"),
]


@pytest.mark.parametrize(("service", "message"), WRONG_IN_PROD, ids=[text[:70] for _, text in WRONG_IN_PROD])
def test_a_wrong_value_names_stack_key_value_and_what_is_allowed(service: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(prod(service), "prod")
    assert str(error.value).startswith("stack prod: understudy:")
    assert message in str(error.value)
    assert "pydantic" not in str(error.value)


WRONG_IN_SHADOW: list[tuple[dict[str, Any], str]] = [
    ({"modelPackageArn": ARN}, "allowed: nothing in environment shadow: it registers what useCase holds"),
    ({"capture": {}}, "allowed: nothing in environment shadow: a replayed endpoint is not captured"),
    (
        {"shadowVariant": {"useCase": "tumor_triage", "percent": 5}},
        "allowed: nothing in environment shadow: its endpoint",
    ),
    ({"rollout": {"rollback": "manual"}}, "allowed: off: only production is rolled back"),
    (
        {"deploymentOverride": {"modelPackageArn": ARN, "rollback": "off", "reason": "x"}},
        "allowed: nothing in environment shadow: it is for a promoted version",
    ),
    (
        {"replay": {"source": "captures", "maxConcurrency": 1}},
        "replay.maxConcurrency is 1; allowed: functions at once, 2-1000",
    ),
]


@pytest.mark.parametrize(("service", "message"), WRONG_IN_SHADOW, ids=[text for _, text in WRONG_IN_SHADOW])
def test_what_shadow_refuses(service: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(shadow(service), "shadow")
    assert message in str(error.value)


WRONG_STACKS: list[tuple[dict[str, Any], str]] = [
    (
        {**prod(), "understudy:useCase": "tumor_triage"},
        'understudy:useCase is "tumor_triage" beside understudy:services; allowed: one form',
    ),
    (
        {"understudy:environment": "prod", "understudy:instanceType": "ml.m5.large"},
        "understudy:useCase is missing; allowed: useCase or modelPackageArn",
    ),
    (
        {"understudy:environment": "prod", "understudy:modelPackageArn": "x"},
        f'understudy:modelPackageArn is "x"; allowed: {ModelPackageArn.FORM}',
    ),
    ({"understudy:services": {}}, "understudy:environment is missing; allowed: 1-16 lower-case letters"),
    (
        {**prod(), "understudy:environment": "Prod"},
        'understudy:environment is "Prod"; allowed: 1-16 lower-case letters',
    ),
    ({**prod(), "understudy:enviroment": "x"}, 'understudy:enviroment is "x", an unknown key; allowed: '),
    (
        {**prod(), "understudy:services": ["tumor-triage"]},
        'understudy:services is ["tumor-triage"]; allowed: an object of services',
    ),
    (
        {**prod(), "understudy:services": {"tumor-triage": None}},
        "allowed: an object of services by name, each an object",
    ),
    (
        prod({"modelPackageArn": None}, name="t" * 59),
        "allowed: a service name of lower-case letters, digits and single hyphens, at most 58",
    ),
    (prod({"modelPackageArn": None}, name="tumor--triage"), "allowed: a service name of lower-case letters"),
    (
        prod(delivery={"backendUrl": "s3://b"}),
        "understudy:delivery.repositoryUrl is missing; allowed: what `git clone` takes",
    ),
    (
        prod(delivery={key: value for key, value in DELIVERY.items() if key != "buildImage"}),
        "understudy:delivery.buildImage is missing; allowed: the build's image, which brings git, make, a supported",
    ),
    (
        prod(registry={"consumerAccounts": ["222222222222"], "deployerRoles": ["ci"]}),
        "allowed: nothing in environment prod: it registers nothing",
    ),
    (
        {"environment": "shadow", "reader": {"account": "111111111111", "roles": ["ci"]}},
        "allowed: nothing in environment shadow: it captures nothing",
    ),
    (
        prod(reader={"account": "1", "roles": ["ci"]}),
        'understudy:reader.account is "1"; allowed: an AWS account, 12 digits in quotes',
    ),
    (
        prod(reader={"account": "111111111111", "roles": ["a b"]}),
        'understudy:reader.roles.0 is "a b"; allowed: a list of names of the roles there that compare and replay',
    ),
    (
        {"environment": "shadow", "registry": {"consumerAccounts": [222222222222], "deployerRoles": ["ci"]}},
        "understudy:registry.consumerAccounts.0 is 222222222222; allowed: a list of AWS accounts, 12 digits in quotes",
    ),
    (
        {"environment": "shadow", "registry": {"consumerAccounts": [], "deployerRoles": ["ci"]}},
        "understudy:registry.consumerAccounts is []; allowed: a list of AWS accounts",
    ),
    (
        {"environment": "shadow", "registry": {"consumerAccounts": ["2222"], "deployerRoles": ["ci"]}},
        'understudy:registry.consumerAccounts.0 is "2222"; allowed: a list of AWS accounts, 12 digits',
    ),
    (
        {"environment": "shadow", "registry": {"consumerAccounts": ["222222222222"] * 2, "deployerRoles": ["ci"]}},
        'understudy:registry.consumerAccounts is ["222222222222", "222222222222"]; allowed: every account once',
    ),
    (
        {"environment": "shadow", "registry": {"consumerAccounts": ["222222222222"]}},
        "understudy:registry.deployerRoles is missing; allowed: a list of names of the roles there that deploy",
    ),
    (
        {"environment": "shadow", "registry": {"consumerAccounts": ["222222222222"], "deployerRoles": ["*"]}},
        'understudy:registry.deployerRoles.0 is "*"; allowed: a list of names of the roles there that deploy',
    ),
    (
        {"environment": "prod", "modelPackageArn": ARN, "rollout": {"canaryPercent": 99}},
        "understudy:rollout.canaryPercent is 99; allowed: percent of instances",
    ),
]


@pytest.mark.parametrize(("raw", "message"), WRONG_STACKS, ids=[text[:60] for _, text in WRONG_STACKS])
def test_a_wrong_stack(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(raw, "prod")
    assert message in str(error.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load(prod({"initialInstanceCount": 1, "useCase": "x", "rollout": {"rollback": "automatic"}}), "prod")
    assert [problem.key.rpartition(".")[2] for problem in error.value.problems] == [
        "useCase",
        "rollback",
        "initialInstanceCount",
    ]


@given(
    strategy=st.sampled_from(["canary", "linear", "rolling", "allAtOnce"]),
    percent=st.integers(10, 50),
    wait=st.integers(0, 2400),
    bake=st.integers(0, 3600),
)
def test_the_default_limit_is_inside_aws_s_range_and_above_the_waits(
    strategy: Any, percent: int, wait: int, bake: int
) -> None:
    rollout = Rollout(
        strategy=strategy, linear_percent=percent, rolling_percent=percent, wait_seconds=wait, bake_seconds=bake
    )
    assert 600 <= rollout.maximum_execution_seconds <= 28_800
    assert rollout.maximum_execution_seconds > rollout.waits_seconds


@given(
    group=st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True),
    version=st.integers(1, 10**6),
    account=st.from_regex(r"[0-9]{12}", fullmatch=True),
    partition_region=st.sampled_from(
        [("aws", "eu-central-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")]
    ),
)
def test_arn_round_trip(group: str, version: int, account: str, partition_region: tuple[str, str]) -> None:
    partition, region = partition_region
    arn = ModelPackageArn(partition, region, account, group, version)
    assert ModelPackageArn.parse(str(arn)) == arn


@pytest.mark.parametrize(
    "arn", ["", ARN + "0x", ARN.replace("/7", "/07"), ARN.replace("/7", ""), ARN + "\n", ARN.replace("1111", "11")]
)
def test_arn_of_another_form_is_refused(arn: str) -> None:
    with pytest.raises(ValueError, match="is not of the form arn:aws:sagemaker"):
        ModelPackageArn.parse(arn)


@pytest.mark.parametrize("stack", ["shadow", "prod"])
def test_the_project_s_own_stack_files_are_right(stack: str) -> None:
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    loaded = load(config, stack)
    assert loaded.environment == stack
    assert {service.use_case for service in loaded.services.values()} == {"tumor_triage", "diabetes_progression"}


def test_pulumi_yaml_requires_only_what_every_stack_has() -> None:
    """A declared key without a default is required of every stack by Pulumi, which also knows no object type."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert declared.keys() == {"environment"}
    assert declared["environment"]["type"] == "string"


def test_from_pulumi_sees_misspelt_keys_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)
    raw = {key: value if isinstance(value, str) else json.dumps(value) for key, value in prod().items()}
    try:
        pulumi.runtime.set_all_config(raw)
        assert settings.from_pulumi() == load(prod(), "prod")
        pulumi.runtime.set_all_config({**raw, "understudy:servces": "{}"})
        with pytest.raises(SettingsError, match="understudy:servces is"):
            settings.from_pulumi()
    finally:
        pulumi.runtime.set_all_config({})


def test_signing_is_the_stack_s_in_both_forms() -> None:
    for config in (prod(), {"understudy:environment": "prod", "understudy:modelPackageArn": ARN}):
        assert load(config, "prod").signing is None
        loaded = load({**config, "understudy:signing": {"publicKey": "keys/signing.pub"}}, "prod")
        assert loaded.signing == settings.Signing(public_key="keys/signing.pub")
        assert loaded.services.keys() == load(config, "prod").services.keys()


@pytest.mark.parametrize("path", ["/etc/signing.pub", "../signing.pub", "keys/../../signing.pub", "", "a b"])
def test_a_public_key_is_a_file_of_the_repository(path: str) -> None:
    with pytest.raises(SettingsError, match=r"understudy:signing\.publicKey is .*; allowed: path, from the project's"):
        load({**prod(), "understudy:signing": {"publicKey": path}}, "prod")
