"""Bad input, driven for real: each case ends in words and a code, and leaves everything as it was.

What needs no cloud is tested lower down (settings, gate, artifacts, `sandbox serve`); here the command and the
program meet it against a running sandbox, with one version of one use case deployed to shadow.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.errors import ExitCode
from release.rehearsal.service import Service, stack_file, wait_until
from release.rehearsal.stage import Outcome, Stage

ROOT = Path(__file__).parents[2]
REGION = "us-west-2"
GROUPS = f"arn:aws:sagemaker:{REGION}:123456789012:model-package"
CANDIDATE = f"{GROUPS}/tumor-triage/1"
FOREIGN = f"{GROUPS}/diabetes-progression/1"
CAPTURES = "captures-of-the-trial"
LOCK = "use_cases/tumor_triage/model.lock.yaml"
EVENT_SECONDS = 40

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Trial:
    """A project with version 1 of tumor_triage on trial in shadow; prod's file names it, and nothing runs there."""

    stage: Stage
    outputs: dict[str, Any]

    def client(self, name: str) -> Any:
        return self.stage.client(name)

    def approval(self, arn: str) -> str:
        return str(self.client("sagemaker").describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"])

    def everything(self) -> dict[str, object]:
        """What bad input must not touch: files, git, states, the endpoint, the registry."""
        work, states = self.stage.work, self.stage.state / ".pulumi" / "stacks"
        files = [*work.glob("Pulumi*.yaml"), work / LOCK, *states.rglob("*.json")]
        endpoint = self.client("sagemaker").describe_endpoint(EndpointName="tumor-triage-shadow")
        return {
            **{str(file): file.read_bytes() for file in files},
            "head": self.stage.git("rev-parse", "HEAD", "@{upstream}"),
            "endpoint": (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]),
            "approval": [self.approval(arn) for arn in (CANDIDATE, FOREIGN)],
            "stacks": sorted(file.name for file in states.rglob("*.json")),
        }

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        before = self.everything()
        yield
        assert self.everything() == before

    @contextmanager
    def edited(self, name: str, change: dict[str, str]) -> Iterator[None]:
        """A file of the clone with other text while the block runs, and none of the models that were fetched."""
        file, cache = self.stage.work / name, self.stage.work / ".understudy" / "artifacts"
        before = file.read_text()
        text = before
        for old, new in change.items():
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)
        aside = cache.rename(cache.with_name("aside"))
        try:
            yield
        finally:
            file.write_text(before)
            if cache.exists():
                cache.rename(cache.with_name(f"left-{uuid.uuid4().hex}"))
            aside.rename(cache)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    stage = Stage(ROOT, tmp_path_factory.mktemp("bad-input") / "stage", speed=60, engine="embedded")
    stage.prepare()
    with pytest.MonkeyPatch.context() as patch, stage.sandbox():
        for name, value in stage.environment("ci").items():  # boto3 in this process, and nothing of it afterwards
            patch.setenv(name, value)
        captures = stage.client("s3")
        captures.create_bucket(Bucket=CAPTURES, CreateBucketConfiguration={"LocationConstraint": REGION})
        captures.put_bucket_notification_configuration(
            Bucket=CAPTURES, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        write_stack_files(stage)
        stage.understudy("deploy", "--stack", "shadow", "--yes", role="scientist")
        service = Service(stage, "tumor_triage", rate=0)
        service.upload_data(outputs(stage)["trainingBucket"])
        stage.understudy("train", "tumor_triage", role="scientist")
        stage.understudy("deploy", "tumor_triage", "--yes", role="scientist")
        register_another_services_version(stage)
        yield Trial(stage, outputs(stage))


def write_stack_files(stage: Stage) -> None:
    def shadow(config: dict[str, Any]) -> None:
        for settings in config["understudy:services"].values():
            settings["initialInstanceCount"] = 1
        replay = {"source": CAPTURES, "trafficPercent": 100}
        config["understudy:services"]["tumor-triage"]["replay"] = replay

    def prod(config: dict[str, Any]) -> None:
        config["understudy:services"]["tumor-triage"]["modelPackageArn"] = CANDIDATE

    stack_file(stage, "shadow", shadow)
    stack_file(stage, "prod", prod)
    for stack in ("shadow", "prod"):
        stage.pulumi("stack", "init", stack, role="ci")
    stage.commit("Configure the trial")


def outputs(stage: Stage) -> dict[str, Any]:
    shown = stage.pulumi("stack", "output", "--json", "--stack", "shadow", role="ci")
    return dict(shown.json())


def register_another_services_version(stage: Stage) -> None:
    """Approved, so that nothing but its group stands in its way."""
    client = stage.session("approver").client("sagemaker")
    container = client.describe_model_package(ModelPackageName=CANDIDATE)["InferenceSpecification"]["Containers"][0]
    made = client.create_model_package(
        ModelPackageGroupName="diabetes-progression",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": container["Image"], "ModelDataUrl": container["ModelDataUrl"]}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    assert made["ModelPackageArn"] == FOREIGN


@dataclass(frozen=True)
class Refusal:
    """A command, and how it must end."""

    command: str
    role: str
    code: ExitCode
    says: tuple[str, ...]


REFUSALS = {
    "unknown use case": Refusal(
        "deploy nope --yes",
        "scientist",
        ExitCode.USAGE,
        ("Unknown use case 'nope'.", "Known: diabetes_progression, tumor_triage."),
    ),
    "unknown use case, trained": Refusal("train nope", "scientist", ExitCode.USAGE, ("Unknown use case 'nope'.",)),
    "unknown service": Refusal(
        "status nope", "ci", ExitCode.USAGE, ("No stack has a service 'nope'.", "diabetes-progression, tumor-triage.")
    ),
    "missing lock file": Refusal(
        "deploy diabetes_progression --yes",
        "scientist",
        ExitCode.MISSING,
        ("diabetes_progression has no model.lock.yaml", "`understudy train diabetes_progression` makes it."),
    ),
    "malformed ARN": Refusal(
        "promote tumor-triage arn:aws:sagemaker:nonsense --yes",
        "ci",
        ExitCode.USAGE,
        ("Malformed model package ARN: 'arn:aws:sagemaker:nonsense'", "where: argument VERSION"),
    ),
    "another service's group, promoted": Refusal(
        f"promote tumor-triage {FOREIGN} --yes",
        "ci",
        ExitCode.REFUSED,
        (f"{FOREIGN} is of group 'diabetes-progression', not of service 'tumor-triage'.", "do:    Promote a version"),
    ),
    "another service's group, approved": Refusal(
        f"approve tumor-triage {FOREIGN} --override why --yes",
        "approver",
        ExitCode.USAGE,
        (f"{FOREIGN} is of group 'diabetes-progression', not of service 'tumor-triage'.", "do:    Name a version"),
    ),
    "unapproved package": Refusal(
        "promote tumor-triage 1 --yes",
        "ci",
        ExitCode.REFUSED,
        (f"{CANDIDATE} is not approved (PendingManualApproval).", "run `understudy approve tumor-triage 1`"),
    ),
    "self-approval": Refusal(
        "approve tumor-triage --override because --yes",
        "scientist",
        ExitCode.REFUSED,
        (f"Self-approval: you are the author of {CANDIDATE}.", "Ask somebody else"),
    ),
    "unknown alarm": Refusal(
        "rollback tumor-triage --alarm nope --yes",
        "ci",
        ExitCode.MISSING,
        ("There is no alarm 'nope'.", "`understudy status` lists the alarms"),
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_command_refuses(trial: Trial, refusal: Refusal) -> None:
    with trial.unchanged():
        ended = trial.stage.understudy(*refusal.command.split(), role=refusal.role, check=False)
    assert_says(ended, refusal.code, *refusal.says)


def assert_says(ended: Outcome, code: int, *words: str) -> None:
    said = ended.stdout + ended.stderr
    assert ended.code == code, said
    assert [text for text in words if text not in said] == [], said
    assert "Traceback" not in said


def test_an_artifact_that_is_gone(trial: Trial) -> None:
    lock = yaml.safe_load((trial.stage.work / LOCK).read_text())
    with trial.unchanged(), trial.edited(LOCK, {"model.ubj": "gone.ubj"}):
        ended = trial.stage.understudy("deploy", "tumor_triage", "--yes", role="scientist", check=False)
    gone = lock["uri"].replace("model.ubj", "gone.ubj")
    assert_says(ended, ExitCode.FAILED, f"{gone}: NoSuchKey", "train again, or restore the object")


def test_an_artifact_with_another_digest(trial: Trial) -> None:
    digest = yaml.safe_load((trial.stage.work / LOCK).read_text())["sha256"]
    other = "0" * 64
    with trial.unchanged(), trial.edited(LOCK, {f"sha256: {digest}": f"sha256: '{other}'"}):
        ended = trial.stage.pulumi("preview", "--stack", "shadow", role="scientist", check=False)
    assert ended.code != 0
    assert_says(ended, ended.code, f"the SHA-256 is {digest}, expected {other}", "train again, or restore the object")


def test_a_locked_stack(trial: Trial) -> None:
    locks = trial.stage.state / ".pulumi" / "locks" / "organization" / "understudy" / "shadow"
    locks.mkdir(parents=True, exist_ok=True)
    lock = locks / f"{uuid.uuid4()}.json"
    holder = {"pid": os.getpid(), "username": "somebody", "hostname": socket.gethostname(), "timestamp": "2026-01-01"}
    lock.write_text(json.dumps(holder))
    try:
        with trial.unchanged():
            ended = trial.stage.understudy("deploy", "--stack", "shadow", "--yes", role="ci", check=False)
        assert lock.exists()
    finally:
        lock.unlink()
    assert_says(
        ended,
        ExitCode.LOCKED,
        "Stack 'shadow' is locked by another update.",
        f"where: created by somebody@{socket.gethostname()} (pid {os.getpid()})",
        "`pulumi cancel --stack shadow` clears the lock",
    )


def test_a_single_service_stack_with_a_malformed_arn_or_with_both_forms(trial: Trial) -> None:
    pulumi = trial.stage.pulumi
    single = trial.stage.work / "Pulumi.single.yaml"
    with trial.unchanged():
        pulumi("stack", "init", "single", role="ci")
        try:
            for key, value in (("environment", "single"), ("aws:region", REGION), ("modelPackageArn", "nonsense")):
                pulumi("config", "set", key, value, "--stack", "single", role="ci")
            malformed = pulumi("preview", "--stack", "single", role="ci", check=False)
            content = yaml.safe_load(single.read_text())
            content["config"]["understudy:services"] = {"tumor-triage": {}}
            single.write_text(yaml.safe_dump(content))
            both = pulumi("up", "--yes", "--stack", "single", role="ci", check=False)
            assert yaml.safe_load(single.read_text()) == content
        finally:
            pulumi("stack", "rm", "single", "--force", "--yes", role="ci")
    form = "arn:aws:sagemaker:<region>:<account>:model-package/<group>/<version>"
    assert malformed.code != 0
    assert_says(malformed, malformed.code, f'understudy:modelPackageArn is "nonsense"; allowed: {form}')
    assert both.code != 0
    assert_says(both, both.code, 'understudy:modelPackageArn is "nonsense" beside understudy:services; allowed: one')


def test_a_plain_up_with_an_unapproved_package_is_refused_by_aws(trial: Trial) -> None:
    """As safe as the command: roles and buckets are made, but no model and no endpoint."""
    client = trial.client("sagemaker")
    models = client.list_models()["Models"]
    file = (trial.stage.work / "Pulumi.prod.yaml").read_bytes()
    ended = trial.stage.pulumi("up", "--yes", "--stack", "prod", role="ci", check=False)
    assert ended.code != 0
    unapproved = f'Model package "{CANDIDATE}" is PendingManualApproval'
    assert_says(ended, ended.code, "aws:sagemaker/model:Model 'tumor-triage'", unapproved, "must be Approved")
    assert client.list_models()["Models"] == models
    assert [one["EndpointName"] for one in client.list_endpoints()["Endpoints"]] == ["tumor-triage-shadow"]
    assert trial.approval(CANDIDATE) == "PendingManualApproval"
    assert (trial.stage.work / "Pulumi.prod.yaml").read_bytes() == file


def test_a_malformed_capture_line_is_a_dead_letter_and_the_rest_is_replayed(trial: Trial) -> None:
    good = [capture_line(f"event-{number}") for number in range(3)]
    lines = [good[0], "{no capture", *good[1:]]
    hour = datetime.now(UTC).strftime("%Y/%m/%d/%H")
    key = f"capture/tumor-triage-prod/ProductionVariant/{hour}/bad.jsonl"
    trial.client("s3").put_object(Bucket=CAPTURES, Key=key, Body="\n".join(lines).encode())
    with trial.unchanged():
        wait_until("a dead letter", lambda: len(trial_records(trial, "dead-letter/")) == 1, EVENT_SECONDS)
        wait_until("three comparisons", lambda: len(trial_records(trial, "comparisons/")) == 3, EVENT_SECONDS)
    (letter,) = trial_records(trial, "dead-letter/")
    assert (letter["line"], letter["excerpt"]) == (2, "{no capture")
    assert letter["source"].endswith(key)
    answered = trial_records(trial, "comparisons/")
    assert {record["event_id"] for record in answered} == {"event-0", "event-1", "event-2"}
    assert {record["verdict"] for record in answered} <= {"match", "mismatch"}


def capture_line(event_id: str) -> str:
    """One captured request of production, as SageMaker writes it."""
    manifest = yaml.safe_load((ROOT / "use_cases" / "tumor_triage" / "package.yaml").read_text())
    content = {"observedContentType": "text/csv", "encoding": "CSV"}
    asked = {**content, "mode": "INPUT", "data": manifest["sample"]["body"]}
    answered = {**content, "mode": "OUTPUT", "data": "0,0.02"}
    return json.dumps(
        {
            "captureData": {"endpointInput": asked, "endpointOutput": answered},
            "eventMetadata": {"eventId": event_id, "inferenceTime": datetime.now(UTC).isoformat()},
            "eventVersion": "0",
        }
    )


def trial_records(trial: Trial, prefix: str) -> list[dict[str, Any]]:
    """Every JSON line below a prefix of the records bucket."""
    s3, bucket = trial.client("s3"), trial.outputs["recordsBucket"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}tumor-triage/").get("Contents", [])
    bodies = [s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().decode() for entry in listed]
    return [json.loads(line) for body in bodies for line in body.splitlines() if line]
