"""Rollback: desired state back, endpoint first, quarantine, git; and nothing lost when it cannot."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from release.console import Output
from release.endpoints import Running
from release.errors import ExitCode, FailedError, MissingError, RefusedError, StackLockedError, UsageError
from release.rollback import Call, roll_back
from tests.unit.release.conftest import START, World, arn

CALL = Call("tumor-triage", "prod", None, None, "accuracy fell", push=None, assume_yes=True, lock_seconds=0)


def settings(world: World) -> dict[str, object]:
    service: dict[str, object] = yaml.safe_load(world.file.read_text())["config"]["understudy:services"]["tumor-triage"]
    return service


def test_the_last_known_good_comes_back_all_at_once_and_unguarded(world: World) -> None:
    world.release(1, 2, 3)
    told = roll_back(world.project, CALL, Output())
    assert (told["from"], told["to"], told["config_only"], told["stale"]) == (arn(3), arn(2), False, False)
    assert settings(world)["modelPackageArn"] == arn(2)
    assert settings(world)["deploymentOverride"] == {
        "modelPackageArn": arn(2),
        "strategy": "allAtOnce",
        "guardrails": False,
        "reason": "rollback: accuracy fell",
    }
    assert world.rejected == [(arn(3), "accuracy fell")]
    assert world.git("log", "-1", "--format=%s") == "Roll back tumor-triage to version 2 in prod"
    assert told["pushed"] is True
    assert world.git("rev-parse", "origin/main") == told["commit"]


def test_the_endpoint_comes_before_the_quarantine(world: World) -> None:
    world.release(1, 2)
    seen: list[int] = []

    def up() -> str:
        seen.append(len(world.rejected))
        return ""

    world.engine.on_up = up
    roll_back(world.project, CALL, Output())
    assert seen == [0]
    assert world.rejected == [(arn(2), "accuracy fell")]


def test_a_second_rollback_skips_the_quarantined_one(world: World) -> None:
    world.release(1, 2, 3)
    roll_back(world.project, CALL, Output())
    world.running = Running("InService", arn(2))
    assert roll_back(world.project, CALL, Output())["to"] == arn(1)


def test_the_guardrail_was_first(world: World) -> None:
    world.release(1, 2)
    before = world.file.read_bytes()
    config = yaml.safe_load(before)["config"]
    config["understudy:services"]["tumor-triage"]["modelPackageArn"] = arn(3)
    world.engine.record(config, "failed")
    told = roll_back(world.project, CALL, Output())
    assert (told["from"], told["to"], told["config_only"], told["commit"]) == (arn(3), arn(2), True, None)
    assert world.file.read_bytes() == before
    assert world.rejected == [(arn(3), "accuracy fell")]


def test_no_last_known_good_changes_nothing(world: World) -> None:
    world.release(1)
    before = world.file.read_bytes()
    with pytest.raises(MissingError) as missing:
        roll_back(world.project, CALL, Output())
    assert "There is no last known good version" in missing.value.what
    assert missing.value.exit_code == ExitCode.MISSING
    assert world.file.read_bytes() == before
    assert world.rejected == []
    assert not [call for call in world.engine.calls if call[0] in ("up", "preview", "config")]


def test_a_failed_rollback_puts_the_file_back_and_quarantines_nothing(world: World) -> None:
    world.release(1, 2)
    before = world.file.read_bytes()
    world.engine.on_up = lambda: "error: update failed\n  error: endpoint tumor-triage-prod: UpdateRollbackFailed"
    with pytest.raises(FailedError, match="UpdateRollbackFailed"):
        roll_back(world.project, CALL, Output())
    assert world.file.read_bytes() == before
    assert world.rejected == []


def test_it_waits_for_the_lock_and_reads_everything_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits, whoever held the lock promotes version 3: that one is accused then."""
    world.release(1, 2)
    answers = iter(["error: the stack is currently locked by 1 lock(s): created by ada@host (pid 7)", ""])
    world.engine.on_up = lambda: next(answers)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: world.release(3))
    monkeypatch.setattr("release.rollback.time", clock)  # not time.sleep itself: other threads use it
    told = roll_back(world.project, replace(CALL, lock_seconds=60), Output())
    assert (told["from"], told["to"]) == (arn(3), arn(2))


def test_the_wait_for_the_lock_is_bounded(world: World) -> None:
    world.release(1, 2)
    before = world.file.read_bytes()
    world.engine.on_up = lambda: "error: the stack is currently locked by 1 lock(s): created by ada@host (pid 7)"
    with pytest.raises(StackLockedError) as locked:
        roll_back(world.project, CALL, Output())
    assert locked.value.where == "created by ada@host (pid 7)"
    assert world.file.read_bytes() == before


def test_a_rollout_under_way_is_waited_for(world: World) -> None:
    world.release(1, 2)
    world.running = Running("Updating", arn(2))
    with pytest.raises(StackLockedError, match="Endpoint tumor-triage-prod is Updating"):
        roll_back(world.project, CALL, Output())


def test_a_change_between_plan_and_up_starts_it_over(world: World) -> None:
    world.release(1, 2)
    world.engine.on_preview = lambda: setattr(world, "running", Running("InService", arn(1)))
    with pytest.raises(StackLockedError, match="Somebody else changed stack prod meanwhile"):
        roll_back(world.project, CALL, Output())
    assert not [call for call in world.engine.calls if call[0] == "up"]


def test_a_stale_alarm_rolls_nothing_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.release(1, 2)
    fired = START + timedelta(minutes=30)
    monkeypatch.setattr("release.rollback.fired_at", lambda name, region: fired)
    told = roll_back(world.project, replace(CALL, alarm="tumor-triage-accuracy"), Output())
    assert (told["stale"], told["to"]) == (True, arn(2))
    assert world.rejected == []
    assert not [call for call in world.engine.calls if call[0] == "up"]


def test_a_chosen_version_must_be_deployable(world: World) -> None:
    world.release(1, 2, 3)
    with pytest.raises(RefusedError, match="is not approved"):
        roll_back(world.project, replace(CALL, version="4"), Output())
    with pytest.raises(UsageError, match="already runs"):
        roll_back(world.project, replace(CALL, version="3"), Output())
    assert roll_back(world.project, replace(CALL, version="v1"), Output())["to"] == arn(1)


def test_nothing_deployed_is_nothing_to_roll_back(world: World) -> None:
    with pytest.raises(MissingError, match="tumor-triage has no version in prod"):
        roll_back(world.project, CALL, Output())


def test_a_push_that_lost_the_race_is_rebased(world: World, tmp_path: Path) -> None:
    world.release(1, 2)
    world.git("push", "--quiet")
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(tmp_path / "origin.git"), str(other)], check=True, timeout=30)

    def meanwhile() -> str:
        (other / "README").write_text("theirs")
        identity = ["-c", "user.name=Other", "-c", "user.email=other@example.invalid"]
        subprocess.run(["git", "add", "README"], cwd=other, check=True, timeout=30)
        subprocess.run(["git", *identity, "commit", "--quiet", "-m", "theirs"], cwd=other, check=True, timeout=30)
        subprocess.run(["git", "push", "--quiet"], cwd=other, check=True, timeout=30)
        return ""

    world.engine.on_up = meanwhile
    roll_back(world.project, CALL, Output())
    assert world.git("log", "--format=%s", "origin/main").splitlines()[:2] == [
        "Roll back tumor-triage to version 1 in prod",
        "theirs",
    ]
