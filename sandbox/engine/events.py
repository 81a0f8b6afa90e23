"""The event log: one JSON object a line, as `pulumi --event-log` writes it.

Source: sdk/go/common/apitype/events.go in pulumi/pulumi. Secrets are blinded.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sandbox.engine.state import Resource
from sandbox.engine.steps import Step
from sandbox.engine.values import blinded, mapped

_TCP = "tcp://"
_LISTENER_SECONDS = 10


def state_json(r: Resource | None) -> dict[str, Any] | None:
    if r is None:
        return None
    out: dict[str, Any] = {"type": r.type, "urn": r.urn, "custom": r.custom, "id": r.id, "parent": r.parent}
    for key, value in (("delete", r.delete), ("protect", r.protect), ("retainOnDelete", r.retain_on_delete)):
        if value:
            out[key] = True
    return out | {
        "inputs": blinded({k: v for k, v in r.inputs.items() if k != "__internal"}),
        "outputs": blinded(r.outputs),
        "provider": r.provider,
        "initErrors": r.init_errors or None,
    }


def step_json(step: Step, op: str | None = None) -> dict[str, Any]:
    return {
        "op": op or step.op,
        "urn": step.urn,
        "type": step.resource.type,
        "old": state_json(step.old),
        "new": state_json(step.new),
        "keys": step.keys or None,
        "diffs": step.diffs or None,
        "detailedDiff": {p: {"diffKind": c.kind, "inputDiff": c.input} for p, c in step.detailed.items()} or None,
        "logical": step.logical,
        "provider": step.resource.provider,
    }


class _File:
    """Events as lines of a file."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 - closed by close()

    def write(self, line: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Stream:
    """Events as a gRPC stream to `tcp://host:port`, which is how the Automation API listens."""

    def __init__(self, address: str) -> None:
        import grpc
        from pulumi.runtime.proto import events_pb2, events_pb2_grpc

        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._channel = grpc.insecure_channel(address)
        requests = (events_pb2.EventRequest(event=line) for line in iter(self._queue.get, None))
        self._call = events_pb2_grpc.EventsStub(self._channel).StreamEvents.future(requests)

    def write(self, line: str) -> None:
        self._queue.put(line)

    def close(self) -> None:
        """Send what is left. A listener that has gone loses its events, and nothing else."""
        self._queue.put(None)
        self._call.exception(timeout=_LISTENER_SECONDS)
        self._channel.close()


class EventLog:
    """Appends to a file or streams to a listener; None: nowhere.

    Texts of `secrets` are masked wherever they stand in a value or message.
    """

    def __init__(self, target: str | None, secrets: list[str]) -> None:
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._sink: _File | _Stream | None = None
        if target:
            tcp = target.startswith(_TCP)
            self._sink = _Stream(target.removeprefix(_TCP)) if tcp else _File(target)
        self._sequence = 0
        self._lock = threading.Lock()

    @property
    def wanted(self) -> bool:
        return self._sink is not None

    def add(self, kind: str, body: dict[str, Any]) -> None:
        if self._sink is None:
            return
        with self._lock:
            event = {"sequence": self._sequence, "timestamp": int(time.time()), kind: mapped(body, self._masked)}
            self._sequence += 1
            self._sink.write(json.dumps(event, separators=(",", ":")))

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "[secret]")
        return value

    def close(self) -> None:
        if self._sink is not None:
            self.add("cancelEvent", {})
            self._sink.close()
