"""`python -m sandbox serve`: how it starts, what it says, and that nothing outlives it."""

from __future__ import annotations

import configparser
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=40, check=False)


def test_help_teaches() -> None:
    answer = run("serve", "--help")
    assert answer.returncode == 0
    for taught in ("source sandbox.env", "AWS_PROFILE=approver", "assume-role", "--speed", "Exit codes"):
        assert taught in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required: command"),
        (("serve", "--speed", "0.5"), "0.5 would slow AWS down: at least 1"),
        (("serve", "--port", "70000"), "70000 is no port"),
        (("serve", "--instances-per-variant", "0"), "0 processes serve nobody"),
        (("serve", "--account", "prod"), "'prod' is not NAME=NUMBER, such as prod=222222222222"),
        (("serve", "--account", "prod=123456789012"), "is there already: choose another name and number"),
        (("serve", "--account", "prod=222222222222"), "--account needs --environment-file"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2
    assert message in answer.stderr


def test_a_taken_port_is_exit_code_2_and_says_what_to_do(sandbox: Any) -> None:
    port = sandbox.url.rsplit(":", 1)[1]
    answer = run("serve", "--no-provider", "--port", port)
    assert answer.returncode == 2
    assert f"Port {port} of 127.0.0.1 cannot be used" in answer.stderr
    assert "leave out --port" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_unusable_directory_is_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    answer = run("serve", "--no-provider", "--directory", str(tmp_path / "file" / "below"))
    assert answer.returncode == 2
    assert f"The directory {tmp_path}/file/below cannot be used" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_environment_is_complete_and_the_profiles_are_sessions_of_the_roles(sandbox: Any, boto: Any) -> None:
    assert set(sandbox.environment) == {
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_PROFILE",
    }
    assert sandbox.environment["AWS_PROFILE"] == "scientist"
    assert Path(sandbox.environment["AWS_SHARED_CREDENTIALS_FILE"]).stat().st_mode & 0o077 == 0
    for persona in ("scientist", "approver", "ci"):
        identity = boto("sts", profile=persona).get_caller_identity()
        assert identity["Arn"] == f"arn:aws:sts::123456789012:assumed-role/understudy-{persona}/{persona}"
        assert boto("iam").get_role(RoleName=f"understudy-{persona}")["Role"]["RoleName"] == f"understudy-{persona}"


def test_a_further_account_has_a_profile_and_a_file_of_its_own(start: Any, tmp_path: Path) -> None:
    running, _ = start(tmp_path, {}, "--account", "prod=222222222222")
    lines = (tmp_path / "sandbox.env.prod").read_text().splitlines()
    own = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    assert own == {**running.environment, "AWS_PROFILE": "prod"}
    profiles = configparser.RawConfigParser()
    profiles.read(own["AWS_SHARED_CREDENTIALS_FILE"])

    def client(service: str, profile: str) -> Any:
        return boto3.client(service, endpoint_url=running.url, region_name="us-west-2", **profiles[profile])

    identity = client("sts", "prod").get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::222222222222:assumed-role/understudy-ci/ci"
    assert client("iam", "prod").get_role(RoleName="understudy-ci")["Role"]["Arn"].split(":")[4] == "222222222222"
    assert client("sts", "scientist").get_caller_identity()["Account"] == "123456789012"


# What a shell holds that has sourced the file of a sandbox that is gone; it must not reach the next one.
STALE = {"AWS_PROFILE": "scientist", "AWS_CONFIG_FILE": "/nowhere", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


def descendants(root: int) -> list[int]:
    """A process and all that it and its children started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


# A parent that starts what it is given, says its id and waits to be killed.
PARENT = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"


@contextmanager
def child_of_a_parent(*command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *command],
        cwd=ROOT,
        env={**os.environ, **STALE},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        yield parent, int(parent.stdout.readline())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_its_parent_or_an_interrupt(tmp_path: Path, number: int) -> None:
    """SIGKILL goes to the parent, which cannot pass it on; SIGINT to the sandbox."""
    file = tmp_path / "environment"
    serve = (sys.executable, "-m", "sandbox", "serve", "--environment-file", str(file))
    with child_of_a_parent(*serve) as (parent, child):
        deadline = time.monotonic() + 40
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        processes = descendants(child)
        commands = [Path(f"/proc/{process}/cmdline").read_bytes() for process in processes]
        assert [
            part for part in (b"sandbox.aws_provider", b"watchdog.py") if not any(part in c for c in commands)
        ] == []
        os.kill(parent.pid if number == signal.SIGKILL else child, number)
    _gone(processes)


def test_a_parent_that_died_while_it_started_ends_it() -> None:
    code = "import sys; from sandbox.serve import main; sys.exit(main(['serve', '--no-provider'], parent=-1))"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=40, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")


CHILDREN = """
import sys, time
from sandbox.cloud.children import Children
children = Children()
child = children.spawn(["/bin/sh", "-c", "sleep 300 & wait"], env={})
print(child.pid, flush=True)
time.sleep(300)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_children_end_when_the_sandbox_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILDREN], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        deadline = time.monotonic() + 10
        while len(processes := descendants(child)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        owner.kill()
    _gone(processes)


def _gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 10
    for process in processes:
        while _alive(process):
            assert time.monotonic() < deadline, f"process {process} is still there"
            time.sleep(0.05)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that ended and waits for its parent's attention is gone, too.
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


STOP_UNDER_LOAD = """
import io, json, sys, threading, time, zipfile
from pathlib import Path
sys.path.insert(0, "tests/contract")
from botocore.exceptions import BotoCoreError, ClientError
from conftest import Lab, Sandbox, clients_of
from moto.s3.models import s3_backends
from sandbox.cloud import identity
from sandbox.cloud.server import CloudServer

CODE = "import time, pathlib\\ndef handler(event, context):\\n    pathlib.Path(MARK).touch()\\n    time.sleep(60)"

directory = Path(sys.argv[1])
server = CloudServer(directory, speed=60)
profiles = identity.write_profiles(directory, "us-west-2", {})
server.start()
boto = clients_of(Sandbox(None, {
    "AWS_ENDPOINT_URL": server.cloud.base_url,
    "AWS_CONFIG_FILE": str(profiles.config_file),
    "AWS_SHARED_CREDENTIALS_FILE": str(profiles.credentials_file),
}, directory))
lab = Lab(boto)

# A function that is at work on a message, and capture files that reach the same queue.
trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
grant = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
grants = {"Version": "2012-10-17", "Statement": [grant]}
role = boto("iam").create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
boto("iam").put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=json.dumps(grants))
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as content:
    content.writestr("main.py", f"MARK = {str(directory / 'working')!r}\\n{CODE}")
boto("lambda").create_function(
    FunctionName="worker", Role=role["Role"]["Arn"], Runtime="python3.11", Handler="main.handler", Timeout=100,
    Code={"ZipFile": archive.getvalue()},
)
queue = boto("sqs").create_queue(QueueName="work", Attributes={
    "VisibilityTimeout": "600",
    "Policy": json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:*", "Resource": "*"}
    ]}),
})["QueueUrl"]
arn = "arn:aws:sqs:us-west-2:123456789012:work"
boto("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName="worker", BatchSize=1)
boto("sqs").send_message(QueueUrl=queue, MessageBody="work")
boto("s3").put_bucket_notification_configuration(
    Bucket=lab.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
)
boto("events").put_rule(Name="captured", EventPattern=json.dumps({"source": ["aws.s3"]}))
boto("events").put_targets(Rule="captured", Targets=[{"Id": "queue", "Arn": arn}])

capture = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": f"s3://{lab.bucket}/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}
endpoint = lab.endpoint(lab.config(lab.model(), shadow=(lab.model("v2"), 1.0), DataCaptureConfig=capture))
answered = []

def ask():
    while True:
        try:
            answered.append(lab.invoke(endpoint, "sleep 0.1"))
        except (BotoCoreError, ClientError):
            return

clients = [threading.Thread(target=ask) for _ in range(4)]
for client in clients:
    client.start()
while len(answered) < 12 or not (directory / "working").exists():
    time.sleep(0.02)
server.stop()
for client in clients:
    client.join()
captured = 0
for key, stored in s3_backends["123456789012"]["aws"].buckets[lab.bucket].keys.items():
    if key.startswith("capture/") and "/Main/" in key:
        captured += len(stored.value.splitlines())
print(len(answered), captured)
"""


def test_it_stops_without_a_word_and_what_was_captured_is_written(tmp_path: Path) -> None:
    """Requests, copies to a shadow variant, a function and event deliveries are under way."""
    answer = subprocess.run(
        [sys.executable, "-c", STOP_UNDER_LOAD, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.stderr == ""
    answered, captured = map(int, answer.stdout.split())
    assert answered == captured >= 12
