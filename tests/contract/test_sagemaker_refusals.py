"""What SageMaker's control plane refuses, in AWS's words; and what it accepts although one might wish otherwise."""

from __future__ import annotations

from typing import Any

import pytest

ACCOUNT = "arn:aws:sagemaker:us-west-2:123456789012"


def test_missing_resources_are_validation_exceptions_with_quoted_arns(lab: Any, refused: Any) -> None:
    with refused("ValidationException", f'Could not find endpoint "{ACCOUNT}:endpoint/nobody".'):
        lab.sagemaker.describe_endpoint(EndpointName="nobody")
    with refused("ValidationException", f'Could not find endpoint configuration "{ACCOUNT}:endpoint-config/nobody".'):
        lab.sagemaker.delete_endpoint_config(EndpointConfigName="nobody")
    with refused("ValidationException", f'Could not find model "{ACCOUNT}:model/nobody".'):
        lab.sagemaker.delete_model(ModelName="nobody")


def test_duplicates_are_refused(lab: Any, refused: Any) -> None:
    model = lab.model()
    config = lab.config(model)
    endpoint = lab.endpoint(config)
    with refused("ValidationException", f'Cannot create already existing model "{ACCOUNT}:model/{model}".'):
        lab.sagemaker.create_model(ModelName=model, ExecutionRoleArn=lab.role, PrimaryContainer=lab.container("v1"))
    with refused("ValidationException", "Cannot create already existing endpoint configuration"):
        lab.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[lab.variant("Main", model)])
    with refused("ValidationException", f'Cannot create already existing endpoint "{ACCOUNT}:endpoint/{endpoint}".'):
        lab.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ExecutionRoleArn": "arn:aws:iam::123456789012:role/nobody"}, 'role/nobody" is invalid. Please ensure'),
        ({"data": "s3://no-such-bucket/model.tar.gz"}, "Could not access model data at s3://no-such-bucket"),
        ({"image": "xgboost:latest"}, 'The image "xgboost:latest" is not of the form'),
        ({"image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/mine:1"}, "Requested image 123456789012.dkr"),
    ],
)
def test_create_model_checks_role_data_and_image(
    lab: Any, refused: Any, unique: Any, change: dict[str, str], message: str
) -> None:
    container = lab.container("v1")
    container["ModelDataUrl"] = change.get("data", container["ModelDataUrl"])
    container["Image"] = change.get("image", container["Image"])
    role = change.get("ExecutionRoleArn", lab.role)
    with refused("ValidationException", message):
        lab.sagemaker.create_model(ModelName=unique("model"), ExecutionRoleArn=role, PrimaryContainer=container)


def test_model_data_of_another_region_is_refused(lab: Any, boto: Any, refused: Any, unique: Any) -> None:
    bucket = unique("elsewhere")
    s3 = boto("s3", region="eu-west-1")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=b"")
    container = {**lab.container("v1"), "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    with refused("ValidationException", "that the object is located in us-west-2."):
        lab.sagemaker.create_model(ModelName=unique("model"), ExecutionRoleArn=lab.role, PrimaryContainer=container)


def test_constraints_are_refused_with_their_path(lab: Any, refused: Any, unique: Any) -> None:
    with refused(
        "ValidationException",
        "1 validation error detected: Value 'no_underscores' at 'productionVariants.1.member.modelName' failed to "
        "satisfy constraint: Member must satisfy regular expression pattern: ",
    ):
        lab.sagemaker.create_endpoint_config(
            EndpointConfigName=unique("config"), ProductionVariants=[lab.variant("Main", "no_underscores")]
        )


def test_endpoint_configurations_refuse_what_shadow_variants_do_not_allow(lab: Any, refused: Any, unique: Any) -> None:
    model = lab.model()
    two = [lab.variant("One", model), lab.variant("Two", model)]

    def create(production: list[Any], shadow: list[Any]) -> None:
        members = {"ShadowProductionVariants": shadow} if shadow else {}
        lab.sagemaker.create_endpoint_config(
            EndpointConfigName=unique("config"), ProductionVariants=production, **members
        )

    with refused("ValidationException", "exactly one production variant"):
        create(two, [lab.variant("Shadow", model)])
    with refused("ValidationException", "shadow"):
        create(two[:1], [lab.variant("Shadow1", model), lab.variant("Shadow2", model)])
    with refused("ValidationException", "unique"):
        create(two[:1], [lab.variant("One", model)])
    with refused("ValidationException", "Could not find model"):
        create([lab.variant("One", "nobody")], [])
    with refused("ValidationException", "ManagedInstanceScaling is only supported for inference component endpoints."):
        create([{**two[0], "ManagedInstanceScaling": {"Status": "ENABLED"}}], [])


def test_configurations_and_models_in_use_can_be_deleted_and_the_next_update_fails(lab: Any, refused: Any) -> None:
    model = lab.model()
    config, following = lab.config(model), lab.config(model)
    endpoint = lab.endpoint(config)
    lab.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    lab.sagemaker.delete_model(ModelName=model)
    assert lab.invoke(endpoint) == "v1:1"
    with refused("ValidationException", f'Could not find endpoint configuration "{ACCOUNT}:endpoint-config/{config}".'):
        lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=following)


def test_an_endpoint_in_progress_is_left_alone(lab: Any, refused: Any, unique: Any) -> None:
    config, name = lab.config(lab.model()), unique("endpoint")
    lab.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    message = f'Cannot update in-progress endpoint "{ACCOUNT}:endpoint/{name}".'
    with refused("ValidationException", message):
        lab.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    with refused("ValidationException", message):
        lab.sagemaker.delete_endpoint(EndpointName=name)
    with refused("ValidationError", f"Endpoint {name} of account 123456789012 not found."):
        lab.invoke(name)
    lab.settled(name)


def traffic(kind: str, **size: Any) -> dict[str, Any]:
    members = {name: {"Type": "CAPACITY_PERCENT", "Value": value} for name, value in size.items()}
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": 0, **members}}
    }


@pytest.mark.parametrize(
    ("deployment", "message"),
    [
        (traffic("CANARY"), "CanarySize is required for CANARY"),
        (traffic("CANARY", CanarySize=60), "at most 50%"),
        (traffic("LINEAR", LinearStepSize=5), "10% to 50%"),
        (traffic("ALL_AT_ONCE", CanarySize=10), "CanarySize is not allowed"),
        ({}, None),
        (
            {
                "RollingUpdatePolicy": {
                    "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 60},
                    "WaitIntervalInSeconds": 0,
                }
            },
            "5% to 50%",
        ),
        (
            {
                **traffic("ALL_AT_ONCE"),
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "no-such-alarm"}]},
            },
            "no-such-alarm",
        ),
        (
            {
                "BlueGreenUpdatePolicy": {
                    **traffic("ALL_AT_ONCE")["BlueGreenUpdatePolicy"],
                    "TerminationWaitInSeconds": 3601,
                }
            },
            "at 'deploymentConfig.blueGreenUpdatePolicy.terminationWaitInSeconds' failed to satisfy constraint",
        ),
        (
            {
                "BlueGreenUpdatePolicy": {
                    **traffic("ALL_AT_ONCE")["BlueGreenUpdatePolicy"],
                    "TerminationWaitInSeconds": 700,
                    "MaximumExecutionTimeoutInSeconds": 600,
                }
            },
            "must be greater than the waits",
        ),
    ],
)
def test_guardrails_out_of_range_are_refused(
    lab: Any, refused: Any, shared_endpoint: str, deployment: dict[str, Any], message: str | None
) -> None:
    config = lab.sagemaker.describe_endpoint(EndpointName=shared_endpoint)["EndpointConfigName"]
    request = {"EndpointName": shared_endpoint, "EndpointConfigName": config, "DeploymentConfig": deployment}
    if message is None:
        lab.sagemaker.update_endpoint(**request)
        assert lab.settled(shared_endpoint)["EndpointStatus"] == "InService"
        return
    with refused("ValidationException", message):
        lab.sagemaker.update_endpoint(**request)


def test_one_instance_has_no_canary(lab: Any, refused: Any) -> None:
    config = lab.config(lab.model(), count=1)
    endpoint = lab.endpoint(config)
    with refused("ValidationException", "CanarySize"):
        lab.sagemaker.update_endpoint(
            EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=traffic("CANARY", CanarySize=50)
        )


def test_more_than_ten_alarms_break_a_constraint(lab: Any, refused: Any, shared_endpoint: str) -> None:
    config = lab.sagemaker.describe_endpoint(EndpointName=shared_endpoint)["EndpointConfigName"]
    alarms = [{"AlarmName": f"alarm-{number}"} for number in range(11)]
    with refused("ValidationException", "deploymentConfig.autoRollbackConfiguration.alarms"):
        lab.sagemaker.update_endpoint(
            EndpointName=shared_endpoint,
            EndpointConfigName=config,
            DeploymentConfig={**traffic("ALL_AT_ONCE"), "AutoRollbackConfiguration": {"Alarms": alarms}},
        )


@pytest.fixture(scope="module")
def shared_endpoint(lab: Any) -> str:
    return str(lab.endpoint(lab.config(lab.model())))
