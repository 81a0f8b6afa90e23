"""`python -m benchmarks [NAME …]`: measure, print a table, write benchmarks/results/<name>.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import engine, latency, packaging, registration, rehearsal

RESULTS = Path(__file__).with_name("results")
BENCHMARKS: dict[str, Callable[[Console], list[dict[str, Any]]]] = {
    "latency": latency.measure,
    "engine": engine.measure,
    "packaging": packaging.measure,
    "registration": registration.measure,
    "rehearsal": rehearsal.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which (default: all)", metavar="NAME")
    console = Console()
    for name in parser.parse_args().names or BENCHMARKS:
        rows = BENCHMARKS[name](console)
        table = Table(*rows[0], title=name)
        for row in rows:
            table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
        console.print(table)
        machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
