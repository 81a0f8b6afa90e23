"""Random lives of a stack: whatever is asked and whatever fails, the state is valid and nothing is lost.

200 lives a run of the suite; `UNDERSTUDY_LIVES=10000` plays more, by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.integrity import pending, problems
from tests.engine.puppet import Node, Puppet, without_protection

LIVES = int(os.environ.get("UNDERSTUDY_LIVES", "200"))
CHANGING = {"Create", "Update", "Delete"}
pytestmark = [pytest.mark.timeout(LIVES * 3), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@dataclass(frozen=True)
class Run:
    command: str
    arguments: tuple[str, ...]
    nodes: tuple[Node, ...]
    failing: dict[str, tuple[str, ...]]


COMMANDS = [("up",)] * 6 + [
    ("up", "--refresh"),
    ("refresh",),
    ("preview",),
    ("destroy",),
]
METHODS = [("init",), ("read",), ("update",), ("delete",), ("create",), ("create", "update", "delete")]


@st.composite
def lives(draw: st.DrawFn) -> list[Run]:
    """Sizes are Hypothesis's to shrink; the rest is evenly random, as it would rather draw lives in which nothing
    happens."""
    size, more = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    return life(draw(st.randoms(use_true_random=True)), size, more)


def life(r: Random, size: int, more: int) -> list[Run]:
    """A program is deployed; then come changes of it, operations and failures."""
    nodes: list[Node] = []
    for number in range(size):
        nodes.append(_new(r, number, nodes))
    runs = [Run("up", (), tuple(nodes), _failures(r, 1))]
    for _ in range(more):
        command = r.choice(COMMANDS)
        nodes = [_changed(r, n) for n in nodes]
        gone = r.randrange(size * 2)
        runs.append(Run(command[0], command[1:], tuple(n for n in nodes if n.label != str(gone)), _failures(r, 2)))
    return runs


def _new(r: Random, number: int, before: list[Node]) -> Node:
    labels = [n.label for n in before]
    custom = [n.label for n in before if not n.component]
    node = Node(
        label=str(number),
        name=f"r{number}",
        component=number == 0 and r.random() < 0.4,
        on=tuple(label for label in custom if r.random() < 0.5),
        by=r.choice(["value", "replaceKey", "replaceKey", "depends_on"]),
        parent=r.choice([None, None, *labels]),
        kind=r.choice(["testing:index:Thing", "testing:index:DbrThing", "plain:index:Thing"]),
        deleted_with=r.choice(custom) if custom and r.random() < 0.1 else None,
    )
    return _with_options(r, node)


def _with_options(r: Random, node: Node) -> Node:
    return replace(
        node,
        delete_first=r.choice([None, None, True, False]),
        protect=r.random() < 0.06,
        retain=r.random() < 0.1,
        ignore=r.random() < 0.1,
        replace_on_value=r.random() < 0.1,
        own_provider=r.random() < 0.2,
    )


def _changed(r: Random, node: Node) -> Node:
    node = replace(node, alias="")
    match r.choice(["nothing", "options", "name", "value", "value", "key", "key"]):
        case "value":
            return replace(node, value=node.value + 1)
        case "key":
            return replace(node, key=node.key + 1)
        case "name":
            return replace(node, name=node.name + "x", alias=r.choice(["", node.name]))
        case "options":
            return _with_options(r, node)
    return node


def _failures(r: Random, most: int) -> dict[str, tuple[str, ...]]:
    """Name -> methods that fail (who is renamed gets away)."""
    return {f"r{r.randrange(5)}": r.choice(METHODS) for _ in range(most) if r.random() < 0.7}


@pytest.fixture(scope="module")
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puppet]:
    with Puppet(tmp_path_factory.mktemp("lives") / "project") as puppet:
        yield puppet


@settings(max_examples=LIVES, deadline=None, derandomize=LIVES == 200, suppress_health_check=list(HealthCheck))
@given(life=lives())
def test_a_stack_survives_whatever_happens_to_it(puppet: Puppet, life: list[Run]) -> None:
    puppet.begin_anew()
    let_go: set[str] = set()  # objects that the program told the engine to leave alone
    for run in life:
        play(puppet, run, let_go)
    puppet.unprotect()
    last = without_protection(life[-1].nodes)
    play(puppet, Run("up", (), last, {}), let_go, must_succeed=True)
    play(puppet, Run("preview", ("--expect-no-changes",), last, {}), let_go, must_succeed=True)
    play(puppet, Run("destroy", (), (), {}), let_go, must_succeed=True)
    assert puppet.deployment().get("resources") in (None, [])
    assert set(puppet.cloud.document["objects"]) <= let_go


def play(puppet: Puppet, run: Run, let_go: set[str], *, must_succeed: bool = False) -> None:
    """One operation, and everything that has to hold after any operation."""
    before = puppet.checkpoint.read_text("utf-8")
    let_go |= left_alone(puppet.deployment())
    puppet.cloud.failing = run.failing
    code, said = puppet.deploy(run.command, *run.arguments, nodes=run.nodes)
    puppet.cloud.failing = {}
    deployment = puppet.deployment()
    let_go |= left_alone(deployment)
    assert problems(deployment) == [], said
    assert pending(deployment) == []
    assert puppet.unannounced == []
    assert puppet.locks == []
    assert code in (0, 1), said
    assert (code == 0) or "error: " in said, said
    if must_succeed:
        assert code == 0, said
    resources = deployment.get("resources") or []
    objects = set(puppet.cloud.document["objects"])
    assert objects - {r.get("id") for r in resources} - let_go == set(), "an object the state does not know"
    things = [r for r in resources if r.get("custom") and not r["type"].startswith("pulumi:")]
    assert {r["id"] for r in things if not r.get("pendingReplacement")} <= objects, "an object there is not"
    if run.command == "preview":
        assert puppet.checkpoint.read_text("utf-8") == before
        assert [c for c in puppet.cloud.calls if c["m"] in CHANGING and not c.get("preview")] == []
    if run.command == "up" and code == 0:
        made = {r["urn"] for r in resources if "::default" not in r["urn"] and r["type"] != "pulumi:pulumi:Stack"}
        assert made == set(puppet.urns)
        assert not [r["urn"] for r in resources if r.get("delete") or r.get("pendingReplacement")]


def left_alone(deployment: dict[str, Any]) -> set[str]:
    """Ids of what is not deleted when it goes: retained ones, and those that go with another resource."""
    resources = deployment.get("resources") or []
    return {r.get("id", "") for r in resources if r.get("retainOnDelete") or r.get("deletedWith")}
