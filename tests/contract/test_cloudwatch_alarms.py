"""Alarms by boto3: evaluated, composed, told to SNS and EventBridge."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

Unique = Callable[[str], str]


@pytest.fixture
def cloudwatch(boto: Callable[..., Any]) -> Any:
    return boto("cloudwatch")


@pytest.fixture
def topic(boto: Callable[..., Any], unique: Unique) -> tuple[str, Callable[[], dict[str, Any]]]:
    """A topic's ARN, and a function that waits for its next notification."""
    sns, sqs = boto("sns"), boto("sqs")
    topic_arn = sns.create_topic(Name=unique("topic"))["TopicArn"]
    url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)

    def receive() -> dict[str, Any]:
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=15).get("Messages", [])
        assert messages, "no notification within 15 s"
        sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
        envelope: dict[str, Any] = json.loads(messages[0]["Body"])
        return envelope

    return topic_arn, receive


def static(name: str, namespace: str, **more: Any) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "Namespace": namespace,
        "MetricName": "m",
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        **more,
    }


def put(cloudwatch: Any, namespace: str, value: float, name: str = "m") -> None:
    datum = {"MetricName": name, "Value": value, "Dimensions": [{"Name": "EndpointName", "Value": "e"}]}
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])


def state(cloudwatch: Any, name: str) -> str:
    answer = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    (alarm,) = answer["MetricAlarms"] + answer["CompositeAlarms"]
    return str(alarm["StateValue"])


def wait_for(cloudwatch: Any, name: str, wanted: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while state(cloudwatch, name) != wanted:
        assert time.monotonic() < deadline, f"{name} is {state(cloudwatch, name)}, not {wanted}"
        time.sleep(0.05)


def test_an_alarm_is_evaluated_and_told(cloudwatch: Any, topic: Any, unique: Unique) -> None:
    arn, receive = topic
    name, namespace = unique("alarm"), unique("N")
    cloudwatch.put_metric_alarm(**static(name, namespace, AlarmActions=[arn], AlarmDescription="high"))
    (created,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert (created["StateValue"], created["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    put(cloudwatch, namespace, 9.5)
    envelope = receive()
    assert envelope["Subject"] == f'ALARM: "{name}" in US West (Oregon)'
    message = json.loads(envelope["Message"])
    assert message["NewStateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [9.5 (")
    assert message["StateChangeTime"].endswith("+0000")
    assert {
        key: message[key] for key in ("AlarmName", "AlarmDescription", "NewStateValue", "OldStateValue", "Region")
    } == {
        "AlarmName": name,
        "AlarmDescription": "high",
        "NewStateValue": "ALARM",
        "OldStateValue": "INSUFFICIENT_DATA",
        "Region": "US West (Oregon)",
    }
    assert message["AlarmArn"] == created["AlarmArn"]
    assert message["Trigger"] == {
        "MetricName": "m",
        "Namespace": namespace,
        "StatisticType": "Statistic",
        "Statistic": "AVERAGE",
        "Unit": None,
        "Dimensions": [{"value": "e", "name": "EndpointName"}],
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    }
    kinds = [
        (item["HistoryItemType"], item["HistorySummary"])
        for item in cloudwatch.describe_alarm_history(AlarmName=name, ScanBy="TimestampAscending")["AlarmHistoryItems"]
    ]
    assert kinds[:2] == [
        ("ConfigurationUpdate", f'Alarm "{name}" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
    ]
    assert ("Action", f"Successfully executed action {arn}") in kinds


def test_metric_math_with_a_minimum_of_samples(cloudwatch: Any, topic: Any, unique: Unique) -> None:
    """The accuracy alarm's form: too few labels are not judged."""
    arn, receive = topic
    name, namespace = unique("alarm"), unique("N")
    metric = {"Namespace": namespace, "MetricName": "m", "Dimensions": [{"Name": "EndpointName", "Value": "e"}]}
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        EvaluationPeriods=1,
        Threshold=0.9,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="ignore",
        AlarmActions=[arn],
        Metrics=[
            {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}, "ReturnData": False},
            {"Id": "n", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "SampleCount"}, "ReturnData": False},
            {"Id": "e1", "Expression": "IF(n >= 3, m1)", "Label": "Accuracy", "ReturnData": True},
        ],
    )
    put(cloudwatch, namespace, 0.0)
    time.sleep(3)
    assert state(cloudwatch, name) == "INSUFFICIENT_DATA"
    datum = {
        "MetricName": "m",
        "Values": [0.0, 1.0],
        "Counts": [5.0, 5.0],
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
    }
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])
    message = json.loads(receive()["Message"])
    trigger = message["Trigger"]
    assert "MetricName" not in trigger
    assert [query["Id"] for query in trigger["Metrics"]] == ["m1", "n", "e1"]
    assert trigger["Metrics"][2] == {
        "Id": "e1",
        "Expression": "IF(n >= 3, m1)",
        "Label": "Accuracy",
        "ReturnData": True,
    }
    assert trigger["Metrics"][0]["MetricStat"]["Metric"]["Dimensions"] == [{"value": "e", "name": "EndpointName"}]


def test_missing_data_after_an_alarm(cloudwatch: Any, unique: Unique) -> None:
    name, namespace = unique("alarm"), unique("N")
    cloudwatch.put_metric_alarm(**static(name, namespace, TreatMissingData="notBreaching"))
    put(cloudwatch, namespace, 9.0)
    wait_for(cloudwatch, name, "ALARM")
    wait_for(cloudwatch, name, "OK")


def test_updating_keeps_the_state(cloudwatch: Any, unique: Unique) -> None:
    name, namespace = unique("alarm"), unique("N")
    cloudwatch.put_metric_alarm(**static(name, namespace, TreatMissingData="ignore"))
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="drill")
    cloudwatch.put_metric_alarm(**static(name, namespace, TreatMissingData="ignore", Threshold=7.0))
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert (alarm["StateValue"], alarm["StateReason"], alarm["Threshold"]) == ("ALARM", "drill", 7.0)


def test_set_alarm_state_fires_unless_actions_are_off(cloudwatch: Any, topic: Any, unique: Unique) -> None:
    arn, receive = topic
    name = unique("alarm")
    more = {"TreatMissingData": "ignore", "AlarmActions": [arn], "OKActions": [arn]}
    cloudwatch.put_metric_alarm(**static(name, unique("N"), ActionsEnabled=False, **more))
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="unheard")
    cloudwatch.enable_alarm_actions(AlarmNames=[name])
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="drill over")
    message = json.loads(receive()["Message"])
    assert (message["NewStateValue"], message["OldStateValue"]) == ("OK", "ALARM")
    assert message["NewStateReason"] == "drill over"


def test_composite_alarms_follow_their_children(cloudwatch: Any, topic: Any, unique: Unique) -> None:
    arn, receive = topic
    latency, errors, both = unique("latency"), unique("errors"), unique("both")
    for name in (latency, errors):
        cloudwatch.put_metric_alarm(**static(name, unique("N"), TreatMissingData="ignore"))
    rule = f'ALARM("{latency}") OR ALARM({errors})'
    cloudwatch.put_composite_alarm(AlarmName=both, AlarmRule=rule, AlarmActions=[arn])
    assert state(cloudwatch, both) == "OK"
    cloudwatch.set_alarm_state(AlarmName=errors, StateValue="ALARM", StateReason="drill")
    message = json.loads(receive()["Message"])
    child = cloudwatch.describe_alarms(AlarmNames=[errors])["MetricAlarms"][0]["AlarmArn"]
    assert "Trigger" not in message
    assert message["AlarmRule"] == rule
    assert message["NewStateReason"].startswith(f"{child} transitioned to ALARM at ")
    assert [(item["Arn"], item["State"]["Value"]) for item in message["TriggeringChildren"]] == [(child, "ALARM")]
    cloudwatch.set_alarm_state(AlarmName=errors, StateValue="OK", StateReason="over")
    assert state(cloudwatch, both) == "OK"


def test_state_changes_reach_eventbridge(cloudwatch: Any, boto: Callable[..., Any], unique: Unique) -> None:
    events, sqs = boto("events"), boto("sqs")
    name, rule, queue = unique("alarm"), unique("rule"), unique("queue")
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
             "Resource": queue_arn}  # fmt: skip
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [allow]})})
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [name], "state": {"value": ["ALARM"]}}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "q", "Arn": queue_arn}])
    cloudwatch.put_metric_alarm(**static(name, unique("N"), TreatMissingData="ignore"))
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="drill")
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["resources"][0].endswith(f":alarm:{name}")
    assert event["detail"]["state"]["reason"] == "drill"
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    metric = event["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]
    assert (metric["name"], metric["dimensions"]) == ("m", {"EndpointName": "e"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm (2) must not be greater than EvaluationPeriods (1)"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of Statistic and ExtendedStatistic"),
        ({"Period": 45}, "must be 10, 20, 30 or a multiple of 60"),
        ({"TreatMissingData": "whatever"}, "Option whatever is not supported"),
        ({"ThresholdMetricId": "ad1"}, "anomaly detection"),
        ({"Metrics": [{"Id": "e1", "Expression": "1"}]}, "mutually exclusive"),
    ],
)
def test_bad_alarms_are_refused(
    cloudwatch: Any, unique: Unique, refused: Callable[..., Any], change: dict[str, Any], message: str
) -> None:
    with refused("ValidationError", message):
        cloudwatch.put_metric_alarm(**static(unique("alarm"), "N", **change))


def test_bad_composites_and_deletions_are_refused(cloudwatch: Any, unique: Unique, refused: Callable[..., Any]) -> None:
    name, kept = unique("alarm"), unique("kept")
    with refused("ValidationError", "alarms [nothing] in the alarm rule do not exist"):
        cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule="ALARM(nothing)")
    with refused("ValidationError", "Error in AlarmRule"):
        cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule="ALARM(a) XOR OK(b)")
    cloudwatch.put_metric_alarm(**static(kept, "N"))
    with refused("ResourceNotFound", "no alarm was deleted"):
        cloudwatch.delete_alarms(AlarmNames=[kept, name])
    assert state(cloudwatch, kept) == "INSUFFICIENT_DATA"
    cloudwatch.delete_alarms(AlarmNames=[kept])
    assert cloudwatch.describe_alarms(AlarmNames=[kept])["MetricAlarms"] == []


def test_tags(cloudwatch: Any, unique: Unique) -> None:
    name = unique("alarm")
    cloudwatch.put_metric_alarm(**static(name, "N", Tags=[{"Key": "project", "Value": "understudy"}]))
    arn = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "service", "Value": "s"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["project"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "service", "Value": "s"}]
