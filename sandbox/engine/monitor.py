"""What the program talks to: the ResourceMonitor and Engine services."""

# ruff: noqa: N802 - the methods are named by the protocol

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import empty_pb2

from sandbox.engine import wire
from sandbox.engine.assets import hashed
from sandbox.engine.config import Entry
from sandbox.engine.errors import EngineError, ProviderError, RefusedError
from sandbox.engine.executor import Executor, StoppedError
from sandbox.engine.project import Project
from sandbox.engine.state import DYNAMIC_PACKAGE
from sandbox.engine.steps import Goal
from sandbox.engine.urns import PROVIDER_PREFIX, alias_urns, default_provider_name, make_urn, package_of
from sandbox.engine.values import Properties, Secret, has_unknown, secret, without_unknowns
from sandbox.engine.wire import from_struct, to_struct

resource_pb2 = wire.load("resource_pb2")
resource_grpc = wire.load("resource_pb2_grpc")
engine_grpc = wire.load("engine_pb2_grpc")

# The second line: known, so that their use reaches the engine and is refused by name.
_FEATURES = """SECRETS RESOURCE_REFERENCES OUTPUT_VALUES ALIAS_SPECS DELETED_WITH
    REPLACEMENT_TRIGGER REPLACE_WITH TRANSFORMS INVOKE_TRANSFORMS RESOURCE_HOOKS ERROR_HOOKS PARAMETERIZATION"""
FEATURES = [resource_pb2.ResourceMonitorFeature.Value(f"RESOURCE_MONITOR_FEATURE_{name}") for name in _FEATURES.split()]
_NO_DEFAULTS = "pulumi:disable-default-providers"
MAX_CALLS = 256  # registrations that may wait at once: for a free slot, or for their turn to be planned
_TIMEOUT = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Monitor(resource_grpc.ResourceMonitorServicer):  # type: ignore[misc,name-defined]
    def __init__(self, executor: Executor, project: Project, stack: str, config: dict[str, Entry]) -> None:
        self._executor, self._project, self._stack, self._config = executor, project, stack, config
        self._defaults: dict[tuple[str, str], str] = {}
        self._defaults_lock = threading.Lock()
        self._goals: dict[str, Goal] = {}

    # -- service
    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        return resource_pb2.DeploymentInfo(
            project=self._project.name,
            stack=self._stack,
            organization="organization",
            config={k: e.text for k, e in self._config.items()},
            configSecretKeys=[k for k, e in self._config.items() if e.secret],
            dryRun=self._executor.preview,
            parallel=self._executor.parallel,
            supportedFeatures=FEATURES,
        )

    def RegisterResource(self, request: Any, context: Any) -> Any:
        with _guarded(self._executor, context):
            goal = self._goal(request)
            self._goals[goal.urn] = goal
            state = self._executor.register(goal)
            # A component's are those of another run, and may refer to what this one has not registered yet.
            outputs = to_struct(state.outputs if state.custom else {}, secrets=request.acceptSecrets)
            return resource_pb2.RegisterResourceResponse(urn=state.urn, id=state.id, object=outputs)

    def ReadResource(self, request: Any, context: Any) -> Any:
        with _guarded(self._executor, context):
            goal = Goal(self._urn(request), request.type, True, from_struct(request.properties), id=request.id)
            goal.external, goal.parent = True, request.parent
            goal.aliases = alias_urns(request, goal.urn, (), self._executor.planner.former)
            goal.dependencies = sorted(request.dependencies)
            goal.provider = request.provider or self._default(package_of(request.type), request.version)
            goal.additional_secret_outputs = list(request.additionalSecretOutputs)
            state = self._executor.register(goal)
            outputs = to_struct(state.outputs, secrets=request.acceptSecrets)
            return resource_pb2.ReadResourceResponse(urn=state.urn, properties=outputs)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        with _guarded(self._executor, context):
            outputs = {k: v for k, v in self._hashed(request.outputs).items() if v is not None}
            self._executor.outputs(request.urn, outputs)
            return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        with _guarded(self._executor, context):
            args = from_struct(request.args)
            if request.tok == "pulumi:pulumi:getResource":
                return _invoked(self._get_resource(str(args.get("urn"))), [])
            if has_unknown(args):
                raise RefusedError(f"invoke of {request.tok} with unknown arguments")
            reference = request.provider or self._default(package_of(request.tok), request.version)
            provider = self._executor.instances.get(reference)
            try:
                return _invoked(*provider.invoke(request.tok, args, preview=self._executor.preview))
            except ProviderError as e:
                raise EngineError(f"invocation of {request.tok} returned an error: {e}") from e

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    # -- translation
    def _goal(self, q: Any) -> Goal:
        _refuse_rare(q)
        above = self._goals.get(q.parent, Goal("", ""))
        goal = Goal(self._urn(q), q.type, q.custom, self._inputs(q), parent=q.parent, import_id=q.importId)
        goal.aliases = alias_urns(q, goal.urn, q.aliases, self._executor.planner.former)
        goal.dependencies = sorted(q.dependencies)
        by_property = {k: sorted(v.urns) for k, v in q.propertyDependencies.items()}
        goal.property_dependencies = by_property or dict.fromkeys(goal.inputs, goal.dependencies)
        if q.custom and not goal.is_provider:
            package = package_of(q.type)
            inherited = above.provider if f"{PROVIDER_PREFIX}{package}::" in above.provider else ""
            goal.provider = q.provider or inherited or self._default(package, q.version)
        goal.protect = q.protect if q.HasField("protect") else above.protect
        goal.retain_on_delete = q.retainOnDelete if q.HasField("retainOnDelete") else above.retain_on_delete
        goal.delete_before_replace = q.deleteBeforeReplace if q.deleteBeforeReplaceDefined else None
        goal.deleted_with = q.deletedWith or above.deleted_with
        goal.ignore_changes, goal.replace_on_changes = list(q.ignoreChanges), list(q.replaceOnChanges)
        goal.additional_secret_outputs, goal.hide_diff = list(q.additionalSecretOutputs), list(q.hideDiffs)
        goal.custom_timeouts = _timeouts(q.customTimeouts)
        return goal

    def _inputs(self, q: Any) -> Properties:
        inputs: Properties = self._hashed(q.object)
        if q.type.startswith(PROVIDER_PREFIX) and q.version:
            inputs |= {"version": q.version, "__internal": {}}
        if package_of(q.type) == DYNAMIC_PACKAGE and "__provider" in inputs:
            inputs["__provider"] = secret(inputs["__provider"])  # it is code: the state keeps it authenticated
        return inputs

    def _hashed(self, struct: Any) -> Any:
        """Property values. An update leaves out what is not known."""
        values = hashed(from_struct(struct), self._project.program)
        return values if self._executor.preview else without_unknowns(values)

    def _urn(self, q: Any) -> str:
        return make_urn(self._stack, self._project.name, q.parent, q.type, q.name)

    def _get_resource(self, urn: str) -> Properties:
        found = self._executor.registered(urn)
        if found is None:
            raise EngineError(f"unknown resource {urn}")
        return {"urn": urn, "id": found.id, "state": found.outputs}

    # -- default providers
    def _default(self, package: str, version: str) -> str:
        """The reference of a package's default provider, which is registered on first use."""
        if _NO_DEFAULTS in self._config:
            raise RefusedError(_NO_DEFAULTS)
        with self._defaults_lock:
            key = (package, version)
            if key not in self._defaults:
                type_ = f"{PROVIDER_PREFIX}{package}"
                urn = make_urn(self._stack, self._project.name, "", type_, default_provider_name(version))
                goal = Goal(urn, type_, True, self._default_inputs(package, version))
                self._defaults[key] = self._executor.register(goal).reference
            return self._defaults[key]

    def _default_inputs(self, package: str, version: str) -> Properties:
        """The package's configuration; the dynamic host is given the whole stack's."""

        def value(e: Entry) -> Any:
            return Secret(e.text) if e.secret else e.text

        if package == DYNAMIC_PACKAGE:
            return {k: value(e) for k, e in self._config.items()}
        prefix = f"{package}:"
        own = {k.removeprefix(prefix): value(e) for k, e in self._config.items() if k.startswith(prefix)}
        if version:
            own |= {"version": version, "__internal": {}}
        return own


class Engine(engine_grpc.EngineServicer):  # type: ignore[misc,name-defined]
    """Receives the program's log."""

    _SEVERITIES = ("debug", "info", "warning", "error")

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def Log(self, request: Any, context: Any) -> Any:
        severity = self._SEVERITIES[request.severity]
        if severity != "debug" and not request.ephemeral and not self._executor.stopped.is_set():
            self._executor.report.diagnostic(severity, request.message, request.urn)
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.UNKNOWN, str(RefusedError("require_pulumi_version")))


@contextlib.contextmanager
def _guarded(executor: Executor, context: Any) -> Iterator[None]:
    """Turns what went wrong in a call into its gRPC status: what the program asked for is its to fail with, but a
    feature that is not there ends the deployment. Once it is over, the monitor is said to be gone, as Pulumi does."""
    try:
        yield
    except StoppedError:
        context.abort(grpc.StatusCode.UNAVAILABLE, "the resource monitor is shutting down")
    except RefusedError as e:
        executor.refuse("", str(e))
        context.abort(grpc.StatusCode.UNAVAILABLE, str(e))
    except EngineError as e:
        context.abort(grpc.StatusCode.UNKNOWN, str(e))


def _refuse_rare(q: Any) -> None:
    hooked = q.HasField("hooks") and any(getattr(q.hooks, f.name) for f in q.hooks.DESCRIPTOR.fields)
    rare = {
        "remote components": q.remote,
        "resource hooks": hooked,
        "transforms": q.transforms,
        "state migrations": q.state_migrations,
        "the resource option replace_with": q.replace_with,
        "the resource option replacement_trigger": q.HasField("replacement_trigger"),
        "environment variable mappings": q.envVarMappings,
        "plugin download URLs": q.pluginDownloadURL,
        "parameterized packages": q.packageRef,
    }
    if feature := next((name for name, used in rare.items() if used), None):
        raise RefusedError(f"{q.type} {q.name!r}: {feature}")


def _refusal(method: str) -> Any:
    """A method of the protocol that belongs to something this engine has not."""
    words = re.sub("([A-Z])", r" \1", method).strip().lower()

    def refuse(self: Monitor, request: Any, context: Any) -> Any:
        name = getattr(request, "name", "") or getattr(request, "tok", "")
        with _guarded(self._executor, context):
            raise RefusedError(f"{words} {name!r}" if name else words)

    return refuse


for _method in vars(resource_grpc.ResourceMonitorServicer).keys() - vars(Monitor).keys():
    if _method[0].isupper():
        setattr(Monitor, _method, _refusal(_method))


def _invoked(answer: Properties, failures: list[tuple[str, str]]) -> Any:
    told = [{"property": p, "reason": r} for p, r in failures]
    return resource_pb2.ResourceInvokeResponse(**{"return": to_struct(answer), "failures": told})


def _timeouts(timeouts: Any) -> dict[str, float]:
    """Go durations ("1h30m") -> seconds."""
    out = {}
    for name in ("create", "update", "delete", "read"):
        text = getattr(timeouts, name)
        if _TIMEOUT.sub("", text):
            raise EngineError(f"custom_timeouts: {name}={text!r} is not a duration such as 90s or 1h30m")
        if text:
            seconds = float(sum(float(n) * _UNITS[unit] for n, unit in _TIMEOUT.findall(text)))
            out[name] = int(seconds) if seconds.is_integer() else seconds
    return out


def serve(executor: Executor, project: Project, stack: str, config: dict[str, Entry]) -> tuple[Any, str]:
    """(server, address) of both services, on a free local port."""
    server = grpc.server(ThreadPoolExecutor(MAX_CALLS), options=wire.GRPC_OPTIONS)
    resource_grpc.add_ResourceMonitorServicer_to_server(Monitor(executor, project, stack, config), server)
    engine_grpc.add_EngineServicer_to_server(Engine(executor), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"
