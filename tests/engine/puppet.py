"""The engine in this process, with a program and a cloud in this process too: what a property test can afford.

The engine is driven through its command line (`main`) and judged by its state file. The project names a "virtual
environment" whose python is a few lines of shell: it hands the engine's address to a thread here, which registers
resources over gRPC as the SDK would, and waits for the exit code. The provider is the recordings' one, its cloud a
dictionary.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import alias_pb2, provider_pb2_grpc, resource_pb2, resource_pb2_grpc

from sandbox.engine.cli import main

ROOT = Path(__file__).parents[2]
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SHIM = """#!/bin/sh
read -r job || exit 1
printf '%s\\n' "$job" > {folder}/jobs
read -r code < {folder}/codes
exit "$code"
"""
REGISTERED, RAISED = 0, 32


@dataclass(frozen=True)
class Node:
    """One resource. Others are meant by their `label`; those that the program does not hold are left out."""

    label: str
    name: str
    on: tuple[str, ...] = ()
    by: str = "value"  # the dependency's way: value, replaceKey (a change replaces) or depends_on
    parent: str | None = None
    component: bool = False
    kind: str = "testing:index:Thing"
    value: int = 0
    key: int = 0
    delete_first: bool | None = None
    protect: bool = False
    retain: bool = False
    deleted_with: str | None = None
    ignore: bool = False
    replace_on_value: bool = False
    alias: str = ""
    own_provider: bool = False


def _memory(provider: ModuleType) -> Any:
    """The recordings' cloud without files."""

    class Memory(provider.Cloud):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__("")
            self.document: dict[str, Any] = {"objects": {}, "creates": {}, "writes": {}}
            self.failing: dict[str, tuple[str, ...]] = {}
            self.calls: list[dict[str, Any]] = []
            self.watcher: Callable[[str], None] | None = None  # is told "begins" and "ends" of calls
            self.readers: list[str] = []  # the engine process of each Read, as the connection's peer
            self.read_seconds = 0.0

        def load(self) -> dict[str, Any]:
            return self.document

        def save(self, document: dict[str, Any]) -> None:
            self.document = document

        def forced(self, name: str) -> list[str]:
            if self.watcher:
                self.watcher("begins")
            return [*self.failing.get(name, ())]

        def log(self, entry: dict[str, Any]) -> None:
            self.calls.append(entry)
            if self.watcher:
                self.watcher("ends")

    return Memory()


def _witness(provider: ModuleType, puppet: Puppet) -> Any:
    """The recordings' provider, which sees more."""

    class Witness(provider.Provider):  # type: ignore[name-defined,misc]
        """Notes what the state does not announce while it is done: were the engine killed, nothing would tell."""

        def _told(self, method: str, request: Any, context: Any) -> Any:
            announced = puppet.checkpoint.read_text("utf-8").partition('"pending_operations":')[2]
            if not getattr(request, "preview", False) and f'"{request.urn}"' not in announced:
                puppet.unannounced.append(f"{method} {request.urn}")
            return getattr(super(), method)(request, context)

        def Create(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's names
            return self._told("Create", request, context)

        def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
            return self._told("Update", request, context)

        def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
            return self._told("Delete", request, context)

        def Read(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            self.cloud.readers.append(context.peer())
            time.sleep(self.cloud.read_seconds)
            return super().Read(request, context)

    return Witness


class Puppet:
    """A stack whose program is a list of nodes. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: tuple[Node, ...] = ()
        self.urns: list[str] = []
        self.unannounced: list[str] = []
        provider = importlib.import_module("tests.engine.cases.testing_provider")
        self.cloud, witness = _memory(provider), _witness(provider, self)
        self._servers, addresses = [], []
        for package, modern in (("testing", True), ("plain", False)):
            server = grpc.server(ThreadPoolExecutor(8))
            servicer = witness(package, self.cloud, modern)
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
            addresses.append(f"{package}:{server.add_insecure_port('127.0.0.1:0')}")
            server.start()
            self._servers.append(server)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_HOME": f"{folder}/home",
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_DEBUG_PROVIDERS": ",".join(addresses),
        }
        for name in ("state", "home", "shim/bin"):
            (folder / name).mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text(
            "name: conf\nruntime: {name: python, options: {virtualenv: shim}}\n", "utf-8"
        )
        (folder / "__main__.py").touch()
        os.mkfifo(folder / "jobs")
        os.mkfifo(folder / "codes")
        shim = folder / "shim/bin/python"
        shim.write_text(SHIM.format(folder=folder))
        shim.chmod(0o755)
        # Both ends are open at any time, so that neither side waits for the other's death.
        self._jobs = os.fdopen(os.open(folder / "jobs", os.O_RDWR), "r+b", buffering=0)
        self._codes = os.open(folder / "codes", os.O_RDWR | os.O_NONBLOCK)
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> Puppet:
        self._thread.start()
        self.run("stack", "init", "dev")
        self._empty = self.checkpoint.read_text("utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._jobs.write(b"\n")
        self._thread.join(10)
        self._jobs.close()
        os.close(self._codes)
        for server in self._servers:
            server.stop(None)

    def begin_anew(self) -> None:
        """An empty stack and an empty cloud."""
        self.checkpoint.write_text(self._empty)
        self.cloud.document = {"objects": {}, "creates": {}, "writes": {}}
        self.cloud.failing, self.cloud.calls, self.cloud.readers = {}, [], []

    def run(self, *argv: str) -> tuple[int, str]:
        """(exit code, what was said)"""
        said = io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            for key in [k for k in os.environ if k.startswith("PULUMI_")]:
                patch.delenv(key)
            for key, value in self.environment.items():
                patch.setenv(key, value)
            patch.chdir(self.folder)
            self._settle()
            code = main([*argv])
        return code, said.getvalue()

    def deploy(self, command: str, *argv: str, nodes: Iterable[Node] = ()) -> tuple[int, str]:
        self.nodes, self.urns = tuple(nodes), []
        self.cloud.calls = []
        go = () if command == "preview" else ("--yes", "--skip-preview")
        return self.run(command, *go, "--stack", "dev", *argv)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """The same as a process of its own, for those who mean to kill it."""
        self._settle()
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox.engine", *argv],
            cwd=self.folder,
            env=self.environment | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _settle(self) -> None:
        """Forget the exit code of a program that was killed before it could read it."""
        assert self._idle.wait(10)
        with contextlib.suppress(BlockingIOError):
            os.read(self._codes, 1000)

    def unprotect(self) -> None:
        """Take every protection away, by export and import."""
        code, text = self.run("stack", "export", "--stack", "dev")
        assert code == 0, text
        document = json.loads(text)
        for r in document["deployment"].get("resources") or []:
            r.pop("protect", None)
        path = self.folder / "export.json"
        path.write_text(json.dumps(document))
        assert self.run("stack", "import", "--stack", "dev", "--file", str(path))[0] == 0

    @property
    def checkpoint(self) -> Path:
        return self.folder / "state/.pulumi/stacks/conf/dev.json"

    @property
    def locks(self) -> list[Path]:
        return list((self.folder / "state/.pulumi/locks").rglob("*.json"))

    def deployment(self) -> dict[str, Any]:
        latest: dict[str, Any] = json.loads(self.checkpoint.read_text("utf-8"))["checkpoint"].get("latest") or {}
        return latest

    # -- the program
    def _play(self) -> None:
        for line in iter(self._jobs.readline, b"\n"):
            self._idle.clear()
            job = json.loads(line)
            try:
                with grpc.insecure_channel(job["settings"]["monitor"]) as channel:
                    _register(resource_pb2_grpc.ResourceMonitorStub(channel), self.nodes, self.urns)
                code = REGISTERED
            except grpc.RpcError:
                code = RAISED
            with contextlib.suppress(OSError):
                os.write(self._codes, b"%d\n" % code)
            self._idle.set()


def _register(monitor: Any, nodes: tuple[Node, ...], urns: list[str]) -> None:
    """The program: the stack, the nodes in their order, the stack's outputs."""
    request = resource_pb2.RegisterResourceRequest
    stack = monitor.RegisterResource(request(type="pulumi:pulumi:Stack", name="conf-dev", acceptSecrets=True)).urn
    made: dict[str, Any] = {}
    own = ""
    if any(n.own_provider for n in nodes):
        p = monitor.RegisterResource(
            request(type="pulumi:providers:testing", name="own", parent=stack, custom=True, acceptSecrets=True)
        )
        own = f"{p.urn}::{p.id or UNKNOWN}"
        urns.append(p.urn)
    for node in nodes:
        answer = monitor.RegisterResource(_request(node, made, stack, own))
        urns.append(answer.urn)
        made[node.label] = answer
    outputs = struct_pb2.Struct()
    outputs.update({"n": len(nodes)})
    monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=stack, outputs=outputs))


def _request(node: Node, made: dict[str, Any], stack: str, own: str) -> Any:
    parent = made[node.parent].urn if node.parent in made else stack
    common: dict[str, Any] = {"name": node.name, "parent": parent, "protect": node.protect, "acceptSecrets": True}
    aliases = [alias_pb2.Alias(spec=alias_pb2.Alias.Spec(name=node.alias))] if node.alias else []
    on = [made[label] for label in node.on if label in made]
    needs = [r.urn for r in on]
    if node.component:
        return resource_pb2.RegisterResourceRequest(
            type="conf:index:Comp", aliases=aliases, dependencies=needs, retainOnDelete=node.retain, **common
        )
    inputs: dict[str, Any] = {"value": f"v{node.value}", "replaceKey": f"k{node.key}"}
    by_property = {}
    if needs and node.by != "depends_on":
        inputs[node.by] = [r.id or UNKNOWN for r in on]
        by_property = {node.by: resource_pb2.RegisterResourceRequest.PropertyDependencies(urns=needs)}
    target = made[node.deleted_with].urn if node.deleted_with in made else ""
    return resource_pb2.RegisterResourceRequest(
        type=node.kind,
        custom=True,
        object=json_format.ParseDict(inputs, struct_pb2.Struct()),
        dependencies=needs,
        propertyDependencies=by_property,
        version="" if node.kind.startswith("plain:") else "1.2.3",
        provider=own if node.own_provider and node.kind.startswith("testing:") else "",
        deleteBeforeReplace=bool(node.delete_first),
        deleteBeforeReplaceDefined=node.delete_first is not None,
        retainOnDelete=node.retain,
        deletedWith=target,
        ignoreChanges=["value"] if node.ignore else [],
        replaceOnChanges=["value"] if node.replace_on_value else [],
        aliases=aliases,
        supportsPartialValues=True,
        **common,
    )


def without_protection(nodes: Iterable[Node]) -> tuple[Node, ...]:
    return tuple(replace(n, protect=False) for n in nodes)
