"""State, secrets, lock and stack configuration on disk."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine.backend import Backend, StackStore
from sandbox.engine.checkpoint import revealed
from sandbox.engine.commands import import_document, remembered
from sandbox.engine.config import StackConfig
from sandbox.engine.errors import EngineError
from sandbox.engine.project import Project, find
from sandbox.engine.secrets import Crypter
from sandbox.engine.state import Operation, Resource, Snapshot, problems
from sandbox.engine.values import Secret

ROOT = Path(__file__).parents[2]
CANARY = "canary-7c1f"


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")


@pytest.fixture
def store(tmp_path: Path) -> StackStore:
    (tmp_path / "state").mkdir()
    made = StackStore(Backend(f"file://{tmp_path}/state"), "p", "dev")
    made.create()
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    return find(tmp_path)


def dynamic(provider: Any) -> Resource:
    return Resource(
        urn="urn:pulumi:dev::p::pulumi-python:dynamic:Resource::a",
        type="pulumi-python:dynamic:Resource",
        custom=True,
        id="1",
        inputs={"__provider": provider},
        outputs={"__provider": provider, "n": 1},
        provider="urn:pulumi:dev::p::pulumi:providers:pulumi-python::default::1",
    )


def test_a_snapshot_comes_back_as_it_was(store: StackStore) -> None:
    r = dynamic(Secret("code"))
    r.protect, r.custom_timeouts, r.init_errors = True, {"create": 60}, ["not ready"]
    r.outputs["deep"] = {"l": [Secret({"a": [1, None]}), "ü"]}
    store.save(Snapshot([r], [Operation(r, "updating")]), Crypter.create())
    loaded, _ = store.load()
    assert [dataclasses.asdict(x) for x in loaded.resources] == [dataclasses.asdict(r)]
    assert [(o.type, o.resource.urn) for o in loaded.pending] == [("updating", r.urn)]


def test_secrets_are_nowhere_in_the_files(store: StackStore) -> None:
    store.save(Snapshot([dynamic(Secret(CANARY))]), Crypter.create())
    store.save(Snapshot([dynamic(Secret(CANARY))]), Crypter.create())
    store.add_history({"kind": "update", "result": "succeeded"})
    files = [p for p in store.backend.root.rglob("*") if p.is_file()]
    assert len(files) > 6
    assert not [p for p in files if CANARY in p.read_text("utf-8")]


def test_a_wrong_passphrase_is_said(store: StackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(Snapshot([dynamic(Secret("code"))]), Crypter.create())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "y")
    with pytest.raises(EngineError, match=r"^incorrect passphrase$"):
        store.load()


def test_a_provider_in_plain_text_is_refused(store: StackStore) -> None:
    store.save(Snapshot([dynamic("code")]), Crypter.create())
    with pytest.raises(EngineError, match=r"stored as plain text"):
        store.load()


def test_a_secret_in_plain_text_is_taken_from_a_person_only(store: StackStore) -> None:
    store.save(Snapshot([dynamic(Secret("code"))]), Crypter.create())
    exported = {"version": 3, "deployment": revealed(store.raw(), "here")}
    import_document(store, Crypter.create(), json.dumps(exported), force=True)
    assert store.load()[0].resources[0].inputs == {"__provider": Secret("code")}
    text = json.dumps({"version": 3, "checkpoint": {"latest": exported["deployment"]}})
    store.path.write_text(text, "utf-8")
    with pytest.raises(EngineError, match="does not authenticate"):
        store.load()


def test_dynamic_code_in_a_pending_operation_is_refused_too(store: StackStore) -> None:
    store.save(Snapshot([], [Operation(dynamic("code"), "creating")]), Crypter.create())
    with pytest.raises(EngineError, match=r"stored as plain text"):
        store.load()


def test_a_tampered_secret_is_refused(store: StackStore) -> None:
    store.save(Snapshot([dynamic(Secret("code"))]), Crypter.create())
    text = store.path.read_text("utf-8")
    at = text.index('"ciphertext":"v1:') + 45
    store.path.write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :], "utf-8")
    with pytest.raises(EngineError, match="does not authenticate"):
        store.load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"version":3,"checkpoint":{"la', "could not read the state"),
        ("[]", "not a checkpoint of Pulumi"),
        ('{"version":3,"checkpoint":{"latest":[1]}}', "not a checkpoint of Pulumi"),
        ('{"version":"3","checkpoint":{}}', "not a checkpoint of Pulumi"),
        ('{"version":3,"checkpoint":{"latest":{"resources":["x"]}}}', "not a list of resources"),
        ('{"version":99,"checkpoint":{}}', "newer than 3"),
        ('{"version":4,"features":["hooks"],"checkpoint":{}}', "state that uses hooks"),
        ('{"version":3,"checkpoint":{"latest":{"resources":[{"type":"x"}]}}}', "a resource without 'urn'"),
    ],
)
def test_a_state_that_cannot_be_trusted_is_refused_and_left_alone(
    store: StackStore, content: str, message: str
) -> None:
    store.path.write_text(content, "utf-8")
    with pytest.raises(EngineError, match=message):
        store.load()
    assert store.path.read_text("utf-8") == content


def test_the_lock_names_its_holder_and_only_cancel_clears_it(store: StackStore) -> None:
    with store.lock():
        (path,) = store.locks()
        holder = json.loads(path.read_text("utf-8"))
        with pytest.raises(EngineError) as e, store.lock():
            pass
        text = str(e.value)
        assert text.startswith("the stack is currently locked by 1 lock(s).")
        assert all(str(holder[k]) in text for k in ("username", "hostname", "pid", "timestamp"))
        assert "process is gone" not in text
        ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
        path.write_text(json.dumps(holder | {"pid": int(ended.stdout)}))
        with pytest.raises(EngineError, match="that process is gone, so nothing will release it"), store.lock():
            pass
        assert store.locks() == [path]
        store.cancel()
        with store.lock():
            pass
    assert store.locks() == []


def test_four_processes_never_hold_the_lock_together(store: StackStore, tmp_path: Path) -> None:
    code = (
        "import sys,time,pathlib\n"
        "from sandbox.engine.backend import Backend, StackStore\n"
        "from sandbox.engine.errors import EngineError\n"
        "s=StackStore(Backend(sys.argv[1]),'p','dev'); held=pathlib.Path(sys.argv[2])\n"
        "for _ in range(10):\n"
        "    try:\n"
        "        with s.lock(): held.mkdir(); time.sleep(0.002); held.rmdir()\n"
        "    except EngineError: time.sleep(0.005)\n"
    )
    command = [sys.executable, "-c", code, f"file://{tmp_path}/state", str(tmp_path / "held")]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(p.communicate(timeout=50)[1], p.returncode) for p in running] == [("", 0)] * 4
    assert store.locks() == []


@pytest.mark.parametrize("salt", ["v1:abc", "v2:YWJj:v1:a:b", "v1:not base64:v1:a:b"])
def test_a_malformed_salt_is_said(salt: str) -> None:
    with pytest.raises(EngineError, match=r"^encryptionsalt: not of the form v1:<salt>:<probe>"):
        Crypter(salt)


def test_a_configuration_that_is_no_mapping_is_refused(project: Project) -> None:
    (project.root / "Pulumi.dev.yaml").write_text("config: [a]\n")
    with pytest.raises(EngineError, match="`config` is not a mapping"):
        StackConfig(project, "dev")


def test_problems_name_dangling_and_duplicate_resources() -> None:
    a = Resource(urn="a", type="t", custom=True, id="1", dependencies=["b"])
    assert problems(Snapshot([a, Resource(urn="a", type="t", custom=True)])) == [
        "a comes before b, which it needs",
        "a is there twice",
        "a has no id",
    ]


# -- configuration
def test_setting_a_value_leaves_the_rest_of_the_file_alone(project: Project) -> None:
    path = project.root / "Pulumi.dev.yaml"
    path.write_text(
        "# ours\nencryptionsalt: v1:YWJj:v1:a:b\n"
        "config:\n  aws:region: us-west-2  # where\n  p:services:\n    # 1\n    a-b:\n"
        "      arn: x/1\n      flow: {a: [1, 2]}\n      list:\n        - 'q'\n\n# end\n"
    )
    config = StackConfig(project, "dev")
    config.set(config.place("p:services.a-b.arn", path=True), "x/2", secret=False)
    config.set(["p:name"], "n: 1", secret=False)
    config.save()
    assert path.read_text() == (
        "# ours\nencryptionsalt: v1:YWJj:v1:a:b\n"
        "config:\n  aws:region: us-west-2  # where\n  p:name: 'n: 1'\n  p:services:\n"
        "    # 1\n    a-b:\n      arn: x/2\n      flow: {a: [1, 2]}\n      list:\n        - 'q'\n\n# end\n"
    )
    config.remove(["p:name"])
    config.remove(config.place("p:services.a-b.list[0]", path=True))
    config.save()
    assert "list: []" in path.read_text()
    config.remove(["p:services"])
    config.remove(["aws:region"])
    config.remove(config.place("p:never.was.there", path=True))
    config.save()
    assert path.read_text() == "# ours\nencryptionsalt: v1:YWJj:v1:a:b\n"


def test_a_fresh_stack_gets_its_salt_first(project: Project) -> None:
    config = StackConfig(project, "dev")
    config.set(["p:b"], "1", secret=False)
    config.crypter()
    config.set(["p:a"], "true", secret=False)
    config.save()
    lines = config.path.read_text().splitlines()
    assert lines[0].startswith("encryptionsalt: v1:")
    assert lines[1:] == ["config:", "  p:a: 'true'", "  p:b: '1'"]


def test_paths_hold_numbers_and_booleans_and_secrets(project: Project) -> None:
    config = StackConfig(project, "dev")
    for path, value, secret in (("l[0]", "5", False), ("l[1]", "true", False), ("s", CANARY, True)):
        config.set(config.place(f"p:o.{path}", path=True), value, secret=secret)
    config.save()
    assert CANARY not in config.path.read_text()
    entry = StackConfig(project, "dev").entries()["p:o"]
    assert (entry.object, entry.secret) == ({"l": [5, True], "s": CANARY}, True)
    with pytest.raises(EngineError, match="7 has no place"):
        config.set(config.place("p:o.l[7]", path=True), "1", secret=False)


def test_history_remembers_configuration_as_the_cli_writes_it(store: StackStore, project: Project) -> None:
    config = StackConfig(project, "dev")
    config.set(config.place("p:o.l[0]", path=True), "5", secret=False)
    config.set(["p:name"], "n", secret=False)
    config.set(["p:word"], CANARY, secret=True)
    config.save()
    update = {"kind": "update", "startTime": 0, "endTime": 60, "result": "succeeded", "config": config.values()}
    store.add_history(update)
    (file,) = store.history_folder.glob("*.history.json")
    written = json.loads(file.read_text())["config"]
    assert (written["p:o"], written["p:name"], list(written["p:word"])) == ({"l": [5]}, "n", ["secure"])
    (masked,) = remembered(store, config, reveal=False)
    plain = {"value": "n", "secret": False}
    listed = {"value": '{"l":[5]}', "objectValue": {"l": [5]}, "secret": False}
    assert masked["config"] == {"p:name": plain, "p:o": listed, "p:word": {"secret": True}}
    (shown,) = remembered(store, config, reveal=True)
    assert shown["config"]["p:word"] == {"value": CANARY, "secret": True}


def test_a_missing_virtualenv_is_named(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime:\n  name: python\n  options: {virtualenv: .nowhere}\n")
    with pytest.raises(EngineError, match=r"'\.nowhere'.*is not a virtual environment"):
        _ = find(tmp_path).interpreter


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: p\nruntime: nodejs\n", "runtime 'nodejs': not supported"),
        ("runtime: python\n", "the project needs a `name`"),
        ("name: [\n", "not valid YAML"),
        ("name: p\nruntime: python\nplugins: {a: b}\n", "`plugins`: not supported"),
    ],
)
def test_a_project_that_cannot_be_run_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "Pulumi.yaml").write_text(text)
    with pytest.raises(EngineError, match=message):
        find(tmp_path)
