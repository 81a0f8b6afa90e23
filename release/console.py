"""What a person reads, and what a program reads.

Without `--json` everything goes to standard output. With it, standard output carries one JSON document and all the
rest goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from release.errors import DeclinedError, UsageError

_FILE_WIDTH = 160
"""Columns where no terminal says how many there are: a build's log, a pipe."""


class Output:
    """Where a command reports to."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._people = Console(stderr=as_json, highlight=False, soft_wrap=True)
        if not self._people.is_terminal and "COLUMNS" not in os.environ:
            self._people = Console(stderr=as_json, highlight=False, soft_wrap=True, width=_FILE_WIDTH)

    @property
    def color(self) -> str:
        """The engine's `color`: always or never."""
        return "always" if self._people.is_terminal and not self._people.no_color else "never"

    def say(self, text: str) -> None:
        """A step, in one line."""
        self._people.print(Text(text))

    def show(self, made: Table) -> None:
        """A table that is no result: what is about to happen."""
        self._people.print(made)

    def engine(self, line: str) -> None:
        """A line of the engine, its own colours kept."""
        self._people.print(Text.from_ansi(line))

    def result(self, document: Any, show: Callable[[Console], None]) -> None:
        """The command's result: `document` with `--json`, else `show`."""
        if self.as_json:
            json.dump(document, sys.stdout, indent=2, default=_plain)
            sys.stdout.write("\n")
        else:
            show(self._people)

    def confirm(self, question: str, *, assume_yes: bool) -> None:
        """Raises `DeclinedError` on no, `UsageError` when there is nobody to ask."""
        if assume_yes:
            return
        if not sys.stdin.isatty():
            raise UsageError("There is no terminal to ask on.", do="Say --yes to go on without asking.")
        if self._people.input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
            raise DeclinedError("Nothing was changed.")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table of plain values; None is a hyphen."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text("-" if value is None else _text(value)) for value in row))
    return made


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")
