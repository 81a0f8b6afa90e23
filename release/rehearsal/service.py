"""One service of the rehearsal: its use case in the clone, its clients, and what production runs of it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from release.rehearsal import answers
from release.rehearsal.data import DataSet, csv, load
from release.rehearsal.stage import PRODUCTION, Stage, StageError
from release.rehearsal.traffic import Answer, Traffic, same_answer

POLL_SECONDS = 0.3
PROMOTION_SECONDS = 120


@dataclass
class Version:
    """A trained version: its package ARN once registered, and what it answers to the held-out rows."""

    name: str
    answers: Sequence[Answer]
    package: str = ""


@dataclass
class Service:
    """`use_case` as the folder is called; `name` as the service is."""

    stage: Stage
    use_case: str
    rate: float
    data: DataSet = field(init=False)
    versions: dict[str, Version] = field(default_factory=dict)
    traffic: Traffic | None = None

    def __post_init__(self) -> None:
        self.data = load(self.use_case)

    @property
    def name(self) -> str:
        return self.use_case.replace("_", "-")

    @property
    def folder(self) -> Path:
        return self.stage.work / "use_cases" / self.use_case

    @property
    def clients(self) -> Traffic:
        """Production's clients, once they have started."""
        if self.traffic is None:
            raise StageError(f"{self.name} has no clients yet")
        return self.traffic

    @property
    def committed(self) -> bool:
        """Whether the use case's folder is as committed."""
        return not self.stage.git("status", "--porcelain", "--", f"use_cases/{self.use_case}").strip()

    def endpoint(self, environment: str) -> str:
        return f"{self.name}-{environment}"

    # --- the scientist's side

    def upload(self, bucket: str, channel: str, rows: Sequence[tuple[float, ...]]) -> str:
        """Put rows as a CSV channel; returns the channel's URI."""
        key = f"data/{self.use_case}/{channel}/data.csv"
        self.stage.client("s3", "scientist").put_object(Bucket=bucket, Key=key, Body=csv(rows).encode())
        return f"s3://{bucket}/data/{self.use_case}/{channel}/"

    def upload_data(self, bucket: str) -> None:
        """Put the channels that `understudy train` looks for: what the model learns from, and what it is judged by."""
        self.upload(bucket, "train", self.data.train)
        self.upload(bucket, "holdout", self.data.holdout)

    def tune(self, **hyperparameters: float) -> None:
        """Change hyperparameters in package.yaml, as its owner would."""
        self._edit(lambda manifest: manifest["training"]["hyperparameters"].update(hyperparameters))

    def limit(self, **limits: float) -> None:
        """Change the limits that evidence is judged by."""
        self._edit(lambda manifest: manifest["comparison"].update(limits))

    def _edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        file = self.folder / "package.yaml"
        manifest = yaml.safe_load(file.read_text())
        change(manifest)
        file.write_text(yaml.safe_dump(manifest, sort_keys=False))

    def train(self, version: str, *arguments: str) -> dict[str, Any]:
        """`understudy train`; returns the lock file's content and learns what the version answers."""
        self.stage.understudy("train", self.use_case, *arguments, role="scientist")
        lock: dict[str, Any] = yaml.safe_load((self.folder / "model.lock.yaml").read_text())
        bucket, _, key = lock["uri"].removeprefix("s3://").partition("/")
        model_file = self.stage.directory / "models" / lock["sha256"] / Path(key).name
        model_file.parent.mkdir(parents=True, exist_ok=True)
        body = self.stage.client("s3", "scientist").get_object(Bucket=bucket, Key=key)["Body"]
        model_file.write_bytes(body.read())
        given = answers.of_version(self.folder, model_file, self.data.rows())
        self.versions[version] = Version(version, given)
        return lock

    # --- the registry and the endpoints, as plain boto3 sees them

    def package(self, arn: str) -> dict[str, Any]:
        client = self.stage.client("sagemaker")
        described: dict[str, Any] = client.describe_model_package(ModelPackageName=arn)
        return described

    def running_package(self, environment: str) -> str:
        """The model package ARN that the endpoint in production's account runs; empty for a container spec."""
        client = self.stage.client("sagemaker", PRODUCTION)
        endpoint = client.describe_endpoint(EndpointName=self.endpoint(environment))
        config = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        model = client.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
        container = model.get("PrimaryContainer") or model["Containers"][0]
        return str(container.get("ModelPackageName", ""))

    def config_package(self, stack: str) -> str:
        """The package ARN that the clone's stack file names."""
        return self._named((self.stage.work / f"Pulumi.{stack}.yaml").read_text())

    def await_promotion(self, version: str) -> None:
        """Wait until the clone's production file names that version: the gate has let it pass.

        A candidate that is registered sooner would end its approval.
        """
        arn, file = self.versions[version].package, self.stage.work / "Pulumi.prod.yaml"
        wait_until(f"the promotion of {arn}", lambda: arn in file.read_text(), PROMOTION_SECONDS)

    def pushed_package(self, stack: str) -> str:
        """The package ARN that the stack file in the origin names."""
        self.stage.git("fetch", "--quiet", "origin", "main")
        return self._named(self.stage.git("show", f"origin/main:Pulumi.{stack}.yaml"))

    def _named(self, stack_file: str) -> str:
        services = yaml.safe_load(stack_file)["config"]["understudy:services"]
        return str(services[self.name].get("modelPackageArn", ""))

    def answers_in_shadow(self, version: Version) -> tuple[bool, str]:
        """Whether the shadow endpoint answers the first held-out row as that version does; and what it answers."""
        runtime = self.stage.client("sagemaker-runtime")
        body = self.data.rows()[0].body
        response = runtime.invoke_endpoint(
            EndpointName=self.endpoint("shadow"), ContentType="text/csv", Accept="application/json", Body=body
        )
        given = json.loads(response["Body"].read())
        return same_answer(given, version.answers[0]), json.dumps(given)

    def quarantined(self) -> list[str]:
        client = self.stage.client("sagemaker")
        pages = client.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.name, ModelApprovalStatus="Rejected"
        )
        return [summary["ModelPackageArn"] for page in pages for summary in page["ModelPackageSummaryList"]]

    def artifact_readable(self, arn: str) -> bool:
        container = self.package(arn)["InferenceSpecification"]["Containers"][0]
        bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
        head = self.stage.client("s3").head_object(Bucket=bucket, Key=key)
        return bool(head["ContentLength"] > 0)

    # --- clients

    def open_traffic(self, capture_bucket: str, version: str) -> None:
        """Clients start and run until the end, with that version as the one that may answer."""
        s3 = self.stage.client("s3", PRODUCTION)

        def put_labels(lines: str) -> None:
            hour = datetime.now(UTC).strftime("%Y/%m/%d/%H")
            key = f"ground-truth/{self.name}/{hour}/{uuid.uuid4().hex}.jsonl"
            s3.put_object(Bucket=capture_bucket, Key=key, Body=lines.encode())

        self.traffic = Traffic(
            self.stage.session(PRODUCTION),
            self.endpoint("prod"),
            self.data.rows(),
            rate=self.rate,
            put_labels=put_labels,
        )
        self.live(version)
        self.clients.start()

    def live(self, *versions: str) -> None:
        """Only these versions may answer production's clients from now on."""
        self.clients.live({name: self.versions[name].answers for name in versions})


def wait_until(what: str, holds: Callable[[], bool], timeout_seconds: float) -> float:
    """Poll until it holds; returns the seconds it took.

    Raises
        StageError: it did not hold in time.
    """
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > timeout_seconds:
            raise StageError(f"{what} did not happen within {timeout_seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - started


def stack_file(stage: Stage, stack: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit `Pulumi.<stack>.yaml` in the clone: `change` gets its `config` mapping."""
    file = stage.work / f"Pulumi.{stack}.yaml"
    content = yaml.safe_load(file.read_text()) if file.exists() else {}
    change(content.setdefault("config", {}))
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def as_text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
