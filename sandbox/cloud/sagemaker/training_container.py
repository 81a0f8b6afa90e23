"""A training container: script mode in a process of this machine.

The folder `/opt/ml` of a container is a folder of the job here; the script learns where by the SM_* variables that
SageMaker's containers set. Channels are downloaded from S3, hyperparameters become `--name value` arguments, `model/`
is uploaded as model.tar.gz and `output/data/` as output.tar.gz.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.cloud import identity
from sandbox.cloud.ports import Cloud, Scope
from sandbox.cloud.sagemaker.archives import extract
from sandbox.cloud.sagemaker.storage import Storage, split
from sandbox.cloud.sagemaker.store import now

# StopTrainingJob gives a script 120 s to save its work.
STOP_SECONDS = 120.0
STOP_FLOOR_SECONDS = 5.0
POLL_SECONDS = 0.05
HOST = "algo-1"
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
LOG_GROUP = "/aws/sagemaker/TrainingJobs"


class TrainingError(Exception):
    """The job failed; the message is its FailureReason."""


class TrainingContainer:
    """The files and the process of one job."""

    def __init__(
        self, cloud: Cloud, storage: Storage, scope: Scope, name: str, job_arn: str, request: Mapping[str, Any]
    ) -> None:
        self._cloud = cloud
        self._storage = storage
        self._scope = scope
        self._name = name
        self._arn = job_arn
        self._request = request
        self._role: str = request["RoleArn"]
        self._root = cloud.directory / "training" / scope.account / scope.region / name
        self._hyperparameters: dict[str, str] = dict(request.get("HyperParameters", {}))
        self._channels: dict[str, Path] = {}
        definitions = request["AlgorithmSpecification"].get("MetricDefinitions", [])
        self._patterns = [(definition["Name"], re.compile(definition["Regex"])) for definition in definitions]
        self._last_lines: list[str] = []
        self.metrics: dict[str, tuple[float, datetime]] = {}

    def download(self) -> None:
        """Fill input/, and code/ with the script's archive."""
        for folder in ("input/config", "input/data", "model", "output/data", "code"):
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        for channel in self._request.get("InputDataConfig", []):
            self._download_channel(channel)
        self._write_config()
        submitted = self._setting("sagemaker_submit_directory")
        if not submitted or not self._setting("sagemaker_program"):
            raise TrainingError(
                "AlgorithmError: the sandbox runs script mode only: hyperparameters sagemaker_program and "
                "sagemaker_submit_directory are needed."
            )
        archive = self._root / "sourcedir.tar.gz"
        self._storage.download(submitted, archive, self._role, self._scope)
        extract(archive, self._root / "code")

    def train(self, stopping: threading.Event) -> str:
        """Run the script to its end; returns the secondary status Completed, Stopped or MaxRuntimeExceeded.

        Raises `TrainingError` with the container's words if it exits with anything but 0.
        """
        program = self._setting("sagemaker_program")
        if not (self._root / "code" / program).is_file():
            raise TrainingError(f"AlgorithmError: the archive of sagemaker_submit_directory holds no {program}.")
        process = self._cloud.children.spawn(
            [sys.executable, program, *self._arguments()],
            env=self._environment(),
            cwd=self._root / "code",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        reader.start()
        deadline = time.monotonic() + self._request["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400)
        ending = ""
        while process.poll() is None and not ending:
            if stopping.wait(POLL_SECONDS):
                ending = "Stopped"
            elif time.monotonic() > deadline:
                ending = "MaxRuntimeExceeded"
        self._cloud.children.terminate(process, self._cloud.seconds(STOP_SECONDS, STOP_FLOOR_SECONDS))
        reader.join()
        if ending:
            return ending
        if process.returncode != 0:
            raise TrainingError(self._failure_reason(process.returncode))
        return "Completed"

    def upload(self) -> str:
        """Write the artifacts to S3OutputPath; returns the URL of model.tar.gz."""
        base = f"{self._request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self._name}/output"
        url = f"{base}/model.tar.gz"
        self._storage.upload(self._archive("model"), url, self._role, self._scope)
        if any((self._root / "output" / "data").iterdir()):
            self._storage.upload(self._archive("output/data"), f"{base}/output.tar.gz", self._role, self._scope)
        return url

    def close(self) -> None:
        """Remove the job's files."""
        shutil.rmtree(self._root, ignore_errors=True)

    # -- input

    def _download_channel(self, channel: Mapping[str, Any]) -> None:
        name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource")
        if source is None or source["S3DataType"] != "S3Prefix":
            raise TrainingError(
                f"ClientError: the sandbox reads channels of S3DataType S3Prefix only (channel {name})."
            )
        folder = self._channels[name] = self._root / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        url = source["S3Uri"]
        bucket, prefix = split(url)
        keys = [key for key in self._storage.keys(url, self._role, self._scope) if not key.endswith("/")]
        if not keys:
            raise TrainingError(
                f"ClientError: Data download failed:No objects matched the S3 prefix {url} of channel {name}."
            )
        base = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
        for key in keys:
            # A prefix may name one object, or a folder with or without its slash.
            relative = key.removeprefix(base) if key.startswith(base) else key.rsplit("/", 1)[-1]
            target = (folder / relative).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise TrainingError(f"ClientError: the key {key} leaves its channel's folder.")
            self._storage.download(f"s3://{bucket}/{key}", target, self._role, self._scope)

    def _write_config(self) -> None:
        config = self._root / "input" / "config"
        (config / "hyperparameters.json").write_text(json.dumps(self._hyperparameters))
        (config / "resourceconfig.json").write_text(json.dumps({"current_host": HOST, "hosts": [HOST]}))
        channels = {
            channel["ChannelName"]: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
            for channel in self._request.get("InputDataConfig", [])
        }
        (config / "inputdataconfig.json").write_text(json.dumps(channels))

    # -- the process

    def _setting(self, name: str) -> str:
        """A `sagemaker_*` hyperparameter, which SDKs write as JSON."""
        return str(_decoded(self._hyperparameters.get(name, "")))

    def _script_parameters(self) -> dict[str, Any]:
        return {
            name: _decoded(value)
            for name, value in sorted(self._hyperparameters.items())
            if not name.startswith("sagemaker_")
        }

    def _arguments(self) -> list[str]:
        arguments: list[str] = []
        for name, value in self._script_parameters().items():
            text = value if isinstance(value, str) else json.dumps(value)
            arguments += [f"--{name}", text]
        return arguments

    def _environment(self) -> dict[str, str]:
        root, parameters = self._root, self._script_parameters()
        channels = {f"SM_CHANNEL_{name.upper()}": str(folder) for name, folder in self._channels.items()}
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            **self._cloud.child_environment,
            **identity.role_environment(self._role, "SageMaker", self._scope.region),
            "AWS_REGION": self._scope.region,
            "PYTHONUNBUFFERED": "1",
            "TRAINING_JOB_NAME": self._name,
            "TRAINING_JOB_ARN": self._arn,
            "SM_MODEL_DIR": str(root / "model"),
            "SM_OUTPUT_DIR": str(root / "output"),
            "SM_OUTPUT_DATA_DIR": str(root / "output" / "data"),
            "SM_INPUT_DIR": str(root / "input"),
            "SM_INPUT_CONFIG_DIR": str(root / "input" / "config"),
            "SM_MODULE_DIR": self._setting("sagemaker_submit_directory"),
            "SM_USER_ENTRY_POINT": self._setting("sagemaker_program"),
            "SM_CHANNELS": json.dumps(sorted(self._channels)),
            **channels,
            "SM_HPS": json.dumps(parameters),
            **{f"SM_HP_{name.upper()}": _text(value) for name, value in parameters.items()},
            "SM_USER_ARGS": json.dumps(self._arguments()),
            "SM_HOSTS": json.dumps([HOST]),
            "SM_CURRENT_HOST": HOST,
            "SM_NUM_CPUS": str(os.cpu_count() or 1),
            "SM_NUM_GPUS": "0",
            **self._request.get("Environment", {}),
        }

    def _read(self, stream: Any) -> None:
        with stream:
            for raw in stream:
                text = raw.decode(errors="replace").rstrip("\n")
                self._last_lines = [*self._last_lines[-19:], text]
                self._cloud.logs.append(self._scope, LOG_GROUP, f"{self._name}/{HOST}-{self._name}", [text])
                for name, pattern in self._patterns:
                    value = _number(pattern.search(text))
                    if value is not None:
                        self.metrics[name] = (value, now())

    def _failure_reason(self, code: int) -> str:
        written = self._root / "output" / "failure"
        if written.is_file():
            return f"AlgorithmError: {written.read_text(errors='replace')}"
        said = "\n".join(self._last_lines)[-800:]
        return f'AlgorithmError: ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{said}", exit code: {code}'

    def _archive(self, folder: str) -> Path:
        source = self._root / folder
        archive = self._root / f"{folder.replace('/', '-')}.tar.gz"
        with tarfile.open(archive, "w:gz") as stream:
            for path in sorted(source.rglob("*")):
                stream.add(path, path.relative_to(source).as_posix(), recursive=False)
        return archive


def _number(found: re.Match[str] | None) -> float | None:
    """The number that a metric's first group caught; AWS, too, ignores what is none."""
    try:
        return float(found[1]) if found else None
    except (ValueError, IndexError):
        return None


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
