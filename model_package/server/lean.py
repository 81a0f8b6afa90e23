"""Keeps packages that a use case did not ask for out of the serving process.

`import xgboost` imports pandas and scikit-learn wherever they are installed: 1.1 s and 90 MB instead of 0.3 s, for
classes that a native Booster never touches. What a use case needs it names in `code/requirements.txt`; what is not
named there is not in its image, and not importable here either.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HEAVY = {"sklearn": "scikit-learn", "pandas": "pandas"}
"""Importable names that libraries import where they find them, and their names on the package index."""


def named(requirements: Path) -> set[str]:
    """The distributions a requirements file names, normalised (`scikit-learn`)."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    names = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip()) for line in lines)
    return {re.sub(r"[-_.]+", "-", match.group()).lower() for match in names if match}


def leave_out(requirements: Path) -> list[str]:
    """Make what `requirements` does not name unimportable; without such a file everything stays as it is."""
    if not requirements.is_file():
        return []
    asked_for = named(requirements)
    left_out = [name for name, project in HEAVY.items() if project not in asked_for and name not in sys.modules]
    if left_out:
        sys.meta_path[:] = [_Without(finder, frozenset(left_out)) for finder in sys.meta_path]
    return left_out


class _Without:
    """A finder that does not find some packages.

    Not `sys.modules[name] = None`: scikit-learn takes a name in there for a module, and asks it for its DataFrame.
    """

    def __init__(self, finder: Any, names: frozenset[str]) -> None:
        self._finder = finder
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] in self._names:
            return None
        return self._finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:  # what else a finder may have, such as find_distributions
        return getattr(self._finder, name)
