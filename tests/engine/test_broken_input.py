"""Bad input: a clear error, Pulumi's exit code, the state as it was, and no lock left behind.

The exit codes are those of Pulumi 3.260 for the same input.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc

from tests.engine.integrity import pending, problems
from tests.engine.puppet import Node, Puppet
from tests.engine.stage import Stage, provider, wait_for

NODES = (Node("a", "a"), Node("b", "b", on=("a",)))
pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture
def puppet(tmp_path: Path) -> Iterator[Puppet]:
    with Puppet(tmp_path / "project") as puppet:
        code, said = puppet.deploy("up", nodes=NODES)
        assert code == 0, said
        yield puppet


def truncated(text: str) -> str:
    return text[:300]


def newer(text: str) -> str:
    return text.replace('"version":3', '"version":99', 1)


STATES: dict[str, tuple[Callable[[str], str], str]] = {
    "truncated": (truncated, "dev.json: could not read the state"),
    "empty": (lambda _: "", "dev.json: could not read the state"),
    "no object": (lambda _: "[]", "dev.json: not a checkpoint"),
    "no version": (lambda t: t.replace('"version":3', '"version":"x"', 1), "dev.json: not a checkpoint"),
    "newer": (newer, "version 99"),
}


@pytest.mark.parametrize("command", ["preview", "up", "refresh", "destroy"])
@pytest.mark.parametrize("state", STATES)
def test_a_state_that_cannot_be_read_is_said_and_left_alone(puppet: Puppet, state: str, command: str) -> None:
    spoil, message = STATES[state]
    puppet.checkpoint.write_text(spoilt := spoil(puppet.checkpoint.read_text()))
    code, said = puppet.deploy(command, nodes=NODES)
    assert (code, puppet.checkpoint.read_text(), puppet.locks) == (1, spoilt, [])
    assert "error: " in said
    assert message in said
    assert puppet.cloud.calls == []


@pytest.mark.parametrize(
    ("phrase", "message"),
    [("another", "incorrect passphrase"), (None, "passphrase must be set with PULUMI_CONFIG_PASSPHRASE or")],
)
@pytest.mark.parametrize("command", ["preview", "up", "destroy"])
def test_a_wrong_passphrase_is_refused(puppet: Puppet, phrase: str | None, message: str, command: str) -> None:
    """With no secret in sight too, as Pulumi does: the next one would be encrypted with it."""
    before = puppet.checkpoint.read_text()
    if phrase is None:
        del puppet.environment["PULUMI_CONFIG_PASSPHRASE"]
    else:
        puppet.environment["PULUMI_CONFIG_PASSPHRASE"] = phrase
    code, said = puppet.deploy(command, nodes=NODES)
    assert code == 1, said
    assert message in said
    assert (puppet.checkpoint.read_text(), puppet.locks) == (before, [])


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["up", "--nonsense"], 1, "option --nonsense: not supported"),
        (["upp"], 1, "upp"),
        (["preview", "extra", "--stack", "dev"], 1, "extra"),
        (["preview", "--stack", "nope"], 6, "no stack named 'nope' found"),
        (["up", "--stack", "dev", "--non-interactive"], 2, "--yes or --skip-preview"),
        (["up", "--stack", "dev", "--yes", "--parallel", "x"], 1, "--parallel"),
        (["stack", "import", "--stack", "dev", "--file", "gone.json"], 1, "gone.json"),
        (["config", "get", "gone", "--stack", "dev"], 1, "configuration key 'gone' not found for stack 'dev'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_line_that_makes_no_sense(puppet: Puppet, argv: list[str], code: int, message: str) -> None:
    before = puppet.checkpoint.read_text()
    done, said = puppet.run(*argv)
    assert done == code, said
    assert message in said
    assert (puppet.checkpoint.read_text(), puppet.locks) == (before, [])


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("Pulumi.yaml", None, "no Pulumi.yaml project file found"),
        ("Pulumi.yaml", "name: [\n", "Pulumi.yaml"),
        ("Pulumi.yaml", "runtime: python\n", "name"),
        ("Pulumi.yaml", "name: conf\nruntime: cobol\n", "cobol"),
        ("Pulumi.dev.yaml", "config: [\n", "Pulumi.dev.yaml"),
        ("Pulumi.dev.yaml", "config:\n  - a\n", "Pulumi.dev.yaml"),
        ("Pulumi.dev.yaml", "encryptionsalt: nonsense\n", "encryptionsalt"),
        ("__main__.py", None, "__main__.py"),
    ],
    ids=["no project", "project no yaml", "no name", "cobol", "stack no yaml", "list", "salt", "no program"],
)
def test_a_broken_project(puppet: Puppet, file: str, text: str | None, message: str) -> None:
    before = puppet.checkpoint.read_text()
    path = puppet.folder / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    code, said = puppet.deploy("up", nodes=NODES)
    assert code == 1, said
    assert "error: " in said
    assert message in said
    assert "Traceback" not in said
    assert (puppet.checkpoint.read_text(), puppet.locks) == (before, [])


def test_a_dangling_dependency_in_an_imported_state_is_refused(puppet: Puppet) -> None:
    before = puppet.checkpoint.read_text()
    document = json.loads(puppet.run("stack", "export", "--stack", "dev")[1])
    document["deployment"]["resources"][-1]["dependencies"] = ["urn:pulumi:dev::conf::testing:index:Thing::nobody"]
    (puppet.folder / "spoilt.json").write_text(json.dumps(document))
    code, said = puppet.run("stack", "import", "--stack", "dev", "--file", str(puppet.folder / "spoilt.json"))
    assert code == 1, said
    assert "nobody" in said
    assert puppet.checkpoint.read_text() == before


# -- programs --------------------------------------------------------------------------------------------------------
PROGRAMS = {
    "raises": ('raise ValueError("boom")', "ValueError: boom", ["a"]),
    "exits": ("import sys; sys.exit(3)", "program exited with non-zero exit code: 3", None),
    "dies": ("import os; os._exit(7)", "program exited with non-zero exit code: 7", None),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "program exited with non-zero exit code", None),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_ends_midway_deletes_nothing(stage: Stage, name: str) -> None:
    end, message, made = PROGRAMS[name]
    stage.program('old = Thing("old", "o")\n')
    stage.up()
    stage.program(f'a = Thing("a", "a")\n{end}\nb = Thing("b", a.echo)\n')
    done = stage.up(check=False)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    state = stage.ids()
    assert state["old"] == "old-1"
    assert set(state) - {"old"} <= {"a"}
    assert made is None or set(state) == {"old", *made}
    assert set(stage.objects()) == set(state.values())
    assert (problems(stage.deployment()), pending(stage.deployment()), stage.locks) == ([], [], [])


# -- providers -------------------------------------------------------------------------------------------------------
class Nonsense(provider_pb2_grpc.ResourceProviderServicer):
    """Answers everything as it should but for one method."""

    def __init__(self, broken: str, answer: Callable[[Any], Any]) -> None:
        self.broken, self.answer = broken, answer

    def __getattribute__(self, name: str) -> Any:
        if name[0].isupper() and name == object.__getattribute__(self, "broken"):
            answer = object.__getattribute__(self, "answer")
            return lambda request, context: answer(context)
        return object.__getattribute__(self, name)

    def CheckConfig(self, r: Any, _: Any) -> Any:  # noqa: N802
        return pb.CheckResponse(inputs=r.news)

    def DiffConfig(self, r: Any, _: Any) -> Any:  # noqa: N802
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, r: Any, _: Any) -> Any:  # noqa: N802
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, r: Any, _: Any) -> Any:  # noqa: N802
        return pb.CheckResponse(inputs=r.news)

    def Diff(self, r: Any, _: Any) -> Any:  # noqa: N802
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_SOME, diffs=["value"])

    def Create(self, r: Any, _: Any) -> Any:  # noqa: N802
        return pb.CreateResponse(id="made", properties=r.properties)

    def Update(self, r: Any, _: Any) -> Any:  # noqa: N802
        return pb.UpdateResponse(properties=r.news)

    def Delete(self, r: Any, _: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()


@contextmanager
def served(servicer: Nonsense) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"testing:{port}"
    finally:
        server.stop(None)


def _aborts(context: Any) -> Any:
    context.abort(grpc.StatusCode.INTERNAL, "the provider is confused")


def _raises(_: Any) -> Any:
    raise RuntimeError("a bug in the provider")


ANSWERS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a create without an id": ("Create", lambda _: pb.CreateResponse(), "id"),
    "another message": ("Create", lambda _: pb.CheckResponse(inputs=struct_pb2.Struct()), ""),
    "an abort in Check": ("Check", _aborts, "the provider is confused"),
    "an abort in Create": ("Create", _aborts, "the provider is confused"),
    "an exception in Create": ("Create", _raises, "a bug in the provider"),
    "an abort in Configure": ("Configure", _aborts, "the provider is confused"),
    "an abort in CheckConfig": ("CheckConfig", _aborts, "the provider is confused"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_provider_that_answers_nonsense(tmp_path: Path, name: str) -> None:
    method, answer, message = ANSWERS[name]
    with Puppet(tmp_path / "project") as puppet, served(Nonsense(method, answer)) as address:
        puppet.environment["PULUMI_DEBUG_PROVIDERS"] = address
        code, said = puppet.deploy("up", nodes=(Node("a", "a"),))
        assert code == 1, said
        assert "error: " in said
        assert message in said
        assert "Traceback (most recent call last)" not in said
        deployment = puppet.deployment()
        assert (problems(deployment), pending(deployment), puppet.locks) == ([], [], [])
        assert not [r for r in deployment["resources"] if r["type"] == "testing:index:Thing"]


def test_a_provider_that_nobody_serves_is_named(puppet: Puppet) -> None:
    before = puppet.deployment()["resources"]
    puppet.environment["PULUMI_DEBUG_PROVIDERS"] = ""
    code, said = puppet.deploy("up", nodes=(*NODES, Node("c", "c")))
    assert code == 1
    assert "testing" in said
    assert [r["urn"] for r in puppet.deployment()["resources"]] == [r["urn"] for r in before]


def test_a_provider_that_dies_midway_leaves_its_operation_known(stage: Stage) -> None:
    stage.program('a = Thing("a", "a")\nb = Thing("b", a.echo, slow=30)\n')
    with provider(stage.cloud) as address:
        stage.providers = address
        process = stage.start("up", "--yes", "--skip-preview", "--stack", "dev", "--color", "never")
        wait_for((stage.cloud / "slow.started").exists, "the create")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "error: " in out + err
    assert "::b" in out + err or "testing" in out + err
    assert stage.ids() == {"a": "a-1"}
    assert problems(stage.deployment()) == []
    assert stage.locks == []


def test_a_dynamic_provider_that_dies_is_named(stage: Stage) -> None:
    (stage.project / "dyn.py").write_text(
        "import os\nfrom pulumi.dynamic import CreateResult, Resource, ResourceProvider\n\n\n"
        "class Mortal(ResourceProvider):\n    def create(self, props):\n        os._exit(9)\n\n\n"
        "class Dyn(Resource):\n    def __init__(self, name):\n        super().__init__(Mortal(), name, {})\n"
    )
    stage.program('from dyn import Dyn\nDyn("a")\n')
    done = stage.up(check=False)
    assert done.returncode == 1
    assert "pulumi-python" in done.stdout + done.stderr or "dynamic" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert stage.ids() == {}
    assert (problems(stage.deployment()), stage.locks) == ([], [])


def test_a_tampered_provider_blob_is_refused_before_it_is_loaded(stage: Stage) -> None:
    """PROMISES 35: the blob is a pickle, so whoever could write one into the state would run code here."""
    mark = stage.folder / "ran"
    (stage.project / "dyn.py").write_text(
        "from pulumi.dynamic import CreateResult, Resource, ResourceProvider\n\n\n"
        "class P(ResourceProvider):\n    def create(self, props):\n        return CreateResult('d', props)\n\n\n"
        "class Dyn(Resource):\n    def __init__(self, name):\n        super().__init__(P(), name, {})\n"
    )
    stage.program('from dyn import Dyn\nDyn("a")\n')
    stage.up()
    text = stage.checkpoint.read_text()
    state = json.loads(text)
    resource = next(r for r in state["checkpoint"]["latest"]["resources"] if r["urn"].endswith("::a"))
    sealed = resource["outputs"]["__provider"]["ciphertext"]
    other = sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:]
    evil = f"cposix\nsystem\n(S'touch {mark}'\ntR."
    for spoilt in (
        text.replace(sealed, other),
        text.replace(json.dumps(resource["outputs"]["__provider"], separators=(",", ":")), json.dumps(evil)),
    ):
        stage.checkpoint.write_text(spoilt)
        assert spoilt != text
        for command in (stage.destroy, stage.refresh, stage.up):
            done = command(check=False)
            assert done.returncode == 1
            assert "error: " in done.stdout + done.stderr
        assert stage.checkpoint.read_text() == spoilt
        assert not mark.exists()
