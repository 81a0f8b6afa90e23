"""What the program talks to: the ResourceMonitor and Engine services."""

# ruff: noqa: N802 - the methods are named by the protocol

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from sandbox.engine import wire
from sandbox.engine.assets import hashed_all
from sandbox.engine.config import Entry
from sandbox.engine.errors import EngineError, RefusedError
from sandbox.engine.executor import Executor, StoppedError, default_provider_name
from sandbox.engine.state import DYNAMIC_PACKAGE, PROVIDER_PREFIX, Resource
from sandbox.engine.steps import Goal, make_urn, package_of
from sandbox.engine.structs import from_struct, to_struct
from sandbox.engine.values import Properties, Secret, has_unknown, secret

resource_pb2 = wire.load("resource_pb2")
resource_grpc = wire.load("resource_pb2_grpc")
engine_pb2 = wire.load("engine_pb2")
engine_grpc = wire.load("engine_pb2_grpc")
empty_pb2 = __import__("google.protobuf.empty_pb2", fromlist=["Empty"])

_F = resource_pb2.ResourceMonitorFeature
FEATURES = [
    _F.RESOURCE_MONITOR_FEATURE_SECRETS,
    _F.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    _F.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    _F.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    _F.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    # Below: known so that their use reaches the engine and is refused by name.
    _F.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    _F.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    _F.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    _F.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
    _F.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    _F.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
    _F.RESOURCE_MONITOR_FEATURE_PARAMETERIZATION,
]
MAX_CALLS = 256  # registrations that may wait at once: for a free slot, or for their turn to be planned
_TIMEOUT = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class Target:
    """The stack that is deployed, its configuration by full key, and the folder its program runs in."""

    project: str
    stack: str
    config: dict[str, Entry]
    folder: Path


class Monitor(resource_grpc.ResourceMonitorServicer):  # type: ignore[misc,name-defined]
    def __init__(self, executor: Executor, target: Target) -> None:
        self._executor = executor
        self._target = target
        self._defaults: dict[tuple[str, str], str] = {}
        self._defaults_lock = threading.Lock()
        self._goals: dict[str, Goal] = {}
        self._children: dict[str, list[str]] = {}

    # -- service
    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        return resource_pb2.DeploymentInfo(
            project=self._target.project,
            stack=self._target.stack,
            organization="organization",
            config={k: e.text for k, e in self._target.config.items()},
            configSecretKeys=[k for k, e in self._target.config.items() if e.secret],
            dryRun=self._executor.preview,
            parallel=self._executor.options.parallel,
            supportedFeatures=FEATURES,
        )

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        known = {"secrets", "resourceReferences", "outputValues", "aliasSpecs", "deletedWith"}
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in known)

    def RegisterResource(self, request: Any, context: Any) -> Any:
        with _Guard(self._executor, context):
            goal = self._goal(request)
            self._place(goal)
            state = self._executor.register(goal)
            return resource_pb2.RegisterResourceResponse(
                urn=state.urn, id=state.id, object=self._shown(state, request.acceptSecrets), stable=False
            )

    def ReadResource(self, request: Any, context: Any) -> Any:
        with _Guard(self._executor, context):
            urn = self._urn(request.parent, request.type, request.name)
            new = Resource(
                urn=urn,
                type=request.type,
                custom=True,
                id=request.id,
                inputs=from_struct(request.properties),
                parent=request.parent,
                dependencies=self._dependencies(list(request.dependencies)),
                provider=request.provider or self._default(package_of(request.type), request.version),
                additional_secret_outputs=list(request.additionalSecretOutputs),
                external=True,
            )
            state = self._executor.read(new)
            return resource_pb2.ReadResourceResponse(
                urn=urn, id=state.id, properties=self._shown(state, request.acceptSecrets)
            )

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        with _Guard(self._executor, context):
            outputs = {k: v for k, v in from_struct(request.outputs).items() if v is not None}
            self._executor.outputs(request.urn, outputs)
            return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        with _Guard(self._executor, context):
            args = from_struct(request.args)
            if request.tok == "pulumi:pulumi:getResource":
                return self._get_resource(args)
            if has_unknown(args):
                raise RefusedError(f"invoke of {request.tok} with unknown arguments")
            reference = request.provider or self._default(package_of(request.tok), request.version)
            provider = self._executor.instances.get(reference)
            try:
                answer, failures = provider.invoke(request.tok, args, preview=self._executor.preview)
            except EngineError as e:
                context.abort(grpc.StatusCode.UNKNOWN, f"invocation of {request.tok} returned an error: {e}")
            response = resource_pb2.ResourceInvokeResponse(failures=[{"property": p, "reason": r} for p, r in failures])
            getattr(response, "return").CopyFrom(to_struct(answer))
            return response

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def RegisterStackTransform(self, request: Any, context: Any) -> Any:
        self._refuse(context, "stack transforms")

    def RegisterStackInvokeTransform(self, request: Any, context: Any) -> Any:
        self._refuse(context, "invoke transforms")

    def RegisterResourceHook(self, request: Any, context: Any) -> Any:
        self._refuse(context, f"resource hook {request.name!r}")

    def RegisterErrorHook(self, request: Any, context: Any) -> Any:
        self._refuse(context, f"error hook {request.name!r}")

    def RegisterPackage(self, request: Any, context: Any) -> Any:
        self._refuse(context, f"parameterized package {request.name!r}")

    def Call(self, request: Any, context: Any) -> Any:
        self._refuse(context, f"method call {request.tok}")

    def _refuse(self, context: Any, feature: str) -> None:
        with _Guard(self._executor, context):
            raise RefusedError(feature)

    # -- translation
    def _goal(self, q: Any) -> Goal:
        _refuse_rare(q)
        urn = self._urn(q.parent, q.type, q.name)
        above = self._goals.get(q.parent)
        inputs = hashed_all(from_struct(q.object), self._target.folder)
        is_provider = q.type.startswith(PROVIDER_PREFIX)
        if is_provider and q.version:
            inputs |= {"version": q.version, "__internal": {}}
        provider = ""
        if q.custom and not is_provider:
            provider = q.provider or self._default(package_of(q.type), q.version)
        if package_of(q.type) == DYNAMIC_PACKAGE and "__provider" in inputs:
            inputs["__provider"] = secret(inputs["__provider"])  # it is code: the state keeps it authenticated
        return Goal(
            urn=urn,
            type=q.type,
            custom=q.custom,
            inputs=inputs,
            parent=q.parent,
            dependencies=self._dependencies(list(q.dependencies)),
            property_dependencies={k: self._dependencies(list(v.urns)) for k, v in q.propertyDependencies.items()},
            provider=provider,
            protect=q.protect if q.HasField("protect") else bool(above and above.protect),
            retain_on_delete=q.retainOnDelete
            if q.HasField("retainOnDelete")
            else bool(above and above.retain_on_delete),
            delete_before_replace=q.deleteBeforeReplace if q.deleteBeforeReplaceDefined else None,
            deleted_with=q.deletedWith or (above.deleted_with if above else ""),
            ignore_changes=list(q.ignoreChanges),
            replace_on_changes=list(q.replaceOnChanges),
            additional_secret_outputs=list(q.additionalSecretOutputs),
            aliases=self._alias_urns(q),
            custom_timeouts=_timeouts(q.customTimeouts),
            hide_diffs=list(q.hideDiffs),
            id=q.importId,
        )

    def _urn(self, parent: str, type_: str, name: str) -> str:
        return make_urn(self._target.stack, self._target.project, parent, type_, name)

    def _dependencies(self, urns: list[str]) -> list[str]:
        """Depending on a component means depending on its custom children, as far as they are registered."""
        out: set[str] = set()
        for urn in urns:
            out.update(self._children.get(urn, ()) if self._is_component(urn) else (urn,))
        return sorted(out)

    def _place(self, goal: Goal) -> None:
        """Notes a registration: what a component's dependents wait for, and what aliases its children inherit."""
        self._goals[goal.urn] = goal
        if goal.custom and not goal.type.startswith(PROVIDER_PREFIX):
            above = goal.parent
            while self._is_component(above):
                self._children.setdefault(above, []).append(goal.urn)
                above = self._goals[above].parent

    def _is_component(self, urn: str) -> bool:
        return urn in self._goals and not self._goals[urn].custom

    def _aliases_of(self, urn: str) -> list[str]:
        return self._goals[urn].aliases if urn in self._goals else []

    def _alias_urns(self, q: Any) -> list[str]:
        """The URNs a resource may have had: its own aliases, and those that follow from its parent's."""
        parents = [q.parent, *self._aliases_of(q.parent)]
        out: list[str] = []
        for alias in q.aliases:
            if alias.WhichOneof("alias") == "urn":
                out.append(alias.urn)
            else:
                out.extend(self._spec_urns(q, alias.spec, parents))
        for parent in parents[1:]:
            out.append(self._child_urn(parent, q, q.type, q.name))
            for alias in q.aliases:
                spec = alias.spec
                if alias.WhichOneof("alias") == "spec" and not spec.parentUrn and not spec.noParent:
                    out.append(self._child_urn(parent, q, spec.type or q.type, spec.name or q.name))
        own = self._urn(q.parent, q.type, q.name)
        return [u for u in dict.fromkeys(out) if u != own]

    def _spec_urns(self, q: Any, spec: Any, parents: list[str]) -> list[str]:
        stack, project = spec.stack or self._target.stack, spec.project or self._target.project
        type_, name = spec.type or q.type, spec.name or q.name
        if spec.noParent:
            return [make_urn(stack, project, "", type_, name)]
        if spec.parentUrn:
            above = [spec.parentUrn, *self._aliases_of(spec.parentUrn)]
            return [make_urn(stack, project, parent, type_, name) for parent in above]
        return [make_urn(stack, project, parents[0], type_, name)]

    def _child_urn(self, parent: str, q: Any, type_: str, name: str) -> str:
        """A child below an aliased parent; a name that begins with the parent's name follows the parent's alias."""
        now_, was = q.parent.rsplit("::", 1)[-1], parent.rsplit("::", 1)[-1]
        if now_ != was and name.startswith(now_):
            name = was + name[len(now_) :]
        stack, project = parent.split("::")[0].rsplit(":", 1)[-1], parent.split("::")[1]
        return make_urn(stack, project, parent, type_, name)

    def _shown(self, state: Resource, accept_secrets: bool) -> Any:
        return to_struct(state.outputs, secrets=accept_secrets)

    def _get_resource(self, args: Properties) -> Any:
        urn = args.get("urn")
        step = self._executor._seen.get(str(urn))
        if step is None or step.new is None:
            raise EngineError(f"unknown resource {urn}")
        response = resource_pb2.ResourceInvokeResponse()
        body = {"urn": urn, "id": step.new.id, "state": step.new.outputs}
        getattr(response, "return").CopyFrom(to_struct(body))
        return response

    # -- default providers
    def _default(self, package: str, version: str) -> str:
        """The reference of a package's default provider, which is registered on first use."""
        with self._defaults_lock:
            key = (package, version)
            if key not in self._defaults:
                type_ = f"{PROVIDER_PREFIX}{package}"
                urn = self._urn("", type_, default_provider_name(version))
                goal = Goal(urn=urn, type=type_, custom=True, inputs=self._default_inputs(package, version))
                self._defaults[key] = self._executor.register(goal).reference
            return self._defaults[key]

    def _default_inputs(self, package: str, version: str) -> Properties:
        """The package's configuration; the dynamic host is given the whole stack's."""

        def value(e: Entry) -> Any:
            return Secret(e.text) if e.secret else e.text

        if package == DYNAMIC_PACKAGE:
            return {k: value(e) for k, e in self._target.config.items()}
        prefix = f"{package}:"
        own = {k.removeprefix(prefix): value(e) for k, e in self._target.config.items() if k.startswith(prefix)}
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
            self._executor.reporter.diagnostic(severity, request.message, request.urn)
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: Any, context: Any) -> Any:
        return engine_pb2.RequirePulumiVersionResponse()


class _Guard:
    """Turns what went wrong in a call into its gRPC status. An EngineError ends the deployment; once it is over,
    the program is told that the monitor is gone, as Pulumi does."""

    def __init__(self, executor: Executor, context: Any) -> None:
        self._executor, self._context = executor, context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, StoppedError):
            self._context.abort(grpc.StatusCode.UNAVAILABLE, "the resource monitor is shutting down")
        if isinstance(error, EngineError):
            self._executor.reporter.diagnostic("error", str(error))
            self._executor.stop("refused")
            self._context.abort(grpc.StatusCode.UNAVAILABLE, str(error))


def _refuse_rare(q: Any) -> None:
    rare = {
        "remote components": q.remote,
        "resource hooks": q.HasField("hooks") and any(getattr(q.hooks, f.name) for f in q.hooks.DESCRIPTOR.fields),
        "transforms": bool(q.transforms),
        "state migrations": bool(q.state_migrations),
        "the resource option replace_with": bool(q.replace_with),
        "the resource option replacement_trigger": q.HasField("replacement_trigger"),
        "environment variable mappings": bool(q.envVarMappings),
        "plugin download URLs": bool(q.pluginDownloadURL),
        "parameterized packages": bool(q.packageRef),
    }
    for feature, used in rare.items():
        if used:
            raise RefusedError(f"{q.type} {q.name!r}: {feature}")


def _timeouts(timeouts: Any) -> dict[str, float]:
    """Go durations ("1h30m") -> seconds."""
    out = {}
    for name in ("create", "update", "delete"):
        text = getattr(timeouts, name)
        if text:
            if _TIMEOUT.sub("", text):
                raise EngineError(f"custom_timeouts: {name}={text!r} is not a duration such as 90s or 1h30m")
            seconds = float(sum(float(n) * _UNITS[unit] for n, unit in _TIMEOUT.findall(text)))
            out[name] = int(seconds) if seconds.is_integer() else seconds
    return out


def serve(executor: Executor, target: Target) -> tuple[Any, str]:
    """(server, address) of both services, on a free local port."""
    server = grpc.server(ThreadPoolExecutor(MAX_CALLS), options=wire.GRPC_OPTIONS)
    resource_grpc.add_ResourceMonitorServicer_to_server(Monitor(executor, target), server)
    engine_grpc.add_EngineServicer_to_server(Engine(executor), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"
