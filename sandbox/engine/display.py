"""What people see: a line an operation with its duration and reason, what changes, diagnostics, a summary."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

from sandbox.engine.state import Resource
from sandbox.engine.steps import Step
from sandbox.engine.urns import STACK_TYPE
from sandbox.engine.values import DESCEND, UNKNOWN, Properties, Secret, covers, differences, parse_path, rebuilt

MARKS = {"create": "+", "update": "~", "delete": "-", "replace": "+-", "read": ">", "import": "=", "refresh": "~"}
COLOURS = {"+": 32, "~": 33, "-": 31, "+-": 35, ">": 36, "=": 36, "error": 31, "warning": 33}
DONE = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "same": "unchanged",
    "read": "read",
    "import": "imported",
}
SILENT = ("same", "remove-pending-replace", "create-replacement", "import-replacement", "read-replacement")
LONGEST_VALUE = 120
SHORTEST_ELIDED = 30  # a common beginning longer than this says nothing new


class Display:
    """Prints to stdout; `quiet` when the command's output is JSON. Texts of `secrets` are masked."""

    def __init__(self, *, preview: bool, quiet: bool, secrets: list[str], colour: bool) -> None:
        self.preview, self.quiet, self.colour = preview, quiet, colour
        self._secrets = secrets
        self._lock = threading.Lock()

    def line(self, text: str, mark: str = "") -> None:
        text = masked(text, self._secrets)
        if self.colour and mark in COLOURS:
            text = f"\x1b[{COLOURS[mark]}m{text}\x1b[0m"
        if not self.quiet:
            with self._lock:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()

    def after(self, step: Step, op: str, seconds: float) -> None:
        r = step.resource
        if r.is_default_provider or op in SILENT or (self.preview and op == "delete-replaced"):
            return
        shown = "delete the replaced" if op == "delete-replaced" else op
        mark = MARKS.get(shown.split()[0], " ")
        took = "" if self.preview else f" ({seconds:.1f}s)"
        self.line(f" {mark:2} {shown} {r.type} {r.name}{took}{_reason(step)}", mark)
        if step.old and step.new and op in ("update", "replace"):
            for text in changes(step.old, step.new):
                self.line(f"        {text}", text[:1])

    def failed(self, step: Step, seconds: float) -> None:
        r = step.resource
        self.line(f" !  {step.op} {r.type} {r.name} failed ({seconds:.1f}s)", "error")

    def diagnostic(self, severity: str, message: str, urn: str) -> None:
        if severity in ("error", "warning"):
            where = f"\n    {urn}" if urn and urn not in message else ""
            self.line(f"{severity}: {message.rstrip()}{where}", severity)
        else:
            self.line(message.rstrip("\n"))

    def summary(self, counts: dict[str, int], seconds: float, old: Resource | None, new: Resource | None) -> None:
        outputs = list(differing(old.outputs if old else {}, new.outputs if new else {}))
        if outputs:
            self.line("\nOutputs:")
            for text in outputs:
                self.line(f"    {text}", text[:1])
        self.line("\nResources:")
        for op, n in counts.items():
            mark = MARKS.get(op, " ")
            words = DONE.get(op, op) if not self.preview or op == "same" else f"to {op}"
            self.line(f"    {mark:2} {n} {words}", mark)
        if not counts:
            self.line("       nothing to do")
        self.line(f"\nDuration: {seconds:.0f}s")


def _reason(step: Step) -> str:
    notes = []
    if step.keys:
        notes.append(f"because of {', '.join(step.keys)}")
    if step.op in ("delete", "replace", "delete-replaced") and step.old and step.old.retain_on_delete:
        notes.append("the old object is retained")
    return f" [{'; '.join(notes)}]" if notes else ""


def changes(old: Resource, new: Resource) -> Iterator[str]:
    """A line for every input that changes, hidden ones left out; `__provider` is code and shows as such."""
    if old.type == STACK_TYPE:
        return
    hidden = [parse_path(p) for p in new.hide_diff]
    for path, kind, was, now in differences(old.inputs, new.inputs):
        steps = parse_path(path)
        if steps[0] == "__provider":
            yield "~ the provider's code"
        elif steps[0] not in ("__internal",) and not any(covers(h, steps) for h in hidden):
            yield change(path, kind, was, now)


def differing(old: Properties, new: Properties) -> Iterator[str]:
    for path, kind, was, now in differences(old, new):
        yield change(path, kind, was, now)


def change(path: str, kind: str, was: Any, now: Any) -> str:
    """`~ modelPackageArn: ".../6" => ".../7"`."""
    if kind == "add":
        return f"+ {path}: {shown(now)}"
    if kind == "delete":
        return f"- {path}: {shown(was)}"
    if isinstance(was, str) and isinstance(now, str):
        same = next((i for i, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
        common = was[:same].rfind("/")
        if common >= SHORTEST_ELIDED:
            was, now = f"...{was[common:]}", f"...{now[common:]}"
    return f"~ {path}: {shown(was)} => {shown(now)}"


def masked(text: str, secrets: list[str]) -> str:
    """The text without the texts of `secrets`, the longest of which come first, as one may be part of another."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    return text


def shown(value: Any) -> str:
    def visit(v: Any) -> Any:
        return "[secret]" if isinstance(v, Secret) else "[unknown]" if v is UNKNOWN else DESCEND

    found = rebuilt(value, visit)
    if found is not value and isinstance(found, str):
        return found
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
