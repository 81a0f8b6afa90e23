"""Stopping the cloud ends what functions and builds have started."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import boto3

from sandbox.cloud.server import CloudServer

CODE = """
import os, subprocess
def handler(event, context):
    child = subprocess.Popen(["/bin/sleep", "300"])
    with open(event["file"], "w") as stream:
        stream.write(f"{os.getpid()} {child.pid}")
    child.wait()
"""
SPEC = "version: 0.2\nphases: {{build: {{commands: ['sleep 300 & echo \"$$ $!\" > {file}; wait']}}}}"


def ended(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or ") Z " in state.read_text()


def test_stop_is_quick_and_leaves_no_process(tmp_path: Path) -> None:
    server = CloudServer(tmp_path / "cloud", speed=600)
    server.start()
    try:
        options = {"endpoint_url": server.cloud.base_url, "region_name": "us-west-2",
                   "aws_access_key_id": "a", "aws_secret_access_key": "b"}  # fmt: skip
        clients: dict[str, Any] = {name: boto3.client(name, **options) for name in ("iam", "lambda", "codebuild")}
        files = [tmp_path / "function", tmp_path / "build"]
        roles = [role_for(clients["iam"], service) for service in ("lambda", "codebuild")]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as content:
            content.writestr("main.py", CODE)
        clients["lambda"].create_function(
            FunctionName="f", Role=roles[0], Handler="main.handler", Runtime="python3.11", Timeout=600,
            Code={"ZipFile": archive.getvalue()},
        )  # fmt: skip
        payload = json.dumps({"file": str(files[0])}).encode()
        clients["lambda"].invoke(FunctionName="f", InvocationType="Event", Payload=payload)
        clients["codebuild"].create_project(
            name="stopped",
            source={"type": "NO_SOURCE", "buildspec": SPEC.format(file=files[1])},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
            serviceRole=roles[1],
        )
        clients["codebuild"].start_build(projectName="stopped")
        deadline = time.monotonic() + 20
        while not all(file.exists() and file.read_text().strip() for file in files):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        started = time.monotonic()
        server.stop()
    assert time.monotonic() - started < 10
    processes = [int(number) for file in files for number in file.read_text().split()]
    assert len(processes) == 4
    assert [process for process in processes if not ended(process)] == []
    names = ("alarm", "delivery", "invoke", "build-", "poll-", "function-")
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(names)] == []


def role_for(iam: Any, service: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return str(iam.create_role(RoleName=f"stop-{service}", AssumeRolePolicyDocument=document)["Role"]["Arn"])
