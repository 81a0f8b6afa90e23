"""What the sandbox adds to latency: the same request to a model server, and through InvokeEndpoint to its twin.

Requests alternate, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from rich.console import Console

from release.rehearsal.service import wait_until
from release.rehearsal.stage import Stage
from release.rehearsal.traffic import percentile

ROOT = Path(__file__).parents[1]
REQUESTS = 1000
SCRIPT = """\
def model_fn(model_dir):
    return None

def predict_fn(data, model):
    return data.sum(axis=1)
"""
BODY = b"1,2,3,4,5"
HEADERS = {"Content-Type": "text/csv", "Accept": "text/csv"}
IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5"
TRUST = '{"Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}]}'


def measure(console: Console) -> list[dict[str, Any]]:
    """Rows: milliseconds at p50, p90 and p99, straight to the model server, by plain HTTP and by boto3 through AWS."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(ROOT, Path(folder) / "stage", speed=600, engine="embedded")
        stage.prepare()
        with stage.sandbox(), _server(Path(folder)) as port:
            runtime = serve_twin(stage)
            ways = {
                "model server": _straight(port),
                "InvokeEndpoint by boto3": lambda: runtime.invoke_endpoint(
                    EndpointName="latency", ContentType="text/csv", Accept="text/csv", Body=BODY
                )["Body"].read(),
            }
            console.print(f"sending {REQUESTS} requests each way, alternating")
            return _alternate(ways)


def _alternate(ways: dict[str, Callable[[], object]]) -> list[dict[str, Any]]:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(REQUESTS + 50):
        for name, send in ways.items():
            started = time.perf_counter()
            send()
            if number >= 50:  # warm
                taken[name].append((time.perf_counter() - started) * 1000)
    return [
        {"way": name, **{f"p{percent}_ms": round(percentile(values, percent), 2) for percent in (50, 90, 99)}}
        for name, values in taken.items()
    ]


def _straight(port: int) -> Callable[[], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def send() -> bytes:
        connection.request("POST", "/invocations", BODY, HEADERS)
        return connection.getresponse().read()

    return send


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    """A model server of its own with the same script."""
    code = folder / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(SCRIPT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "SM_MODEL_DIR": str(code.parent),
        "SAGEMAKER_SUBMIT_DIRECTORY": str(code),
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "model_package.server"], cwd=ROOT, env=environment)
    try:
        wait_until("the model server's ping", lambda: _answers(port), 30)
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def serve_twin(stage: Stage) -> Any:
    """The same script behind a sandbox endpoint; returns the runtime client."""
    session = stage.session("ci")
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(SCRIPT)
        tar.addfile(member, BytesIO(SCRIPT.encode()))
    s3, sagemaker = session.client("s3"), session.client("sagemaker")
    s3.create_bucket(Bucket="latency", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="latency", Key="model.tar.gz", Body=archive.getvalue())
    role = session.client("iam").create_role(RoleName="latency", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    container = {
        "Image": IMAGE,
        "ModelDataUrl": "s3://latency/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        },
    }
    sagemaker.create_model(ModelName="latency", ExecutionRoleArn=role, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "latency",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="latency", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="latency", EndpointConfigName="latency")

    def in_service() -> bool:
        return bool(sagemaker.describe_endpoint(EndpointName="latency")["EndpointStatus"] == "InService")

    wait_until("the endpoint", in_service, 60)
    return session.client("sagemaker-runtime")
