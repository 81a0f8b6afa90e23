"""Where providers come from: attached ones, the host of dynamic providers, the built-in one."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from sandbox.engine import wire
from sandbox.engine.errors import EngineError
from sandbox.engine.providers import Builtin, Provider
from sandbox.engine.state import DYNAMIC_PACKAGE
from sandbox.engine.values import Value

pb_grpc = wire.load("provider_pb2_grpc")


class Plugins:
    """Where providers come from. Connections and the dynamic host are made on first use and shared."""

    def __init__(
        self, interpreter: str, program: Path, project: str, outputs_of: Callable[[str], dict[str, Value]]
    ) -> None:
        self._interpreter, self._program, self._project = interpreter, program, project
        self._outputs_of = outputs_of
        self._attached = attached(os.environ.get("PULUMI_DEBUG_PROVIDERS", ""))
        self._hosts: list[subprocess.Popen[str]] = []
        self._spare: subprocess.Popen[str] | None = None
        self._channels: list[Any] = []
        self._lock = threading.Lock()

    def prepare_dynamic_host(self) -> None:
        """Starts the dynamic host ahead of its first use, so that it loads while the program does."""
        with self._lock:
            if self._spare is None:
                self._spare = self._start_host()

    def open(self, package: str) -> Provider:
        """A new, unconfigured instance. Raises EngineError when nobody provides the package."""
        if package in self._attached:
            return Provider(package, self._stub(self._attached[package]))
        if package == "pulumi":
            return Builtin(self._outputs_of)
        if package == DYNAMIC_PACKAGE:
            return self._dynamic()
        raise EngineError(
            f"no provider for package '{package}': attach one with PULUMI_DEBUG_PROVIDERS={package}:<port>; the "
            "embedded engine installs no plugins"
        )

    def _dynamic(self) -> Provider:
        with self._lock:
            host, self._spare = self._spare or self._start_host(), None
        line = host.stdout.readline().strip() if host.stdout else ""
        if not line.isdigit():
            raise EngineError(
                f"the host of dynamic providers did not start: `{self._interpreter} -m pulumi.dynamic` in "
                f"{self._program} said {line!r} (exit code {host.poll()})"
            )

        def died() -> str | None:
            try:
                return f"died with exit code {host.wait(1)}"
            except subprocess.TimeoutExpired:
                return None

        return Provider(DYNAMIC_PACKAGE, self._stub(f"127.0.0.1:{line}"), died)

    def _start_host(self) -> subprocess.Popen[str]:
        host = subprocess.Popen(
            [self._interpreter, "-u", "-m", "pulumi.dynamic"],
            cwd=self._program,
            env={**os.environ, "PULUMI_PROJECT": self._project},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._hosts.append(host)
        return host

    def _stub(self, address: str) -> Any:
        channel = grpc.insecure_channel(address, options=wire.GRPC_OPTIONS)
        self._channels.append(channel)
        return pb_grpc.ResourceProviderStub(channel)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()
        for host in self._hosts:
            host.kill()
            host.wait()
            if host.stdout:
                host.stdout.close()


def attached(text: str) -> dict[str, str]:
    """`aws:4711,testing:4712` -> {package: address}. Raises EngineError when it is not that."""
    out = {}
    for part in filter(None, text.split(",")):
        package, _, port = part.strip().rpartition(":")
        if not package or not port.isdigit():
            raise EngineError(f"PULUMI_DEBUG_PROVIDERS: {part!r} is not <package>:<port>")
        out[package] = f"127.0.0.1:{port}"
    return out
