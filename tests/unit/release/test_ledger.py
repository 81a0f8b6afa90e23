"""Stack history as the release ledger, and where a rollback goes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pulumi.automation import UpdateSummary

from release.errors import ExitCode, MissingError
from release.ledger import Release, brought_in, last_known_good, releases
from release.retreat import Plan, plan, predates

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def arn(version: int, service: str = "tumor-triage") -> str:
    return f"arn:aws:sagemaker:us-west-2:111111111111:model-package/{service}/{version}"


def update(
    number: int, config: dict[str, Any], result: str = "succeeded", kind: str = "update", ended: bool = True
) -> UpdateSummary:
    """Naive times, as the Automation API gives them."""
    start = (START + timedelta(hours=number)).replace(tzinfo=None)
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return UpdateSummary(
        kind=kind,
        start_time=start,
        message=f"update {number}",
        environment={},
        config={f"understudy:{key}": {"value": value, "secret": False} for key, value in texts.items()},
        result=result,
        end_time=start + timedelta(minutes=10) if ended else None,
        version=number,
    )


def map_form(version: int, **settings: Any) -> dict[str, Any]:
    return {"services": {"tumor-triage": {"modelPackageArn": arn(version), **settings}, "other": {}}}


def ran(*versions: int, failed: tuple[int, ...] = (), override: dict[str, Any] | None = None) -> list[Release]:
    """A history, newest first, of updates 1, 2, … to these versions; numbers of updates in `failed` failed."""
    history = [
        update(number, map_form(version), "failed" if number in failed else "succeeded")
        for number, version in enumerate(versions, start=1)
    ]
    if override is not None:
        history[-1] = update(len(versions), map_form(versions[-1], deploymentOverride=override))
    return releases(history, "prod", "tumor-triage")


def never(_: str) -> bool:
    return False


def test_releases_are_read_from_both_forms_newest_first() -> None:
    history = [
        update(1, {"modelPackageArn": arn(1)}),
        update(2, map_form(2), result="failed"),
        update(3, map_form(2), kind="refresh"),
        update(4, {"services": {"other": {"modelPackageArn": arn(9, "other")}}}),
        update(5, {"modelPackageArn": arn(4, "other")}),
        update(6, map_form(3), result="in-progress", ended=False),
    ]
    found = releases(history, "prod", "tumor-triage")
    assert [(release.update, release.arn, release.result) for release in found] == [
        (6, arn(3), "in-progress"),
        (2, arn(2), "failed"),
        (1, arn(1), "succeeded"),
    ]
    assert found[0].ended is None
    assert found[2].started == START + timedelta(hours=1)
    assert found[2].ended == START + timedelta(hours=1, minutes=10)


def test_a_secret_config_value_is_passed_over() -> None:
    entry = update(1, {"modelPackageArn": arn(1)})
    entry.config["understudy:modelPackageArn"].secret = True
    assert releases([entry], "prod", "tumor-triage") == []


@pytest.mark.parametrize(
    ("history", "accused", "quarantined", "good"),
    [
        (ran(1, 2, 3), 3, (), 2),
        (ran(1, 2, 3), 3, (2,), 1),
        (ran(1, 2, 3, failed=(2,)), 3, (), 1),
        (ran(1, 2, 1, 3), 3, (), 1),
        (ran(1, 1, 1), 1, (), None),
        (ran(1, 2), 2, (1,), None),
        (ran(1), 1, (), None),
        ([], 1, (), None),
    ],
    ids=["the one before", "skips quarantined", "skips unfinished", "newest run", "alone", "all bad", "first", "none"],
)
def test_last_known_good(history: list[Release], accused: int, quarantined: tuple[int, ...], good: int | None) -> None:
    bad = {arn(version) for version in quarantined}
    found = last_known_good(history, arn(accused), bad.__contains__)
    assert (found.arn if found else None) == (arn(good) if good else None)


def test_brought_in_is_the_first_update_of_the_present_run() -> None:
    found = brought_in(ran(1, 2, 2, 2), arn(2))
    assert found is not None
    assert found.update == 2
    assert brought_in(ran(1, 2, 1), arn(2)) is None


def test_a_bad_version_that_runs_goes_back_to_the_one_before() -> None:
    assert plan(ran(1, 2, 3), arn(3), arn(3), never) == Plan(target=arn(2), accused=arn(3), config_only=False)


def test_the_guardrail_was_first_so_only_config_goes_back() -> None:
    history = ran(1, 2, 3, failed=(3,))
    expected = Plan(target=arn(2), accused=arn(3), config_only=True)
    assert plan(history, arn(2), arn(2), never) == expected
    assert plan(history, arn(3), arn(2), never) == expected


def test_an_update_in_progress_decides_nothing() -> None:
    history = releases(
        [update(1, map_form(1)), update(2, map_form(2)), update(3, map_form(3), "in-progress", ended=False)],
        "prod",
        "tumor-triage",
    )
    assert plan(history, arn(2), arn(2), never).accused == arn(2)


def test_without_a_last_known_good_nothing_is_planned() -> None:
    with pytest.raises(MissingError) as missing:
        plan(ran(1), arn(1), arn(1), never)
    assert missing.value.what.startswith("There is no last known good version")
    assert missing.value.exit_code == ExitCode.MISSING
    with pytest.raises(MissingError, match="Nothing runs here"):
        plan([], None, None, never)


def test_an_alarm_accuses_the_version_whose_rollout_had_begun() -> None:
    history = ran(1, 2, 3)
    began = START + timedelta(hours=3)
    assert predates(began + timedelta(minutes=1), history, arn(3)) is None
    stale = predates(began - timedelta(seconds=1), history, arn(3))
    assert stale is not None
    assert stale.arn == arn(3)


def test_an_alarm_during_a_rollback_is_about_the_version_that_left() -> None:
    override = {"modelPackageArn": arn(2), "strategy": "allAtOnce", "guardrails": False, "reason": "rollback: x"}
    history = ran(1, 2, 3, 2, override=override)
    assert history[0].is_rollback
    ended = START + timedelta(hours=4, minutes=10)
    assert predates(ended - timedelta(seconds=1), history, arn(2)) is history[0]
    assert predates(ended + timedelta(seconds=1), history, arn(2)) is None
