"""Providers: clients of the ResourceProvider protocol, and the built-in provider of the package `pulumi`."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from sandbox.engine import wire
from sandbox.engine.errors import InitError, ProviderError, RefusedError
from sandbox.engine.state import Resource
from sandbox.engine.steps import DiffAnswer, PropertyChange
from sandbox.engine.values import Properties, has_secret, has_unknown, plain, remark_secrets, without_contents
from sandbox.engine.wire import from_struct, to_struct

pb = wire.load("provider_pb2")
pb_grpc = wire.load("provider_pb2_grpc")
status_pb2 = wire.load("status_pb2")

_CHANGES = {0: None, 1: False, 2: True}
_KINDS = {0: "add", 1: "add-replace", 2: "delete", 3: "delete-replace", 4: "update", 5: "update-replace"}
Checked = tuple[Properties, list[tuple[str, str]]]  # (inputs, failures as (property, reason))


@dataclass(frozen=True)
class Found:
    """What Read tells: inputs if the provider tells them; `init_errors`: why the object is not ready."""

    id: str
    inputs: Properties | None
    outputs: Properties
    init_errors: list[str] = field(default_factory=list)


class Provider:
    """One configured instance of a provider. Values go in and come out as in `values`; secrets are unwrapped for a
    provider that does not take them, and marked again in its answers."""

    def __init__(self, package: str, stub: Any, died: Callable[[], str | None] = lambda: None) -> None:
        self.package, self._stub, self._died = package, stub, died
        self._takes = pb.ConfigureResponse()  # what the provider said it accepts and supports
        self.config_known = True
        self._configured = False
        self._lock = threading.Lock()

    # -- configuration
    def check_config(self, urn: str, olds: Properties, news: Properties) -> Checked:
        request = pb.CheckRequest(urn=urn, olds=_plain(olds), news=_plain(news))
        answer = self._call("CheckConfig", request, optional=True)
        return (news, []) if answer is None else self._checked(answer, news)

    def diff_config(self, urn: str, old_inputs: Properties, olds: Properties, news: Properties) -> DiffAnswer:
        request = pb.DiffRequest(urn=urn, olds=_plain(olds), old_inputs=_plain(old_inputs), news=_plain(news))
        answer = self._call("DiffConfig", request, optional=True)
        return DiffAnswer(None) if answer is None else _diff_answer(answer)

    def configure(self, r: Resource, inputs: Properties) -> None:
        """Configures the instance, once. Unknown configuration (in a preview) leaves it unconfigured."""
        with self._lock:
            if self._configured:
                return
            self._configured = True
            if has_unknown(inputs):
                self.config_known = False
                return
            self._call("Handshake", pb.ProviderHandshakeRequest(configure_with_urn=True), optional=True)
            request = pb.ConfigureRequest(args=to_struct(inputs), urn=r.urn, name=r.name, type=r.type, id=r.id)
            request.acceptSecrets = request.acceptResources = True
            request.sends_old_inputs = request.sends_old_inputs_to_delete = True
            for k, v in plain({k: v for k, v in inputs.items() if k != "version"}).items():
                text = v if isinstance(v, str) else json.dumps(v, separators=(",", ":"))
                request.variables[f"{self.package}:config:{k}"] = text
            self._takes = self._call("Configure", request)

    # -- resources
    def check(self, r: Resource, olds: Properties, news: Properties) -> Checked:
        if not self.config_known:
            return news, []
        bags = {"olds": self._out(olds), "news": self._out(news)}
        return self._checked(self._ask("Check", r, **bags, randomSeed=secrets.token_bytes(32)), news)

    def diff(self, r: Resource, old: Resource, news: Properties) -> DiffAnswer:
        """How `news` differ from what `old` has; `r` is what it is called now."""
        if not self.config_known:
            return DiffAnswer(True)
        known = {"olds": self._elided(old.outputs), "old_inputs": self._elided(old.inputs), "news": self._elided(news)}
        return _diff_answer(self._ask("Diff", r, id=old.id, ignoreChanges=r.ignore_changes, **known))

    def create(self, r: Resource, *, preview: bool) -> tuple[str, Properties]:
        if preview and not self._takes.supportsPreview:
            return "", self._foreseen(r)
        answer = self._ask("Create", r, like=r.inputs, properties=self._out(r.inputs), preview=preview)
        if not preview and not answer.id:
            raise ProviderError(f"plugin for package '{self.package}' returned an empty id from create of {r.urn}")
        return answer.id, self._in(answer.properties, r.inputs)

    def update(self, r: Resource, old: Resource, *, preview: bool) -> Properties:
        if preview and not self._takes.supportsPreview:
            return self._foreseen(r)
        known = {"id": old.id, "olds": self._elided(old.outputs), "old_inputs": self._elided(old.inputs)}
        wanted = {"news": self._out(r.inputs), "ignoreChanges": r.ignore_changes}
        return self._in(self._ask("Update", r, like=r.inputs, **known, **wanted, preview=preview).properties, r.inputs)

    def delete(self, r: Resource) -> None:
        self._ask("Delete", r, id=r.id, properties=self._elided(r.outputs), old_inputs=self._elided(r.inputs))

    def _foreseen(self, r: Resource) -> Properties:
        """Its outputs, as far as they are known without asking; the SDK takes every other one as unknown."""
        return dict(r.inputs) if self.config_known else {}

    def read(self, r: Resource, inputs: Properties, outputs: Properties) -> Found | None:
        """The object `r.id`; None when it is gone."""
        if not self.config_known:
            return Found("", {}, {})
        known = {"inputs": self._elided(inputs), "properties": self._elided(outputs)}
        try:
            answer = self._ask("Read", r, like=inputs, id=r.id, **known)
        except InitError as e:
            return Found(e.id, e.inputs, e.outputs, e.reasons)
        if not answer.id:
            return None
        read_inputs = self._in(answer.inputs, inputs) if answer.HasField("inputs") else None
        return Found(answer.id, read_inputs, self._in(answer.properties, outputs))

    def invoke(self, token: str, args: Properties, *, preview: bool) -> Checked:
        if not self.config_known:
            return {}, []
        answer = self._call("Invoke", pb.InvokeRequest(tok=token, args=self._out(args), preview=preview))
        return from_struct(getattr(answer, "return")), _failures(answer)

    # -- transport
    def _out(self, properties: Properties) -> Any:
        return to_struct(properties, secrets=self._takes.acceptSecrets, references=self._takes.acceptResources)

    def _elided(self, properties: Properties) -> Any:
        """Assets travel as their hashes: enough to compare, or to name what goes."""
        return self._out(without_contents(properties))

    def _in(self, struct: Any, like: Properties) -> Properties:
        found = from_struct(struct)
        return found if self._takes.acceptSecrets else remark_secrets(found, like)

    def _checked(self, answer: Any, news: Properties) -> Checked:
        return self._in(answer.inputs, news) if answer.HasField("inputs") else news, _failures(answer)

    def _ask(self, method: str, r: Resource, like: Properties | None = None, **fields: Any) -> Any:
        """A call about one resource, within the time the program gives it."""
        request = getattr(pb, f"{method}Request")(urn=r.urn, name=r.name, type=r.type, **fields)
        if seconds := r.custom_timeouts.get(method.lower()):
            request.timeout = seconds
        return self._call(method, request, like)

    def _call(self, method: str, request: Any, like: Properties | None = None, *, optional: bool = False) -> Any:
        """The answer; None when the provider need not have the method and has not. Raises ProviderError, and
        InitError with outputs marked as secret where `like` is."""
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as e:
            if optional and e.code() == grpc.StatusCode.UNIMPLEMENTED:
                return None
            if e.code() == grpc.StatusCode.UNAVAILABLE:
                why = self._died() or "cannot be reached any more; it may have died"
                raise ProviderError(f"the provider of package '{self.package}' {why} (during {method})") from e
            failed = _init_failure(e)
            if failed is not None and like is not None:
                bags = self._in(failed.inputs, like), self._in(failed.properties, like)
                raise InitError(failed.id, *bags, list(failed.reasons)) from e
            raise ProviderError(e.details() or str(e)) from e


def _plain(properties: Properties) -> Any:
    return to_struct(properties, secrets=False)


def _failures(answer: Any) -> list[tuple[str, str]]:
    return [(f.property, f.reason) for f in answer.failures]


def _init_failure(e: grpc.RpcError) -> Any:
    details = dict(e.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for detail in status_pb2.Status.FromString(details).details:
        if detail.type_url.endswith("ErrorResourceInitFailed"):
            return pb.ErrorResourceInitFailed.FromString(detail.value)
    return None


def _diff_answer(answer: Any) -> DiffAnswer:
    if answer.changes not in _CHANGES:
        raise ProviderError(f"unrecognized diff state: {answer.changes}")
    detailed = {p: PropertyChange(_KINDS.get(d.kind, "update"), d.inputDiff) for p, d in answer.detailedDiff.items()}
    return DiffAnswer(
        changes=_CHANGES[answer.changes],
        replaces=list(answer.replaces),
        diffs=list(answer.diffs),
        delete_before_replace=answer.deleteBeforeReplace,
        detailed=detailed if answer.hasDetailedDiff else None,
    )


class Builtin(Provider):
    """The package `pulumi`: references to other stacks of the same backend."""

    def __init__(self, outputs_of: Callable[[str], Properties]) -> None:
        super().__init__("pulumi", None)
        self._outputs_of = outputs_of
        self._configured = True

    def read(self, r: Resource, inputs: Properties, outputs: Properties) -> Found:
        if r.type != "pulumi:pulumi:StackReference":
            raise RefusedError(f"resource type {r.type}")
        found = self._outputs_of(r.id)
        names = sorted(k for k, v in found.items() if has_secret(v))
        return Found(r.id, {"name": r.id}, {"name": r.id, "outputs": found, "secretOutputNames": names})

    def _call(self, method: str, request: Any, like: Properties | None = None, *, optional: bool = False) -> Any:
        if not optional:
            raise RefusedError(f"{method} of the package pulumi")
