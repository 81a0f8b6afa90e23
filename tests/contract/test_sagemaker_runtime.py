"""InvokeEndpoint: answers, errors in AWS's words, shadow copies, data capture, metrics, crashes."""

from __future__ import annotations

import base64
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


@pytest.fixture(scope="module")
def endpoint(lab: Any) -> str:
    return str(lab.endpoint(lab.config(lab.model())))


def test_an_answer_names_its_variant(lab: Any, endpoint: str) -> None:
    answer = lab.runtime.invoke_endpoint(
        EndpointName=endpoint, Body=b"5.1,3.5", ContentType="text/csv", Accept="text/csv", InferenceId="one"
    )
    assert answer["InvokedProductionVariant"] == "Main"
    assert answer["ContentType"].startswith("text/csv")
    assert answer["Body"].read() == b"v1:5.1,3.5"


def test_a_model_error_carries_the_containers_words(lab: Any, endpoint: str, refused: Any) -> None:
    with refused(
        "ModelError",
        'Received server error (500) from primary with message "',
        'boom". See https://us-west-2.console.aws.amazon.com/cloudwatch/home?region=us-west-2#logEventViewer:group='
        f"/aws/sagemaker/Endpoints/{endpoint} in account 123456789012 for more information.",
    ):
        lab.invoke(endpoint, "error")


def test_what_is_missing_or_too_large_is_a_validation_error(lab: Any, endpoint: str, refused: Any) -> None:
    with refused("ValidationError", "Endpoint nobody of account 123456789012 not found."):
        lab.invoke("nobody")
    with refused("ValidationError", "Variant Nobody was not found"):
        lab.invoke(endpoint, TargetVariant="Nobody")
    with refused("ValidationError", "length less than or equal to 6291456"):
        lab.invoke(endpoint, "1" * 6_291_457)


def test_asynchronous_inference_is_refused_not_pretended(lab: Any, endpoint: str, refused: Any) -> None:
    with refused("ValidationError", f"Endpoint {endpoint} does not support asynchronous inference."):
        lab.runtime.invoke_endpoint_async(EndpointName=endpoint, InputLocation="s3://bucket/key")


def test_another_account_does_not_see_the_endpoint(lab: Any, boto: Any, endpoint: str, refused: Any) -> None:
    runtime = boto("sagemaker-runtime", profile="other")
    with refused("ValidationError", f"Endpoint {endpoint} of account 222222222222 not found."):
        runtime.invoke_endpoint(EndpointName=endpoint, Body=b"1", ContentType="text/csv")


def test_a_crash_is_a_model_error_and_the_process_comes_back(lab: Any, refused: Any) -> None:
    endpoint = lab.endpoint(lab.config(lab.model()))
    with refused(
        "ModelError",
        'Received server error (0) from model with message "Amazon SageMaker could not get a response from the '
        f'{endpoint} endpoint.".',
    ):
        lab.invoke(endpoint, "crash")
    _eventually(lambda: lab.invoke(endpoint) == "v1:1", tolerate=lab.runtime.exceptions.ModelError)


def test_variants_share_requests_by_weight_and_can_be_named(lab: Any) -> None:
    endpoint = lab.endpoint(lab.config(lab.model("a"), lab.model("b")))
    assert {lab.invoke(endpoint, TargetVariant="Main2") for _ in range(5)} == {"b:1"}
    assert set(Counter(lab.invoke(endpoint) for _ in range(60))) == {"a:1", "b:1"}
    lab.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "Main1", "DesiredWeight": 0}]
    )
    lab.settled(endpoint)
    assert {lab.invoke(endpoint) for _ in range(30)} == {"b:1"}


def test_capture_writes_sagemakers_lines_for_both_variants_and_shadow_answers_nobody(lab: Any) -> None:
    bucket = lab.make_bucket()
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{bucket}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    config = lab.config(lab.model("live"), shadow=(lab.model("shadow"), 0.5), DataCaptureConfig=capture)
    endpoint = lab.endpoint(config)
    answers = {lab.invoke(endpoint, str(number), InferenceId=f"id-{number}") for number in range(100)}
    assert answers == {f"live:{number}" for number in range(100)}
    lines: dict[str, list[Any]] = {}

    def delivered() -> bool:
        lines.clear()
        for item in lab.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            pattern = (
                rf"capture/{endpoint}/(Main|Shadow)/\d{{4}}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{{3}}-[0-9a-f-]{{36}}\.jsonl"
            )
            match = re.fullmatch(pattern, item["Key"])
            assert match, item["Key"]
            text = lab.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode()
            lines.setdefault(match[1], []).extend(json.loads(line) for line in text.splitlines())
        return len(lines.get("Main", [])) == 100 and len(lines.get("Shadow", [])) >= 20

    _eventually(delivered)
    assert 20 <= len(lines["Shadow"]) <= 80
    by_id = {line["eventMetadata"]["eventId"] for line in lines["Main"]}
    assert {line["eventMetadata"]["eventId"] for line in lines["Shadow"]} <= by_id
    first = min(lines["Main"], key=lambda line: int(line["eventMetadata"]["inferenceId"].removeprefix("id-")))
    moment = first["eventMetadata"].pop("inferenceTime")
    assert abs(datetime.fromisoformat(moment) - datetime.now(UTC)) < timedelta(minutes=1)
    assert re.fullmatch(r"[0-9a-f-]{36}", first["eventMetadata"].pop("eventId"))
    output_type = first["captureData"]["endpointOutput"].pop("observedContentType")
    assert output_type.startswith("text/csv")
    assert first == {
        "captureData": {
            "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "0", "encoding": "CSV"},
            "endpointOutput": {"mode": "OUTPUT", "data": "live:0", "encoding": "CSV"},
        },
        "eventMetadata": {"inferenceId": "id-0"},
        "eventVersion": "0",
    }
    assert {line["captureData"]["endpointOutput"]["data"].split(":")[0] for line in lines["Shadow"]} == {"shadow"}


def test_capture_of_an_unlisted_content_type_is_base64_and_samples(lab: Any) -> None:
    bucket = lab.make_bucket()
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": f"s3://{bucket}",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    endpoint = lab.endpoint(lab.config(lab.model(), DataCaptureConfig=capture))
    for _ in range(100):
        lab.invoke(endpoint, "7")
    lines: list[Any] = []

    def delivered() -> bool:
        for item in lab.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            text = lab.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode()
            lines.extend(json.loads(line) for line in text.splitlines())
        return bool(lines)

    _eventually(delivered)
    assert 20 <= len(lines) <= 80
    assert lines[0]["captureData"] == {
        "endpointInput": {
            "observedContentType": "text/csv",
            "mode": "INPUT",
            "data": base64.b64encode(b"7").decode(),
            "encoding": "BASE64",
        }
    }


def test_metrics_count_requests_errors_and_microseconds(lab: Any, refused: Any) -> None:
    config = lab.config(lab.model())
    endpoint = lab.endpoint(config)
    for _ in range(4):
        lab.invoke(endpoint, "sleep 0.01")
    with refused("ModelError", "boom"):
        lab.invoke(endpoint, "error")
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "Main"}]

    def statistics(metric: str, *extra: dict[str, str]) -> dict[str, float]:
        points = lab.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[*dimensions, *extra],
            StartTime=datetime.now(UTC) - timedelta(minutes=5),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=3600,
            Statistics=["Sum", "Maximum", "SampleCount"],
        )["Datapoints"]
        return {
            "Sum": sum(point["Sum"] for point in points),
            "SampleCount": sum(point["SampleCount"] for point in points),
            "Maximum": max((point["Maximum"] for point in points), default=0.0),
        }

    _eventually(lambda: statistics("OverheadLatency")["SampleCount"] == 5)
    assert statistics("Invocations")["Sum"] == 5
    assert statistics("Invocation5XXErrors") == {"Sum": 1, "SampleCount": 5, "Maximum": 1}
    assert statistics("Invocation4XXErrors")["Sum"] == 0
    assert statistics("InvocationModelErrors")["Sum"] == 1
    assert 10_000 <= statistics("ModelLatency")["Maximum"] < 5_000_000
    assert 0 < statistics("OverheadLatency")["Maximum"] < 1_000_000
    assert statistics("Invocations", {"Name": "EndpointConfigName", "Value": config})["Sum"] == 5


def _eventually(holds: Callable[[], bool], seconds: float = 15, tolerate: type[Exception] | None = None) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except Exception as error:
            if tolerate is None or not isinstance(error, tolerate):
                raise
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)
