"""The project on disk: stack files, use cases, git, the engine, and engine errors in a person's words."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pulumi.automation import CommandResult
from pulumi.automation.errors import CommandError, create_command_error

from release import engine
from release.engine import EmbeddedEngine, engine_name, pulumi_command
from release.errors import ExitCode, FailedError, MissingError, StackLockedError, UsageError
from release.git import Repository
from release.stackfile import StackFile
from release.workspace import Project, engine_errors, engine_reason, find_root
from tests.unit.release.conftest import World, arn


def stack_file(tmp_path: Path, text: str) -> StackFile:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(text)
    return StackFile(path)


def test_the_services_form(tmp_path: Path) -> None:
    file = stack_file(tmp_path, "config:\n  understudy:services:\n    a-b: {instanceType: ml.m5.large}\n    c:\n")
    assert set(file.services()) == {"a-b", "c"}
    assert file.service("a-b").key("modelPackageArn") == "understudy:services.a-b.modelPackageArn"
    with pytest.raises(UsageError, match="has no service 'd'") as wrong:
        file.service("d")
    assert wrong.value.do == "Add it below `understudy:services`; there are: a-b, c."


@pytest.mark.parametrize("line", ["useCase: tumor_triage", f"modelPackageArn: {arn(3)}"])
def test_the_single_service_form(tmp_path: Path, line: str) -> None:
    file = stack_file(tmp_path, f"config:\n  aws:region: us-west-2\n  understudy:{line}\n")
    assert file.service("tumor-triage").key("modelPackageArn") == "understudy:modelPackageArn"
    assert file.own("environment") is None


@pytest.mark.parametrize(("text", "says"), [("config: [", "is not YAML"), ("config: 7", "`config` is not a mapping")])
def test_a_broken_stack_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as broken:
        stack_file(tmp_path, text).services()
    assert broken.value.where == "Pulumi.prod.yaml"


def test_the_root_is_found_upwards(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: understudy\n")
    inner = tmp_path / "use_cases" / "x"
    inner.mkdir(parents=True)
    assert find_root(inner) == tmp_path
    with pytest.raises(MissingError, match=r"There is no Pulumi.yaml here or above"):
        find_root(Path("/"))


def test_code_of_another_checkout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: understudy\n")
    with pytest.raises(UsageError, match="another checkout") as refused:
        Project.open(tmp_path)
    assert str(tmp_path) in refused.value.where
    assert "-m release" in refused.value.do


@pytest.mark.parametrize("name", ["nope", "../secrets", ""])
def test_an_unknown_use_case_lists_the_known_ones(world: World, name: str) -> None:
    folder = world.project.root / "use_cases" / "tumor_triage"
    folder.mkdir(parents=True)
    (folder / "package.yaml").write_text("schema: 1\n")
    assert world.project.use_case("tumor_triage") == folder
    with pytest.raises(UsageError, match="Unknown use case") as unknown:
        world.project.use_case(name)
    assert unknown.value.do == "Known: tumor_triage."


def test_an_output_that_is_not_there_yet_says_how_it_comes(world: World) -> None:
    world.engine.outputs = {"services": {"a": {}}, "skipped": {"tumor-triage": "has no modelPackageArn"}}
    environment = world.project.environment("prod")
    with pytest.raises(MissingError, match="has no output 'captureBucket' yet"):
        environment.output("captureBucket")
    with pytest.raises(MissingError, match="does not run in stack 'prod': has no modelPackageArn"):
        environment.service("tumor-triage")


def test_git_commits_one_path_only(world: World) -> None:
    repository = Repository.around(world.project.root)
    (world.project.root / "other.txt").write_text("unfinished")
    world.git("add", "other.txt")
    world.file.write_text(world.file.read_text() + "# changed\n")
    assert repository.differs(world.file)
    commit = repository.commit(world.file, "one file")
    assert world.git("show", "--name-only", "--format=", str(commit)) == "Pulumi.prod.yaml"
    assert world.git("status", "--porcelain") == "A  other.txt"
    assert repository.commit(world.file, "again") is None


def test_where_nobody_has_a_name_understudy_commits_in_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    world.git("config", "--unset", "user.name")
    world.git("config", "--unset", "user.email")
    world.git("config", "user.useConfigOnly", "true")
    world.file.write_text(world.file.read_text() + "# changed\n")
    Repository.around(world.project.root).commit(world.file, "from a build")
    assert world.git("log", "-1", "--format=%an <%ae>") == "understudy <understudy@noreply.invalid>"


def test_a_folder_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="in no git repository"):
        Repository.around(tmp_path)


def test_a_push_without_remote_says_what_git_said(world: World) -> None:
    world.git("remote", "remove", "origin")
    with pytest.raises(FailedError, match=r"`git push` failed: .*origin"):
        Repository.around(world.project.root).push()


def test_the_engine_is_chosen_by_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("UNDERSTUDY_ENGINE", "auto")
    assert engine_name() == "embedded"
    assert isinstance(pulumi_command(), EmbeddedEngine)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/pulumi")
    assert engine_name() == "cli"
    assert pulumi_command() is None
    monkeypatch.setenv("UNDERSTUDY_ENGINE", "embedded")
    assert engine_name() == "embedded"


def test_a_missing_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("UNDERSTUDY_ENGINE", "cli")
    with pytest.raises(MissingError, match="There is no `pulumi` on PATH"):
        engine_name()
    monkeypatch.setenv("UNDERSTUDY_ENGINE", "real")
    with pytest.raises(UsageError, match="Unknown engine 'real'") as unknown:
        engine_name()
    assert unknown.value.do == "Use one of auto, cli, embedded."
    monkeypatch.setenv("UNDERSTUDY_ENGINE", "embedded")
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="embedded engine is not installed"):
        engine_name()


def test_the_embedded_engine_is_a_process_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import os, sys; print(os.getcwd()); print(sys.argv[1:]); print(os.environ['X'], file=sys.stderr)"
    monkeypatch.setattr(EmbeddedEngine, "_argv", [sys.executable, "-c", script])
    lines: list[str] = []
    result = EmbeddedEngine().run(["stack", "ls"], str(tmp_path), {"X": "passed on"}, on_output=lines.append)
    assert lines == [str(tmp_path), "['--non-interactive', 'stack', 'ls']"]
    assert (result.stdout.splitlines(), result.stderr, result.code) == (lines, "passed on", 0)


def test_the_embedded_engines_failure_is_the_automation_apis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; sys.exit('error: the stack is currently locked by 1 lock(s)')"
    monkeypatch.setattr(EmbeddedEngine, "_argv", [sys.executable, "-c", script])
    with pytest.raises(StackLockedError) as locked, engine_errors("prod"):
        EmbeddedEngine().run(["up"], str(tmp_path), {})
    assert locked.value.exit_code == ExitCode.LOCKED
    assert "pulumi cancel --stack prod" in locked.value.do


def test_an_engine_failure_keeps_its_reason_only() -> None:
    said = (
        "  create  aws:s3/bucket:Bucket capture (0.1s)\n"
        "error: aws:lambda/layerVersion:LayerVersion 'functions': create: no answer\n"
        "  create               aws:sns/topic:Topic tumor-triage-rollback (0.1s)\n"
        "Diagnostics:\n"
        "  pulumi-python:dynamic:Resource (tumor-triage):\n"
        "    error: 1 error occurred:\n"
        "        * rollout of tumor-triage-prod was rolled back: alarm errors\n"
        "Resources:\n    26 created\n"
    )
    assert engine_reason(said).splitlines() == [
        "error: aws:lambda/layerVersion:LayerVersion 'functions': create: no answer",
        "error: 1 error occurred:",
        "* rollout of tumor-triage-prod was rolled back: alarm errors",
    ]
    with pytest.raises(FailedError, match="was rolled back: alarm errors"), engine_errors("prod"):
        raise create_command_error(CommandResult("", said, 255))


def test_a_programs_own_sentence_stands_alone() -> None:
    said = "error: s3://b/k: NoSuchKey: train again\nerror: an unhandled error occurred: Program exited with non-zero "
    result = CommandResult(said + "exit code: 1\n", "", 255)
    assert engine_reason(str(result)) == "error: s3://b/k: NoSuchKey: train again"


def test_an_engine_failure_without_error_lines_shows_its_end() -> None:
    assert engine_reason("one\n\ntwo\n", limit=1) == "two"
    assert isinstance(create_command_error(CommandResult("", "x", 1)), CommandError)


def test_an_engine_that_cannot_answer_is_no_missing_stack(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_backend(args: list[str], cwd: str, env: Mapping[str, str], *_: object, **__: object) -> CommandResult:
        raise create_command_error(CommandResult("", "error: no backend is chosen", 1))

    monkeypatch.setattr(world.engine, "run", no_backend)
    with pytest.raises(FailedError, match=r"engine failed on stack 'prod'.*\n.*no backend is chosen"):
        world.project.environment_if_any("prod")
