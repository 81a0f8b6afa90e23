"""Steps and report: an expectation that fails is told, in both forms of the report."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from release.rehearsal import report
from release.rehearsal.steps import Steps
from release.rehearsal.traffic import Tally


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_a_step_is_ok_only_if_all_that_was_seen_is() -> None:
    steps = Steps(console())
    with steps.step("a", "two things") as step:
        step.see(False, "first wrong")
        step.see(True, "second right")
    assert not steps.all[0].ok
    assert steps.all[0].observed == "first wrong; second right"


def test_a_step_that_observes_nothing_fails() -> None:
    steps = Steps(console())
    with steps.step("a", "something"):
        pass
    assert not steps.all[0].ok
    assert steps.all[0].observed == "nothing was observed"


def test_an_exception_is_recorded_and_goes_on() -> None:
    steps = Steps(console())
    with pytest.raises(ValueError, match="broken"), steps.step("a", "peace") as step:
        step.see(True, "so far so good")
        raise ValueError("broken")
    assert not steps.all[0].ok
    assert "broken" in steps.all[0].observed


def test_a_guarded_canarys_crashes_are_counted_apart() -> None:
    tally = Tally(requests=10, failures=[], canary_failures=2, latencies_ms=[1.0, 2.0, 3.0])
    summary = report.traffic_summary({"a": tally})
    assert summary["requests"] == 8
    assert summary["failures"] == 0
    assert summary["canary"] == {"failures": 2}
    assert summary["p50_ms"] == 2.0


def test_both_reports_say_what_failed(tmp_path: Path) -> None:
    steps = Steps(console())
    with steps.step("5 <Evidence>", "refusal") as step:
        step.see(False, "passed")
    content = {
        "seconds": 1.0,
        "engine": "embedded",
        "steps": steps.as_json(),
        "traffic": report.traffic_summary({}),
        "final": {"svc": {"prod_package": "arn:a/1", "config_package": "arn:a/1", "quarantined": ["arn:a/2"]}},
    }
    report.write(tmp_path, content, ["row 1: boom"])
    assert json.loads((tmp_path / "report.json").read_text()) == content
    page = (tmp_path / "report.html").read_text()
    assert "1 of 1 expectations failed" in page
    assert "5 &lt;Evidence&gt;" in page
    assert "row 1: boom" in page
    assert "arn:a/2" in page
