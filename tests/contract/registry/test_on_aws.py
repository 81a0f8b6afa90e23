"""The suite pointed at another target by plain environment variables, as it is at AWS: here at the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.timeout(180)
@pytest.mark.skipif(os.environ.get("UNDERSTUDY_TEST_AWS") == "1", reason="this is that run")
def test_the_suite_runs_where_the_environment_points_and_leaves_nothing(lab: Any, sandbox: Any) -> None:
    def left() -> tuple[list[str], list[str]]:
        groups = lab.sagemaker.list_model_package_groups(NameContains="understudy-test-", MaxResults=100)
        buckets = lab.s3.list_buckets()["Buckets"]
        return (
            [one["ModelPackageGroupName"] for one in groups["ModelPackageGroupSummaryList"]],
            [one["Name"] for one in buckets if one["Name"].startswith("understudy-test-")],
        )

    before = left()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    environment |= sandbox.environment
    environment |= {
        "UNDERSTUDY_TEST_AWS": "1",
        "UNDERSTUDY_TEST_IMAGE": "683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5",
    }
    command = [sys.executable, "-m", "pytest", "-m", "aws", "--setup-show", "-p", "no:cacheprovider", "-p", "no:xdist"]
    # A copy of the folder's tests that is long enough to make, await, refuse and delete all that they make.
    done = subprocess.run(
        [*command, "tests/contract/registry/test_groups.py", "tests/contract/registry/test_versions.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "SETUP    S shared_target" in done.stdout
    assert "SETUP    S sandbox" not in done.stdout
    assert " passed, " in done.stdout.splitlines()[-1]
    assert " xpassed" in done.stdout.splitlines()[-1]
    assert left() == before
