"""Steps of a rehearsal: what was expected, what was observed, how long it took."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from release.errors import UnderstudyError


@dataclass
class Step:
    """One expectation and what became of it."""

    name: str
    expected: str
    observed: str = ""
    ok: bool = False
    seconds: float = 0.0

    def see(self, ok: bool, observed: str) -> None:
        """Record what was observed; a step is ok if all that was seen in it is."""
        self.ok = ok if not self.observed else self.ok and ok
        self.observed = "; ".join(filter(None, [self.observed, observed]))


class Steps:
    """The steps so far, told on the console as they happen. Steps of two services may overlap."""

    def __init__(self, console: Console) -> None:
        self.all: list[Step] = []
        self._console = console
        self._started = time.monotonic()
        self._lock = threading.Lock()

    @contextmanager
    def step(self, name: str, expected: str) -> Iterator[Step]:
        """A step; an exception in it fails it, is recorded and goes on, as what follows would build on sand."""
        step = Step(name, expected)
        with self._lock:
            self.all.append(step)
            self._say(f"[bold]{name}[/] [dim]expecting {expected}[/]")
        started = time.monotonic()
        try:
            yield step
            if not step.observed:
                step.see(False, "nothing was observed")
        except Exception as error:
            shown = str(error) if isinstance(error, UnderstudyError) else traceback.format_exc(limit=-3)
            step.see(False, shown)
            raise
        finally:
            step.seconds = round(time.monotonic() - started, 2)
            mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
            with self._lock:
                text = step.observed.replace("[", r"\[")
                self._say(f"{mark} {name}: {text} [dim]({step.seconds:.1f} s)[/]")

    def _say(self, text: str) -> None:
        clock = time.monotonic() - self._started
        self._console.print(f"[dim]{clock:5.0f} s[/] {text}", highlight=False)

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(step) for step in self.all]
