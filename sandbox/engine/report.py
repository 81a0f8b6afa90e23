"""What happens in a deployment, told to the event log and to people."""

from __future__ import annotations

import threading
from typing import Any

from sandbox.engine.display import Display
from sandbox.engine.events import EventLog, state_json, step_json
from sandbox.engine.steps import Step


class Report:
    """A Reporter that also collects what `preview --json` shows. `secrets`: texts to mask for people."""

    def __init__(self, log: EventLog, display: Display, *, preview: bool) -> None:
        self.log, self.display, self.preview = log, display, preview
        self.diagnostics: list[dict[str, Any]] = []
        self.shown_steps: list[Step] = []
        self._lock = threading.Lock()

    def before(self, step: Step) -> None:
        if self.log.wanted:
            self.log.add("resourcePreEvent", {"metadata": step_json(step), "planning": self.preview})
        r = step.resource
        if step.op not in ("create-replacement", "delete-replaced") and not r.is_default_provider:
            with self._lock:
                self.shown_steps.append(step)

    def after(self, step: Step, op: str, seconds: float) -> None:
        if self.log.wanted:
            self.log.add("resOutputsEvent", {"metadata": step_json(step, op), "planning": self.preview})
        if seconds >= 0:
            self.display.after(step, op, seconds)

    def failed(self, step: Step, seconds: float) -> None:
        if self.log.wanted:
            self.log.add("resOpFailedEvent", {"metadata": step_json(step), "status": 0, "steps": 0})
        self.display.failed(step, seconds)

    def diagnostic(self, severity: str, message: str, urn: str = "") -> None:
        body: dict[str, Any] = {"message": message if message.endswith("\n") else message + "\n", "severity": severity}
        if urn:
            body["urn"] = urn
        self.log.add("diagnosticEvent", body | {"color": "never"})
        with self._lock:
            self.diagnostics.append(body)
        self.display.diagnostic(severity, message, urn)

    def step_document(self, step: Step) -> dict[str, Any]:
        """A step as `preview --json` lists it."""
        out = {
            "op": step.op,
            "urn": step.urn,
            "provider": step.resource.provider,
            "oldState": state_json(step.old),
            "newState": state_json(step.new),
            "diffReasons": step.diffs or None,
            "replaceReasons": step.keys or None,
            "detailedDiff": {p: {"kind": c.kind, "inputDiff": c.input} for p, c in step.detailed.items()} or None,
        }
        return {k: v for k, v in out.items() if v is not None}
