"""The rehearsal itself: everything it expects must hold, and its report must say so in numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("rehearsal") / "play"
    environment = {**os.environ, "UNDERSTUDY_ENGINE": "embedded"}
    done = subprocess.run(
        [sys.executable, "-m", "release", "rehearse", "--directory", str(directory)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    file = directory / "report.json"
    assert file.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    content: dict[str, Any] = json.loads(file.read_text())
    failed = [step for step in content["steps"] if not step["ok"]]
    assert done.returncode == 0, json.dumps(failed, indent=1) + done.stdout[-4000:] + done.stderr[-2000:]
    return content


def test_every_expectation_held(report: dict[str, Any]) -> None:
    assert [step["name"] for step in report["steps"] if not step["ok"]] == []
    assert {step["name"][0] for step in report["steps"]} == set("012345689")
    assert all(step["observed"] and step["expected"] for step in report["steps"])


def test_no_client_request_failed(report: dict[str, Any]) -> None:
    traffic = report["traffic"]
    assert traffic["requests"] >= 1000
    assert traffic["failures"] == 0
    assert 0 < traffic["p50_ms"] <= traffic["p99_ms"]


def test_the_guarded_canary_is_counted_apart(report: dict[str, Any]) -> None:
    assert report["traffic"]["canary"]["failures"] > 0


def test_production_and_git_agree_on_the_last_known_good(report: dict[str, Any]) -> None:
    tumor = report["final"]["tumor-triage"]
    assert tumor["prod_package"] == tumor["config_package"]
    assert tumor["prod_package"].endswith("model-package/tumor-triage/2")
    # The guardrail stopped 4 in its canary; whether the monitor's alarm saw enough of it to quarantine it, may vary.
    quarantined = {arn.rsplit("/", 1)[1] for arn in tumor["quarantined"]}
    assert {"3"} <= quarantined <= {"3", "4"}
    diabetes = report["final"]["diabetes-progression"]
    assert diabetes["prod_package"] == diabetes["config_package"]
    assert diabetes["prod_package"].endswith("model-package/diabetes-progression/2")
    assert diabetes["quarantined"] == []


def test_the_report_names_its_engine_and_its_time(report: dict[str, Any]) -> None:
    assert report["engine"] == "embedded"
    assert report["seconds"] > 0
