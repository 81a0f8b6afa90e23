"""The rehearsal's report: `report.json` for programs, `report.html` for people, a table for the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment
from rich.console import Console
from rich.table import Table

from release.rehearsal.traffic import Tally, percentile

PAGE = Path(__file__).with_name("report.html.j2")


def traffic_summary(tallies: dict[str, Tally]) -> dict[str, Any]:
    """All clients together. A guarded canary's known crashes stand apart and are no failures."""
    latencies = [value for tally in tallies.values() for value in tally.latencies_ms]
    answered: dict[str, dict[str, int]] = {name: dict(tally.answered) for name, tally in tallies.items()}
    canary = sum(tally.canary_failures for tally in tallies.values())
    return {
        "requests": sum(tally.requests for tally in tallies.values()) - canary,
        "failures": sum(len(tally.failures) for tally in tallies.values()),
        "p50_ms": round(percentile(latencies, 50), 1),
        "p99_ms": round(percentile(latencies, 99), 1),
        "canary": {"failures": canary},
        "answered": answered,
    }


def write(directory: Path, report: dict[str, Any], failures: list[str]) -> None:
    """Write report.json and report.html into `directory`."""
    (directory / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    failed = sum(not step["ok"] for step in report["steps"])
    page = Environment(autoescape=True).from_string(PAGE.read_text())
    html = page.render(**report, passed=not failed and not failures, failed=failed, failures=failures[:50])
    (directory / "report.html").write_text(html)


def show(console: Console, report: dict[str, Any], failures: list[str]) -> None:
    """The summary table."""
    table = Table(title="Rehearsal", expand=False)
    for column in ("", "step", "observed", "seconds"):
        table.add_column(column, justify="right" if column == "seconds" else "left", overflow="fold")
    for step in report["steps"]:
        mark = "[green]✓[/]" if step["ok"] else "[red]✗[/]"
        table.add_row(mark, step["name"], step["observed"].replace("[", r"\["), f"{step['seconds']:.1f}")
    console.print(table)
    traffic = report["traffic"]
    console.print(
        f"{traffic['requests']} client requests, {traffic['failures']} failed "
        f"({traffic['canary']['failures']} more in a guarded canary), "
        f"p50 {traffic['p50_ms']} ms, p99 {traffic['p99_ms']} ms; {report['seconds']:.0f} s, {report['engine']} engine",
        highlight=False,
    )
    for failure in failures[:10]:
        console.print(f"[red]failed request[/] {failure}", highlight=False)
