"""One sandbox for each pytest process, and boto3 clients of it.

Fixtures: `sandbox` (the running sandbox), `cloud_url` (its endpoint), `boto` (`boto("s3")`, `boto("sts",
profile="approver")`; profile `other` is of another account), `acting` (clients of a role), `unique`
(`unique("bucket")`: a name no other test has), `refused` (expects an AWS error), `lab` (models, configurations and
endpoints of SageMaker).
"""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
SPEED = 600
START_SECONDS = 40
PROFILES = {"123456789012": "scientist", "222222222222": "other"}
"""Who acts in the accounts of the shared sandbox."""


@dataclass(frozen=True)
class Sandbox:
    """A running `python -m sandbox serve`."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    directory: Path

    @property
    def url(self) -> str:
        return self.environment["AWS_ENDPOINT_URL"]


def start_sandbox(
    directory: Path, *arguments: str, speed: int = SPEED, environment: Mapping[str, str] | None = None
) -> Sandbox:
    """Start a sandbox without the aws provider, in this environment and more, and wait until it is ready."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "sandbox.env"
    command = [sys.executable, "-m", "sandbox", "serve", "--no-provider", "--speed", str(speed)]
    command += ["--directory", str(directory / "cloud"), "--environment-file", str(file), *arguments]
    with (directory / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
    deadline = time.monotonic() + START_SECONDS
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise RuntimeError(f"The sandbox did not start:\n{(directory / 'sandbox.log').read_text()}")
        time.sleep(0.05)
    lines = [line.removeprefix("export ") for line in file.read_text().splitlines()]
    announced = {name: shlex.split(value)[0] for name, _, value in (line.partition("=") for line in lines)}
    return Sandbox(process, announced, directory)


def stop_sandbox(sandbox: Sandbox) -> int:
    """Stop it as a person would; returns its exit code."""
    if sandbox.process.poll() is None:
        sandbox.process.send_signal(signal.SIGTERM)
    try:
        return sandbox.process.wait(30)
    finally:
        sandbox.process.kill()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    running = start_sandbox(tmp_path_factory.mktemp("sandbox"), "--account", "other=222222222222")
    try:
        yield running
    finally:
        stop_sandbox(running)


@pytest.fixture(scope="session")
def cloud_url(sandbox: Sandbox) -> str:
    return sandbox.url


def clients_of(sandbox: Sandbox) -> Callable[..., Any]:
    """Clients by service, profile and region, made once; retries are off, so that a test sees the first answer."""
    clients: dict[tuple[str, str, str | None], Any] = {}
    variables = {name: value for name, value in sandbox.environment.items() if name.startswith("AWS_")}

    def made(service: str, profile: str = "scientist", region: str | None = None) -> Any:
        if (service, profile, region) not in clients:
            before = {name: os.environ.get(name) for name in variables}
            os.environ.update(variables)
            try:
                session = boto3.session.Session(profile_name=profile)
                config = Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=70)
                client = session.client(service, endpoint_url=sandbox.url, config=config, region_name=region)
                check_answers(client)
                clients[service, profile, region] = client
            finally:
                for name, value in before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value
        return clients[service, profile, region]

    return made


def check_answers(client: Any) -> None:
    """Let every SageMaker answer that this client gets fail the test if it breaks the service model."""

    def check(operation_model: Any, response_dict: Any, **_: Any) -> None:
        shape = operation_model.output_shape
        if response_dict["status_code"] == 200 and shape is not None:
            found = list(complaints(shape, json.loads(response_dict["body"]), operation_model.name))
            assert not found, "\n".join(found)

    client.meta.events.register("before-parse.sagemaker", check)


def complaints(shape: Any, value: Any, path: str) -> Iterator[str]:
    """What is wrong with a JSON value by its shape: unknown, missing and empty members, wrong types and enum values."""
    kinds = {"structure": dict, "map": dict, "list": list, "string": str, "boolean": bool, "integer": int, "long": int}
    numbers = {"float", "double", "timestamp"}
    right = isinstance(value, int | float) if shape.type_name in numbers else isinstance(value, kinds[shape.type_name])
    if not right or (isinstance(value, bool) and shape.type_name != "boolean"):
        yield f"{path}: {value!r} is no {shape.type_name}"
    elif shape.type_name == "structure":
        if not value and shape.members and "." in path:
            yield f"{path}: an empty structure, where AWS leaves out what is absent"
        yield from (f"{path}.{name} is unknown" for name in value.keys() - shape.members.keys())
        absent = {name for name in shape.required_members if name not in value}
        yield from (f"{path}.{name} is missing" for name in absent - OPTIONAL_IN_FACT.get(path, set()))
        for name in value.keys() & shape.members.keys():
            yield from complaints(shape.members[name], value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from complaints(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from complaints(shape.value, item, f"{path}.{key}")
    elif "enum" in shape.metadata and value not in shape.metadata["enum"]:
        yield f"{path}: {value!r} is none of {shape.metadata['enum']}"


# Versioned packages have no name, whatever the model says (the example in AWS's guide; sagemaker-python-sdk#5606).
OPTIONAL_IN_FACT = {"DescribeModelPackage": {"ModelPackageName"}}


@pytest.fixture
def complaints_about() -> Callable[[Any, Any, str], Iterator[str]]:
    return complaints


@pytest.fixture(scope="session")
def boto(sandbox: Sandbox) -> Callable[..., Any]:
    return clients_of(sandbox)


@pytest.fixture(scope="session")
def acting(sandbox: Sandbox, boto: Callable[..., Any]) -> Callable[..., Any]:
    """`acting("deployer", "s3")`: a client of a role, made if it is not there, that trusts its own account."""
    sessions: dict[tuple[str, str], boto3.Session] = {}

    def client(role: str, service: str, account: str = "222222222222") -> Any:
        if (role, account) not in sessions:
            profile = PROFILES[account]
            iam, arn = boto("iam", profile), f"arn:aws:iam::{account}:role/{role}"
            trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
            with suppress(iam.exceptions.EntityAlreadyExistsException):
                iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
            keys = boto("sts", profile).assume_role(RoleArn=arn, RoleSessionName="ada")["Credentials"]
            sessions[role, account] = boto3.Session(
                keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name="us-west-2"
            )
        config = Config(retries={"max_attempts": 1, "mode": "standard"})
        return sessions[role, account].client(service, endpoint_url=sandbox.url, config=config)

    return client


@pytest.fixture
def unique() -> Callable[[str], str]:
    return lambda name: f"{name}-{uuid.uuid4().hex[:8]}"


# -- SageMaker


IMAGE = "683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5"
INFERENCE = """
import os, signal, time
VERSION = {version!r}
def model_fn(directory):
    if VERSION == "broken":
        raise RuntimeError("this model does not load")
    return VERSION
def transform_fn(model, body, content_type, accept):
    text = body.decode() if isinstance(body, bytes) else body
    if text == "error" or model == "failing":
        raise ValueError("boom")
    if text == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if text.startswith("sleep "):
        time.sleep(float(text.split()[1]))
    return f"{{model}}:{{text}}", "text/csv"
"""


class Lab:
    """What the tests of endpoints need again and again."""

    def __init__(self, boto: Callable[..., Any]) -> None:
        self.sagemaker, self.runtime, self.s3 = boto("sagemaker"), boto("sagemaker-runtime"), boto("s3")
        self.cloudwatch = boto("cloudwatch")
        self.bucket = self.make_bucket()
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        name = f"execution-{uuid.uuid4().hex[:8]}"
        role = boto("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
        self.role: str = role["Role"]["Arn"]

    def make_bucket(self) -> str:
        name = f"lab-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        return name

    def archive(self, files: dict[str, bytes]) -> str:
        """A tar.gz of these files in S3; returns its URL."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as stream:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                stream.addfile(member, io.BytesIO(content))
        key = f"{uuid.uuid4().hex}/model.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=buffer.getvalue())
        return f"s3://{self.bucket}/{key}"

    def container(self, version: str) -> dict[str, Any]:
        """A container spec of a model that answers `<version>:<body>`."""
        return {
            "Image": IMAGE,
            "ModelDataUrl": self.archive({"code/inference.py": INFERENCE.format(version=version).encode()}),
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
        }

    def model(self, version: str = "v1") -> str:
        name = f"model-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=self.container(version)
        )
        return name

    def version(self, group: str, *, version: str = "v1", **members: Any) -> str:
        """A version of a model package group that has been Completed; returns its ARN."""
        specification = {"Containers": [self.container(version)], "SupportedContentTypes": ["text/csv"]}
        request = {"ModelPackageGroupName": group, "InferenceSpecification": specification, **members}
        arn = str(self.sagemaker.create_model_package(**request)["ModelPackageArn"])
        deadline = time.monotonic() + 20
        while (status := self.package_status(arn)) in ("Pending", "InProgress"):
            assert time.monotonic() < deadline, f"{arn} is {status}"
            time.sleep(0.02)
        assert status == "Completed"
        return arn

    def package_status(self, arn: str) -> str:
        return str(self.sagemaker.describe_model_package(ModelPackageName=arn)["ModelPackageStatus"])

    def config(self, *models: str, count: int = 2, shadow: tuple[str, float] | None = None, **members: Any) -> str:
        """An endpoint configuration with a variant a model: Main, or Main1, Main2, …"""
        name = f"config-{uuid.uuid4().hex[:8]}"
        names = ["Main"] if len(models) == 1 else [f"Main{index}" for index in range(1, len(models) + 1)]
        variants = [self.variant(label, model, count) for label, model in zip(names, models, strict=True)]
        if shadow is not None:
            members["ShadowProductionVariants"] = [self.variant("Shadow", shadow[0], count, shadow[1])]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **members)
        return name

    @staticmethod
    def variant(name: str, model: str, count: int = 2, weight: float = 1.0) -> dict[str, Any]:
        return {
            "VariantName": name,
            "ModelName": model,
            "InitialInstanceCount": count,
            "InstanceType": "ml.m5.large",
            "InitialVariantWeight": weight,
        }

    def endpoint(self, config: str, *, status: str = "InService") -> str:
        """An endpoint that has reached `status`."""
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert self.settled(name)["EndpointStatus"] == status
        return name

    def settled(self, endpoint: str, seconds: float = 40) -> dict[str, Any]:
        """The endpoint's description, once it is neither created nor updated nor rolled back."""
        deadline = time.monotonic() + seconds
        while True:
            description: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=endpoint)
            if description["EndpointStatus"] not in ("Creating", "Updating", "RollingBack"):
                return description
            assert time.monotonic() < deadline, f"{endpoint} is {description['EndpointStatus']}"
            time.sleep(0.05)

    def invoke(self, endpoint: str, body: str = "1", **members: Any) -> str:
        answer = self.runtime.invoke_endpoint(
            EndpointName=endpoint, Body=body.encode(), ContentType="text/csv", **members
        )
        return str(answer["Body"].read().decode())


@pytest.fixture(scope="session")
def lab(boto: Callable[..., Any]) -> Lab:
    return Lab(boto)


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Sandbox, Lab]]]:
    """`start(directory, environment, *arguments)`: a sandbox that the test may end as it likes, and a lab in it."""
    with ExitStack() as stack:

        def started(directory: Path, environment: Mapping[str, str], *arguments: str) -> tuple[Sandbox, Lab]:
            running = start_sandbox(directory, *arguments, environment=environment)
            stack.callback(stop_sandbox, running)
            return running, Lab(clients_of(running))

        yield started


@pytest.fixture
def refused() -> Callable[..., Any]:
    """`with refused("ValidationException", "Could not find model"): …`: AWS's code, and a part of its message."""

    @contextmanager
    def expect(code: str, *parts: str) -> Iterator[None]:
        with pytest.raises(ClientError) as caught:
            yield
        error = caught.value.response["Error"]
        assert error["Code"] == code
        for part in parts:
            assert part in error["Message"]

    return expect
