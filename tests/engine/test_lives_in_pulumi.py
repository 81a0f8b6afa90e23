"""Random lives of a stack, lived with this engine and with Pulumi's: the same calls, the same state.

Skipped where no `pulumi` is on PATH. `UNDERSTUDY_LIVES=100` plays more than the ten of a run, by hand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.engine.puppet import Node
from tests.engine.stage import Stage, provider
from tests.engine.test_properties import Run, life

LIVES = int(os.environ.get("UNDERSTUDY_LIVES", "10"))
KINDS = {"testing:index:Thing": "Thing", "testing:index:DbrThing": "DbrThing", "plain:index:Thing": "PlainThing"}
LIFECYCLE = ("Handshake", "Attach", "GetPluginInfo", "GetSchema", "Cancel")
UNLIKE = ("created", "modified", "sourcePosition", "stackTrace")  # what no two runs share
pytestmark = [pytest.mark.cli, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[list[Stage]]:
    """Each engine with a state and a cloud of its own."""
    both = [Stage(tmp_path / "embedded"), Stage(tmp_path / "cli", ("pulumi",))]
    with ExitStack() as stack:
        for stage in both:
            stage.providers = stack.enter_context(provider(stage.cloud))
            stage.init()
        yield both


@pytest.mark.parametrize("seed", range(LIVES))
def test_both_engines_do_the_same(engines: list[Stage], seed: int) -> None:
    """One operation after the other, one thing at a time. What fails in a create is left out: which of the others
    Pulumi began before it noticed is chance."""
    r = Random(seed)
    for number, run in enumerate(life(r, r.randint(2, 5), r.randint(1, 3))):
        failing = {name: [m for m in methods if m in ("read", "delete")] for name, methods in run.failing.items()}
        ours, theirs = (played(stage, run, failing) for stage in engines)
        assert ours == theirs, f"operation {number} of life {seed}: {run}"


def played(stage: Stage, run: Run, failing: dict[str, list[str]]) -> dict[str, Any]:
    """What is left of an operation."""
    stage.program("\n".join(["own = Provider('own')", *map(statement, run.nodes)]))
    (stage.cloud / "control.json").write_text(json.dumps({"fail": failing}))
    before = len(stage.calls())
    arguments = ["--parallel", "1", *run.arguments]
    done = getattr(stage, run.command)(*arguments, check=False)
    calls = [f"{c['m']} {c.get('urn', '')} {c.get('id', '')} {c.get('error', '')}" for c in stage.calls()[before:]]
    resources = stage.deployment().get("resources") or []
    return {
        "exit": done.returncode,
        "calls": sorted(c for c in calls if c.split()[0] not in LIFECYCLE),
        "resources": sorted((likeness(r) for r in resources), key=lambda r: json.dumps(r, sort_keys=True)),
        "objects": stage.objects(),
    }


def likeness(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without its times and random ids. An empty list of dependencies means the same as none."""
    r = {k: v for k, v in resource.items() if k not in UNLIKE}
    by_property = {k: sorted(v) for k, v in (r.pop("propertyDependencies", None) or {}).items() if v}
    r |= {"propertyDependencies": by_property, "dependencies": sorted(r.get("dependencies", []))}
    r["provider"] = r.get("provider", "").rpartition("::")[0]
    return r | ({"id": ""} if r["type"].startswith("pulumi:providers:") else {})


def statement(node: Node) -> str:
    """The node in a program. What it names may not be there; it is called by its label."""
    here = "lambda label: globals().get(f'_{label}')"
    options = {
        "parent": f"({here})({node.parent!r})",
        "depends_on": f"[r for r in map({here}, {node.on!r}) if r]" if node.by == "depends_on" else "None",
        "protect": str(node.protect or None),
        "retain_on_delete": str(node.retain or None),
        "delete_before_replace": repr(node.delete_first),
        "deleted_with": f"({here})({node.deleted_with!r})",
        "ignore_changes": "['value']" if node.ignore else "None",
        "replace_on_changes": "['value']" if node.replace_on_value else "None",
        "aliases": f"[pulumi.Alias(name={node.alias!r})]" if node.alias else "None",
        "provider": "own" if node.own_provider and node.kind.startswith("testing:") else "None",
    }
    opts = f"Opts({', '.join(f'{k}={v}' for k, v in options.items())})"
    if node.component:
        return f"_{node.label} = Component({node.name!r}, {opts})"
    inputs = {"value": repr(f"v{node.value}"), "replace_key": repr(f"k{node.key}")}
    if node.on and node.by != "depends_on":
        key = {"value": "value", "replaceKey": "replace_key"}[node.by]
        inputs[key] = f"[r.id for r in map({here}, {node.on!r}) if r]"
    given = ", ".join(f"{k}={v}" for k, v in inputs.items())
    return f"_{node.label} = {KINDS[node.kind]}({node.name!r}, {given}, opts={opts})"
