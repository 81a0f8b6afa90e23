"""Pulumi mocks that record every registration and answer only the calls the program is known to make."""

from __future__ import annotations

import asyncio
import hashlib
import json
import runpy
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.stack import run_in_stack

with warnings.catch_warnings():
    # pulumi_aws warns of its own deprecated classes while it imports them.
    warnings.simplefilter("ignore", DeprecationWarning)
    # A class loads its lazy module.
    _LOADED = (
        aws.appautoscaling.Policy,
        aws.cloudwatch.MetricAlarm,
        aws.codebuild.Project,
        aws.ecr.Repository,
        aws.iam.Role,
        aws.kms.Key,
        aws.lambda_.Function,
        aws.s3.Bucket,
        aws.sagemaker.Endpoint,
        aws.sns.Topic,
        aws.sqs.Queue,
        aws.ssm.Parameter,
    )

ACCOUNT = "111111111111"
REGION = "us-west-2"
CALLS = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT, "arn": "arn", "id": ACCOUNT, "userId": "u"},
    "aws:index/getRegion:getRegion": {
        "region": REGION,
        "name": REGION,
        "id": REGION,
        "description": "",
        "endpoint": "",
    },
    "aws:index/getPartition:getPartition": {
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "id": "aws",
        "reverseDnsPrefix": "com.amazonaws",
    },
}
NAMES = {
    "aws:s3/bucket:Bucket": "bucket",
    "aws:s3/bucketObjectv2:BucketObjectv2": "key",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": "alarmName",
    "aws:cloudwatch/dashboard:Dashboard": "dashboardName",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": "modelPackageGroupName",
}
"""The property that names a resource, where it is not `name`."""


@dataclass(frozen=True)
class Registration:
    """A resource as the program registered it; `inputs` in camelCase, `options` as the engine gets them."""

    type: str
    name: str
    urn: str
    inputs: dict[str, Any]
    options: Any

    @property
    def protected(self) -> bool:
        return bool(self.options.protect)

    @property
    def retained(self) -> bool:
        return bool(self.options.retainOnDelete)


@dataclass
class Recording:
    """Everything one run of a program registered and exported."""

    registrations: list[Registration] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of_type(self, type_: str) -> list[Registration]:
        return [registration for registration in self.registrations if registration.type == type_]

    def one(self, type_: str, name: str | None = None) -> Registration:
        found = [r for r in self.of_type(type_) if name is None or r.name == name]
        assert len(found) == 1, f"{len(found)} of {type_} named {name}: {[r.name for r in self.of_type(type_)]}"
        return found[0]

    def policy(self, type_: str, name: str, key: str = "policy") -> list[dict[str, Any]]:
        """The statements of a policy document."""
        statements: list[dict[str, Any]] = json.loads(self.one(type_, name).inputs[key])["Statement"]
        return statements

    def urns(self) -> list[str]:
        return sorted(registration.urn for registration in self.registrations)


class _Answers(mocks.Mocks):
    """A provider that gives every resource its name and an ARN; in a preview, only what the program gave it."""

    def __init__(self, preview: bool) -> None:
        self._preview = preview

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        if args.token not in CALLS:
            raise AssertionError(f"the program called {args.token}, which these mocks do not know")
        return CALLS[args.token], []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if self._preview:
            return None, dict(args.inputs)
        physical = args.inputs.get(NAMES.get(args.typ, "name")) or f"{args.name}-0a1b2c3"
        named = {NAMES.get(args.typ, "name"): physical, "id": physical}
        return physical, {**_computed(args.typ, str(physical)), **args.inputs, **named}


def _computed(type_: str, physical: str) -> dict[str, Any]:
    outputs = {
        "arn": f"arn:aws:mock:{REGION}:{ACCOUNT}:{physical}",
        "keyId": physical,
        "url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{physical}",
    }
    if type_ == "aws:s3/bucket:Bucket":
        outputs["arn"] = f"arn:aws:s3:::{physical}"
    if type_.endswith("understudy:ModelPackage"):
        outputs["model_package_arn"] = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{physical}/1"
    if type_.endswith("understudy:ContainerImage"):
        digest = f"sha256:{'a' * 64}"
        outputs |= {"image_digest": digest, "image_uri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/image@{digest}"}
    return outputs


@contextmanager
def _own_loop() -> Iterator[None]:
    """An event loop for a worker thread; the SDK's mock would open one itself and leave it behind."""
    if threading.current_thread() is threading.main_thread():
        yield
        return
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Monitor(mocks.MockMonitor):
    def __init__(self, answers: mocks.Mocks, recording: Recording) -> None:
        super().__init__(answers)
        self._recording = recording

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """The engine's URN: the whole chain of types, the stack's left out. (The SDK's mock keeps one parent only.)"""
        chain = parent.split("::")[2] if parent else ""
        qualified = type_ if chain in ("", "pulumi:pulumi:Stack") else f"{chain}${type_}"
        return f"urn:pulumi:{settings.get_stack()}::{settings.get_project()}::{qualified}::{name}"

    def Invoke(self, request: Any) -> Any:  # noqa: N802  (gRPC's name)
        with _own_loop():
            return super().Invoke(request)  # type: ignore[no-untyped-call]

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  (gRPC's name)
        with _own_loop():
            return self._register(request)

    def _register(self, request: Any) -> Any:
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            inputs = {
                key: value for key, value in rpc.deserialize_properties(request.object).items() if key != "__provider"
            }
            self._recording.registrations.append(
                Registration(request.type, request.name, response.urn, inputs, request)
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  (gRPC's name)
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack":
            self._recording.outputs = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def run(
    program: Callable[[], None], *, stack: str = "prod", config: Mapping[str, Any] | None = None, preview: bool = False
) -> Recording:
    """Run a program against the mocks, as `up` or as `preview` (whatever AWS would compute is unknown)."""
    recording = Recording()
    answers = _Answers(preview)
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (config or {}).items()}
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    try:
        mocks.set_mocks(
            answers, project="understudy", stack=stack, preview=preview, monitor=_Monitor(answers, recording)
        )
        # set_mocks makes a root stack; run_in_stack makes the one that takes the exports.
        settings.ROOT.set(None)
        pulumi.runtime.set_all_config(values)
        loop.run_until_complete(run_in_stack(program))
    finally:
        pulumi.runtime.set_all_config({})
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()
    return recording


@pytest.fixture
def record() -> Callable[..., Recording]:
    return run


MODEL = b"not a model, but its bytes"
TREE = ("__main__.py", "Pulumi.yaml", "functions", "use_cases")
ARN = "arn:aws:sagemaker:us-west-2:222222222222:model-package/tumor-triage/7"
CONFIGS: dict[str, dict[str, Any]] = {
    "shadow": {
        "aws:region": REGION,
        "understudy:environment": "shadow",
        "understudy:replay": {"source": f"understudy-capture-prod-{ACCOUNT}-{REGION}"},
        "understudy:registry": {"consumerAccounts": ["222222222222"], "deployerRoles": ["ci-deployer"]},
        "understudy:services": {"tumor-triage": {}, "diabetes-progression": {}},
    },
    "prod": {
        "aws:region": REGION,
        "understudy:environment": "prod",
        "understudy:delivery": {
            "repositoryUrl": "https://git.example/understudy.git",
            "backendUrl": "s3://state/understudy",
            "passphraseParameter": "/understudy/passphrase",
            "buildImage": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/understudy/build@sha256:{'0' * 64}",
        },
        "understudy:reader": {"account": "222222222222", "roles": ["ci-deployer"]},
        "understudy:services": {
            "tumor-triage": {
                "modelPackageArn": ARN,
                "scaling": {"minCapacity": 2, "maxCapacity": 8, "invocationsPerInstance": 700},
                "rollout": {"rollback": "automatic"},
                "alarms": {"latencyP99Milliseconds": 50, "predictionAccuracy": {"threshold": 0.95}},
            },
            "diabetes-progression": {},
        },
    },
}


def make_project(folder: Path) -> Path:
    """The program in a folder of its own, with a layer that set-up would have made; no use case is trained."""
    here = Path(__file__).parents[3]
    for name in TREE:
        source, target = here / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "model.lock.yaml"))
        else:
            shutil.copy(source, target)
    library = folder / ".understudy" / "layers" / "functions" / "python" / "library.py"
    library.parent.mkdir(parents=True)
    library.write_text("ANSWER = 42\n")
    return folder


def train_in(project: Path, use_case: str) -> None:
    """Gives a use case a lock file and puts the model where a fetch would have put it."""
    digest = hashlib.sha256(MODEL).hexdigest()
    cached = project / ".understudy" / "artifacts" / digest / "model.ubj"
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(MODEL)
    job = f"{use_case.replace('_', '-')}-1"
    lock = {
        "schema": 1,
        "uri": f"s3://training-0a1b2c3/models/{use_case}/{digest}/model.ubj",
        "sha256": digest,
        "file": "model.ubj",
        "image": f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:3.0-5",
        "trainingJob": job,
        "trainingJobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{job}",
        "author": f"arn:aws:sts::{ACCOUNT}:assumed-role/understudy-scientist/ada",
        "metrics": {"validation:accuracy": 0.97},
        "hyperparameters": {"max_depth": 3},
    }
    (project / "use_cases" / use_case / "model.lock.yaml").write_text(json.dumps(lock))


def run_stack(project: Path, stack: str, config: Mapping[str, Any], preview: bool = False) -> Recording:
    """The whole program with a stack's config."""

    def program() -> None:
        runpy.run_path(str(project / "__main__.py"), run_name="__main__")

    return run(program, stack=stack, config=config, preview=preview)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.fixture
def train(project: Path) -> Callable[[str], None]:
    return lambda use_case: train_in(project, use_case)


@pytest.fixture
def run_program(project: Path) -> Callable[..., Recording]:
    """`run_program(stack, config, preview=False)`."""
    return lambda stack, config, preview=False: run_stack(project, stack, config, preview)


@pytest.fixture(scope="session")
def configs() -> dict[str, dict[str, Any]]:
    return CONFIGS


@pytest.fixture(scope="session")
def shadow(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A shadow stack of two use cases, of which one is trained."""
    project = make_project(tmp_path_factory.mktemp("shadow"))
    train_in(project, "tumor_triage")
    return run_stack(project, "shadow", CONFIGS["shadow"])


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A prod stack of two services, of which one has a version."""
    return run_stack(make_project(tmp_path_factory.mktemp("prod")), "prod", CONFIGS["prod"])
