"""One instance of a variant: a process of the model server, held to SageMaker's container contract."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sandbox.cloud import identity
from sandbox.cloud.children import Process
from sandbox.cloud.ports import Cloud, Scope

ROOT = Path(__file__).resolve().parents[3]
CONTAINER_MODEL_DIR = "/opt/ml/model"
PING_SECONDS = 2.0
# SageMaker sends SIGKILL 30 s after SIGTERM.
KILL_SECONDS = 30.0
KILL_FLOOR_SECONDS = 5.0
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Workload:
    """What an instance runs and where its output goes."""

    scope: Scope
    endpoint: str
    variant: str
    model_dir: Path
    environment: Mapping[str, str]
    role_arn: str


class Instance:
    """A model server process. `in_flight` is only touched on the event loop; all else by the threads of its owner."""

    def __init__(self, cloud: Cloud, workload: Workload) -> None:
        self._cloud = cloud
        self._workload = workload
        self._process: Process | None = None
        # Its rollout stops an instance while the supervisor may be looking at it.
        self._guard = threading.Lock()
        self._stopped = False
        self.log_stream = f"{workload.variant}/i-{uuid.uuid4().hex[:17]}"
        self.port = 0
        self.in_flight = 0
        self.ready = False
        self.exits = 0
        self.unhealthy_since: float | None = None
        """When the server first answered that it is not healthy, since it was started last."""

    def launch(self) -> None:
        """Start the process; `check` says when it answers."""
        self.port, self.unhealthy_since = _free_port(), None
        self._process = self._cloud.children.spawn(
            [sys.executable, "-m", "model_package.server"],
            env=self._environment(),
            cwd=self._workload.model_dir,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._forward_logs, args=(self._process.stdout,), daemon=True).start()

    def check(self) -> bool:
        """Whether the instance may get requests; a process that ended is started again, as SageMaker does."""
        with self._guard:
            process = self._process
            if self._stopped or process is None:
                return False
            if process.poll() is not None:
                self.ready = False
                self.exits += 1
                self._cloud.children.terminate(process)
                self.launch()
            elif not self.ready:
                self.ready = self._ping() and process.poll() is None
            return self.ready

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; the owner has drained it before."""
        with self._guard:
            self._stopped, self.ready = True, False
            process = self._process
        if process is not None:
            self._cloud.children.terminate(process, self._cloud.seconds(KILL_SECONDS, KILL_FLOOR_SECONDS))

    def _ping(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PING_SECONDS)
        try:
            connection.request("GET", "/ping")
            status = connection.getresponse().status
            # 503 is a server that is still loading its model, which is as good as one that does not answer yet.
            if status not in (http.client.OK, http.client.SERVICE_UNAVAILABLE) and self.unhealthy_since is None:
                self.unhealthy_since = time.monotonic()
            return status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _environment(self) -> dict[str, str]:
        workload = self._workload
        model_dir = str(workload.model_dir)
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **self._cloud.child_environment,
            **identity.role_environment(workload.role_arn, "SageMaker", workload.scope.region),
            "AWS_REGION": workload.scope.region,
            "SAGEMAKER_REGION": workload.scope.region,
            **{name: value.replace(CONTAINER_MODEL_DIR, model_dir) for name, value in workload.environment.items()},
            "SM_MODEL_DIR": model_dir,
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
        }

    def _forward_logs(self, output: IO[bytes]) -> None:
        group = f"/aws/sagemaker/Endpoints/{self._workload.endpoint}"
        with output:
            for line in output:
                text = line.decode(errors="replace").rstrip("\n")
                self._cloud.logs.append(self._workload.scope, group, self.log_stream, [text])


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
