"""The sandbox's cloud: one HTTP endpoint for all AWS services.

moto is embedded and does what it does well; services of ours replace what it only stubs, each by its `install(cloud)`
(see `sandbox.cloud.ports` for how a service plugs in). Requests to `/endpoints/<name>/invocations` never reach moto:
they are answered on the event loop, from a pool of connections to the model servers.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import uvicorn
import uvloop

from sandbox.cloud.children import Children
from sandbox.cloud.ports import ASGIApp, ASGIScope, Cloud, Receive, Send
from sandbox.cloud.wsgi import MotoApplication

SERVICES = (
    "sandbox.cloud.monitoring",
    "sandbox.cloud.eventing",
    "sandbox.cloud.compute",
    "sandbox.cloud.sagemaker",
    "sandbox.cloud.bucket_policies",
    "sandbox.cloud.buckets",
    "sandbox.cloud.queues",
    "sandbox.cloud.registries",
    "sandbox.cloud.trust",
)
LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
GRACE_SECONDS = 2
# Requests to moto are computed in threads of this process: a shorter switch keeps the data plane's latency low.
SWITCH_SECONDS = 0.0005


class PortTakenError(Exception):
    """The port asked for cannot be bound."""


class CloudServer:
    """A running cloud on loopback.

    Raises `PortTakenError` where `port` is not free; 0 takes any free port.
    """

    def __init__(self, directory: Path, *, port: int = 0, speed: float = 60.0) -> None:
        self._socket = _bind(port)
        self.port: int = self._socket.getsockname()[1]
        # Step Functions' tasks call back on this port.
        os.environ["MOTO_PORT"] = str(self.port)
        directory.mkdir(parents=True, exist_ok=True)
        self.cloud = Cloud(f"http://{LOOPBACK}:{self.port}", directory, Children(), speed)
        self._front = Front(MotoApplication(self.cloud))
        for name in SERVICES:
            install: Callable[[Cloud], None] = import_module(name).install
            install(self.cloud)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._front,
                http="httptools",
                lifespan="off",
                access_log=False,
                server_header=False,
                log_level="warning",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_SECONDS,
                backlog=2048,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="cloud", daemon=True)

    def start(self) -> None:
        """Answer requests, then start the services' own threads."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()
        if not self._front.running.wait(START_SECONDS):
            raise TimeoutError(f"The cloud did not start within {START_SECONDS:.0f} s.")
        self.cloud.start()

    def stop(self) -> None:
        """Let the services finish what they hold (captured requests, processes), then stop answering."""
        try:
            self.cloud.stop()
        finally:
            self._server.should_exit = True
            self._thread.join(GRACE_SECONDS + 3)
            self.cloud.children.close()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.005)
        self.cloud.loop = asyncio.get_running_loop()
        self._front.invocations = self.cloud.invocations
        self._front.running.set()
        await serving
        await self._front.close()


class Front:
    """Sends invocations to the data plane and all else to moto."""

    def __init__(self, moto: MotoApplication) -> None:
        self._moto = moto
        self.invocations: ASGIApp | None = None
        self.running = threading.Event()

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        native = self.invocations
        if native is not None and path.startswith("/endpoints/") and path.endswith("/invocations"):
            await native(scope, receive, send)
        else:
            await self._moto(scope, receive, send)

    async def close(self) -> None:
        self._moto.close()


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"Port {port} of {LOOPBACK} cannot be used ({error.strerror}): another sandbox may be running. "
            "Stop it, or leave out --port to take a free one."
        ) from error
    return listener
