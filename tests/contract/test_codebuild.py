"""CodeBuild builds that really run their buildspec, by boto3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cloud.compute.buildspec import BuildspecError, parse

Unique = Callable[[str], str]
Make = Callable[..., str]


@pytest.fixture
def codebuild(boto: Callable[..., Any]) -> Any:
    return boto("codebuild")


@pytest.fixture(scope="module")
def role(boto: Callable[..., Any]) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    answer = boto("iam").create_role(RoleName=f"build-role-{time.time_ns()}", AssumeRolePolicyDocument=document)
    return str(answer["Role"]["Arn"])


def project(name: str, role: str, spec: Any, **more: Any) -> dict[str, Any]:
    text = spec if isinstance(spec, str) else yaml.safe_dump({"version": 0.2, **spec})
    return {
        "name": name,
        "source": {"type": "NO_SOURCE", "buildspec": text},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": more.pop("variables", []),
        },
        "serviceRole": role,
        **more,
    }


@pytest.fixture
def make(codebuild: Any, role: str, unique: Unique) -> Make:
    def create(spec: Any, **more: Any) -> str:
        name = unique("project")
        codebuild.create_project(**project(name, role, spec, **more))
        return name

    return create


def finished(codebuild: Any, build_id: str, seconds: float = 25) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        build: dict[str, Any] = codebuild.batch_get_builds(ids=[build_id])["builds"][0]
        if build["buildComplete"]:
            return build
        assert time.monotonic() < deadline, build
        time.sleep(0.05)


def run(codebuild: Any, name: str, **overrides: Any) -> dict[str, Any]:
    return finished(codebuild, codebuild.start_build(projectName=name, **overrides)["build"]["id"])


def log_lines(boto: Callable[..., Any], build: dict[str, Any]) -> list[str]:
    where = build["logs"]
    events = boto("logs").get_log_events(
        logGroupName=where["groupName"], logStreamName=where["streamName"], startFromHead=True
    )["events"]
    return [event["message"] for event in events]


def phases(build: dict[str, Any]) -> dict[str, str]:
    return {phase["phaseType"]: phase.get("phaseStatus", "") for phase in build["phases"]}


def test_a_build_runs_its_commands_in_one_shell_as_its_role(
    boto: Callable[..., Any], codebuild: Any, make: Make, role: str, unique: Unique
) -> None:
    parameter = f"/{unique('parameter')}"
    boto("ssm").put_parameter(Name=parameter, Value="from-ssm", Type="SecureString")
    name = make(
        {
            "env": {"variables": {"A": "buildspec", "B": "buildspec"}, "parameter-store": {"SECRET": parameter}},
            "phases": {
                "install": {"commands": ["export KEPT=kept", "local_variable=here", "mkdir sub && cd sub"]},
                "build": {
                    "commands": [
                        'echo "$A $B $C $SECRET $KEPT $local_variable $(basename "$PWD")"',
                        'test "$PWD" = "$CODEBUILD_SRC_DIR/sub" && test -d "$HOME" && test "$HOME" != ~root',
                        'python -c \'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])\'',
                        'for word in one two; do\n  echo "line $word" >&2\ndone',
                        'echo "$CODEBUILD_BUILD_ID $CODEBUILD_BUILD_NUMBER $CODEBUILD_BUILD_SUCCEEDING"',
                    ]
                },
            },
        },
        variables=[{"name": "B", "value": "project"}, {"name": "C", "value": "project"}],
    )
    override = {"name": "C", "value": "started", "type": "PLAINTEXT"}
    build = run(codebuild, name, environmentVariablesOverride=[override])
    lines = log_lines(boto, build)
    assert build["buildStatus"] == "SUCCEEDED", lines
    assert "buildspec project started from-ssm kept here sub" in lines
    assert "line one" in lines
    role_name = role.rsplit("/", 1)[1]
    assert any(f":assumed-role/{role_name}/AWSCodeBuild-" in line for line in lines)
    assert f"{build['id']} 1 1" in lines
    assert build["currentPhase"] == "COMPLETED"
    assert list(phases(build)) == [
        "SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD",
        "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED",
    ]  # fmt: skip
    assert codebuild.list_builds_for_project(projectName=name)["ids"] == [build["id"]]


def test_a_failing_command_fails_the_build_after_finally_and_post_build(
    boto: Callable[..., Any], codebuild: Any, make: Make
) -> None:
    name = make(
        {
            "phases": {
                "build": {"commands": ["echo before", "exit 3", "echo never"], "finally": ["echo cleaning"]},
                "post_build": {"commands": ['echo "succeeding: $CODEBUILD_BUILD_SUCCEEDING"']},
            }
        }
    )
    build = run(codebuild, name)
    lines = log_lines(boto, build)
    assert build["buildStatus"] == "FAILED"
    assert phases(build)["BUILD"] == "FAILED"
    assert phases(build)["POST_BUILD"] == "SUCCEEDED"
    (context,) = next(phase for phase in build["phases"] if phase["phaseType"] == "BUILD")["contexts"]
    assert context == {
        "statusCode": "COMMAND_EXECUTION_ERROR",
        "message": "Error while executing command: exit 3. Reason: exit status 3",
    }
    assert "before" in lines
    assert "cleaning" in lines
    assert "succeeding: 0" in lines
    assert "never" not in lines


def test_a_failed_pre_build_keeps_the_build_from_running(boto: Callable[..., Any], codebuild: Any, make: Make) -> None:
    spec = {"phases": {"pre_build": {"commands": ["false"]}, "build": {"commands": ["echo built"]},
                       "post_build": {"commands": ["echo after"]}}}  # fmt: skip
    build = run(codebuild, make(spec))
    assert build["buildStatus"] == "FAILED"
    assert "BUILD" not in phases(build)
    assert not {"built", "after"} & set(log_lines(boto, build))


def test_stopping_ends_the_processes(codebuild: Any, make: Make, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    name = make(
        {"phases": {"build": {"commands": [f"sleep 300 & echo $! > {pid_file}; wait"]}}}, concurrentBuildLimit=1
    )
    build_id = codebuild.start_build(projectName=name)["build"]["id"]
    deadline = time.monotonic() + 15
    while not pid_file.exists() or not pid_file.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    codebuild.stop_build(id=build_id)
    build = finished(codebuild, build_id)
    assert build["buildStatus"] == "STOPPED"
    assert phases(build)["BUILD"] == "STOPPED"
    process = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    assert not process.exists() or ") Z " in process.read_text()


def test_the_limit_of_concurrent_builds(codebuild: Any, make: Make, refused: Callable[..., Any]) -> None:
    name = make({"phases": {"build": {"commands": ["sleep 30"]}}}, concurrentBuildLimit=1)
    first = codebuild.start_build(projectName=name)["build"]["id"]
    with refused("AccountLimitExceededException", "Cannot have more than 1 builds"):
        codebuild.start_build(projectName=name)
    codebuild.stop_build(id=first)
    finished(codebuild, first)


def test_a_bad_buildspec_fails_in_its_phase(codebuild: Any, make: Make) -> None:
    build = run(codebuild, make("version: 0.2\nphases:\n  deploy: {commands: [x]}"))
    assert build["buildStatus"] == "FAILED"
    phase = next(phase for phase in build["phases"] if phase["phaseType"] == "DOWNLOAD_SOURCE")
    assert phase["contexts"] == [
        {"statusCode": "YAML_FILE_ERROR", "message": "YAML_FILE_ERROR: unknown keys in phases: deploy"}
    ]


def test_projects_are_updated_and_deleted(codebuild: Any, make: Make, refused: Callable[..., Any]) -> None:
    name = make({"phases": {"build": {"commands": ["true"]}}}, tags=[{"key": "a", "value": "b"}])
    codebuild.update_project(name=name, description="changed", timeoutInMinutes=30)
    (found,) = codebuild.batch_get_projects(names=[name])["projects"]
    assert (found["description"], found["timeoutInMinutes"], found["tags"]) == (
        "changed", 30, [{"key": "a", "value": "b"}],
    )  # fmt: skip
    codebuild.delete_project(name=name)
    codebuild.delete_project(name=name)
    assert codebuild.batch_get_projects(names=[name])["projectsNotFound"] == [name]
    with refused("ResourceNotFoundException", f"Project cannot be found: {found['arn']}"):
        codebuild.start_build(projectName=name)


def test_refusals(
    boto: Callable[..., Any], codebuild: Any, role: str, unique: Unique, refused: Callable[..., Any]
) -> None:
    spec = {"phases": {"build": {"commands": ["true"]}}}
    github = project(unique("p"), role, spec) | {"source": {"type": "GITHUB", "location": "https://x"}}
    with refused("InvalidInputException", "NO_SOURCE projects only"):
        codebuild.create_project(**github)
    with refused("InvalidInputException", "not authorized to perform: sts:AssumeRole"):
        codebuild.create_project(**project(unique("p"), "arn:aws:iam::123456789012:role/nobody", spec))
    name = unique("p")
    codebuild.create_project(**project(name, role, spec))
    with refused("ResourceAlreadyExistsException", f"project/{name}"):
        codebuild.create_project(**project(name, role, spec))
    with refused("ResourceNotFoundException", "does not exist"):
        codebuild.stop_build(id="nothing:0")


def test_rules_start_builds_and_hear_of_them(
    boto: Callable[..., Any], codebuild: Any, make: Make, unique: Unique
) -> None:
    events, sqs, source = boto("events"), boto("sqs"), unique("app")
    name = make({"phases": {"build": {"commands": ['test "$WHO" = rule']}}})
    url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
             "Resource": queue_arn}  # fmt: skip
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [allow]})})
    arn = codebuild.batch_get_projects(names=[name])["projects"][0]["arn"]
    start, heard = unique("start"), unique("heard")
    events.put_rule(Name=start, EventPattern=json.dumps({"source": [source]}))
    text = json.dumps({"environmentVariablesOverride": [{"name": "WHO", "value": "rule"}]})
    role_arn = "arn:aws:iam::123456789012:role/start"
    events.put_targets(Rule=start, Targets=[{"Id": "b", "Arn": arn, "RoleArn": role_arn, "Input": text}])
    pattern = {"source": ["aws.codebuild"], "detail": {"project-name": [name], "build-status": ["SUCCEEDED", "FAILED"]}}
    events.put_rule(Name=heard, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=heard, Targets=[{"Id": "q", "Arn": queue_arn}])
    events.put_events(Entries=[{"Source": source, "DetailType": "T", "Detail": "{}"}])
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=15)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail-type"] == "CodeBuild Build State Change"
    assert (event["detail"]["build-status"], event["detail"]["project-name"]) == ("SUCCEEDED", name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 0.1", "version must be 0.2"),
        ("version: 0.2\nenv: {secrets-manager: {A: b}}", "unknown keys in env: secrets-manager"),
        ("version: 0.2\nphases: {build: {commands: [{echo: a}]}}", "must be a list of strings"),
        ("version: 0.2\nreports: {}", "does not have 'reports'"),
        ("- a", "is no mapping"),
        ("a: [", "YAML_FILE_ERROR"),
    ],
)
def test_buildspecs_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(BuildspecError, match="YAML_FILE_ERROR") as caught:
        parse(text)
    assert message in str(caught.value)
