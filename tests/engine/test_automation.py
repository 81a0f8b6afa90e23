"""The command line, used as the SDK's Automation API uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pulumi.automation as auto
import pytest

from tests.engine.warm import PASSPHRASE, SALT, Warm

CANARY = "canary-7c1f"
PROGRAM = """
import pulumi
from things import Thing

config = pulumi.Config()
a = Thing("a", config.require("size"))
b = Thing("b", a.doubled, pulumi.ResourceOptions(protect=config.get_bool("protect")))
pulumi.export("doubled", b.doubled)
pulumi.export("password", config.require_secret("password"))
"""
THINGS = """
from typing import Any
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

class Doubler(ResourceProvider):
    def create(self, props: Any) -> CreateResult:
        return CreateResult("thing", {**props, "doubled": props["size"] * 2})
    def diff(self, id: str, olds: Any, news: Any) -> DiffResult:
        return DiffResult(changes=olds["size"] != news["size"])
    def update(self, id: str, olds: Any, news: Any) -> UpdateResult:
        return UpdateResult({**news, "doubled": news["size"] * 2})

class Thing(Resource):
    doubled: Output[str]
    def __init__(self, name: str, size: Input[str], opts: ResourceOptions | None = None) -> None:
        super().__init__(Doubler(), name, {"size": size, "doubled": None}, opts)
"""

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the SDK leaves pipes and log files to the collector
]


@pytest.fixture
def make(warm: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], auto.Stack]:
    """Creates stacks of one small project with dynamic resources."""
    for name in ("bin", "state", "project"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(warm.pulumi)
    project = tmp_path / "project"
    (project / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (project / "__main__.py").write_text(PROGRAM)
    (project / "things.py").write_text(THINGS)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    for key in ("PULUMI_DEBUG_PROVIDERS", "PULUMI_STACK", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    environment = {
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_PYTHON_CMD": str(warm.python),
    }

    def create(name: str) -> auto.Stack:
        (project / f"Pulumi.{name}.yaml").write_text(f"encryptionsalt: {SALT}\n")
        options = auto.LocalWorkspaceOptions(env_vars=environment, pulumi_command=auto.PulumiCommand(str(tmp_path)))
        return auto.create_stack(name, work_dir=str(project), opts=options)

    return create


def test_a_stack_lives_from_its_creation_to_its_removal(make: Callable[[str], auto.Stack], tmp_path: Path) -> None:
    stack = make("dev")
    stack.set_all_config({"size": auto.ConfigValue("ab"), "password": auto.ConfigValue(CANARY, secret=True)})
    assert stack.get_config("demo:password").value == CANARY
    assert {k: v.secret for k, v in stack.get_all_config().items()} == {"demo:password": True, "demo:size": False}

    assert stack.preview().change_summary == {"create": 3}
    events: list[auto.EngineEvent] = []
    up = stack.up(message="first", on_event=events.append)
    assert up.summary.resource_changes == {"create": 3}
    assert {k: (v.value, v.secret) for k, v in up.outputs.items()} == {
        "doubled": ("abababab", False),
        "password": (CANARY, True),
    }
    assert [e.res_outputs_event.metadata.urn for e in events if e.res_outputs_event][-1].endswith("::demo-dev")

    stack.set_config("size", auto.ConfigValue("c"))
    preview = stack.preview()
    assert preview.change_summary == {"same": 1, "update": 2}
    assert '~ size: "ab" => "c"' in preview.stdout
    with pytest.raises(auto.CommandError, match="no changes were expected but changes were proposed"):
        stack.preview(expect_no_changes=True)
    assert stack.up().summary.resource_changes == {"same": 1, "update": 2}
    stack.up(expect_no_changes=True)

    exported = stack.export_stack()
    stack.import_stack(exported)
    assert stack.refresh().summary.resource_changes == {"same": 3}
    assert [(h.kind, h.message, h.result, h.version) for h in stack.history()][-1] == (
        "update",
        "first",
        "succeeded",
        1,
    )
    assert stack.info().config["demo:password"].value == CANARY  # type: ignore[union-attr]

    leaks = [p for p in tmp_path.rglob("*") if p.is_file() and CANARY in p.read_text("utf-8")]
    assert leaks == []
    assert stack.destroy().summary.resource_changes == {"delete": 3}
    stack.workspace.remove_stack("dev")
    assert stack.workspace.list_stacks() == []
    assert not (tmp_path / "project" / "Pulumi.dev.yaml").exists()


def test_errors_are_those_the_sdk_knows(make: Callable[[str], auto.Stack], tmp_path: Path) -> None:
    stack = make("dev")
    with pytest.raises(auto.StackAlreadyExistsError, match="already exists"):
        stack.workspace.create_stack("dev")
    with pytest.raises(auto.StackNotFoundError, match="no stack named 'nope' found"):
        stack.workspace.select_stack("nope")
    locks = tmp_path / "state/.pulumi/locks/organization/demo/dev"
    locks.mkdir(parents=True)
    (locks / "other.json").write_text(json.dumps({"pid": 1, "username": "ann", "hostname": "h", "timestamp": "then"}))
    with pytest.raises(auto.ConcurrentUpdateError, match="created by ann@h \\(pid 1\\) at then"):
        stack.destroy()
    stack.cancel()
    with pytest.raises(auto.CommandError, match="Missing required configuration variable 'demo:size'"):
        stack.up()
    assert [h.result for h in stack.history()] == ["failed"]


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["preview", "--replace", "x"], "option --replace: not supported by the embedded engine", 1),
        (["up", "--target", "x"], "option --target: not supported by the embedded engine", 1),
        (["up", "--nonsense"], "option --nonsense: not supported", 1),
        (["up"], "--yes or --skip-preview or --preview-only must be passed in", 2),
        (["policy", "ls"], "command `pulumi policy ls`: not supported", 1),
        (["stack", "init", "a b"], "a stack name may hold", 1),
        (["config", "get", "gone", "--stack", "dev"], "configuration key 'gone' not found for stack 'dev'", 1),
        (["stack", "output", "gone", "--stack", "dev"], "current stack does not have output property 'gone'", 1),
    ],
)
def test_what_is_wrong_on_the_command_line_is_said(
    make: Callable[[str], auto.Stack], arguments: list[str], message: str, code: int
) -> None:
    stack = make("dev")
    with pytest.raises(auto.CommandError) as e:
        stack.workspace.pulumi_command.run(arguments, stack.workspace.work_dir, stack.workspace.env_vars)
    assert f"error: {message}" in str(e.value)
    assert f"code: {code}\n" in str(e.value)
