"""`understudy rehearse`: set the stage, play all acts, report."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from release.engine import engine_name
from release.errors import ExitCode
from release.rehearsal import report as reports
from release.rehearsal.acts import perform
from release.rehearsal.play import Play
from release.rehearsal.stage import Stage
from release.rehearsal.steps import Steps


@dataclass(frozen=True)
class Options:
    """`source` is the project that is rehearsed, `directory` where it plays; `speed` divides AWS's own durations."""

    source: Path
    directory: Path
    speed: float = 100.0
    json: bool = False


def run(options: Options) -> int:
    """Play; returns the exit code. Writes report.json and report.html into the directory, a failed run's too."""
    console = Console(stderr=options.json)
    engine = engine_name()
    started = time.monotonic()
    stage = Stage(options.source, options.directory, speed=options.speed, engine=engine)
    steps = Steps(console)
    signal.signal(signal.SIGTERM, _interrupt)
    stage.prepare()
    console.print(f"Rehearsing in {options.directory}: {engine} engine, the cloud's durations ÷ {options.speed:g}")
    final: dict[str, Any] = {}
    failures: list[str] = []
    traffic: dict[str, Any] = reports.traffic_summary({})
    interrupted = False
    with stage.sandbox():
        play = Play(stage, steps)
        try:
            perform(play)
            final = play.final()
        except KeyboardInterrupt:
            interrupted = True
            console.print("[yellow]interrupted; cleaning up[/]")
        except Exception as error:
            console.print(f"[red]the rehearsal ends here:[/] {error}", highlight=False)
        finally:
            play.close()
            tallies = {service.name: service.traffic.tally for service in play.services if service.traffic is not None}
            traffic = reports.traffic_summary(tallies)
            failures = [failure for tally in tallies.values() for failure in tally.failures]
    report = {
        "seconds": round(time.monotonic() - started, 1),
        "engine": engine,
        "steps": steps.as_json(),
        "traffic": traffic,
        "final": final,
    }
    reports.write(options.directory, report, failures)
    reports.show(console, report, failures)
    console.print(f"Report: {options.directory / 'report.html'}; what each command said: {stage.log}", highlight=False)
    if options.json:
        print((options.directory / "report.json").read_text())
    if interrupted:
        return 130
    played = bool(final) and all(step.ok for step in steps.all) and not failures
    return int(ExitCode.OK if played else ExitCode.FAILED)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
