"""The whole program on mocks: what a shadow and a prod stack are made of, and rules that hold for all of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

GOLDEN = Path(__file__).parent / "urns"
KEPT = {
    "aws:s3/bucket:Bucket",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup",
    "aws:ecr/repository:Repository",
    "aws:kms/key:Key",
    "aws:kms/alias:Alias",
}
RETAINED = {
    "aws:sagemaker/model:Model",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    "aws:lambda/layerVersion:LayerVersion",
}


@pytest.fixture(params=["shadow", "prod"])
def recording(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("stack", ["shadow", "prod"])
def test_urns_are_the_released_ones(stack: str, request: pytest.FixtureRequest) -> None:
    """A changed URN deletes and creates the resource: give a renamed one an alias, then change the golden file."""
    expected = (GOLDEN / f"{stack}.txt").read_text().splitlines()
    assert request.getfixturevalue(stack).urns() == expected


def test_nothing_is_registered_twice(recording: Any) -> None:
    assert len(set(recording.urns())) == len(recording.registrations)


def test_a_new_installation_has_a_registry_and_says_what_is_missing(run_program: Any, configs: Any) -> None:
    recording = run_program("shadow", configs["shadow"])
    assert recording.outputs["services"] == {}
    assert recording.outputs["skipped"] == {
        "tumor-triage": "has no model.lock.yaml yet; run `understudy train tumor_triage`",
        "diabetes-progression": "has no model.lock.yaml yet; run `understudy train diabetes_progression`",
    }
    assert recording.outputs["artifactBucket"] == "understudy-artifacts-111111111111-us-west-2"
    assert recording.outputs["trainingBucket"] == "training-0a1b2c3"
    assert recording.outputs["recordsBucket"] == "records-0a1b2c3"
    assert recording.outputs["trainingRoleArn"].endswith(":training-0a1b2c3")
    assert len(recording.of_type("aws:sagemaker/modelPackageGroup:ModelPackageGroup")) == 2
    assert not recording.of_type("aws:sagemaker/endpoint:Endpoint")
    assert not recording.of_type("aws:lambda/layerVersion:LayerVersion")


def test_columns_of_csv_answers_reach_the_functions(shadow: Any, prod: Any) -> None:
    def variables(recording: Any, name: str) -> dict[str, str]:
        found: dict[str, str] = recording.one("aws:lambda/function:Function", name).inputs["environment"]["variables"]
        return found

    assert variables(prod, "tumor-triage-accuracy")["COLUMNS"] == "label,probability"
    rules = json.loads(variables(shadow, "tumor-triage-replay")["COMPARISON_RULES"])
    assert rules["columns"] == ["label", "probability"]


def test_shadow_outputs(shadow: Any) -> None:
    service = shadow.outputs["services"]["tumor-triage"]
    assert service.keys() == {"endpointName", "modelPackageArn", "artifactDigest", "replayQueueUrl"}
    assert service["endpointName"] == "tumor-triage-shadow"
    assert len(service["artifactDigest"]) == 64
    assert shadow.outputs["skipped"].keys() == {"diabetes-progression"}


def test_prod_outputs(prod: Any) -> None:
    assert prod.outputs["captureBucket"] == "understudy-capture-prod-111111111111-us-west-2"
    assert prod.outputs["skipped"] == {
        "diabetes-progression": "has no modelPackageArn yet; run `understudy promote diabetes-progression`"
    }
    service = prod.outputs["services"]["tumor-triage"]
    assert service["modelPackageArn"].endswith(":model-package/tumor-triage/7")
    assert service["endpointConfigName"] == "tumor-triage-0a1b2c3"
    assert service["deploymentParameter"] == "/understudy/prod/tumor-triage/deployment"
    assert service["alarms"] == {
        "latency": "tumor-triage-latency-0a1b2c3",
        "errors": "tumor-triage-errors-0a1b2c3",
        "predictionAccuracy": "tumor-triage-prediction-accuracy-0a1b2c3",
        "composite": "tumor-triage-prod-health",
    }
    assert service["rollbackProject"] == "tumor-triage-rollback-0a1b2c3"
    assert service["rollbackTopicArn"].endswith("tumor-triage-rollback-0a1b2c3")


def test_without_delivery_an_alarm_pages_people_only(run_program: Any, configs: Any) -> None:
    config = copy.deepcopy(configs["prod"])
    del config["understudy:delivery"], config["understudy:services"]["tumor-triage"]["rollout"]
    del config["understudy:services"]["tumor-triage"]["alarms"]
    recording = run_program("prod", config)
    assert "rollbackProject" not in recording.outputs["services"]["tumor-triage"]
    assert len(recording.of_type("aws:sns/topic:Topic")) == 1
    assert not recording.of_type("aws:codebuild/project:Project")
    assert not recording.of_type("aws:lambda/function:Function")


def test_what_holds_data_is_protected_and_retained(recording: Any) -> None:
    for registration in recording.registrations:
        assert (registration.type in KEPT) <= (registration.protected and registration.retained), registration.urn


def test_no_object_comes_before_its_bucket_s_versioning(shadow: Any) -> None:
    """It would have no version id, in AWS and in the state, for good."""
    uploads = shadow.of_type("aws:s3/bucketObjectv2:BucketObjectv2")
    versioning = shadow.one("aws:s3/bucketVersioning:BucketVersioning", "artifacts")
    assert uploads and all(versioning.urn in upload.options.dependencies for upload in uploads)


def test_replay_takes_a_candidate_s_digest_only_once_that_candidate_answers(shadow: Any) -> None:
    function = shadow.one("aws:lambda/function:Function", "tumor-triage-replay")
    rollout = next(r for r in shadow.registrations if r.type.endswith(":EndpointRollout") and r.name == "tumor-triage")
    assert rollout.urn in function.options.dependencies


def test_what_an_endpoint_may_still_run_is_retained_from_the_first_deployment(recording: Any) -> None:
    for registration in recording.registrations:
        assert (registration.type in RETAINED) <= registration.retained, registration.urn


def test_the_endpoint_is_protected_and_left_alone_after_its_creation(recording: Any) -> None:
    endpoint = recording.one("aws:sagemaker/endpoint:Endpoint")
    assert endpoint.protected
    assert set(endpoint.options.ignoreChanges) == {"endpointConfigName", "deploymentConfig"}
    assert "deploymentConfig" not in endpoint.inputs


def test_models_and_configurations_are_named_by_pulumi(recording: Any) -> None:
    """A fixed name would be replaced by itself, and the endpoint never updated (FACTS 1.4)."""
    for type_ in ("aws:sagemaker/model:Model", "aws:sagemaker/endpointConfiguration:EndpointConfiguration"):
        assert "name" not in recording.one(type_).inputs


def test_every_taggable_resource_says_whose_it_is(recording: Any) -> None:
    for registration in recording.registrations:
        tags = registration.inputs.get("tags")
        if tags is None:
            continue
        assert tags["project"] == "understudy" and tags["environment"] in ("shadow", "prod"), registration.urn
        if "tumor-triage" in registration.urn:
            assert (tags["service"], tags["use_case"]) == ("tumor-triage", "tumor_triage"), registration.urn
    tagged = {r.type for r in recording.registrations if "tags" in r.inputs}
    assert {"aws:sagemaker/endpoint:Endpoint", "aws:lambda/function:Function", "aws:kms/key:Key"} <= tagged


def _documents(recording: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(URN, input, statement) of every policy."""
    for registration in recording.registrations:
        for key in ("policy", "assumeRolePolicy"):
            text = registration.inputs.get(key)
            if isinstance(text, str) and '"Statement"' in text:
                for statement in json.loads(text)["Statement"]:
                    yield registration.urn, key, statement


def test_roles_name_their_resources(recording: Any) -> None:
    """By ARN; where `*` may stand, test_controls.py says."""
    seen = 0
    for urn, _, statement in _documents(recording):
        if "rolePolicy:RolePolicy" not in urn:
            continue
        seen += 1
        resources = statement["Resource"]
        assert all(resource == "*" or resource.startswith("arn:aws:") for resource in resources), (urn, statement)
    assert seen > 10


def test_services_act_for_this_account_only(recording: Any) -> None:
    """Confused deputy: every service principal has a source condition; Lambda sends none when it assumes a role."""
    for urn, key, statement in _documents(recording):
        service = statement.get("Principal", {})
        service = service.get("Service") if isinstance(service, dict) else None
        if service and not (key == "assumeRolePolicy" and service == "lambda.amazonaws.com"):
            assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == "111111111111", (urn, statement)


def test_nobody_is_let_in_by_a_wildcard(recording: Any) -> None:
    for urn, _, statement in _documents(recording):
        if statement.get("Principal") == "*":
            assert statement["Effect"] == "Deny", (urn, statement)
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_functions_write_to_log_groups_of_the_stack(recording: Any) -> None:
    groups = recording.of_type("aws:cloudwatch/logGroup:LogGroup")
    assert groups
    for function in recording.of_type("aws:lambda/function:Function"):
        assert function.inputs["loggingConfig"]["logGroup"] == f"{function.name}-0a1b2c3"


@pytest.mark.parametrize("stack", ["shadow", "prod"])
def test_a_first_preview_with_nothing_known_registers_the_same(
    stack: str, run_program: Any, train: Callable[[str], None], configs: Any
) -> None:
    train("tumor_triage")
    preview = run_program(stack, configs[stack], preview=True)
    assert preview.urns() == (GOLDEN / f"{stack}.txt").read_text().splitlines()
    assert any(isinstance(v, Unknown) for r in preview.registrations for v in r.inputs.values())
    for package in preview.of_type("pulumi-python:dynamic/understudy:ModelPackage"):
        metadata = package.inputs["customer_metadata_properties"]
        assert isinstance(metadata.pop("understudy.object_version_id"), Unknown)
        assert metadata["understudy.artifact_digest"] == package.inputs["artifact_digest"]


def test_a_promotion_changes_what_belongs_to_it(run_program: Any, configs: Any) -> None:
    """Inputs of prod with version 7 and with version 8, side by side: only these differ before anything is created."""

    def inputs(version: int) -> dict[str, str]:
        config = copy.deepcopy(configs["prod"])
        service = config["understudy:services"]["tumor-triage"]
        service["modelPackageArn"] = service["modelPackageArn"].replace("/7", f"/{version}")
        found = run_program("prod", config).registrations
        return {
            r.urn.rpartition("::understudy::")[2]: json.dumps(r.inputs, sort_keys=True, default=repr_of) for r in found
        }

    before, after = inputs(7), inputs(8)
    changed = [urn.rpartition("$")[2] for urn in before if before[urn] != after[urn]]
    assert sorted(changed) == [
        "aws:sagemaker/model:Model::tumor-triage",
        "aws:ssm/parameter:Parameter::tumor-triage",
        "pulumi-python:dynamic/understudy:VerifiedPackage::tumor-triage",
    ]


def test_a_shadow_variant_may_run_an_unapproved_candidate_by_its_parts(
    run_program: Any, train: Callable[[str], None], configs: Any
) -> None:
    config = copy.deepcopy(configs["prod"])
    service = config["understudy:services"]["tumor-triage"]
    del service["scaling"]
    service["shadowVariant"] = {"useCase": "tumor_triage", "percent": 50}
    with pytest.raises(pulumi.RunError, match=r"has no model\.lock\.yaml yet; run `understudy train tumor_triage`"):
        run_program("prod", config)
    train("tumor_triage")
    recording = run_program("prod", config)
    configuration = recording.one("aws:sagemaker/endpointConfiguration:EndpointConfiguration").inputs
    assert [v["variantName"] for v in configuration["productionVariants"]] == ["ProductionVariant"]
    assert [v["initialVariantWeight"] for v in configuration["shadowProductionVariants"]] == [0.5]
    container = recording.one("aws:sagemaker/model:Model", "tumor-triage-shadow").inputs["primaryContainer"]
    assert container["modelDataUrl"].startswith("s3://understudy-artifacts-222222222222-us-west-2/tumor-triage/")
    assert container.keys() == {"image", "modelDataUrl", "environment"}


PYTORCH = "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-inference:2.6.0-{}-py312"


def serve_with(project: Path, image: str) -> None:
    lock = project / "use_cases" / "tumor_triage" / "model.lock.yaml"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "image": image}))


@pytest.mark.parametrize("stack", ["shadow", "prod"])
def test_a_candidate_runs_on_the_kind_of_processor_that_its_image_is_for(
    stack: str, project: Path, run_program: Any, train: Callable[[str], None], configs: Any
) -> None:
    train("tumor_triage")
    serve_with(project, PYTORCH.format("cpu"))
    config = copy.deepcopy(configs[stack])
    service = config["understudy:services"]["tumor-triage"]
    service["instanceType"] = "ml.g5.xlarge"
    if stack == "prod":  # the candidate beside production's variant has its instances
        del service["scaling"]
        service["shadowVariant"] = {"useCase": "tumor_triage", "percent": 50}
    with pytest.raises(pulumi.RunError) as refused:
        run_program(stack, config)
    assert str(refused.value) == (
        "tumor_triage: instanceType ml.g5.xlarge: the image is for processors (x86), and ml.g5.xlarge has graphics "
        f"cards ({PYTORCH.format('cpu')}); name another instanceType, or have the lock file name the image for these: "
        "`understudy train tumor_triage --job tumor-triage-1` trains nothing anew"
    )
    serve_with(project, PYTORCH.format("gpu"))
    run_program(stack, config)


def test_an_image_that_the_stack_names_has_to_fit_too(
    project: Path, run_program: Any, train: Callable[[str], None], configs: Any
) -> None:
    train("tumor_triage")
    config = copy.deepcopy(configs["shadow"])
    service = config["understudy:services"]["tumor-triage"]
    service["image"] = PYTORCH.format("gpu")
    with pytest.raises(
        pulumi.RunError, match=r"has processors \(x86\) \(.*-gpu-py312\); name the image for them in `i"
    ):
        run_program("shadow", config)
    # A digest does not say what it is for.
    service["image"] = PYTORCH.partition(":")[0] + f"@sha256:{'a' * 64}"
    run_program("shadow", config)


def test_a_version_says_which_kind_of_processor_it_is_for(
    project: Path, run_program: Any, train: Callable[[str], None], configs: Any
) -> None:
    def registered() -> Any:
        recording = run_program("shadow", configs["shadow"])
        return recording.one("pulumi-python:dynamic/understudy:ModelPackage").inputs["customer_metadata_properties"]

    train("tumor_triage")
    assert "understudy.image_processor" not in registered()
    serve_with(project, PYTORCH.format("cpu"))
    assert registered()["understudy.image_processor"] == "cpu"


def repr_of(asset: Any) -> str:
    return f"{type(asset).__name__}({getattr(asset, 'path', '')})"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"understudy:environment": "prod", "understudy:replicas": "3"},
            'stack prod: understudy:replicas is "3", an unknown key',
        ),
        (
            {"understudy:environment": "shadow", "understudy:services": {"not-there": {}}},
            "there is no such use case; expected a folder with package.yaml",
        ),
    ],
)
def test_a_persons_mistake_ends_the_program_with_a_sentence(
    run_program: Any, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(pulumi.RunError) as error:
        run_program("prod", config)
    assert message in str(error.value)


def test_a_missing_layer_says_what_to_run(run_program: Any, project: Path, configs: Any) -> None:
    (project / ".understudy/layers/functions/python/library.py").unlink()
    (project / ".understudy/layers/functions/python").rmdir()
    with pytest.raises(pulumi.RunError, match="the functions' libraries are not installed; run `make setup`"):
        run_program("prod", configs["prod"])
