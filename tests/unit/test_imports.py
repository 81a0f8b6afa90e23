"""What a part must not import, because everyone who uses the part would wait for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("part", "heavy"),
    [
        # Every preview and every up imports the program's parts.
        ("components.inference_service", ("boto3", "botocore.session", "botocore.model", "scipy", "numpy")),
        # An approval reads evidence and computes nothing.
        ("release.evidence_document", ("scipy", "numpy")),
        ("release.gate", ("scipy", "numpy")),
    ],
)
def test_a_part_does_not_bring(part: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {part}; print(*[name for name in {heavy!r} if name in sys.modules])"
    # pulumi_aws warns of its own deprecated classes while it is imported.
    command = [sys.executable, "-W", "ignore", "-c", code]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=50).stdout
    assert found.split() == []
