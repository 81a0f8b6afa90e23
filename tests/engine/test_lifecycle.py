"""Random lives of a stack against a provider that fails at random: the state stays valid, and nothing is lost.

The executor runs for real; only programs and providers are stand-ins in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.engine.errors import ProviderError
from sandbox.engine.executor import Executor, Options, StoppedError
from sandbox.engine.journal import Journal
from sandbox.engine.plugins import Plugins
from sandbox.engine.providers import Provider
from sandbox.engine.refresh import Refresh
from sandbox.engine.state import Resource, Snapshot, problems
from sandbox.engine.steps import DiffAnswer, Goal, Step
from sandbox.engine.urns import make_urn
from sandbox.engine.values import Properties

PROVIDER_URN = make_urn("dev", "p", "", "pulumi:providers:t", "default")


class Cloud(Provider):
    """Objects by id; `failing` names of resources whose next call fails."""

    def __init__(self) -> None:
        super().__init__("t", None)
        self.objects: set[str] = set()
        self.failing: set[str] = set()
        self.made = 0
        self.pending: Callable[[], list[str]] = list

    def _may_fail(self, r: Resource, *, recorded: bool = True) -> None:
        if recorded:
            assert r.urn in self.pending(), "were the process killed now, nothing would tell of this call"
        if r.name in self.failing:
            raise ProviderError(f"injected failure for {r.name}")

    def check_config(self, urn: str, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        return news, []

    def diff_config(self, urn: str, old_inputs: Properties, olds: Properties, news: Properties) -> DiffAnswer:
        return DiffAnswer(False)

    def configure(self, r: Resource, inputs: Properties) -> None:
        return

    def check(self, r: Resource, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        return news, []

    def diff(
        self, r: Resource, old_inputs: Properties, olds: Properties, news: Properties, ignore: tuple[str, ...] = ()
    ) -> DiffAnswer:
        changed = [k for k in sorted(news.keys() | old_inputs.keys()) if news.get(k) != old_inputs.get(k)]
        return DiffAnswer(bool(changed), [k for k in changed if k in ("key", "on")], changed)

    def create(self, r: Resource, *, preview: bool) -> tuple[str, Properties]:
        self._may_fail(r)
        self.made += 1
        self.objects.add(f"{r.name}-{self.made}")
        return f"{r.name}-{self.made}", r.inputs

    def update(self, r: Resource, old: Resource, *, preview: bool, ignore: list[str]) -> Properties:
        self._may_fail(r)
        return r.inputs

    def delete(self, r: Resource) -> None:
        self._may_fail(r)
        self.objects.discard(r.id)

    def read(
        self, r: Resource, ident: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties | None, Properties]:
        self._may_fail(r, recorded=False)
        return (ident, inputs, outputs) if ident in self.objects else ("", None, {})


class OneCloud(Plugins):
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def open(self, package: str) -> Provider:
        return self._cloud


class Silent:
    def before(self, step: Step) -> None: ...
    def after(self, step: Step, op: str, seconds: float) -> None: ...
    def failed(self, step: Step, seconds: float) -> None: ...
    def diagnostic(self, severity: str, message: str, urn: str = "") -> None: ...


@dataclass
class Node:
    """One resource of a program; `on`: indices of those before it that it depends on, by a property."""

    key: int
    value: int
    on: list[int]
    by_property: bool
    delete_first: bool | None


@dataclass
class Run:
    nodes: dict[int, Node] = field(default_factory=dict)
    failing: set[int] = field(default_factory=set)
    kind: str = "up"


@st.composite
def runs(draw: Callable[..., Any]) -> list[Run]:
    out = []
    for _ in range(draw(st.integers(1, 4))):
        nodes: dict[int, Node] = {}
        for i in range(5):
            if draw(st.booleans()):
                on = [j for j in nodes if draw(st.booleans())]
                dbr = draw(st.sampled_from([None, True, False]))
                nodes[i] = Node(draw(st.integers(0, 1)), draw(st.integers(0, 1)), on, draw(st.booleans()), dbr)
        failing = set(draw(st.lists(st.integers(0, 4), max_size=2)))
        out.append(Run(nodes, failing, draw(st.sampled_from(["up", "up", "up", "refresh", "destroy"]))))
    return out


def urn(i: int) -> str:
    return make_urn("dev", "p", "", "t:index:Thing", f"r{i}")


def play(base: Snapshot, run: Run, cloud: Cloud) -> tuple[Snapshot, str]:
    """One operation; every snapshot that is saved on the way has to be valid. (last snapshot, error)"""
    saved = [base]

    def save(snapshot: Snapshot) -> None:
        assert problems(snapshot) == []
        saved.append(snapshot)

    cloud.pending = lambda: [o.resource.urn for o in saved[-1].pending]
    cloud.failing = {f"r{i}" for i in run.failing}
    journal = Journal(base, save)
    executor = Executor(base, Options(parallel=2), OneCloud(cloud), journal, Silent())
    try:
        if run.kind == "refresh":
            Refresh(executor, counted=True).run()
        elif run.kind == "up":
            provider = executor.register(Goal(PROVIDER_URN, "pulumi:providers:t", True, {})).reference
            made: dict[int, str] = {}
            for i, node in run.nodes.items():
                needs = [urn(j) for j in node.on]
                on = [made[j] for j in node.on] if node.by_property else []
                goal = Goal(urn(i), "t:index:Thing", True, {"key": node.key, "value": node.value, "on": on})
                goal.provider, goal.dependencies = provider, needs
                goal.property_dependencies = {"on": needs} if node.by_property else {}
                goal.delete_before_replace = node.delete_first
                made[i] = executor.register(goal).id
        if run.kind != "refresh":
            executor.delete_the_rest()
    except StoppedError:
        assert executor.error
    return journal.snapshot(), executor.error


@settings(max_examples=200, deadline=None)
@given(runs())
def test_the_state_is_valid_after_every_step_and_a_clean_run_leaves_no_orphan(sequence: list[Run]) -> None:
    cloud, snapshot = Cloud(), Snapshot()
    for run in sequence:
        snapshot, _ = play(snapshot, run, cloud)
        assert problems(snapshot) == []
        assert cloud.objects <= {r.id for r in snapshot.resources}, "an object that the state does not know"
    last = sequence[-1]
    snapshot, error = play(snapshot, Run(last.nodes), cloud)
    assert error == ""
    assert {r.urn for r in snapshot.resources} == {urn(i) for i in last.nodes} | {PROVIDER_URN}
    assert cloud.objects == {r.id for r in snapshot.resources if r.urn != PROVIDER_URN}
    assert not [r for r in snapshot.resources if r.delete or r.pending_replacement]
    snapshot, error = play(snapshot, Run(kind="destroy"), cloud)
    assert (snapshot.resources, cloud.objects, error) == ([], set(), "")
