"""Metrics and dashboards by boto3."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

DIMENSIONS = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}]


@pytest.fixture
def cloudwatch(boto: Callable[..., Any]) -> Any:
    return boto("cloudwatch")


def around() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"StartTime": now - timedelta(minutes=10), "EndTime": now + timedelta(minutes=1)}


def query(name: str, metric: dict[str, Any], statistic: str, **more: Any) -> dict[str, Any]:
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": 3600, "Stat": statistic}, **more}


def test_statistics_of_values_counts_and_sets(cloudwatch: Any, unique: Callable[[str], str]) -> None:
    namespace = unique("N")
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": "m", "Value": 10.0, "Unit": "Count"},
            {"MetricName": "m", "Values": [1.0, 2.0], "Counts": [3.0, 2.0], "Unit": "Count"},
            {
                "MetricName": "m",
                "StatisticValues": {"SampleCount": 2.0, "Sum": 8.0, "Minimum": 4.0, "Maximum": 4.0},
                "Unit": "Count",
            },
        ],
    )
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName="m",
        Period=3600,
        Statistics=["SampleCount", "Average", "Sum", "Minimum", "Maximum"],
        ExtendedStatistics=["p50"],
        **around(),
    )
    (point,) = answer["Datapoints"]
    assert (point["SampleCount"], point["Sum"], point["Minimum"], point["Maximum"]) == (8.0, 25.0, 1.0, 10.0)
    assert point["Average"] == 25 / 8
    assert point["ExtendedStatistics"] == {"p50": 2.0}
    assert point["Unit"] == "Count"


def test_dimensions_match_exactly(cloudwatch: Any, unique: Callable[[str], str]) -> None:
    namespace = unique("N")
    cloudwatch.put_metric_data(
        Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 1.0, "Dimensions": DIMENSIONS}]
    )
    whole = {"Namespace": namespace, "MetricName": "m", "Dimensions": DIMENSIONS[::-1]}
    part = {"Namespace": namespace, "MetricName": "m", "Dimensions": DIMENSIONS[:1]}
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[query("whole", whole, "Sum"), query("part", part, "Sum")], **around()
    )
    assert {result["Id"]: result["Values"] for result in answer["MetricDataResults"]} == {"whole": [1.0], "part": []}
    assert cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "EndpointName"}])["Metrics"] == [
        {"Namespace": namespace, "MetricName": "m", "Dimensions": DIMENSIONS}
    ]


def test_metric_math(cloudwatch: Any, unique: Callable[[str], str]) -> None:
    namespace = unique("N")
    data = [{"MetricName": "errors", "Value": 2.0}, {"MetricName": "requests", "Value": 50.0}]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    queries = [
        query(name, {"Namespace": namespace, "MetricName": name}, "Sum", ReturnData=False)
        for name in ("errors", "requests")
    ]
    rate = {"Id": "rate", "Expression": "100 * FILL(errors, 0) / requests", "Label": "Error rate"}
    answer = cloudwatch.get_metric_data(MetricDataQueries=[*queries, rate], **around())
    (result,) = answer["MetricDataResults"]
    assert (result["Id"], result["Label"], result["Values"]) == ("rate", "Error rate", [4.0])


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        ({}, "MissingParameter", "MetricData.member.1.Value"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination", "mutually exclusive"),
        ({"Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValue", "must be of the same size"),
        ({"Value": float("nan")}, "InvalidParameterValue", "is invalid"),
        ({"Value": 1.0, "Timestamp": datetime(2020, 1, 1, tzinfo=UTC)}, "InvalidParameterValue", "past two weeks"),
    ],
)
def test_bad_data_is_refused(
    cloudwatch: Any, refused: Callable[..., Any], datum: dict[str, Any], code: str, message: str
) -> None:
    with refused(code, message):
        cloudwatch.put_metric_data(Namespace="N", MetricData=[{"MetricName": "m", **datum}])


def test_reserved_namespace_is_refused(cloudwatch: Any, refused: Callable[..., Any]) -> None:
    with refused("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid."):
        cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[{"MetricName": "m", "Value": 1.0}])


def test_unknown_functions_are_refused(cloudwatch: Any, refused: Callable[..., Any]) -> None:
    with refused("ValidationError", "Unsupported function SEARCH"):
        cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "e", "Expression": "SEARCH('x', 'Sum')"}], **around())


def test_dashboards_are_kept(cloudwatch: Any, unique: Callable[[str], str], refused: Callable[..., Any]) -> None:
    name = unique("board")
    body = json.dumps({"widgets": []})
    assert cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body)["DashboardValidationMessages"] == []
    assert cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"] == body
    cloudwatch.delete_dashboards(DashboardNames=[name])
    with refused("ResourceNotFound"):
        cloudwatch.get_dashboard(DashboardName=name)
