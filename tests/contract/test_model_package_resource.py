"""`ModelPackage` through an engine and against the registry: previewed, killed, repeated, changed in the console.

What SageMaker is asked goes through a proxy that counts the calls, and that can end the engine at the worst moment.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from model_package.metadata import digest_of_environment

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "d" * 64
PROGRAM = """
import pulumi
from providers.model_package import ModelPackage, ModelPackageArgs

package = ModelPackage("tumor-triage", ModelPackageArgs(**pulumi.Config().require_object("package")))
pulumi.export("arn", package.model_package_arn)
pulumi.export("approval", package.model_approval_status)
"""
RUN_SECONDS = 60

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds an engine's children in /proc"),
]


class Proxy(ThreadingHTTPServer):
    """Forwards to the sandbox and counts operations. `ends`: the engine that dies before its registration's answer."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        self.target = urlsplit(url)
        self.calls: Counter[str] = Counter()
        self.ends: subprocess.Popen[bytes] | None = None
        super().__init__(("127.0.0.1", 0), _Forward)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Forward(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.server.calls[operation] += 1
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        target = self.server.target
        with closing(http.client.HTTPConnection(str(target.hostname), target.port, timeout=30)) as upstream:
            upstream.request("POST", self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        if operation == "CreateModelPackage" and self.server.ends is not None:
            _kill(self.server.ends.pid)
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: Any) -> None:
        """Quiet."""


def _kill(engine: int) -> None:
    """An engine and its host of providers, which is in a session of its own, at once."""
    children = [int(pid) for task in Path(f"/proc/{engine}/task").iterdir() for pid in _children(task)]
    for pid in (engine, *children):
        os.kill(pid, signal.SIGKILL)


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


class Project:
    """A program with one version, and the embedded engine's command line."""

    def __init__(self, directory: Path, proxy: Proxy, environment: dict[str, str]) -> None:
        self.directory, self.proxy = directory, proxy
        for name in ("state", "project"):
            (directory / name).mkdir()
        self.home = directory / "project"
        (self.home / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
        (self.home / "__main__.py").write_text(PROGRAM)
        self.environment = {
            **os.environ,
            **environment,
            "AWS_ENDPOINT_URL": proxy.url,
            "PULUMI_BACKEND_URL": f"file://{directory}/state",
            "PULUMI_HOME": str(directory / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def package(self, **properties: Any) -> None:
        config = {"config": {"demo:package": properties}}
        (self.home / "Pulumi.dev.yaml").write_text(yaml.safe_dump(config))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sandbox.engine", *arguments, "--stack", "dev"]
        with (self.directory / "engine.log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.home, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, *arguments: str, code: int = 0) -> str:
        self.proxy.calls.clear()
        process = self.start(*arguments)
        try:
            ended = process.wait(RUN_SECONDS)
        finally:
            process.kill()
        said = (self.directory / "engine.log").read_text()
        assert ended == code, said
        return said


@pytest.fixture
def project(sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for key in ("PULUMI_DEBUG_PROVIDERS", "PULUMI_STACK", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    proxy = Proxy(sandbox.url)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        aws = {name: value for name, value in sandbox.environment.items() if name.startswith("AWS_")}
        yield Project(tmp_path, proxy, aws)
    finally:
        proxy.shutdown()
        proxy.server_close()


def test_a_version_is_previewed_registered_once_and_left_to_people(
    project: Project, lab: Any, boto: Any, unique: Any
) -> None:
    group, approver = unique("group"), boto("sagemaker", profile="approver")
    lab.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    container = lab.container("v1")
    written = {"understudy.metrics": "accuracy=0.9", "understudy.author": "ada"}
    properties = properties_of(container, group) | {"customer_metadata_properties": written}
    project.package(**properties)
    project.run("stack", "init", "dev")

    # A preview shows what will be registered, with its digest, and registers nothing.
    shown = json.loads(project.run("preview", "--json"))
    (planned,) = (step["newState"]["inputs"] for step in shown["steps"] if "ModelPackage" in step["urn"])
    assert (planned["artifact_digest"], planned["image"]) == (DIGEST, container["Image"])
    assert not project.proxy.calls
    assert versions(lab, group) == []

    # The engine and its provider die after SageMaker has registered, before anybody has written it down.
    project.proxy.calls.clear()
    killed = project.start("up", "--yes", "--skip-preview")
    project.proxy.ends = killed
    assert killed.wait(RUN_SECONDS) == -signal.SIGKILL
    project.proxy.ends = None
    assert project.proxy.calls["CreateModelPackage"] == 1
    project.run("cancel", "--yes")
    project.run("up", "--yes", "--skip-preview")
    assert project.proxy.calls["CreateModelPackage"] == 1
    (arn,) = versions(lab, group)
    assert metadata(lab, arn)["understudy.author"] == "ada"

    # Nothing to do: no call at all.
    project.run("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert not project.proxy.calls

    # Approved and edited in the console: seen by a refresh, no change, and not undone by what the program changes.
    by_hand = {"understudy.metrics": "accuracy=0.99", "team": "blue"}
    approver.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", CustomerMetadataProperties=by_hand
    )
    project.run("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes")
    assert project.proxy.calls == {"DescribeModelPackage": 1}
    assert project.run("stack", "output", "approval").strip() == "Approved"
    project.package(**properties | {"source_uri": "s3://models/model.ubj"})
    changed = project.run("up", "--yes")
    assert 'source_uri: "s3://models/model.ubj"' in changed
    assert project.proxy.calls == {"UpdateModelPackage": 1, "DescribeModelPackage": 1}
    described = lab.sagemaker.describe_model_package(ModelPackageName=arn)
    assert (described["ModelApprovalStatus"], described["SourceUri"]) == ("Approved", "s3://models/model.ubj")
    digests = {
        "understudy.artifact_digest": DIGEST,
        "understudy.environment_digest": digest_of_environment(container["Environment"]),
    }
    assert metadata(lab, arn) == {**digests, "understudy.author": "ada", **by_hand}

    # Another environment is another version; the old one stays.
    environment = {**container["Environment"], "WORKERS": 2}
    project.package(**properties | {"environment": environment})
    replaced = project.run("up", "--yes")
    assert '"2"' in replaced
    assert f"{arn} stays in the registry" in replaced
    assert versions(lab, group) == [arn, arn[:-1] + "2"]


def test_a_registration_that_is_refused_leaves_nothing_behind(project: Project, lab: Any, unique: Any) -> None:
    """No group, and an artifact whose upload did not happen: AWS's words, and nothing half-registered."""
    group, container = unique("group"), lab.container("v1")
    properties = properties_of(container, group)
    project.package(**properties)
    project.run("stack", "init", "dev")
    said = project.run("up", "--yes", "--skip-preview", code=1)
    assert f"there is no group {group}: ModelPackageGroup" in said
    assert "Check the name, account and region" in said

    lab.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    project.package(**properties | {"model_data_url": f"s3://{lab.bucket}/not/uploaded/model.tar.gz"})
    said = project.run("up", "--yes", "--skip-preview", code=1)
    assert "not/uploaded/model.tar.gz" in said
    assert versions(lab, group) == []

    project.package(**properties | {"image": container["Image"].replace("us-west-2", "eu-west-1")})
    said = project.run("preview", code=1)
    assert "must be in the registry's region, us-west-2: use that region's image" in said


def test_a_version_that_is_there_is_taken_over(project: Project, lab: Any, unique: Any) -> None:
    """As Pulumi's `import_` would, which dynamic providers have not."""
    group = unique("group")
    lab.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    properties = properties_of(lab.container("v1"), group)
    project.package(**properties)
    project.run("stack", "init", "dev")
    project.run("up", "--yes", "--skip-preview")
    (arn,) = versions(lab, group)
    project.run("destroy", "--yes", "--skip-preview")

    project.package(**properties | {"import_arn": arn})
    project.run("up", "--yes", "--skip-preview")
    assert project.proxy.calls == {"DescribeModelPackage": 1}
    assert project.run("stack", "output", "arn").strip() == arn
    project.package(**properties)
    project.run("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert versions(lab, group) == [arn]


def properties_of(container: dict[str, Any], group: str) -> dict[str, Any]:
    """The resource's inputs for a version of that container."""
    return {
        "model_package_group_name": group,
        "image": container["Image"],
        "model_data_url": container["ModelDataUrl"],
        "artifact_digest": DIGEST,
        "environment": container["Environment"],
        "content_types": ["text/csv"],
        "region": "us-west-2",
    }


def versions(lab: Any, group: str) -> list[str]:
    listed = lab.sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    return [summary["ModelPackageArn"] for summary in listed]


def metadata(lab: Any, arn: str) -> dict[str, str]:
    found: dict[str, str] = lab.sagemaker.describe_model_package(ModelPackageName=arn)["CustomerMetadataProperties"]
    return found
