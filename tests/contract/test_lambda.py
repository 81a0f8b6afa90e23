"""Lambda functions that really run, by boto3."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

Unique = Callable[[str], str]
Make = Callable[..., str]
SPIES = """
import json, os, sys, time, logging
def environment(event, context):
    import boto3
    identity = boto3.client("sts").get_caller_identity()["Arn"]
    return {"identity": identity, "variables": dict(os.environ), "name": context.function_name,
            "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis(),
            "id": context.aws_request_id, "version": context.function_version, "memory": context.memory_limit_in_mb,
            "boto3": boto3.__file__}
def imports(event, context):
    import importlib
    result = {}
    for name in event["modules"]:
        try:
            result[name] = importlib.import_module(name).__name__
        except ImportError as error:
            result[name] = f"ImportError: {error}"
    return result
def layered(event, context):
    import helper
    return helper.VALUE
def slow(event, context):
    print("starting to wait")
    time.sleep(event["seconds"])
    return "awake"
def broken(event, context):
    raise ValueError("no good")
def crash(event, context):
    os._exit(3)
def unserialisable(event, context):
    return object()
count = 0
def counting(event, context):
    global count
    count += 1
    return [count, os.getpid()]
def talking(event, context):
    print("hello from print")
    logging.getLogger().warning("hello from logging")
    print(json.dumps({"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [
        {"Namespace": event["namespace"], "Dimensions": [["Service"]], "Metrics": [{"Name": "Pairs", "Unit": "Count"}]}
    ]}, "Service": "s", "Pairs": [1, 2]}))
def reporting(event, context):
    import boto3
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
    if os.environ.get("FAIL"):
        raise RuntimeError("as told")
"""


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        for name, text in files.items():
            content.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def client(boto: Callable[..., Any]) -> Any:
    return boto("lambda")


@pytest.fixture(scope="module")
def role(boto: Callable[..., Any]) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    name = f"function-role-{time.time_ns()}"
    answer = boto("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return str(answer["Role"]["Arn"])


@pytest.fixture
def make(client: Any, role: str, unique: Unique) -> Make:
    def create(handler: str, code: str = SPIES, **more: Any) -> str:
        name = unique("function")
        arguments = {"Role": role, "Runtime": "python3.11", "Handler": f"spies.{handler}", **more}
        client.create_function(FunctionName=name, Code={"ZipFile": archive({"spies.py": code})}, **arguments)
        return name

    return create


def call(client: Any, name: str, event: Any = None, **more: Any) -> Any:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **more)
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read())


def fail(client: Any, name: str, event: Any = None) -> dict[str, Any]:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error: dict[str, Any] = json.loads(answer["Payload"].read())
    return error


def log_lines(boto: Callable[..., Any], name: str) -> list[str]:
    events = boto("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    return [event["message"] for event in events]


def test_the_function_is_its_role_and_knows_its_context(client: Any, make: Make, role: str) -> None:
    name = make("environment", Timeout=30, MemorySize=256, Environment={"Variables": {"SERVICE": "s"}})
    seen = call(client, name)
    role_name = role.rsplit("/", 1)[1]
    assert seen["identity"] == f"arn:aws:sts::123456789012:assumed-role/{role_name}/{name}"
    assert (seen["name"], seen["version"], seen["memory"]) == (name, "$LATEST", "256")
    assert seen["arn"] == f"arn:aws:lambda:us-west-2:123456789012:function:{name}"
    assert 25_000 < seen["left"] <= 30_000
    expected = {"SERVICE": "s", "AWS_REGION": "us-west-2", "AWS_LAMBDA_FUNCTION_NAME": name, "TZ": ":UTC"}
    assert {key: seen["variables"][key] for key in expected} == expected
    assert "AWS_PROFILE" not in seen["variables"]


def test_only_the_standard_library_the_sdk_and_its_own_code_can_be_imported(client: Any, make: Make) -> None:
    name = make("imports", Timeout=20)
    modules = ["json", "boto3", "botocore", "sandbox", "functions", "pulumi", "pydantic", "moto", "yaml", "numpy"]
    seen = call(client, name, {"modules": modules})
    found = [module for module in modules if not seen[module].startswith("ImportError")]
    assert found == ["json", "boto3", "botocore"]


def test_layers_come_after_the_code(client: Any, make: Make, unique: Unique) -> None:
    layer = client.publish_layer_version(
        LayerName=unique("layer"), Content={"ZipFile": archive({"python/helper.py": "VALUE = 'from the layer'"})}
    )["LayerVersionArn"]
    name = make("layered", Layers=[layer])
    assert call(client, name) == "from the layer"


def test_warm_workers_are_reused_until_code_or_configuration_changes(client: Any, make: Make) -> None:
    name = make("counting")
    (first, process), (second, same) = call(client, name), call(client, name)
    assert (first, second, same) == (1, 2, process)
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"A": "1"}})
    assert call(client, name)[0] == 1
    changed = SPIES.replace("count += 1", "count += 10")
    client.update_function_code(FunctionName=name, ZipFile=archive({"spies.py": changed}))
    assert call(client, name)[0] == 10


def test_a_timeout_kills_the_invocation(boto: Callable[..., Any], client: Any, make: Make) -> None:
    name = make("slow", Timeout=1)
    started = time.monotonic()
    error = fail(client, name, {"seconds": 30})
    assert time.monotonic() - started < 5
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Task timed out after 1.00 seconds")
    lines = log_lines(boto, name)
    assert "starting to wait" in lines
    assert call(client, name, {"seconds": 0}) == "awake"


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("broken", "ValueError", "no good"),
        ("nothing", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'spies'"),
        ("unserialisable", "Runtime.MarshalError", "Unable to marshal response"),
        ("crash", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    ],
)
def test_errors_are_told_as_lambda_does(client: Any, make: Make, handler: str, kind: str, message: str) -> None:
    error = fail(client, make(handler))
    assert error["errorType"] == kind
    assert message in error["errorMessage"]


def test_code_that_does_not_import(client: Any, make: Make) -> None:
    error = fail(client, make("handler", code="import nowhere"))
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'spies': No module named 'nowhere'"


def test_output_goes_to_the_log_and_embedded_metrics_to_cloudwatch(
    boto: Callable[..., Any], client: Any, make: Make, unique: Unique
) -> None:
    name, namespace = make("talking"), unique("N")
    assert call(client, name, {"namespace": namespace}) is None
    lines = log_lines(boto, name)
    assert lines[0].startswith("START RequestId: ")
    assert "hello from print" in lines
    assert any(line.startswith("[WARNING]\t") and line.endswith("\thello from logging") for line in lines)
    assert lines[-2].startswith("END RequestId: ")
    assert "\tMemory Size: 128 MB\tInit Duration: " in lines[-1]
    cloudwatch = boto("cloudwatch")

    def total(space: str, metric: str, dimension: str, value: str) -> float:
        now = time.time()
        answer = cloudwatch.get_metric_statistics(
            Namespace=space,
            MetricName=metric,
            Dimensions=[{"Name": dimension, "Value": value}],
            StartTime=now - 300,
            EndTime=now + 60,
            Period=3600,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in answer["Datapoints"]))

    assert total(namespace, "Pairs", "Service", "s") == 3.0
    assert total("AWS/Lambda", "Invocations", "FunctionName", name) == 1.0
    assert total("AWS/Lambda", "Errors", "FunctionName", name) == 0.0


def test_the_log_is_json_and_elsewhere_if_the_function_says_so(
    boto: Callable[..., Any], client: Any, make: Make, unique: Unique
) -> None:
    group = unique("/group")
    logging = {"LogFormat": "JSON", "LogGroup": group}
    name = make("talking", LoggingConfig=logging)
    assert client.get_function_configuration(FunctionName=name)["LoggingConfig"] == logging
    call(client, name, {"namespace": "N"})
    types: list[str] = []
    deadline = time.monotonic() + 15
    while (
        "platform.report" not in types and time.monotonic() < deadline
    ):  # it is written once the caller has its answer
        lines = [event["message"] for event in boto("logs").filter_log_events(logGroupName=group)["events"]]
        documents = [json.loads(line) for line in lines if line.startswith("{")]
        types = [document["type"] for document in documents if "type" in document]
    assert types == ["platform.start", "platform.report"]
    (warning,) = (document for document in documents if document.get("level") == "WARNING")
    assert (warning["message"], warning["logger"]) == ("hello from logging", "root")


def test_asynchronous_invocations_are_retried_twice_then_handed_to_the_destinations(
    boto: Callable[..., Any], client: Any, make: Make, unique: Unique
) -> None:
    sqs = boto("sqs")
    seen = sqs.create_queue(QueueName=unique("seen"))["QueueUrl"]
    failed = sqs.create_queue(QueueName=unique("failed"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=failed, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = make(
        "reporting", Environment={"Variables": {"SEEN": seen, "FAIL": "1"}}, DeadLetterConfig={"TargetArn": arn}
    )
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})
    answer = client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"a": 1}')
    assert answer["StatusCode"] == 202
    bodies: list[dict[str, Any]] = []
    deadline = time.monotonic() + 15
    while len(bodies) < 2 and time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=failed, WaitTimeSeconds=2, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=failed, ReceiptHandle=message["ReceiptHandle"])
    record = next(body for body in bodies if "requestContext" in body)
    assert {"a": 1} in bodies
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responsePayload"]["errorMessage"] == "as told"
    attributes = sqs.get_queue_attributes(QueueUrl=seen, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "3"


def test_topics_and_rules_invoke_a_function_that_permits_them(
    boto: Callable[..., Any], client: Any, make: Make, unique: Unique
) -> None:
    sqs, sns, events = boto("sqs"), boto("sns"), boto("events")
    seen = sqs.create_queue(QueueName=unique("seen"))["QueueUrl"]
    name = make("reporting", Environment={"Variables": {"SEEN": seen}})
    arn = client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)["SubscriptionArn"]
    source = unique("app")
    rule = events.put_rule(Name=unique("rule"), EventPattern=json.dumps({"source": [source]}))["RuleArn"]
    events.put_targets(Rule=rule.rsplit("/", 1)[1], Targets=[{"Id": "f", "Arn": arn}])

    def receive(seconds: int) -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=seen, WaitTimeSeconds=seconds).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    sns.publish(TopicArn=topic, Message="not permitted")
    assert receive(1) == []
    for index, (principal, source_arn) in enumerate((("sns.amazonaws.com", topic), ("events.amazonaws.com", rule))):
        client.add_permission(
            FunctionName=name,
            StatementId=f"s{index}",
            Action="lambda:InvokeFunction",
            Principal=principal,
            SourceArn=source_arn,
        )
    sns.publish(TopicArn=topic, Message='{"AlarmName": "a"}', Subject="ALARM")
    (event,) = receive(10)
    (record,) = event["Records"]
    assert (record["EventSource"], record["EventSubscriptionArn"]) == ("aws:sns", subscription)
    assert (record["Sns"]["TopicArn"], record["Sns"]["Subject"]) == (topic, "ALARM")
    assert record["Sns"]["Message"] == '{"AlarmName": "a"}'
    events.put_events(Entries=[{"Source": source, "DetailType": "T", "Detail": "{}"}])
    (event,) = receive(10)
    assert (event["source"], event["detail-type"]) == (source, "T")


def test_reserved_concurrency_throttles(client: Any, make: Make, refused: Callable[..., Any]) -> None:
    name = make("counting")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with refused("TooManyRequestsException", "Rate Exceeded"):
        client.invoke(FunctionName=name)


def test_refusals(
    boto: Callable[..., Any], client: Any, make: Make, unique: Unique, refused: Callable[..., Any]
) -> None:
    with refused("ResourceNotFoundException", "Function not found: arn:aws:lambda:us-west-2:123456789012:function:no"):
        client.invoke(FunctionName="no")
    with refused("InvalidRequestContentException", "Could not parse request body into json"):
        client.invoke(FunctionName=make("counting"), Payload=b"{")
    name = unique("role")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    other = boto("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    with refused("InvalidParameterValueException", "cannot be assumed by Lambda"):
        make("counting", Role=other["Role"]["Arn"])
    name = make("counting")
    client.delete_function(FunctionName=name)
    with refused("ResourceNotFoundException", "Function not found"):
        client.invoke(FunctionName=name)
