"""The command line: help, exit codes, errors in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError
from typer.testing import CliRunner

from model_package.errors import ArchiveRefused, ArtifactMissing, DigestMismatch, LockInvalid
from release import __main__ as command
from release.errors import (
    DeclinedError,
    ExitCode,
    InconclusiveError,
    RefusedError,
    StackLockedError,
    UsageError,
)

ROOT = Path(__file__).parents[3]
COMMANDS = (
    "new",
    "check",
    "inspect",
    "train",
    "deploy",
    "status",
    "replay",
    "compare",
    "approve",
    "reject",
    "promote",
    "rollback",
    "history",
    "rehearse",
    "versions",
    "diff",
    "prune",
)


def test_help_lists_every_command_and_the_exit_codes() -> None:
    shown = CliRunner().invoke(command.app, ["--help"], terminal_width=200).stdout
    assert [name for name in COMMANDS if name not in shown] == []
    assert "3 refused by a gate" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(name: str) -> None:
    result = CliRunner().invoke(command.app, [name, "--help"], terminal_width=200)
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert "Exit codes" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "module", "function", "understood"),
    [
        (["versions", "tumor_triage"], "release.versions", "versions", "tumor-triage"),
        (["status", "tumor_triage"], "release.status", "status", "tumor-triage"),
        (["check", "tumor-triage"], "release.checking.main", "check", "tumor_triage"),
        (["deploy", "tumor-triage"], "release.delivering", "deploy", ["tumor_triage"]),
    ],
)
def test_a_service_and_its_folder_are_understood_for_each_other(
    arguments: list[str], module: str, function: str, understood: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def noted(*given: object, **named: object) -> None:
        asked.extend([*given, *named.values()])
        raise UsageError("enough")

    monkeypatch.setattr(f"{module}.{function}", noted)
    CliRunner().invoke(command.app, arguments)
    assert understood in asked


def test_help_imports_neither_aws_nor_pulumi() -> None:
    code = (
        "import sys, release.__main__; "
        "print([m for m in ('boto3', 'pulumi', 'scipy', 'numpy', 'sagemaker', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_an_unknown_option_is_wrong_usage() -> None:
    assert CliRunner().invoke(command.app, ["promote", "x", "--nope"]).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("no"), ExitCode.REFUSED),
        (InconclusiveError("too little"), ExitCode.INCONCLUSIVE),
        (StackLockedError("held"), ExitCode.LOCKED),
        (DeclinedError("said no"), ExitCode.FAILED),
        (ArtifactMissing("gone"), ExitCode.MISSING),
        (DigestMismatch("s3://b/k", "a", "b"), ExitCode.REFUSED),
        (LockInvalid("bad lock"), ExitCode.USAGE),
        (ArchiveRefused("a link"), ExitCode.REFUSED),
        (NoCredentialsError(), ExitCode.FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_for_a_person_ends_with_its_code_and_words(
    error: Exception, code: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(command, "app", fails)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == code
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {error}")
    assert printed.out == ""


def test_a_bug_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise KeyError("bug")

    monkeypatch.setattr(command, "app", fails)
    with pytest.raises(KeyError, match="bug"):
        command.main()
