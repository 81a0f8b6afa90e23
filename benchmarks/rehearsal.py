"""Seconds of each step of a rehearsal."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).parents[1]


def measure(console: Console) -> list[dict[str, Any]]:
    """Play a rehearsal; one row a step, the whole as the last one. Steps of two people overlap."""
    with tempfile.TemporaryDirectory() as folder:
        play = Path(folder) / "play"
        console.print("playing a rehearsal (some four minutes)")
        subprocess.run(
            [sys.executable, "-m", "release", "rehearse", "--directory", str(play)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        report = json.loads((play / "report.json").read_text())
    rows = [{"step": step["name"], "seconds": step["seconds"]} for step in report["steps"]]
    return [*rows, {"step": "all", "seconds": report["seconds"]}]
