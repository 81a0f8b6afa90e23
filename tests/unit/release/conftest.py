"""A project in a git repository of its own, and an engine that only keeps books."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from pulumi.automation import CommandResult, LocalWorkspace, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from model_package.metadata import ARTIFACT_DIGEST, AUTHOR, OBJECT_SHA256, QUARANTINED_REASON
from release import endpoints, registry
from release.endpoints import Running
from release.errors import MissingError
from release.evidence_document import digest_of
from release.records import EvidenceStore, ObjectStore
from release.registry import Package, Summary
from release.workspace import Project

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
SHA = "b" * 64
RECORDS = "records"
CALLER = "arn:aws:sts::111111111111:assumed-role/ci/pipeline"
PROD = """\
# Production. Every change is a release.
config:
  aws:region: us-west-2
  understudy:environment: prod
  understudy:services:
    tumor-triage:  # the first one
      initialInstanceCount: 2
"""


def arn(version: int, service: str = "tumor-triage") -> str:
    return f"arn:aws:sagemaker:us-west-2:111111111111:model-package/{service}/{version}"


class FakeEngine(PulumiCommand):
    """Answers the Automation API: config in the stack file, history in a list, an `up` that `on_up` may refuse."""

    def __init__(self) -> None:
        self.command = "fake"
        self.version = VersionInfo(3, 200, 0)
        self.calls: list[list[str]] = []
        self.history: list[dict[str, Any]] = []
        self.outputs: dict[str, Any] = {}
        self.outputs_of: dict[str, dict[str, Any]] = {}
        self.state_of: dict[str, list[dict[str, Any]]] = {}
        self.backend: list[str] = []
        self.on_up: Callable[[], str] = lambda: ""
        self.on_preview: Callable[[], None] = lambda: None

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        self.calls.append(list(args))
        stack = args[args.index("--stack") + 1] if "--stack" in args else ""
        file = Path(cwd) / f"Pulumi.{stack}.yaml"
        match args:
            case ["config", "set", "--path", key, *rest]:
                edit(file, key, {"true": True, "false": False}.get(rest[-1], rest[-1]))
            case ["config", "rm", key, *_]:
                edit(file, key, None)
            case ["preview", *_]:
                self.on_preview()
                if on_output:
                    on_output("~ modelPackageName: 1 => 2")
                log = Path(args[args.index("--event-log") + 1])
                summary = {
                    "maybeCorrupt": False,
                    "durationSeconds": 0,
                    "resourceChanges": {"update": 1},
                    "PolicyPacks": {},
                }
                events: list[dict[str, Any]] = [{"summaryEvent": summary}, {"cancelEvent": {}}]
                log.write_text("".join(json.dumps({"sequence": 1, "timestamp": 0, **event}) + "\n" for event in events))
            case ["up", *_]:
                return self._up(file)
            case ["stack", "ls", *_]:
                return CommandResult(json.dumps([{"name": name, "current": False} for name in self.backend]), "", 0)
            case ["stack", "export", *_]:
                state = {"resources": self.state_of.get(stack, [])}
                return CommandResult(json.dumps({"version": 3, "deployment": state}), "", 0)
            case ["stack", "output", *_]:
                return CommandResult(json.dumps(self.outputs_of.get(stack, self.outputs)), "", 0)
            case ["stack", "history", *_]:
                return CommandResult(json.dumps(list(reversed(self.history))), "", 0)
        return CommandResult("", "", 0)

    def _up(self, file: Path) -> CommandResult:
        said = self.on_up()
        if "locked" not in said:
            self.record(yaml.safe_load(file.read_text())["config"], "failed" if said else "succeeded")
        if said:
            raise create_command_error(CommandResult("", said, 255))
        return CommandResult("", "", 0)

    def record(self, config: Mapping[str, Any], result: str = "succeeded") -> None:
        """Another entry of the history, an hour after the last."""
        start = START + timedelta(hours=len(self.history))
        form = "%Y-%m-%dT%H:%M:%S.%fZ"
        values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        self.history.append(
            {
                "kind": "update",
                "startTime": start.strftime(form),
                "endTime": (start + timedelta(minutes=5)).strftime(form),
                "message": "",
                "environment": {},
                "config": {key: {"value": value, "secret": False} for key, value in values.items()},
                "result": result,
                "version": len(self.history) + 1,
            }
        )


def edit(file: Path, path: str, value: Any) -> None:
    """Set (or with None remove) a path such as `understudy:services.tumor-triage.x`; comments are lost here."""
    document = yaml.safe_load(file.read_text())
    holder, (*parents, last) = document["config"], path.split(".")
    for part in parents:
        holder = holder.setdefault(part, {})
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    file.write_text(yaml.safe_dump(document))


@dataclass
class World:
    """The project, its engine, and the registry and endpoint that AWS would hold."""

    project: Project
    engine: FakeEngine
    packages: dict[str, Package]
    running: Running = field(default_factory=lambda: Running("InService", None))
    rejected: list[tuple[str, str]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.project.root / "Pulumi.prod.yaml"

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.project.root, check=True, capture_output=True, text=True, timeout=30
        )
        return done.stdout.strip()

    def release(self, *versions: int) -> None:
        """Promote these, one after the other, as if somebody had: file, git, history, endpoint."""
        for version in versions:
            edit(self.file, "understudy:services.tumor-triage.modelPackageArn", arn(version))
            self.engine.record(yaml.safe_load(self.file.read_text())["config"])
            self.git("commit", "--all", "--quiet", "--allow-empty", "--message", f"version {version}")
            self.running = Running("InService", arn(version))


def package(version: int, approval: str = "Approved", **metadata: str) -> Package:
    return Package(
        arn=arn(version),
        approval=approval,
        description="",
        metadata={
            AUTHOR: "arn:aws:sts::111111111111:assumed-role/scientist/ada",
            ARTIFACT_DIGEST: f"{version}" * 64,
            OBJECT_SHA256: SHA,
            **metadata,
        },
        created=START,
        image="image",
        model_data_url=f"s3://artifacts/tumor-triage/{f'{version}' * 64}/model.tar.gz",
    )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Versions 1 to 3 approved, 4 pending; nothing deployed yet; a bare origin."""
    root, origin = tmp_path / "project", tmp_path / "origin.git"
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: understudy\nruntime: python\n")
    (root / "Pulumi.prod.yaml").write_text(PROD)
    project, engine = Project(root), FakeEngine()
    project.__dict__["workspace"] = LocalWorkspace(work_dir=str(root), pulumi_command=engine)
    made = World(
        project, engine, {arn(v): package(v) for v in (1, 2, 3)} | {arn(4): package(4, "PendingManualApproval")}
    )
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(origin)], check=True, timeout=30)
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("config", "user.name", "Test")
    made.git("config", "user.email", "test@example.invalid")
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "start")
    made.git("remote", "add", "origin", str(origin))
    made.git("push", "--quiet", "--set-upstream", "origin", "main")

    def describe(name: str) -> Package:
        if name not in made.packages:
            raise MissingError(f"There is no model package {name}.")
        return made.packages[name]

    def reject(found: Package, reason: str, *, by: str) -> None:
        made.rejected.append((found.arn, reason))
        made.packages[found.arn] = package(found.version, "Rejected", **{QUARANTINED_REASON: reason})

    def summaries(group: str, region: str) -> list[Summary]:
        name = group.rpartition("/")[2]
        found = [Summary(p.arn, p.approval, "Completed", p.created) for p in made.packages.values() if p.group == name]
        return sorted(found, key=lambda summary: summary.version, reverse=True)

    monkeypatch.setattr(registry, "describe", describe)
    monkeypatch.setattr(registry, "summaries", summaries)
    monkeypatch.setattr(registry, "delete", lambda arn: made.packages.pop(arn, None) is not None)
    monkeypatch.setattr(registry, "reject", reject)
    monkeypatch.setattr(endpoints, "running", lambda endpoint, region: made.running)
    monkeypatch.setattr("release.promotion.ObjectStore", lambda region: _Store())
    monkeypatch.setattr("release.rollback.caller_arn", lambda: CALLER)
    return made


class _Store:
    """Artifacts as they were registered, but for those that are called tampered; the rest is moto's."""

    def read(self, bucket: str, key: str) -> bytes:
        return ObjectStore().read(bucket, key)

    def sha256(self, uri: str, known: Mapping[str, str]) -> str:
        return "e" * 64 if "tampered" in uri else SHA


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with mock_aws():
        client = boto3.client("s3", region_name="us-west-2")
        client.create_bucket(Bucket=RECORDS, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        yield client


def store_evidence(candidate: str, verdict: str = "pass", **more: Any) -> str:
    """A document in the records bucket; its digest."""
    content = {
        "candidate_digest": candidate,
        "verdict": verdict,
        "judged_at": datetime.now(UTC).isoformat(),
        "reasons": [f"it is a {verdict}"],
        **more,
    }
    document = {**content, "digest": digest_of(content)}
    EvidenceStore(ObjectStore(), RECORDS).put("tumor-triage", candidate, str(document["digest"]), document)
    return str(document["digest"])
