"""`python -m sandbox serve`: how it starts, what it says, and that nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

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


# What a shell holds that has sourced the file of a sandbox that is gone; it must not reach the next one.
STALE = {"AWS_PROFILE": "scientist", "AWS_CONFIG_FILE": "/nowhere", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


def serving_processes(root: int) -> list[int]:
    """The processes whose command line is a model server's and that the sandbox `root` started."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"model_package.server" in command and parent == root:
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_it(tmp_path: Path, start: Any, number: int) -> None:
    sandbox, lab = start(tmp_path, STALE)
    lab.endpoint(lab.config(lab.model()))
    servers = serving_processes(sandbox.process.pid)
    assert len(servers) == 1
    sandbox.process.send_signal(number)
    assert sandbox.process.wait(20) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    _gone(servers)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "environment"
    serve = [sys.executable, "-m", "sandbox", "serve", "--no-provider", "--environment-file", str(file)]
    # The parent says its child's id and waits to be killed.
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import subprocess; p = subprocess.Popen({serve!r}); print(p.pid, flush=True); p.wait()",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        deadline = time.monotonic() + 30
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.kill()
    _gone([child])


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


STOP_WITH_CAPTURE = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/contract")
from conftest import Lab, Sandbox, clients_of
from moto.s3.models import s3_backends
from sandbox.cloud import identity
from sandbox.cloud.server import CloudServer

directory = Path(sys.argv[1])
server = CloudServer(directory, speed=60)
profiles = identity.write_profiles(directory, "us-west-2")
server.start()
environment = {
    "AWS_ENDPOINT_URL": server.cloud.base_url,
    "AWS_CONFIG_FILE": str(profiles.config_file),
    "AWS_SHARED_CREDENTIALS_FILE": str(profiles.credentials_file),
}
lab = Lab(clients_of(Sandbox(None, environment, directory)))
capture = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": f"s3://{lab.bucket}/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}
endpoint = lab.endpoint(lab.config(lab.model(), DataCaptureConfig=capture))
for _ in range(3):
    lab.invoke(endpoint)
server.stop()
for key, stored in s3_backends["123456789012"]["aws"].buckets[lab.bucket].keys.items():
    if key.startswith("capture/"):
        print(len(stored.value.splitlines()))
"""


def test_captured_requests_are_written_before_it_stops(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", STOP_WITH_CAPTURE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert answer.stdout.split() == ["3"], answer.stderr
