"""Pulumi's ResourceProvider protocol: requests to the modules that know, answers and errors back."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc as pbg

from sandbox.aws_provider import check, configuration, invokes
from sandbox.aws_provider.connections import Connections
from sandbox.aws_provider.diff import changes, deletes_first, effective
from sandbox.aws_provider.errors import NotConfiguredError, PartialError, ProviderError
from sandbox.aws_provider.hooks import HOOKS
from sandbox.aws_provider.naming import Autonaming
from sandbox.aws_provider.resource import Resource
from sandbox.aws_provider.session import operation_model
from sandbox.aws_provider.table import ResourceType, resource_type
from sandbox.aws_provider.values import UNKNOWN, from_struct, has_unknown, secret, to_struct, without_defaults

VERSION = "7.51.1"
_INIT_FAILED = "type.googleapis.com/pulumirpc.ErrorResourceInitFailed"
_WORKERS = 64
_MESSAGE_BYTES = 400 * 1024 * 1024  # Pulumi's own limit

Answer = TypeVar("Answer")


class _Addressed(Protocol):
    """A request about one resource."""

    urn: str


def _errors(
    operation: str,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Turns the provider's errors into gRPC errors that name type, logical name and operation."""

    def decorate(method: Callable[..., Answer]) -> Callable[..., Answer]:
        @functools.wraps(method)
        def wrapped(self: Provider, request: _Addressed, context: grpc.ServicerContext) -> Answer:
            try:
                return method(self, request, context)
            except PartialError as failure:
                _abort_partial(context, failure, f"{_subject(request.urn)}: {operation}: {failure.reason}")
            except NotConfiguredError as error:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            except ProviderError as error:
                context.abort(grpc.StatusCode.UNKNOWN, f"{_subject(request.urn)}: {operation}: {error}")
            raise AssertionError("context.abort returned")

        return wrapped

    return decorate


class Provider(pbg.ResourceProviderServicer):
    """Serves any number of engines at once; each connection has its own configuration."""

    def __init__(self, profile: str | None = None) -> None:
        self._connections = Connections()
        self._profile = profile

    # --- life of the plugin --------------------------------------------------------------------------------------

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        if request.program_directory:
            self._connections.place(context.peer(), request.program_directory)
        return pb.ProviderHandshakeResponse(
            accept_secrets=False, accept_resources=False, accept_outputs=False, supports_autonaming_configuration=True
        )

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return pb.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": VERSION}))

    def GetMapping(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return pb.GetMappingResponse()

    # --- configuration -------------------------------------------------------------------------------------------

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        try:
            configuration.parse(from_struct(request.news))
        except ProviderError as error:
            return pb.CheckResponse(inputs=request.news, failures=[pb.CheckFailure(reason=str(error))])
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        old, new = from_struct(request.old_inputs or request.olds), from_struct(request.news)
        changed = sorted(name for name in {*old, *new} - {"version", "__internal"} if old.get(name) != new.get(name))
        kind = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(changes=kind, diffs=changed)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        try:
            configured = configuration.parse(from_struct(request.args), self._profile)
            self._connections.configure(context.peer(), configured)
        except ProviderError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return pb.ConfigureResponse(
            acceptSecrets=False,
            supportsPreview=True,
            acceptResources=False,
            acceptOutputs=False,
            supports_autonaming_configuration=True,
        )

    # --- functions -----------------------------------------------------------------------------------------------

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        try:
            session = self._connections.session(context.peer())
            result = invokes.invoke(request.tok, session, from_struct(request.args))
        except ProviderError as error:
            return pb.InvokeResponse(failures=[pb.CheckFailure(reason=str(error))])
        return pb.InvokeResponse(**{"return": to_struct(result)})

    # --- resources -----------------------------------------------------------------------------------------------

    @_errors("check")
    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        spec = resource_type(_type(request.urn))
        session = self._connections.session(context.peer())
        asked = check.Request(
            urn=request.urn,
            name=request.name or request.urn.rsplit("::", 1)[-1],
            olds=from_struct(request.olds),
            news=from_struct(request.news),
            seed=request.randomSeed,
            region=session.region,
            default_tags=dict(session.configuration.default_tags),
            autonaming=_autonaming(request),
        )
        models = [(call, operation_model(spec.client, call.call)) for call in (*spec.create, *spec.update)]
        inputs, failures = check.check(spec, asked, models)
        reasons = [pb.CheckFailure(property=failure.property, reason=failure.reason) for failure in failures]
        return pb.CheckResponse(inputs=to_struct(inputs), failures=reasons)

    @_errors("diff")
    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        spec = resource_type(_type(request.urn))
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        if not old:  # an engine that keeps no inputs: the outputs hold them too
            outputs = from_struct(request.olds)
            old = {name: outputs[name] for name in (*spec.inputs, "tagsAll") if name in outputs}
        found = changes(spec, old, new, tuple(request.ignoreChanges))
        response = pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if found else pb.DiffResponse.DIFF_NONE,
            diffs=list(dict.fromkeys(change.top for change in found)),
            replaces=list(dict.fromkeys(change.top for change in found if change.replaces)),
            deleteBeforeReplace=deletes_first(spec, found, new),
            hasDetailedDiff=True,
        )
        for change in found:
            kind = change.kind.upper() + ("_REPLACE" if change.replaces else "")
            response.detailedDiff[change.path].kind = pb.PropertyDiff.Kind.Value(kind)
            response.detailedDiff[change.path].inputDiff = True
        return response

    @_errors("create")
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        spec = resource_type(_type(request.urn))
        inputs = from_struct(request.properties)
        if request.preview:
            unknown = {name: UNKNOWN for name in (*spec.computed, *_top(spec.optional_computed))}
            return pb.CreateResponse(properties=_outputs(spec, unknown | effective(spec, inputs)))
        identifier, state = self._resource(spec, context).create(inputs)
        return pb.CreateResponse(id=identifier, properties=_outputs(spec, state))

    @_errors("update")
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        spec = resource_type(_type(request.urn))
        old, new, state = from_struct(request.old_inputs), from_struct(request.news), from_struct(request.olds)
        if request.preview:
            return pb.UpdateResponse(properties=_outputs(spec, _planned(spec, old, new, state)))
        updated = self._resource(spec, context).update(request.id, old or state, new, state)
        return pb.UpdateResponse(properties=_outputs(spec, updated))

    @_errors("delete")
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        spec = resource_type(_type(request.urn))
        inputs, state = from_struct(request.old_inputs), from_struct(request.properties)
        self._resource(spec, context).delete(request.id, inputs, state)
        return empty_pb2.Empty()

    @_errors("read")
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        spec = resource_type(_type(request.urn))
        inputs, state = from_struct(request.inputs), from_struct(request.properties)
        found = self._resource(spec, context).read(request.id, inputs, state)
        if found is None:
            return pb.ReadResponse()
        identifier, properties, seen = found
        return pb.ReadResponse(id=identifier, properties=_outputs(spec, properties), inputs=to_struct(seen))

    def _resource(self, spec: ResourceType, context: grpc.ServicerContext) -> Resource:
        peer = context.peer()
        kind = HOOKS[spec.hook] if spec.hook else Resource
        session = self._connections.session(peer)
        return kind(spec, session, self._connections.directory(peer), context.is_active)


def serve(port: int = 0, profile: str | None = None) -> tuple[grpc.Server, int]:
    """A started server on the loopback address and its port (0: any free one).

    `profile` is whose credentials count where an engine configures none; None: what boto3 finds.
    """
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="aws-provider"), options=options)
    pbg.add_ResourceProviderServicer_to_server(Provider(profile), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, bound


def _planned(
    spec: ResourceType, old: Mapping[str, Any], new: Mapping[str, Any], state: Mapping[str, Any]
) -> dict[str, Any]:
    """The state after an update, as far as it is known before: AWS's outputs stay, some are made anew."""
    changed = {change.top for change in changes(spec, old or state, new)}
    stays = {*new, *spec.optional_computed}
    kept = {name: value for name, value in state.items() if name not in old or name in stays}
    for name, causes in spec.recomputed.items():
        if changed & set(causes):
            kept[name] = UNKNOWN
    return kept | effective(spec, new)


def _outputs(spec: ResourceType, state: Mapping[str, Any]) -> struct_pb2.Struct:
    plain = without_defaults(state)
    for name in spec.secrets:
        if name in plain and not has_unknown(plain[name]):
            plain[name] = secret(plain[name])
    return to_struct(plain)


def _top(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if "." not in name]


def _type(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _subject(urn: str) -> str:
    return f"{_type(urn)} '{urn.rsplit('::', 1)[-1]}'"


def _autonaming(request: Any) -> Autonaming | None:
    if not request.HasField("autonaming"):
        return None
    modes = pb.CheckRequest.AutonamingOptions
    names: dict[int, Any] = {modes.PROPOSE: "propose", modes.ENFORCE: "enforce", modes.DISABLE: "disable"}
    return Autonaming(names[request.autonaming.mode], request.autonaming.proposed_name)


def _abort_partial(context: grpc.ServicerContext, failure: PartialError, message: str) -> None:
    """Fails the call such that the engine stores the resource with its errors (ErrorResourceInitFailed)."""
    detail = pb.ErrorResourceInitFailed(
        id=failure.id,
        properties=to_struct(without_defaults(failure.properties)),
        inputs=to_struct(failure.inputs),
        reasons=[message],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.append(any_pb2.Any(type_url=_INIT_FAILED, value=detail.SerializeToString()))
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)
