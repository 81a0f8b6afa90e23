"""Providers: clients of the ResourceProvider protocol, and the built-in provider of the package `pulumi`."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Callable
from typing import Any

import grpc

from sandbox.engine import wire
from sandbox.engine.errors import InitError, ProviderError, RefusedError
from sandbox.engine.state import Resource
from sandbox.engine.steps import DiffAnswer, PropertyChange
from sandbox.engine.structs import from_struct, to_struct
from sandbox.engine.values import Properties, Value, has_secret, has_unknown, remark_secrets, without_contents

pb = wire.load("provider_pb2")
pb_grpc = wire.load("provider_pb2_grpc")
status_pb2 = wire.load("status_pb2")

_KINDS = {0: "add", 1: "add-replace", 2: "delete", 3: "delete-replace", 4: "update", 5: "update-replace"}
HOST_START_SECONDS = 60


class Provider:
    """One configured instance of a provider. Values go in and come out as in `values`; secrets are unwrapped for a
    provider that does not take them, and marked again in its answers."""

    def __init__(self, package: str, stub: Any, died: Callable[[], str | None] = lambda: None) -> None:
        self.package = package
        self._stub = stub
        self._died = died
        self._accepts_secrets = False
        self._accepts_references = False
        self._supports_preview = False
        self.config_known = True
        self._configured = False
        self._lock = threading.Lock()

    # -- configuration
    def check_config(self, urn: str, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        request = pb.CheckRequest(
            urn=urn, olds=to_struct(olds, secrets=False), news=to_struct(news, secrets=False), name="", type=""
        )
        try:
            answer = self._call("CheckConfig", request)
        except ProviderError as e:
            if e.unimplemented:
                return news, []
            raise
        inputs = remark_secrets(from_struct(answer.inputs), news) if answer.HasField("inputs") else news
        return inputs, [(f.property, f.reason) for f in answer.failures]

    def diff_config(self, urn: str, old_inputs: Properties, olds: Properties, news: Properties) -> DiffAnswer:
        request = pb.DiffRequest(
            urn=urn,
            olds=to_struct(olds, secrets=False),
            old_inputs=to_struct(old_inputs, secrets=False),
            news=to_struct(news, secrets=False),
        )
        try:
            return _diff_answer(self._call("DiffConfig", request))
        except ProviderError as e:
            if e.unimplemented:
                return DiffAnswer(None)
            raise

    def configure(self, r: Resource, inputs: Properties) -> None:
        """Configures the instance, once. Unknown configuration (in a preview) leaves it unconfigured."""
        with self._lock:
            if self._configured:
                return
            self._configured = True
            if has_unknown(inputs):
                self.config_known = False
                return
            self._handshake()
            args = to_struct(inputs)
            plain = to_struct(inputs, secrets=False)
            variables = {
                f"{self.package}:config:{k}": v if isinstance(v, str) else json.dumps(v, separators=(",", ":"))
                for k, v in from_struct(plain).items()
                if k != "version"
            }
            answer = self._call(
                "Configure",
                pb.ConfigureRequest(
                    variables=variables,
                    args=args,
                    acceptSecrets=True,
                    acceptResources=True,
                    sends_old_inputs=True,
                    sends_old_inputs_to_delete=True,
                    urn=r.urn,
                    name=r.name,
                    type=r.type,
                    id=r.id,
                ),
            )
            self._accepts_secrets = answer.acceptSecrets
            self._accepts_references = answer.acceptResources
            self._supports_preview = answer.supportsPreview

    def _handshake(self) -> None:
        with contextlib.suppress(ProviderError):
            self._call("Handshake", pb.ProviderHandshakeRequest(engine_address="", configure_with_urn=True))

    # -- resources
    def check(self, r: Resource, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        if not self.config_known:
            return news, []
        request = pb.CheckRequest(
            urn=r.urn,
            olds=self._out(olds),
            news=self._out(news),
            randomSeed=secrets.token_bytes(32),
            name=r.name,
            type=r.type,
        )
        answer = self._call("Check", request)
        inputs = self._in(answer.inputs, news) if answer.HasField("inputs") else news
        return inputs, [(f.property, f.reason) for f in answer.failures]

    def diff(
        self, r: Resource, old_inputs: Properties, olds: Properties, news: Properties, ignore: tuple[str, ...] = ()
    ) -> DiffAnswer:
        if not self.config_known:
            return DiffAnswer(None)
        request = pb.DiffRequest(
            id=r.id,
            urn=r.urn,
            olds=self._out(olds, elide=True),
            old_inputs=self._out(old_inputs, elide=True),
            news=self._out(news, elide=True),
            ignoreChanges=list(ignore),
            name=r.name,
            type=r.type,
        )
        return _diff_answer(self._call("Diff", request))

    def create(self, r: Resource, *, preview: bool) -> tuple[str, Properties]:
        if preview and not (self._supports_preview and self.config_known):
            return "", dict(r.inputs)  # the SDK takes every other output as unknown
        request = pb.CreateRequest(
            urn=r.urn,
            properties=self._out(r.inputs),
            timeout=r.custom_timeouts.get("create", 0),
            preview=preview,
            name=r.name,
            type=r.type,
        )
        answer = self._call("Create", request, r.inputs)
        if not preview and not answer.id:
            raise ProviderError(f"plugin for package '{self.package}' returned an empty id from create of {r.urn}")
        return answer.id, self._in(answer.properties, r.inputs)

    def update(self, r: Resource, old: Resource, *, preview: bool, ignore: list[str]) -> Properties:
        if preview and not (self._supports_preview and self.config_known):
            return dict(r.inputs)
        request = pb.UpdateRequest(
            id=old.id,
            urn=r.urn,
            olds=self._out(old.outputs, elide=True),
            old_inputs=self._out(old.inputs, elide=True),
            news=self._out(r.inputs),
            timeout=r.custom_timeouts.get("update", 0),
            ignoreChanges=ignore,
            preview=preview,
            name=r.name,
            type=r.type,
        )
        return self._in(self._call("Update", request, r.inputs).properties, r.inputs)

    def delete(self, r: Resource) -> None:
        request = pb.DeleteRequest(
            id=r.id,
            urn=r.urn,
            properties=self._out(r.outputs, elide=True),
            old_inputs=self._out(r.inputs, elide=True),
            timeout=r.custom_timeouts.get("delete", 0),
            name=r.name,
            type=r.type,
        )
        self._call("Delete", request)

    def read(
        self, r: Resource, ident: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties | None, Properties]:
        """(id, inputs if the provider tells them, outputs); an empty id: the object is gone."""
        request = pb.ReadRequest(
            id=ident, urn=r.urn, inputs=self._out(inputs), properties=self._out(outputs), name=r.name, type=r.type
        )
        answer = self._call("Read", request, inputs)
        if not answer.id:
            return "", None, {}
        old_marks = {**outputs, **inputs}
        read_inputs = self._in(answer.inputs, inputs) if answer.HasField("inputs") else None
        return answer.id, read_inputs, self._in(answer.properties, old_marks)

    def invoke(self, token: str, args: Properties, *, preview: bool) -> tuple[Properties, list[tuple[str, str]]]:
        answer = self._call("Invoke", pb.InvokeRequest(tok=token, args=self._out(args), preview=preview))
        return from_struct(getattr(answer, "return")), [(f.property, f.reason) for f in answer.failures]

    # -- transport
    def _out(self, properties: Properties, *, elide: bool = False) -> Any:
        """With `elide` assets travel as their hashes: enough to compare, or to name what goes."""
        return to_struct(
            without_contents(properties) if elide else properties,
            secrets=self._accepts_secrets,
            references=self._accepts_references,
        )

    def _in(self, struct: Any, like: Properties) -> Properties:
        found = from_struct(struct)
        return found if self._accepts_secrets else dict(remark_secrets(found, like))

    def _call(self, method: str, request: Any, like: Properties | None = None) -> Any:
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as e:
            unimplemented = e.code() == grpc.StatusCode.UNIMPLEMENTED
            if e.code() == grpc.StatusCode.UNAVAILABLE:
                why = self._died() or "cannot be reached any more; it may have died"
                raise ProviderError(f"the provider of package '{self.package}' {why} (during {method})") from e
            failed = _init_failure(e)
            if failed is not None and like is not None:
                outputs = self._in(failed.properties, like)
                raise InitError(failed.id, outputs, list(failed.reasons)) from e
            raise ProviderError(e.details() or str(e), unimplemented=unimplemented) from e


def _init_failure(e: grpc.RpcError) -> Any:
    for key, value in e.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                if detail.type_url.endswith("ErrorResourceInitFailed"):
                    return pb.ErrorResourceInitFailed.FromString(detail.value)
    return None


def _diff_answer(answer: Any) -> DiffAnswer:
    changes = {0: None, 1: False, 2: True}.get(answer.changes, "nonsense")
    if changes == "nonsense":
        raise ProviderError(f"unrecognized diff state: {answer.changes}")
    return DiffAnswer(
        changes=changes,  # type: ignore[arg-type]
        replaces=list(answer.replaces),
        diffs=list(answer.diffs),
        delete_before_replace=answer.deleteBeforeReplace,
        detailed={p: PropertyChange(_KINDS[d.kind], d.inputDiff) for p, d in answer.detailedDiff.items()},
    )


class Builtin(Provider):
    """The package `pulumi`: references to other stacks of the same backend."""

    def __init__(self, outputs_of: Callable[[str], dict[str, Value]]) -> None:
        super().__init__("pulumi", None)
        self._outputs_of = outputs_of

    def check_config(self, urn: str, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        return news, []

    def diff_config(self, urn: str, old_inputs: Properties, olds: Properties, news: Properties) -> DiffAnswer:
        return DiffAnswer(False)

    def configure(self, r: Resource, inputs: Properties) -> None:
        self._configured = True

    def read(
        self, r: Resource, ident: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties | None, Properties]:
        if r.type != "pulumi:pulumi:StackReference":
            raise RefusedError(f"resource type {r.type}")
        found = self._outputs_of(ident)
        names = sorted(k for k, v in found.items() if has_secret(v))
        return ident, {"name": ident}, {"name": ident, "outputs": found, "secretOutputNames": names}

    def _call(self, method: str, request: Any, like: Properties | None = None) -> Any:
        raise RefusedError(f"{method} of the package pulumi")
