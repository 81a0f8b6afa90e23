"""The pure parts: variants, rollout, capture, alarms, statements, buildspec, dashboard."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import alarms, encryption, monitoring, policies, rollback_monitor, storage, traffic_replay
from components import model_endpoint as endpoint
from components.naming import Scope
from providers import guardrails
from settings import Delivery, Replay, Rollout, ServiceSettings, load

SCOPE = Scope("understudy", "prod", "111111111111", "us-west-2")
ARTIFACTS = SCOPE.elsewhere("222222222222", "us-west-2")
ARN = "arn:aws:sagemaker:us-west-2:222222222222:model-package/tumor-triage/7"
IMAGE = f"sha256:{'a' * 64}"
FLEET = {"EndpointName": "e", "VariantName": "v"}


def service(**values: Any) -> ServiceSettings:
    raw = {"environment": "prod", "services": {"tumor-triage": {"modelPackageArn": ARN, **values}}}
    return load(raw, "prod").services["tumor-triage"]


def test_production_variant() -> None:
    assert endpoint.production_variant(service(instanceType="ml.c5.large"), "model-1") == {
        "variant_name": "ProductionVariant",
        "model_name": "model-1",
        "instance_type": "ml.c5.large",
        "initial_instance_count": 2,
        "initial_variant_weight": 1.0,
    }


def test_shadow_variant_weighs_its_share_of_production_s_requests() -> None:
    variant = endpoint.shadow_variant(service(shadowVariant={"modelPackageArn": ARN, "percent": 50}), "model-2")
    assert variant["variant_name"] == "ShadowVariant"
    assert variant["initial_variant_weight"] == 0.5
    assert variant["initial_instance_count"] == 1
    with pytest.raises(ValueError, match="the service has no shadowVariant"):
        endpoint.shadow_variant(service(), "model-2")


@given(instances=st.integers(1, 1000), percent=st.floats(0.01, 100))
def test_shadow_instances_carry_the_share_and_never_outnumber_production(instances: int, percent: float) -> None:
    count = endpoint.shadow_instances(instances, percent)
    assert 1 <= count <= instances
    assert count >= instances * percent / 100


ROLLOUTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"strategy": "canary", "canaryPercent": 20},
        {"strategy": "canary", "canary_percent": 20, "wait_seconds": 300, "bake_seconds": 300},
    ),
    ({"strategy": "linear"}, {"strategy": "linear", "linear_percent": 25, "wait_seconds": 300, "bake_seconds": 300}),
    ({"strategy": "rolling"}, {"strategy": "rolling", "rolling_percent": 25, "wait_seconds": 300, "bake_seconds": 0}),
    ({"strategy": "allAtOnce"}, {"strategy": "allAtOnce", "wait_seconds": 0, "bake_seconds": 300}),
]


@pytest.mark.parametrize(("raw", "expected"), ROLLOUTS, ids=[raw["strategy"] for raw, _ in ROLLOUTS])
def test_rollout_is_what_the_provider_accepts(raw: dict[str, Any], expected: dict[str, Any]) -> None:
    arguments = endpoint.rollout_arguments(Rollout.model_validate(raw))
    assert {key: arguments[key] for key in expected} == expected
    assert len([key for key in arguments if key.endswith("_percent")]) == (raw["strategy"] != "allAtOnce")
    assert list(guardrails.mistakes({**arguments, "alarm_names": ["a"]})) == []


def test_deployment_record_honours_the_override_of_this_deployment() -> None:
    """`understudy promote --rollback manual` writes no strategy; the service's own stays."""
    override = {"modelPackageArn": ARN, "rollback": "off", "reason": "asked for when it was promoted"}
    record = endpoint.deployment_record(service(rollout={"strategy": "linear"}, deploymentOverride=override))
    assert json.loads(record) == {"modelPackageArn": ARN, "strategy": "linear", "rollback": "off"}


def test_capture_is_text_under_its_prefix() -> None:
    config = endpoint.capture_config("captures", 40)
    assert config["enable_capture"] is True
    assert config["initial_sampling_percentage"] == 40
    assert config["destination_s3_uri"] == "s3://captures/capture"
    assert [option["capture_mode"] for option in config["capture_options"]] == ["Input", "Output"]
    assert "text/csv" in config["capture_content_type_header"]["csv_content_types"]
    assert "application/json" in config["capture_content_type_header"]["json_content_types"]


def test_deployment_record() -> None:
    record = endpoint.deployment_record(service(rollout={"strategy": "linear", "rollback": "off"}))
    assert json.loads(record) == {"modelPackageArn": ARN, "strategy": "linear", "rollback": "off"}


def _resources(statements: list[policies.Statement], action: str) -> list[str]:
    return [resource for s in statements if action in s["Action"] for resource in s["Resource"]]


def test_execution_role_reads_the_package_s_account() -> None:
    statements = endpoint.execution_statements(SCOPE, ARTIFACTS, "tumor-triage", None, "captures")
    assert _resources(statements, "s3:GetObject") == [
        "arn:aws:s3:::understudy-artifacts-222222222222-us-west-2/tumor-triage/*"
    ]
    assert _resources(statements, "kms:Decrypt") == ["arn:aws:kms:us-west-2:222222222222:key/*"]
    decrypt = next(s for s in statements if "kms:Decrypt" in s["Action"])
    assert decrypt["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/understudy-artifacts"}}
    assert "arn:aws:ecr:us-west-2:222222222222:repository/understudy/tumor-triage" in _resources(
        statements, "ecr:BatchGetImage"
    )
    assert _resources(statements, "s3:PutObject") == ["arn:aws:s3:::captures/capture/tumor-triage-prod/*"]
    assert _resources(statements, "cloudwatch:DescribeAlarms") == [
        "arn:aws:cloudwatch:us-west-2:111111111111:alarm:tumor-triage-*"
    ]
    metrics = next(s for s in statements if "cloudwatch:PutMetricData" in s["Action"])
    assert metrics["Condition"]["StringEquals"]["cloudwatch:namespace"] == ["AWS/SageMaker", "/aws/sagemaker/Endpoints"]


def test_execution_role_names_the_key_where_it_is_known_and_writes_nothing_without_capture() -> None:
    statements = endpoint.execution_statements(SCOPE, SCOPE, "tumor-triage", "arn:aws:kms:key", None)
    assert _resources(statements, "kms:Decrypt") == ["arn:aws:kms:key"]
    assert _resources(statements, "s3:PutObject") == []


def test_latency_alarm_is_in_microseconds() -> None:
    alarm = alarms.latency_alarm(service(alarms={"latencyP99Milliseconds": 50}).alarms, FLEET, 2)
    assert alarm["threshold"] == 50_000
    assert (alarm["metric_name"], alarm["extended_statistic"], alarm["unit"]) == ("ModelLatency", "p99", "Microseconds")
    assert (alarm["evaluation_periods"], alarm["datapoints_to_alarm"], alarm["period"]) == (2, 2, 60)
    with pytest.raises(ValueError, match=r"alarms\.latencyP99Milliseconds is not set"):
        alarms.latency_alarm(service().alarms, FLEET, 2)


def test_error_alarm_is_a_rate_of_its_own_metrics() -> None:
    alarm = alarms.error_alarm(service(alarms={"errorRatePercent": 2}).alarms, FLEET, 1)
    queries = {query["id"]: query for query in alarm["metric_queries"]}
    assert [key for key, query in queries.items() if query["return_data"]] == ["error_rate"]
    for key, query in queries.items():
        if key != "error_rate":
            assert key in queries["error_rate"]["expression"]
            assert query["metric"]["dimensions"] == FLEET and query["metric"]["stat"] == "Sum"
    assert (alarm["threshold"], alarm["comparison_operator"]) == (2, "GreaterThanThreshold")
    assert alarm["treat_missing_data"] == "notBreaching"


def test_error_alarm_needs_its_requests() -> None:
    """One failure in a quiet minute of a canary is 100%, and no reason to undo the rollout."""

    def rate(**values: int) -> str:
        queries = alarms.error_alarm(service(alarms=values).alarms, FLEET, 1)["metric_queries"]
        return str(next(query["expression"] for query in queries if query["id"] == "error_rate"))

    assert rate().startswith("IF(invocations >= 10, 100 * MAX(") and rate().endswith(" / invocations, 0)")
    assert rate(minimumRequests=3).startswith("IF(invocations >= 3, ")


def test_accuracy_alarm_needs_its_labels() -> None:
    settings = service(alarms={"predictionAccuracy": {"threshold": 0.9, "minimumLabels": 40}}).alarms
    assert settings.prediction_accuracy is not None
    alarm = alarms.accuracy_alarm(settings, settings.prediction_accuracy, FLEET)
    queries = {query["id"]: query for query in alarm["metric_queries"]}
    assert queries["judged_accuracy"]["expression"] == "IF(labels >= 40, accuracy, 1)"
    assert queries["labels"]["metric"]["stat"] == "SampleCount"
    assert {q["metric"]["namespace"] for k, q in queries.items() if k != "judged_accuracy"} == {"Understudy"}
    assert (alarm["comparison_operator"], alarm["threshold"]) == ("LessThanThreshold", 0.9)
    assert (alarm["evaluation_periods"], alarm["datapoints_to_alarm"]) == (5, 5)


def test_composite_rule() -> None:
    assert alarms.any_of(["a", "b"]) == 'ALARM("a") OR ALARM("b")'


def test_dashboard_shows_both_variants_and_all_alarms() -> None:
    shadowed = service(shadowVariant={"modelPackageArn": ARN, "percent": 50})
    body = monitoring.dashboard_body("us-west-2", "tumor-triage-prod", shadowed, {"b": "arn:b", "a": "arn:a"})
    status, *graphs = body["widgets"]
    assert status["properties"]["alarms"] == ["arn:a", "arn:b"]
    latency = next(g for g in graphs if "latency" in g["properties"]["title"])
    assert {line[5] for line in latency["properties"]["metrics"]} == {"ProductionVariant", "ShadowVariant"}
    places = [(g["x"], g["y"]) for g in graphs]
    assert len(set(places)) == len(graphs)


def test_accuracy_function_may_touch_its_own_prefixes_only() -> None:
    statements = monitoring.accuracy_statements(SCOPE, "tumor-triage", "tumor-triage-prod", "/p", "captures")
    assert _resources(statements, "s3:GetObject") == [
        "arn:aws:s3:::captures/ground-truth/tumor-triage/*",
        "arn:aws:s3:::captures/capture/tumor-triage-prod/*",
        "arn:aws:s3:::captures/label-joins/tumor-triage/*",
    ]
    assert _resources(statements, "s3:DeleteObject") == ["arn:aws:s3:::captures/label-joins/tumor-triage/*"]
    assert _resources(statements, "ssm:GetParameter") == ["arn:aws:ssm:us-west-2:111111111111:parameter/p"]


REPLAY = Replay(source="captures", source_endpoint="tumor-triage-prod", traffic_percent=10, speed=2.5)


def test_replay_subscribes_to_one_variant_s_captures() -> None:
    assert traffic_replay.source_prefix(REPLAY) == "capture/tumor-triage-prod/ProductionVariant/"
    pattern = json.loads(traffic_replay.object_created("captures", "capture/x/"))
    assert pattern == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["captures"]}, "object": {"key": [{"prefix": "capture/x/"}]}},
    }


def test_transform_is_used_where_there_is_one_unless_told_otherwise(tmp_path: Path) -> None:
    assert traffic_replay.transform_of(REPLAY, tmp_path) is None
    asked = REPLAY.model_copy(update={"transform": True})
    with pytest.raises(traffic_replay.TransformMissingError, match=r"replay\.transform is true, but .* does not exist"):
        traffic_replay.transform_of(asked, tmp_path)
    (tmp_path / "replay.py").write_text("")
    assert traffic_replay.transform_of(REPLAY, tmp_path) == tmp_path
    assert traffic_replay.transform_of(REPLAY.model_copy(update={"transform": False}), tmp_path) is None


def test_replay_reads_production_and_writes_only_its_own_records() -> None:
    statements = traffic_replay.replay_statements(
        SCOPE, REPLAY, "tumor-triage", "tumor-triage-shadow", "arn:q", "records", "arn:k"
    )
    assert _resources(statements, "s3:PutObject") == [
        "arn:aws:s3:::records/comparisons/tumor-triage/*",
        "arn:aws:s3:::records/dead-letter/tumor-triage/*",
    ]
    assert _resources(statements, "sagemaker:InvokeEndpoint") == [
        "arn:aws:sagemaker:us-west-2:111111111111:endpoint/tumor-triage-shadow"
    ]
    assert not any("captures" in resource for resource in _resources(statements, "s3:PutObject"))


def test_queue_takes_messages_of_its_rule_alone() -> None:
    accept, deny = json.loads(traffic_replay.queue_policy(SCOPE, "arn:queue", "arn:rule"))["Statement"]
    assert accept["Principal"] == {"Service": "events.amazonaws.com"}
    assert accept["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111111111111"},
        "ArnLike": {"aws:SourceArn": "arn:rule"},
    }
    assert deny["Effect"] == "Deny"


def test_queue_outlives_the_function_six_times(shadow: Any) -> None:
    queue = shadow.one("aws:sqs/queue:Queue", "tumor-triage-replay").inputs
    function = shadow.one("aws:lambda/function:Function", "tumor-triage-replay").inputs
    assert queue["visibilityTimeoutSeconds"] >= 6 * function["timeout"]
    assert json.loads(queue["redrivePolicy"])["maxReceiveCount"] >= 5
    mapping = shadow.one("aws:lambda/eventSourceMapping:EventSourceMapping").inputs
    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["scalingConfig"] == {"maximumConcurrency": 2}


DELIVERY = Delivery(
    repository_url="https://git.example/u.git",
    backend_url="s3://state/u?region=x",
    passphrase_parameter="/u/phrase",
    build_image="111111111111.dkr.ecr.us-west-2.amazonaws.com/u/build:1",
)


def test_buildspec_reverts_and_quotes_what_an_alarm_says() -> None:
    commands = yaml.safe_load(rollback_monitor.buildspec())["phases"]["build"]["commands"]
    assert commands[1] == 'git clone --branch "$BRANCH" "$REPOSITORY_URL" checkout'
    assert commands[-1] == (
        '.venv/bin/python -m release rollback "$SERVICE" --stack "$STACK"'
        ' --alarm "$ALARM_NAME" --reason "$REASON" --yes'
    )


@pytest.mark.parametrize(
    ("engine", "path", "code"), [("", "", 1), ("embedded", "", 0), ("", "pulumi", 0)], ids=["neither", "chosen", "CLI"]
)
def test_build_fails_early_without_an_engine(engine: str, path: str, code: int, tmp_path: Path) -> None:
    if path:
        (tmp_path / path).write_text("#!/bin/sh\n")
        (tmp_path / path).chmod(0o755)
    environment = {"PATH": str(tmp_path), "UNDERSTUDY_ENGINE": engine}
    command = yaml.safe_load(rollback_monitor.buildspec())["phases"]["build"]["commands"][0]
    run = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == code
    assert ("There is no pulumi in this image: delivery.buildImage must name one" in run.stderr) == bool(code)


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        (
            "111111111111.dkr.ecr.eu-west-1.amazonaws.com/u/build:1",
            "arn:aws:ecr:eu-west-1:111111111111:repository/u/build",
        ),
        (
            f"222222222222.dkr.ecr.us-west-2.amazonaws.com/b@sha256:{'0' * 64}",
            "arn:aws:ecr:us-west-2:222222222222:repository/b",
        ),
    ],
)
def test_build_pulls_its_image_from_ecr_by_its_own_role(image: str, repository: str) -> None:
    assert rollback_monitor.image_credentials(image) == "SERVICE_ROLE"
    assert _resources(rollback_monitor.image_statements(SCOPE, image), "ecr:BatchGetImage") == [repository]


def test_build_s_other_images_are_codebuild_s_to_pull() -> None:
    assert rollback_monitor.image_credentials("aws/codebuild/standard:7.0") == "CODEBUILD"
    assert rollback_monitor.image_statements(SCOPE, "aws/codebuild/standard:7.0") == []


def test_build_has_its_passphrase_from_the_parameter_store() -> None:
    variables = {v["name"]: v for v in rollback_monitor.build_environment("prod", "tumor-triage", DELIVERY)}
    assert variables["PULUMI_CONFIG_PASSPHRASE"] == {
        "name": "PULUMI_CONFIG_PASSPHRASE",
        "value": "/u/phrase",
        "type": "PARAMETER_STORE",
    }
    assert variables["PULUMI_BACKEND_URL"]["value"] == "s3://state/u?region=x"
    assert {"SERVICE", "STACK", "ALARM_NAME", "REASON", "REPOSITORY_URL", "BRANCH"} <= variables.keys()


@pytest.mark.parametrize(("maximum", "minutes"), [(600, 40), (28_800, 510)])
def test_build_outlasts_the_longest_rollout(maximum: int, minutes: int) -> None:
    limited = service(rollout={"maximumSeconds": maximum, "waitSeconds": 0, "bakeSeconds": 0})
    assert rollback_monitor.build_timeout_minutes(limited) == minutes > maximum / 60


def test_build_role_passes_one_role_and_reads_one_secret() -> None:
    statements = rollback_monitor.build_statements(SCOPE, ARTIFACTS, "tumor-triage", "/p", DELIVERY, "arn:log")
    passed = next(s for s in statements if s["Action"] == ["iam:PassRole"])
    assert passed["Resource"] == ["arn:aws:iam::111111111111:role/tumor-triage-execution-*"]
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert "arn:aws:ssm:us-west-2:111111111111:parameter/u/phrase" in _resources(statements, "ssm:GetParameters")
    assert _resources(statements, "s3:PutObject") == ["arn:aws:s3:::state/u/.pulumi/*"]
    assert rollback_monitor.backend_statements(SCOPE, "file:///state") == []


def test_build_verifies_and_deploys_what_another_account_registered() -> None:
    statements = rollback_monitor.build_statements(SCOPE, ARTIFACTS, "tumor-triage", "/p", DELIVERY, "arn:log")
    bucket = "arn:aws:s3:::understudy-artifacts-222222222222-us-west-2"
    assert f"{bucket}/tumor-triage/*" in _resources(statements, "s3:GetObject")
    decrypt = next(statement for statement in statements if "kms:Decrypt" in statement["Action"])
    assert decrypt["Resource"] == ["arn:aws:kms:us-west-2:222222222222:key/*"]
    assert decrypt["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/understudy-artifacts"}}
    versions = "arn:aws:sagemaker:us-west-2:*:model-package/tumor-triage/*"
    assert versions in _resources(statements, "sagemaker:CreateModel")


def test_rollback_function_starts_builds_of_its_project_and_sees_whether_one_runs() -> None:
    statements = rollback_monitor.function_statements(SCOPE, "/p", "arn:project")
    for action in ("codebuild:StartBuild", "codebuild:ListBuildsForProject", "codebuild:BatchGetBuilds"):
        assert _resources(statements, action) == ["arn:project"]


def test_topic_is_published_to_by_the_service_s_alarms_over_tls() -> None:
    publish, deny = json.loads(rollback_monitor.topic_policy(SCOPE, "arn:topic", "tumor-triage"))["Statement"]
    assert publish["Condition"]["ArnLike"] == {
        "aws:SourceArn": "arn:aws:cloudwatch:us-west-2:111111111111:alarm:tumor-triage-*"
    }
    assert (deny["Effect"], deny["Action"]) == ("Deny", "sns:Publish")


def test_key_lets_alarms_use_it_for_this_account_only() -> None:
    account, services = json.loads(encryption.key_policy(SCOPE, ["cloudwatch.amazonaws.com"]))["Statement"]
    assert account["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    assert services["Condition"] == {"StringEquals": {"aws:SourceAccount": "111111111111"}}
    assert len(json.loads(encryption.key_policy(SCOPE, []))["Statement"]) == 1


def test_lifecycle_ends_abandoned_uploads_and_expires_each_prefix_once() -> None:
    rules = storage.lifecycle_rules([storage.Expiry("capture/", 90), storage.Expiry("a/b/", 7)])
    assert [rule["id"] for rule in rules] == ["abandoned-uploads", "expire-capture", "expire-a-b"]
    assert [rule["filter"] for rule in rules] == [{"prefix": ""}, {"prefix": "capture/"}, {"prefix": "a/b/"}]
    assert rules[1]["expiration"] == {"days": 90}


def test_guardrails_watch_the_new_fleet_alone(prod: Any) -> None:
    fleet = {
        "EndpointName": "tumor-triage-prod",
        "VariantName": "ProductionVariant",
        "EndpointConfigName": "tumor-triage-0a1b2c3",
    }
    guardrail = prod.one("aws:cloudwatch/metricAlarm:MetricAlarm", "tumor-triage-guardrail-latency").inputs
    assert guardrail["dimensions"] == fleet
    watch = prod.one("aws:cloudwatch/metricAlarm:MetricAlarm", "tumor-triage-latency").inputs
    assert watch["dimensions"] == {key: fleet[key] for key in ("EndpointName", "VariantName")}
    assert watch["alarmActions"] and "alarmActions" not in guardrail
    rollout = prod.one("pulumi-python:dynamic/understudy:EndpointRollout").inputs
    assert sorted(rollout["alarm_names"]) == [
        "tumor-triage-guardrail-errors-0a1b2c3",
        "tumor-triage-guardrail-latency-0a1b2c3",
    ]


def test_accuracy_never_guards_a_rollout(prod: Any) -> None:
    names = prod.one("pulumi-python:dynamic/understudy:EndpointRollout").inputs["alarm_names"]
    assert not any("accuracy" in name for name in names)


def test_production_runs_the_arn_and_shadow_the_parts(prod: Any, shadow: Any) -> None:
    assert prod.one("aws:sagemaker/model:Model").inputs["primaryContainer"] == {"modelPackageName": ARN}
    container: Mapping[str, Any] = shadow.one("aws:sagemaker/model:Model").inputs["primaryContainer"]
    assert container.keys() == {"image", "modelDataUrl", "environment"}
    package = shadow.one("pulumi-python:dynamic/understudy:ModelPackage").inputs
    assert container["modelDataUrl"] == package["model_data_url"]
    assert package["artifact_digest"] in package["model_data_url"]
    metadata = package["customer_metadata_properties"]
    assert metadata["understudy.artifact_digest"] == package["artifact_digest"]
    image = shadow.one("pulumi-python:dynamic/understudy:ContainerImage").inputs
    assert image["image"] == "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5"
    assert package["image"] == container["image"] == f"111111111111.dkr.ecr.us-west-2.amazonaws.com/image@{IMAGE}"
    assert metadata["understudy.image_digest"] == IMAGE


def test_a_version_carries_where_it_came_from_and_waits_for_its_artifact(shadow: Any) -> None:
    """An upload that was interrupted fails the object's step, and what depends on it is not begun."""
    package = shadow.one("pulumi-python:dynamic/understudy:ModelPackage")
    metadata = package.inputs["customer_metadata_properties"]
    assert (metadata["understudy.schema"], metadata["understudy.object_version_id"]) == ("1", "null")
    assert {"object_sha256", "training_job", "author", "metrics"} <= {
        key.removeprefix("understudy.") for key in metadata
    }
    uploaded = shadow.one("aws:s3/bucketObjectv2:BucketObjectv2")
    assert uploaded.urn in package.options.dependencies
    assert uploaded.inputs["key"] in package.inputs["model_data_url"]


def test_shadow_s_endpoint_is_not_captured(shadow: Any) -> None:
    assert "dataCaptureConfig" not in shadow.one("aws:sagemaker/endpointConfiguration:EndpointConfiguration").inputs


def test_scaling_is_for_the_variant(prod: Any) -> None:
    target = prod.one("aws:appautoscaling/target:Target").inputs
    assert target["resourceId"] == "endpoint/tumor-triage-prod/variant/ProductionVariant"
    assert target["scalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    assert (target["minCapacity"], target["maxCapacity"]) == (2, 8)


def test_composite_alarm_is_never_created_over_itself(prod: Any) -> None:
    assert prod.one("aws:cloudwatch/compositeAlarm:CompositeAlarm").options.deleteBeforeReplace
