"""Answers against the service model: no member unknown, missing, empty or of the wrong type.

Every client of these tests checks each of its answers (`check_answers` in conftest.py); here the checking itself is
tested, and each Describe and List answer is asked for with all that it can hold.
"""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"Bogus": 1}, "DescribeModel.Bogus is unknown"),
        ({"ModelArn": 1}, "DescribeModel.ModelArn: 1 is no string"),
        ({"ModelArn": None}, "DescribeModel.ModelArn: None is no string"),
        ({}, "DescribeModel.ModelName is missing"),
        ({"VpcConfig": {}}, "DescribeModel.VpcConfig: an empty structure, where AWS leaves out what is absent"),
        ({"EnableNetworkIsolation": 1}, "DescribeModel.EnableNetworkIsolation: 1 is no boolean"),
        ({"CreationTime": "today"}, "DescribeModel.CreationTime: 'today' is no timestamp"),
        ({"Containers": [{"Mode": "Odd"}]}, "DescribeModel.Containers[0].Mode: 'Odd' is none of "),
    ],
)
def test_answers_that_break_the_model_are_found(
    lab: Any, complaints_about: Any, answer: dict[str, Any], complaint: str
) -> None:
    operation = lab.sagemaker.meta.service_model.operation_model("DescribeModel")
    found = list(complaints_about(operation.output_shape, answer, "DescribeModel"))
    assert any(one.startswith(complaint) for one in found), found


def test_clients_of_the_tests_check_what_they_get(lab: Any) -> None:
    operation = lab.sagemaker.meta.service_model.operation_model("DescribeModel")
    response = {"status_code": 200, "headers": {}, "body": json.dumps({"Bogus": 1}).encode()}
    with pytest.raises(AssertionError, match=r"DescribeModel\.Bogus is unknown"):
        lab.sagemaker.meta.events.emit(
            "before-parse.sagemaker.DescribeModel",
            operation_model=operation,
            response_dict=response,
            customized_response_dict={},
        )


def test_models_configurations_and_endpoints(lab: Any) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{lab.bucket}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    model, plain = lab.model(), lab.config(lab.model())
    full = lab.config(model, shadow=(lab.model("v2"), 0.5), DataCaptureConfig=capture)
    endpoint = lab.endpoint(full)
    for name in (plain, full):
        assert lab.sagemaker.describe_endpoint_config(EndpointConfigName=name)["EndpointConfigName"] == name
    assert lab.sagemaker.describe_model(ModelName=model)["ModelName"] == model
    # While it is updated, an endpoint has its PendingDeploymentSummary.
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=plain)
    assert lab.settled(endpoint)["EndpointConfigName"] == plain
    assert lab.sagemaker.list_models(MaxResults=100)["Models"]
    assert lab.sagemaker.list_endpoint_configs(MaxResults=100)["EndpointConfigs"]
    assert lab.sagemaker.list_endpoints(MaxResults=100)["Endpoints"]
    found = lab.sagemaker.search(
        Resource="Endpoint",
        SearchExpression={"Filters": [{"Name": "EndpointName", "Operator": "Equals", "Value": endpoint}]},
    )
    assert [one["Endpoint"]["EndpointName"] for one in found["Results"]] == [endpoint]


def test_the_registry(lab: Any, unique: Any) -> None:
    group = unique("group")
    lab.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = lab.version(
        group,
        ModelPackageDescription="all that a version can hold",
        CustomerMetadataProperties={"a": "b"},
        ModelLifeCycle={"Stage": "Staging", "StageStatus": "Pending"},
        ModelCard={
            "ModelCardStatus": "Draft",
            "ModelCardContent": json.dumps({"intended_uses": {"risk_rating": "Low"}}),
        },
        ModelMetrics={"ModelQuality": {"Statistics": {"ContentType": "text/csv", "S3Uri": "s3://metrics/q.csv"}}},
    )
    full = lab.sagemaker.describe_model_package(ModelPackageName=arn)
    sanitized = lab.sagemaker.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")
    assert full["ModelCard"] == sanitized["ModelCard"]
    assert full["CustomerMetadataProperties"] == sanitized["CustomerMetadataProperties"] == {"a": "b"}
    lab.sagemaker.update_model_package(
        ModelPackageArn=arn, ModelCard={"ModelCardStatus": "Draft", "ModelCardContent": '{"secret": 1}'}
    )
    sanitized = lab.sagemaker.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")
    assert sanitized["ModelCard"] == {"ModelCardStatus": "Draft", "ModelCardContent": "{}"}
    assert lab.sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    assert lab.sagemaker.list_model_package_groups(MaxResults=100)["ModelPackageGroupSummaryList"]
    assert lab.sagemaker.batch_describe_model_package(ModelPackageArnList=[arn])["ModelPackageSummaries"]
    for kind in ("ModelPackage", "ModelPackageGroup"):
        answer = lab.sagemaker.search(
            Resource=kind,
            SearchExpression={"Filters": [{"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group}]},
        )
        assert answer["TotalHits"]["Value"] == 1
