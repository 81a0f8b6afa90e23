"""Where providers come from (attached, dynamic, built in), and the provider instances of a deployment."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any

import grpc

from sandbox.engine import wire
from sandbox.engine.errors import EngineError
from sandbox.engine.project import Project
from sandbox.engine.providers import Builtin, Provider
from sandbox.engine.state import DYNAMIC_PACKAGE, Resource, Snapshot
from sandbox.engine.steps import Check, ConfigDiff, Diff, DiffAnswer, Load, PropertyChange, Question
from sandbox.engine.urns import package_of
from sandbox.engine.values import UNKNOWN_TEXT, Properties, Value, differences, equal, parse_path, with_ignored

pb_grpc = wire.load("provider_pb2_grpc")


class Plugins:
    """Where providers come from. Connections and the dynamic host are made on first use and shared."""

    def __init__(self, project: Project, outputs_of: Callable[[str], dict[str, Value]]) -> None:
        self._project, self._outputs_of = project, outputs_of
        self._attached = attached(os.environ.get("PULUMI_DEBUG_PROVIDERS", ""))
        self._spare: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._opened = contextlib.ExitStack()

    def prepare_dynamic_host(self) -> None:
        """Starts the dynamic host ahead of its first use, so that it loads while the program does."""
        self._spare = self._start_host()

    def open(self, package: str) -> Provider:
        """A new, unconfigured instance. Raises EngineError when nobody provides the package."""
        if package in self._attached:
            return Provider(package, self._stub(self._attached[package]))
        if package == "pulumi":
            return Builtin(self._outputs_of)
        if package == DYNAMIC_PACKAGE:
            return self._dynamic()
        raise EngineError(f"no provider for package '{package}': attach one, PULUMI_DEBUG_PROVIDERS={package}:<port>")

    def _dynamic(self) -> Provider:
        with self._lock:
            host, self._spare = self._spare or self._start_host(), None
        line = host.stdout.readline().strip() if host.stdout else ""
        if not line.isdigit():
            command = f"`{self._project.interpreter} -m pulumi.dynamic` in {self._project.program}"
            raise EngineError(f"{command} did not start; it said {line!r} (exit code {host.poll()})")

        def died() -> str | None:
            try:
                return f"died with exit code {host.wait(1)}"
            except subprocess.TimeoutExpired:
                return None

        return Provider(DYNAMIC_PACKAGE, self._stub(f"127.0.0.1:{line}"), died)

    def _start_host(self) -> subprocess.Popen[str]:
        host = subprocess.Popen(
            [self._project.interpreter, "-u", "-m", "pulumi.dynamic"],
            cwd=self._project.program,
            env={**os.environ, "PULUMI_PROJECT": self._project.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._opened.enter_context(host)
        self._opened.callback(host.kill)
        return host

    def _stub(self, address: str) -> Any:
        channel = self._opened.enter_context(grpc.insecure_channel(address, options=wire.GRPC_OPTIONS))
        return pb_grpc.ResourceProviderStub(channel)

    def close(self) -> None:
        self._opened.close()


def attached(text: str) -> dict[str, str]:
    """`aws:4711,testing:4712` -> {package: address}. Raises EngineError when it is not that."""
    out = {}
    for part in filter(None, text.split(",")):
        package, _, port = part.strip().rpartition(":")
        if not package or not port.isdigit():
            raise EngineError(f"PULUMI_DEBUG_PROVIDERS: {part!r} is not <package>:<port>")
        out[package] = f"127.0.0.1:{port}"
    return out


# -- instances
INTERNAL = "__internal"  # the engine's own part of a provider's inputs


class Instances:
    def __init__(self, plugins: Plugins, base: Snapshot) -> None:
        self._open = plugins.open
        self.base = base
        self._instances: dict[str, Provider] = {}
        self._candidates: dict[str, Provider] = {}
        self._registered: dict[str, Resource] = {}
        self.aliased: Mapping[str, str] = {}  # alias of a provider -> its URN now
        self._lock = threading.RLock()

    def answer(self, question: Question) -> object:
        """A question of the planner, put to the instance it concerns."""
        match question:
            case Check(resource=r, olds=olds, news=news) if r.is_provider:
                inputs, failures = self.candidate(r).check_config(r.urn, public(olds), public(news))
                own = {k: v for k, v in news.items() if k == INTERNAL}
                return {**inputs, **own}, failures
            case Check(resource=r, olds=olds, news=news):
                return self.get(r.provider).check(r, olds, news)
            case Diff(old=old, new=new, news=news) if old.is_provider:
                return _diff_config(self.candidate(new or old), (new or old).urn, old, news)
            case Diff(old=old, new=new, news=news):
                return self.diff(old, new or old, news)
            case ConfigDiff():
                return self._compare(question)
            case Load(provider=reference):
                return self.get(reference) if reference else None
            case _:
                raise AssertionError(f"{question} is no question to a provider")

    def diff(self, old: Resource, new: Resource, news: Properties) -> DiffAnswer:
        """How `news` differ from what `old` has; where the provider does not know, the inputs are compared."""
        answer = self.get(new.provider).diff(new, old, news)
        if answer.changes is None:
            wanted = with_ignored(news, old.inputs, new.ignore_changes)
            answer.detailed = {p: PropertyChange(kind) for p, kind, *_ in differences(old.inputs, wanted)}
            answer.diffs = sorted({str(parse_path(p)[0]) for p in answer.detailed})
            answer.changes = bool(answer.diffs)
        return answer

    def _compare(self, question: ConfigDiff) -> DiffAnswer:
        """Whether going from one instance to another replaces what they manage."""
        before = next((r for r in self.base.resources if r.reference == question.old), None)  # as the state has it
        after = self.resource(question.new)
        if before is None or after is None:
            return DiffAnswer(True, replaces=["provider"])
        return _diff_config(self.get(question.new), after.urn, before, after.inputs)

    def candidate(self, r: Resource) -> Provider:
        """The instance a provider resource that is being registered will become."""
        with self._lock:
            if r.urn not in self._candidates:
                self._candidates[r.urn] = self._open(package_of(r.type))
            return self._candidates[r.urn]

    def resource(self, reference: str) -> Resource | None:
        urn, _, ident = reference.rpartition("::")
        new = self._registered.get(urn)
        if new and new.id == ident.replace(UNKNOWN_TEXT, ""):
            return new
        return next((r for r in self.base.resources if r.urn == urn and r.id == ident), None)

    def get(self, reference: str) -> Provider:
        """The configured instance a resource refers to; one of the old state is configured on first use."""
        urn, _, ident = reference.rpartition("::")
        reference = f"{self.aliased.get(urn, urn)}::{ident}"
        with self._lock:
            if reference not in self._instances:
                r = self.resource(reference)
                if r is None:
                    raise EngineError(f"unknown provider '{reference}'; its entry is missing from the state")
                provider = self._open(package_of(r.type))
                provider.configure(r, public(r.inputs))
                self._instances[reference] = provider
            return self._instances[reference]

    def adopt(self, r: Resource, inputs: Properties, *, unchanged: bool = False) -> None:
        """A provider resource is registered: its instance is configured and can be referred to."""
        with self._lock:
            self._registered[r.urn] = r
            loaded = self._instances.get(r.reference) if unchanged else None
            provider = self._instances[r.reference] = loaded or self.candidate(r)
        provider.configure(r, public(inputs))


def _diff_config(provider: Provider, urn: str, old: Resource, news: Properties) -> DiffAnswer:
    answer = provider.diff_config(urn, public(old.inputs), old.outputs, public(news))
    if answer.changes is None:
        answer.changes = not equal(old.outputs, public(news))
    return answer


def public(inputs: Properties) -> Properties:
    """A provider's inputs without the engine's own, which providers never see."""
    return {k: v for k, v in inputs.items() if k != INTERNAL}
