"""The model server in a process of its own, on an unpacked package: what SageMaker does with a container."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from release.checking.model import KEPT

ROOT = Path(__file__).resolve().parents[2]
CONTAINER_MODEL_DIR = "/opt/ml/model"
HEALTHY_SECONDS = 240.0
"""SageMaker gives a container about 4 minutes to answer its ping."""

PING_SECONDS = 2.0
INVOCATION_SECONDS = 60.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05


class NotHealthy(Exception):  # noqa: N818  (it says what happened)
    """The server never answered its ping with 200; the text is the container's."""


@dataclass(frozen=True)
class Answer:
    """What `/invocations` answered, and after how long."""

    status: int
    content_type: str
    body: bytes
    milliseconds: float

    @property
    def text(self) -> str:
        """The body for people, cut."""
        return self.body.decode(errors="replace")[:500]


class Server:
    """A running model server. Its memory is read off /proc, where there is one."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._port = port
        self._log = log

    def await_healthy(self) -> float:
        """Seconds from the start to the first ping that is answered 200. Raises NotHealthy."""
        started = time.monotonic()
        while time.monotonic() < started + HEALTHY_SECONDS:
            if self._process.poll() is not None:
                raise NotHealthy(f"the server ended with {self._process.returncode}: {self.said()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, _, body = self._request("GET", "/ping", b"", {}, PING_SECONDS)
                if status == http.client.OK:
                    return time.monotonic() - started
                if status != http.client.SERVICE_UNAVAILABLE:
                    raise NotHealthy(f"/ping is answered {status}: {body.decode(errors='replace')[:1000]}")
            time.sleep(_POLL_SECONDS)
        raise NotHealthy(f"/ping is not answered 200 within {HEALTHY_SECONDS:.0f} s: {self.said()}")

    def ask(self, body: bytes, content_type: str, accept: str) -> Answer:
        """One request. Raises NotHealthy where the server dies or does not answer in time."""
        headers = {"Content-Type": content_type, "Accept": accept}
        started = time.perf_counter()
        try:
            status, answered, content = self._request("POST", "/invocations", body, headers, INVOCATION_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise NotHealthy(f"/invocations is not answered ({error}): {self.said()}") from error
        return Answer(status, answered.partition(";")[0].strip(), content, (time.perf_counter() - started) * 1000)

    def peak_memory_bytes(self) -> int | None:
        """The most memory the process held (VmHWM); None where the system does not say."""
        with contextlib.suppress(OSError):
            found = re.search(
                r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{self._process.pid}/status").read_text(), re.MULTILINE
            )
            return int(found[1]) * 1024 if found else None
        return None

    def said(self) -> str:
        """The end of the server's log."""
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-4:])[-1000:] or "it said nothing"

    def _request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=seconds)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.headers.get("Content-Type", ""), response.read()
        finally:
            connection.close()


@contextlib.contextmanager
def serve(model_dir: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """The model server on `model_dir`, with a container's `environment`; stopped in the end, whatever happens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    container = {name: value.replace(CONTAINER_MODEL_DIR, str(model_dir)) for name, value in environment.items()}
    variables = {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **container,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SM_MODEL_DIR": str(model_dir),
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "model_package.server"],
                cwd=model_dir,
                env=variables,
                stdout=written,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Server(process, port, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
