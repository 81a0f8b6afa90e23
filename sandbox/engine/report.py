"""What happens in a deployment, told to the event log, to people, and to `preview --json`.

An event is one JSON object a line, as `pulumi --event-log` writes it; source: sdk/go/common/apitype/events.go in
pulumi/pulumi. Secrets are blinded.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from sandbox.engine import display
from sandbox.engine.state import Resource
from sandbox.engine.steps import Step
from sandbox.engine.values import DESCEND, Properties, blinded, rebuilt

_TCP = "tcp://"
LOUD = ("error", "warning")
_LISTENER_SECONDS = 10
UNLISTED = ("create-replacement", "delete-replaced", "remove-pending-replace")  # by `preview --json`


class Report:
    """Is told what happens. `log`: the event log's file, or the listener (`tcp://host:port`) it is streamed to.

    `quiet`: nothing is printed, as the command's output is JSON. Texts of `secrets` are masked wherever they stand.
    """

    def __init__(self, log: str | None, secrets: list[str], *, preview: bool, quiet: bool, colour: bool) -> None:
        self._preview, self._quiet = preview, quiet
        self._console = _terminal() if colour else None
        self._secrets = sorted(secrets, key=len, reverse=True)  # one may be part of another
        self._log = _opened(log)
        self._sequence = 0
        self._lock = threading.Lock()
        self._diagnostics: list[dict[str, Any]] = []
        self._steps: list[Step] = []

    def before(self, step: Step) -> None:
        self._step_event("resourcePreEvent", step)
        if step.op not in UNLISTED and not step.resource.is_default_provider:
            self._steps.append(step)

    def after(self, step: Step, seconds: float) -> None:
        self.outputs(step)
        self._print(display.operation(step, seconds, preview=self._preview))

    def outputs(self, step: Step) -> None:
        """The step's resource has outputs."""
        self._step_event("resOutputsEvent", step)

    def failed(self, step: Step, seconds: float) -> None:
        self._step_event("resOpFailedEvent", step, status=0, steps=0)
        r = step.resource
        self._print([("error", f" !  {step.op} {r.type} {r.name} failed ({seconds:.1f}s)")])

    def diagnostic(self, severity: str, message: str, urn: str = "") -> None:
        body = {"message": message.removesuffix("\n") + "\n", "severity": severity} | ({"urn": urn} if urn else {})
        self.event("diagnosticEvent", body | {"color": "never"})
        self._diagnostics.append(body)
        where = f"\n    {urn}" if urn and urn not in message else ""
        loud = f"{severity}: {message.rstrip()}{where}"
        self._print([(severity, loud if severity in LOUD else message.rstrip("\n"))])

    def summary(self, summary: dict[str, Any], old: Properties, new: Properties, seconds: float) -> None:
        """`old` and `new`: the Stack's outputs."""
        self.event("summaryEvent", summary)
        self._print(display.summary(summary["resourceChanges"], old, new, seconds, preview=self._preview))

    def document(self, config: dict[str, str], changes: dict[str, int]) -> dict[str, Any]:
        """What `preview --json` prints."""
        out: dict[str, Any] = {"config": config} if config else {}
        out |= {"steps": [_step_document(s) for s in self._steps], "changeSummary": changes}
        told = [
            d | {"message": f"{d['severity']}: {d['message']}"} if d["severity"] in LOUD else d
            for d in self._diagnostics
        ]
        return out | ({"diagnostics": told} if told else {})

    def event(self, kind: str, body: dict[str, Any]) -> None:
        if self._log is None:
            return
        masked = rebuilt(body, lambda v: self._masked(v) if isinstance(v, str) else DESCEND)
        with self._lock:
            event = {"sequence": self._sequence, "timestamp": int(time.time()), kind: masked}
            self._sequence += 1
            self._log.write(json.dumps(event, separators=(",", ":")) + "\n")

    def close(self) -> None:
        self.event("cancelEvent", {})
        if self._log is not None:
            self._log.close()

    def _step_event(self, kind: str, step: Step, **more: Any) -> None:
        if self._log is not None:
            self.event(kind, {"metadata": _step_json(step, "diffKind"), "planning": self._preview, **more})

    def _print(self, lines: Iterable[tuple[str, str]]) -> None:
        for mark, text in () if self._quiet else lines:
            line = self._masked(text)
            with self._lock:
                if self._console:
                    self._console.print(line, style=display.STYLES.get(mark, ""), markup=False)
                else:
                    sys.stdout.write(f"{line}\n")
                    sys.stdout.flush()

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text


def _state_json(r: Resource | None) -> dict[str, Any] | None:
    if r is None:
        return None
    out: dict[str, Any] = {"type": r.type, "urn": r.urn, "custom": r.custom, "id": r.id, "parent": r.parent}
    flags = {"delete": r.delete, "protect": r.protect, "retainOnDelete": r.retain_on_delete}
    out |= {key: True for key, value in flags.items() if value}
    inputs = blinded({k: v for k, v in r.inputs.items() if k != "__internal"})
    out |= {"inputs": inputs, "outputs": blinded(r.outputs), "provider": r.provider}
    return out | {"initErrors": r.init_errors or None}


def _step_json(step: Step, kind: str) -> dict[str, Any]:
    """`kind`: what the kind of a property's change is called there."""
    r, old, new = step.resource, _state_json(step.old), _state_json(step.new)
    out = {"op": step.op, "urn": step.urn, "type": r.type, "old": old, "new": new, "logical": step.logical}
    details = {p: {kind: c.kind, "inputDiff": c.input} for p, c in (step.detailed or {}).items()}
    why = {"keys": step.keys or None, "diffs": step.diffs or None, "detailedDiff": details or None}
    return out | why | {"provider": r.provider}


def _step_document(step: Step) -> dict[str, Any]:
    """A step as `preview --json` lists it."""
    event = _step_json(step, "kind")
    names = {"old": "oldState", "new": "newState", "diffs": "diffReasons", "keys": "replaceReasons"}
    listed = ("op", "urn", "provider", *names, "detailedDiff")
    return {names.get(k, k): event[k] for k in listed if event[k] is not None}


def _terminal() -> Any:
    from rich.console import Console  # slow to import, and nobody else needs it

    return Console(force_terminal=True, color_system="standard", highlight=False, soft_wrap=True)


def _opened(log: str | None) -> _Stream | IO[str] | None:
    if log and log.startswith(_TCP):
        return _Stream(log.removeprefix(_TCP))
    return Path(log).open("a", buffering=1, encoding="utf-8") if log else None


class _Stream:
    """Events as a gRPC stream, which is how the Automation API listens."""

    def __init__(self, address: str) -> None:
        import grpc

        from sandbox.engine import wire

        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._channel = grpc.insecure_channel(address)
        event = wire.load("events_pb2").EventRequest
        requests = (event(event=line) for line in iter(self._queue.get, None))
        self._call = wire.load("events_pb2_grpc").EventsStub(self._channel).StreamEvents.future(requests)
        self.write = self._queue.put

    def close(self) -> None:
        """Send what is left. A listener that has gone loses its events, and nothing else."""
        self._queue.put(None)
        self._call.exception(timeout=_LISTENER_SECONDS)
        self._channel.close()
