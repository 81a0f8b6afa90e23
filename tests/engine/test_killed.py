"""SIGKILL at 25 points of a deployment: whatever exists is known, the state is valid, and the next up works.

A point is a provider call, counted, and a moment: as it begins, as it ends, or a few milliseconds later, when the
engine writes its state. They are drawn once, from a fixed seed, over all that the update does.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from tests.engine.integrity import pending, problems
from tests.engine.puppet import Node, Puppet

BEFORE = (
    Node("a", "a"),
    Node("b", "b", on=("a",)),
    Node("c", "c", on=("b",), by="replaceKey", kind="testing:index:DbrThing"),
    Node("d", "d", on=("c",), by="replaceKey"),
    Node("gone", "gone", on=("b",)),
    Node("p", "p", kind="plain:index:Thing"),
)
# An update, a replacement, a delete-before-replace with a dependent, creations, and deletions at the end.
AFTER = (
    replace(BEFORE[0], value=1),
    replace(BEFORE[1], key=1),
    replace(BEFORE[2], key=1),
    BEFORE[3],
    Node("e", "e", on=("d",)),
    Node("f", "f", on=("e",)),
    replace(BEFORE[5], key=1),
)
CALLS = 53  # of the provider in that update, changing ones counted twice: as they begin and as they end
DRAW = Random(20)
# Whoever dies a moment later dies early enough not to have finished by then.
POINTS = [(DRAW.randint(1, CALLS), 0.0) for _ in range(15)]
POINTS += [(DRAW.randint(1, CALLS - 13), DRAW.choice([0.001, 0.004, 0.012])) for _ in range(10)]
pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::ResourceWarning")]


class Assassin:
    """Kills the engine's process group when the provider has been called so often."""

    def __init__(self, puppet: Puppet, point: int, delay: float) -> None:
        self.puppet, self.point, self.delay, self.calls = puppet, point, delay, 0
        self._lock, self._armed = threading.Lock(), threading.Event()
        self.pid = 0

    def __call__(self, moment: str) -> None:
        with self._lock:
            self.calls += 1
            strike = self.calls == self.point
        if strike and self.delay:
            threading.Timer(self.delay, self.kill).start()
        elif strike:
            self.kill()

    def kill(self) -> None:
        assert self._armed.wait(10)
        os.killpg(self.pid, signal.SIGKILL)

    def run(self) -> tuple[int, str]:
        self.puppet.cloud.watcher = self
        process = self.puppet.start("up", "--yes", "--skip-preview", "--stack", "dev")
        self.pid = process.pid
        self._armed.set()
        said, _ = process.communicate(timeout=60)
        self.puppet.cloud.watcher = None
        return process.returncode, said


@pytest.fixture(scope="module")
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puppet]:
    with Puppet(tmp_path_factory.mktemp("killed") / "project") as puppet:
        yield puppet


@pytest.fixture
def before(puppet: Puppet) -> Puppet:
    puppet.begin_anew()
    code, said = puppet.deploy("up", nodes=BEFORE)
    assert code == 0, said
    puppet.nodes, puppet.urns = AFTER, []
    return puppet


def test_the_points_cover_the_whole_update(before: Puppet) -> None:
    undisturbed = Assassin(before, 0, 0)
    code, said = undisturbed.run()
    assert code == 0, said
    assert undisturbed.calls == CALLS
    assert {c["m"] for c in before.cloud.calls} >= {"Configure", "Check", "Diff", "Create", "Update", "Delete"}


@pytest.mark.parametrize(("point", "delay"), POINTS, ids=[f"{n}+{round(d * 1000)}ms" for n, d in POINTS])
def test_nothing_is_lost_when_the_engine_is_killed(before: Puppet, point: int, delay: float) -> None:
    puppet = before
    code, said = Assassin(puppet, point, delay).run()
    assert code == -signal.SIGKILL, said
    deployment = puppet.deployment()
    assert problems(deployment) == []
    assert unknown_objects(puppet) == []

    code, said = puppet.deploy("preview", nodes=AFTER)
    assert code == 0, said
    code, said = puppet.deploy("up", nodes=AFTER)
    assert code == 1
    assert "the stack is currently locked by 1 lock(s)" in said
    assert puppet.run("cancel", "--yes", "--stack", "dev")[0] == 0
    creating = [urn for kind, urn in pending(deployment) if kind == "creating"]
    code, said = puppet.deploy("up", nodes=AFTER)
    assert code == 0, said
    assert ("pending operations from previous deployment" in said) == bool(pending(deployment))
    after = puppet.deployment()
    assert problems(after) == []
    assert pending(after) == [("creating", urn) for urn in creating]
    assert unknown_objects(puppet) == []
    code, said = puppet.deploy("preview", "--expect-no-changes", nodes=AFTER)
    assert code == 0, said


def unknown_objects(puppet: Puppet) -> list[str]:
    """Objects in the cloud that are neither in the state nor, by their name, among the creations in flight."""
    deployment = puppet.deployment()
    ids = {r.get("id") for r in deployment.get("resources") or []}
    names = {urn.rsplit("::", 1)[-1] for kind, urn in pending(deployment) if kind == "creating"}
    objects = puppet.cloud.document["objects"]
    return sorted(i for i in objects if i not in ids and i.rsplit("-", 1)[0] not in names)
