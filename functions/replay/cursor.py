"""A capture file's lines with a place in them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice


class LineCursor:
    """Gives lines in order, and can go back within what it gave last; `line` is the number of the next one, from 1."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._taken: list[bytes] = []
        self._ahead: list[bytes] = []
        self.line = 1

    @property
    def at_end(self) -> bool:
        """Whether no line is left."""
        if not self._ahead:
            self._ahead = list(islice(self._lines, 1))
        return not self._ahead

    def take(self, count: int) -> list[bytes]:
        """Up to `count` lines, fewer at the end."""
        self._taken, self._ahead = self._ahead[:count], self._ahead[count:]
        self._taken += islice(self._lines, count - len(self._taken))
        self.line += len(self._taken)
        return self._taken

    def move_to(self, line: int) -> None:
        """Makes `line` the next one. Raises ValueError for a line before what was taken last."""
        if line < self.line:
            back = self.line - line
            if back > len(self._taken):
                raise ValueError(f"line {line} is {back} lines back, only the last {len(self._taken)} are at hand")
            self._ahead = self._taken[-back:] + self._ahead
            self._taken = self._taken[:-back]
            self.line = line
        else:
            self.take(line - self.line)
            self.line = line
