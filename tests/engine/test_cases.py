"""Every recorded case: what this engine does is held against what Pulumi's did.

The recording's own harness (`cases/record.py`, `cases/judge.py`) runs and compares. Starting Python would cost most of
the time: deployments, programs and providers are forks of one that is warm, and other commands are called in this
process. What is interrupted or killed is started cold.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sandbox.engine.cli import main
from sandbox.engine.secrets import Crypter
from tests.engine.warm import SALT, Warm

HERE = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[2]
DEPLOYMENTS = ("up", "preview", "refresh", "destroy")
# What the engine does not have, and how it says so when it is asked for it.
REFUSED = {
    "46-target": "option --target: not supported by the embedded engine",
    "47-transforms": "register stack transform: not supported by the embedded engine",
    "51-continue-on-error": "option --continue-on-error: not supported by the embedded engine",
    "55-hooks": "register resource hook 'h': not supported by the embedded engine",
    "u154-replace-with": ": the resource option repl",  # replacement_trigger or replace_with, whichever comes first
}
OPTIONS_ALONE = {"47-transforms", "55-hooks", "u154-replace-with"}  # refused for what the program asks
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the harness leaves files to the garbage collector
]
NAMES = sorted(p.name for p in (HERE / "cases").iterdir())


@pytest.fixture
def harness(warm: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """(record, judge), with a `pulumi` that is this engine and a folder of the test's own."""
    monkeypatch.syspath_prepend(str(HERE))
    record, judge = importlib.import_module("record"), importlib.import_module("judge")
    command = tmp_path / "bin" / "pulumi"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m sandbox.engine "$@"\n')
    command.chmod(0o755)
    monkeypatch.setattr(record, "BIN", str(command.parent))
    monkeypatch.setattr(record, "PY", str(warm.python))
    monkeypatch.setattr(Crypter, "create", lambda: Crypter(SALT))
    monkeypatch.setattr(record, "WORK", str(tmp_path / "work"))

    def sh(self: Any, cwd: str, *argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        if argv[0] not in DEPLOYMENTS:
            return _called(cwd, list(argv), self.env(env))
        done: subprocess.CompletedProcess[str] = spawned(
            self, cwd, *argv, env={**(env or {}), "PATH": f"{warm.folder}:{os.environ['PATH']}"}
        )
        return done

    spawned = record.Case.sh
    monkeypatch.setattr(record.Case, "sh", sh)
    return record, judge


def _called(cwd: str, argv: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        for key in os.environ:
            patch.delenv(key)
        for key, value in environment.items():
            patch.setenv(key, value)
        patch.chdir(cwd)
        code = main(argv)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("name", [n for n in NAMES if n not in REFUSED])
def test_does_what_pulumi_did(name: str, harness: tuple[ModuleType, ModuleType]) -> None:
    record, judge = harness
    case = record.Case(name)
    actual = record.json.loads(record.dump(record.shorten(record.tidy(case.run()), "urn:pulumi:dev::conf::")))
    expected = record.json.loads((HERE / "cases" / name / "expected.json").read_text("utf-8"))
    core, _wording = judge.differences(expected, actual)
    assert core + case.warnings == []


@pytest.mark.parametrize("name", [n for n in NAMES if n in REFUSED])
def test_what_is_not_supported_is_refused_by_its_name(name: str, harness: tuple[ModuleType, ModuleType]) -> None:
    record, _ = harness
    case = record.Case(name)
    step = next(s for s in reversed(case.spec["steps"][:2]) if s.get("args") or name in OPTIONS_ALONE)
    case.spec["steps"] = [{**case.spec["steps"][0], "args": step.get("args", []), "preview": False}]
    done = case.run()["steps"][0]
    said = [*done.get("cli_errors", []), *(d["first"] for d in done.get("diagnostics", []))]
    assert done["exit"] == "failed"
    assert any(REFUSED[name] in line for line in said), said
    assert not {i for i in done.get("cloud_ids", []) if not i.startswith("a-")}  # `a` asks for nothing in u154
