"""What people see of operations: a line each with its duration and reason, what changes, and a summary.

A line is (mark, text); the mark, `+` or `~` or a severity, gives it its style.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from sandbox.engine.state import Resource
from sandbox.engine.steps import Step
from sandbox.engine.urns import STACK_TYPE
from sandbox.engine.values import DESCEND, UNKNOWN, Properties, Secret, covers, differences, parse_path, rebuilt

Lines = Iterator[tuple[str, str]]
MARKS = {"create": "+", "update": "~", "delete": "-", "replace": "+-", "read": ">", "import": "=", "refresh": "~"}
STYLES = {"+": "green", "~": "yellow", "-": "red", "+-": "magenta", ">": "cyan", "=": "cyan"}
STYLES |= {"error": "red", "warning": "yellow"}
IRREGULAR = {"same": "unchanged", "read": "read", "import": "imported"}
SILENT = ("same", "remove-pending-replace", "create-replacement", "import-replacement", "read-replacement")
LONGEST_VALUE = 120
SHORTEST_ELIDED = 30  # a common beginning longer than this says nothing new


def operation(step: Step, seconds: float, *, preview: bool) -> Lines:
    """One that is over, or in a preview would be."""
    op, r = step.op, step.resource
    if r.is_default_provider or op in SILENT or (preview and op == "delete-replaced"):
        return
    shown = "delete the replaced" if op == "delete-replaced" else op
    mark = MARKS.get(shown.split()[0], " ")
    notes = [f"because of {', '.join(step.keys)}"] if step.keys else []
    if op in ("delete", "replace", "delete-replaced") and step.old and step.old.retain_on_delete:
        notes.append("the old object is retained")
    why = f" [{'; '.join(notes)}]" if notes else ""
    yield mark, f" {mark:2} {shown} {r.type} {r.name}{'' if preview else f' ({seconds:.1f}s)'}{why}"
    if step.old and step.new and op in ("update", "replace"):
        for mark, text in changes(step.old, step.new):
            yield mark, f"        {text}"


def summary(counts: dict[str, int], old: Properties, new: Properties, seconds: float, *, preview: bool) -> Lines:
    """What was done, and what of the Stack's outputs is another."""
    outputs = list(differing(old, new))
    if outputs:
        yield "", "\nOutputs:"
    for mark, text in outputs:
        yield mark, f"    {text}"
    yield "", "\nResources:"
    for op, n in counts.items():
        mark = MARKS.get(op, " ")
        done = IRREGULAR.get(op, f"{op.removesuffix('e')}ed")
        yield mark, f"    {mark:2} {n} {f'to {op}' if preview and op != 'same' else done}"
    if not counts:
        yield "", "       nothing to do"
    yield "", f"\nDuration: {seconds:.0f}s"


def changes(old: Resource, new: Resource) -> Lines:
    """A line for every input that changes, hidden ones left out; `__provider` is code and shows as such."""
    if old.type == STACK_TYPE:
        return
    hidden = [parse_path(p) for p in new.hide_diff]
    for path, kind, was, now in differences(old.inputs, new.inputs):
        steps = parse_path(path)
        if steps[0] == "__provider":
            yield "~", "~ the provider's code"
        elif steps[0] != "__internal" and not any(covers(h, steps) for h in hidden):
            yield change(path, kind, was, now)


def differing(old: Properties, new: Properties) -> Lines:
    return (change(*difference) for difference in differences(old, new))


def change(path: str, kind: str, was: Any, now: Any) -> tuple[str, str]:
    """`~ modelPackageArn: ".../6" => ".../7"`."""
    if kind == "add":
        return "+", f"+ {path}: {shown(now)}"
    if kind == "delete":
        return "-", f"- {path}: {shown(was)}"
    if isinstance(was, str) and isinstance(now, str):
        common = os.path.commonprefix([was, now]).rfind("/")  # noqa: RUF071 - of texts, not of paths
        if common >= SHORTEST_ELIDED:
            was, now = f"...{was[common:]}", f"...{now[common:]}"
    return "~", f"~ {path}: {shown(was)} => {shown(now)}"


def shown(value: Any) -> str:
    def visit(v: Any) -> Any:
        return "[secret]" if isinstance(v, Secret) else "[unknown]" if v is UNKNOWN else DESCEND

    found = rebuilt(value, visit)
    if found is not value and isinstance(found, str):
        return found
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
