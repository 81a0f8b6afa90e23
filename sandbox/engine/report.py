"""What happens in a deployment, told to the event log, to people, and to `preview --json`.

An event is one JSON object a line, as `pulumi --event-log` writes it; source: sdk/go/common/apitype/events.go in
pulumi/pulumi. Secrets are blinded.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from sandbox.engine.display import Display, masked
from sandbox.engine.state import Resource
from sandbox.engine.steps import Step
from sandbox.engine.values import DESCEND, blinded, rebuilt

_TCP = "tcp://"
_LISTENER_SECONDS = 10


class Report:
    """Is told what happens; keeps what `preview --json` shows."""

    def __init__(self, log: EventLog, display: Display, *, preview: bool) -> None:
        self.log, self.display, self.preview = log, display, preview
        self._diagnostics: list[dict[str, Any]] = []
        self._steps: list[Step] = []
        self._lock = threading.Lock()

    def before(self, step: Step) -> None:
        if self.log.wanted:
            self.log.add("resourcePreEvent", {"metadata": _step_json(step, step.op), "planning": self.preview})
        if step.op not in ("create-replacement", "delete-replaced") and not step.resource.is_default_provider:
            with self._lock:
                self._steps.append(step)

    def after(self, step: Step, op: str, seconds: float) -> None:
        if self.log.wanted:
            self.log.add("resOutputsEvent", {"metadata": _step_json(step, op), "planning": self.preview})
        if seconds >= 0:
            self.display.after(step, op, seconds)

    def failed(self, step: Step, seconds: float) -> None:
        if self.log.wanted:
            self.log.add("resOpFailedEvent", {"metadata": _step_json(step, step.op), "status": 0, "steps": 0})
        self.display.failed(step, seconds)

    def diagnostic(self, severity: str, message: str, urn: str = "") -> None:
        body = {"message": message.removesuffix("\n") + "\n", "severity": severity} | ({"urn": urn} if urn else {})
        self.log.add("diagnosticEvent", body | {"color": "never"})
        with self._lock:
            self._diagnostics.append(body)
        self.display.diagnostic(severity, message, urn)

    def document(self, config: dict[str, str], changes: dict[str, int]) -> dict[str, Any]:
        """What `preview --json` prints."""
        out: dict[str, Any] = {"config": config} if config else {}
        out |= {"steps": [_step_document(s) for s in self._steps], "changeSummary": changes}
        if self._diagnostics:
            out["diagnostics"] = [
                d | {"message": f"{d['severity']}: {d['message']}"} if d["severity"] in ("error", "warning") else d
                for d in self._diagnostics
            ]
        return out


def _state_json(r: Resource | None) -> dict[str, Any] | None:
    if r is None:
        return None
    out: dict[str, Any] = {"type": r.type, "urn": r.urn, "custom": r.custom, "id": r.id, "parent": r.parent}
    flags = {"delete": r.delete, "protect": r.protect, "retainOnDelete": r.retain_on_delete}
    out |= {key: True for key, value in flags.items() if value}
    inputs = blinded({k: v for k, v in r.inputs.items() if k != "__internal"})
    out |= {"inputs": inputs, "outputs": blinded(r.outputs), "provider": r.provider}
    return out | {"initErrors": r.init_errors or None}


def _step_json(step: Step, op: str) -> dict[str, Any]:
    return {
        "op": op,
        "urn": step.urn,
        "type": step.resource.type,
        "old": _state_json(step.old),
        "new": _state_json(step.new),
        "keys": step.keys or None,
        "diffs": step.diffs or None,
        "detailedDiff": _details(step, "diffKind") or None,
        "logical": step.logical,
        "provider": step.resource.provider,
    }


def _step_document(step: Step) -> dict[str, Any]:
    """A step as `preview --json` lists it."""
    event = _step_json(step, step.op)
    names = {"old": "oldState", "new": "newState", "diffs": "diffReasons", "keys": "replaceReasons"}
    out = {names.get(k, k): event[k] for k in ("op", "urn", "provider", *names) if event[k] is not None}
    if step.detailed:
        out["detailedDiff"] = _details(step, "kind")
    return out


def _details(step: Step, kind: str) -> dict[str, Any]:
    return {p: {kind: c.kind, "inputDiff": c.input} for p, c in (step.detailed or {}).items()}


# -- the event log --------------------------------------------------------------------------------------------------
class EventLog:
    """Appends to a file or streams to a listener (`tcp://host:port`); None: nowhere.

    Texts of `secrets` are masked wherever they stand in a value or message.
    """

    def __init__(self, target: str | None, secrets: list[str]) -> None:
        self._secrets = secrets
        self._sink: _Stream | IO[str] | None = None
        if target and target.startswith(_TCP):
            self._sink = _Stream(target.removeprefix(_TCP))
        elif target:
            self._sink = Path(target).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - closed by close()
        self._sequence = 0
        self._lock = threading.Lock()

    @property
    def wanted(self) -> bool:
        return self._sink is not None

    def add(self, kind: str, body: dict[str, Any]) -> None:
        if self._sink is None:
            return
        with self._lock:
            event = {"sequence": self._sequence, "timestamp": int(time.time()), kind: rebuilt(body, self._masked)}
            self._sequence += 1
            self._sink.write(json.dumps(event, separators=(",", ":")) + "\n")

    def _masked(self, value: Any) -> Any:
        return masked(value, self._secrets) if isinstance(value, str) else DESCEND

    def close(self) -> None:
        if self._sink is not None:
            self.add("cancelEvent", {})
            self._sink.close()


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

    def write(self, line: str) -> None:
        self._queue.put(line)

    def close(self) -> None:
        """Send what is left. A listener that has gone loses its events, and nothing else."""
        self._queue.put(None)
        self._call.exception(timeout=_LISTENER_SECONDS)
        self._channel.close()
