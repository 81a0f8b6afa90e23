"""What a function sees besides its own code: the SDK that Lambda's runtime brings, and nothing else of this machine."""

from __future__ import annotations

import re
import sys
import threading
from importlib.metadata import Distribution, distribution
from pathlib import Path

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
SDK = "boto3"
_linking = threading.Lock()  # two workers may start at once


def command(*paths: Path) -> list[str]:
    """Starts the bootstrap with only the standard library and `paths` to import from."""
    return [sys.executable, "-I", "-S", str(BOOTSTRAP), *map(str, paths)]


def link_sdk(folder: Path) -> Path:
    """A folder that holds links to boto3 and what it requires, as in Lambda's runtime; made once."""
    with _linking:
        return _linked(folder)


def _linked(folder: Path) -> Path:
    if not folder.exists():
        building = folder.with_name(folder.name + ".building")
        building.mkdir(parents=True)
        for item in _with_requirements(SDK).values():
            for top in {Path(file).parts[0] for file in item.files or ()} - {"..", "__pycache__"}:
                link = building / top
                if not link.exists():
                    link.symlink_to(Path(str(item.locate_file(top))).resolve())
        building.rename(folder)
    return folder


def _with_requirements(name: str) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        current = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if current in found:
            continue
        found[current] = distribution(current)
        for requirement in found[current].requires or ():
            if "extra ==" not in requirement:
                waiting.append(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
    return found
