"""The aws command against the sandbox, unchanged: the registry, an endpoint, files and identity."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
# What bin/aws does, again and again: loading the command and its service models takes a second, running it none.
COMMANDS = """
import contextlib, io, json, sys
from awscli.clidriver import create_clidriver
driver = create_clidriver()
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = driver.main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def environment(sandbox: Any) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(sandbox.directory), **sandbox.environment}


@pytest.fixture(scope="module")
def aws(environment: dict[str, str]) -> Iterator[Run]:
    """`aws("sagemaker", "list-models")`: the parsed answer; with `fails=True`, what it says on stderr."""
    command, pipe = [sys.executable, "-c", COMMANDS], subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        commands, answers = process.stdin, process.stdout

        def run(*arguments: str, fails: bool = False) -> Any:
            print(json.dumps(arguments), file=commands, flush=True)
            code, out, err = json.loads(answers.readline())
            assert (code != 0) == fails, err + out
            if fails:
                return err
            return json.loads(out) if out.startswith(("{", "[", '"')) else out

        yield run
        commands.close()


def test_the_registry(aws: Run, lab: Any) -> None:
    name = ("--model-package-group-name", "cli-plays")
    arn = aws("sagemaker", "create-model-package-group", *name)["ModelPackageGroupArn"]
    assert aws("sagemaker", "describe-model-package-group", *name)["ModelPackageGroupArn"] == arn
    groups = aws("sagemaker", "list-model-package-groups", "--name-contains", "cli-plays")
    assert [one["ModelPackageGroupArn"] for one in groups["ModelPackageGroupSummaryList"]] == [arn]
    version = lab.version("cli-plays")
    aws("sagemaker", "update-model-package", "--model-package-arn", version, "--model-approval-status", "Approved")
    query = ("--query", "ModelPackageSummaryList[].[ModelPackageArn,ModelApprovalStatus]", "--output", "text")
    assert aws("sagemaker", "list-model-packages", *name, *query).split() == [version, "Approved"]
    assert "(ConflictException) when calling the DeleteModelPackageGroup operation" in aws(
        "sagemaker", "delete-model-package-group", *name, fails=True
    )
    aws("sagemaker", "delete-model-package", "--model-package-name", version)
    aws("sagemaker", "delete-model-package-group", *name)
    assert f"ModelPackageGroup {arn} does not exist." in aws(
        "sagemaker", "describe-model-package-group", *name, fails=True
    )


def test_an_endpoint(aws: Run, lab: Any, tmp_path: Path) -> None:
    name, answer = ("--endpoint-name", "cli-plays"), tmp_path / "answer"
    config = lab.config(lab.model())
    aws("sagemaker", "create-endpoint", *name, "--endpoint-config-name", config)
    lab.settled("cli-plays")  # the command waits 30 s between two looks
    aws("sagemaker", "wait", "endpoint-in-service", *name)
    body = ("--content-type", "text/csv", "--body", "1,2", str(answer))
    assert aws("sagemaker-runtime", "invoke-endpoint", *name, *body)["InvokedProductionVariant"] == "Main"
    assert answer.read_text() == "v1:1,2"
    aws("sagemaker", "delete-endpoint", *name)


def test_files(aws: Run, lab: Any, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(bytes(range(256)) * 1000)
    aws("s3", "cp", str(there), f"s3://{lab.bucket}/cli/there", "--only-show-errors")
    aws("s3", "cp", f"s3://{lab.bucket}/cli/there", str(back), "--only-show-errors")
    assert back.read_bytes() == there.read_bytes()


def test_the_command_itself_finds_the_sandbox_and_says_who_calls(environment: dict[str, str]) -> None:
    command = [sys.executable, str(Path(sys.executable).with_name("aws")), "sts", "get-caller-identity"]
    answer = json.loads(subprocess.check_output(command, env=environment, timeout=40))
    assert answer["Account"] == "123456789012"
    assert answer["Arn"] == "arn:aws:sts::123456789012:assumed-role/understudy-scientist/scientist"
