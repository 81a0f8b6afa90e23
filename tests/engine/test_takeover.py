"""The Pulumi CLI takes over a stack that the embedded engine made, and the other way round; nothing is to change.

Skipped where no `pulumi` is on PATH.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.integrity import pending, problems
from tests.engine.stage import Stage, provider, wait_for

PROGRAM = """
from dyn import Keeper

config = pulumi.Config()
password = config.require_secret("password")
a = Thing("a", config.require("value"), secretish=password, map={"deep": [1, None, password]})
comp = Component("comp")
b = Thing("b", a.echo, opts=Opts(parent=comp, protect=True, aliases=[pulumi.Alias(name="old-b")]))
comp.register_outputs({"id": b.id, "password": password})
c = PlainThing("c", secretish=password, opts=Opts(depends_on=[comp], retain_on_delete=True))
d = Keeper("d", a.echo)
timeouts = pulumi.CustomTimeouts(create="5m")
n = NamedThing("n", d.kept, opts=Opts(parent=b, ignore_changes=["value"], custom_timeouts=timeouts))
p = Provider("p", "r1", token=password)
e = Thing("e", "text", opts=Opts(provider=p, deleted_with=a, additional_secret_outputs=["echo"]))
pulumi.export("echo", a.echo)
pulumi.export("password", password)
pulumi.export("kept", d.kept)
"""
DYNAMIC = """
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("kept", {**props, "kept": props["value"]})

    def diff(self, id, olds, news):
        return DiffResult(changes=olds["value"] != news["value"])

    def update(self, id, olds, news):
        return UpdateResult({**news, "kept": news["value"]})


class Keeper(Resource):
    kept: pulumi.Output[str]

    def __init__(self, name, value, opts=None):
        super().__init__(Provider(), name, {"value": value, "kept": None}, opts)
"""
WARNING = "pending operations from previous deployment"
pytestmark = [
    pytest.mark.cli,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[dict[str, Stage]]:
    """Both engines at one project, one state and one cloud."""
    both = {"embedded": Stage(tmp_path), "cli": Stage(tmp_path, ("pulumi",))}
    with provider(both["cli"].cloud) as address:
        for stage in both.values():
            stage.providers = address
        yield both


@pytest.mark.parametrize(("maker", "taker"), [("embedded", "cli"), ("cli", "embedded")])
def test_a_stack_changes_hands(engines: dict[str, Stage], maker: str, taker: str) -> None:
    made, took = engines[maker], engines[taker]
    (made.project / "dyn.py").write_text(DYNAMIC)
    made.program(PROGRAM)
    made.init()
    made.run("config", "set", "value", "one", "--stack", "dev")
    made.run("config", "set", "--secret", "password", "open sesame", "--stack", "dev")
    made.up()
    before = {i: o["props"].get("value") for i, o in made.objects().items()}

    assert took.run("config", "get", "password", "--stack", "dev").stdout.strip() == "open sesame"
    assert took.run("stack", "output", "password", "--show-secrets", "--stack", "dev").stdout.strip() == "open sesame"
    took.preview("--expect-no-changes")
    took.up("--expect-no-changes")
    took.refresh()
    made.preview("--expect-no-changes")

    took.run("config", "set", "value", "two", "--stack", "dev")
    took.up()
    values = {i: o["props"].get("value") for i, o in made.objects().items()}
    assert values == before | {"a-1": "two", "b-1": "two"}
    made.preview("--expect-no-changes")
    assert problems(made.deployment()) == []
    assert made.run("stack", "history", "--json", "--stack", "dev").stdout.count('"kind"') == 4

    failed = took.destroy(check=False)  # b is protected
    assert failed.returncode == 1
    assert made.destroy(check=False).returncode == 1
    assert set(made.ids()) == set(took.ids()) == {"a", "b", "d", "n"}  # n inherits protection, and needs d


@pytest.mark.parametrize(("maker", "taker"), [("embedded", "cli"), ("cli", "embedded")])
def test_an_interrupted_operation_changes_hands(engines: dict[str, Stage], maker: str, taker: str) -> None:
    made, took = engines[maker], engines[taker]
    made.program('a = Thing("a", "a")\nb = Thing("b", a.echo, slow=2)\n')
    made.init()
    process = made.start("up", "--yes", "--skip-preview", "--stack", "dev")
    wait_for((made.cloud / "slow.started").exists, "the create")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    urn = "urn:pulumi:dev::conf::testing:index:Thing::b"
    assert pending(made.deployment()) == [("creating", urn)]
    refused = took.up(check=False)
    assert refused.returncode != 0
    assert "the stack is currently locked by 1 lock(s)" in refused.stdout + refused.stderr
    took.run("cancel", "--yes", "--stack", "dev")
    wait_for(lambda: "b-1" in took.objects(), "the provider to finish what nobody waits for")
    up = took.up()
    assert WARNING in up.stdout + up.stderr
    assert took.ids() == {"a": "a-1", "b": "b-2"}
    assert pending(took.deployment()) == [("creating", urn)]  # kept for a person to judge, by both
    made.preview("--expect-no-changes")
