"""The set-up: locks that name no host, and Pythons that are refused."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def test_there_is_a_lock_for_each_place_of_use() -> None:
    assert {lock.stem for lock in LOCKS} == {"program", "functions", "serving", "release", "sandbox", "dev"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_by_hash_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", text)
    pinned = re.findall(r"^[a-z0-9][\w.\[\],-]*==", text, re.MULTILINE)
    hashed = re.findall(r"^[a-z0-9][\w.\[\],-]*==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert pinned
    assert len(pinned) == len(hashed)


def test_every_lock_agrees_with_the_one_of_development() -> None:
    def pins(lock: Path) -> set[str]:
        return set(re.findall(r"^([a-z0-9][\w.\[\],-]*==[^\s;\\]+)", lock.read_text(), re.MULTILINE))

    development = pins(ROOT / "requirements" / "dev.txt")
    for lock in LOCKS:
        assert pins(lock) <= development, lock.name


def test_another_python_is_refused_with_a_sentence() -> None:
    pretend = (
        "import sys, runpy; sys.version_info = (3, 10, 4, 'final', 0); sys.argv = ['tools/setup.py'];"
        "runpy.run_path('tools/setup.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Understudy runs on Python 3.11, 3.12, 3.13; this is Python 3.10" in done.stderr
    assert "make setup PYTHON=" in done.stderr


def test_the_set_up_parses_on_an_old_python() -> None:
    ast.parse((ROOT / "tools" / "setup.py").read_text(), feature_version=(3, 7))


def test_every_test_file_is_collected() -> None:
    """A file that pytest does not find would pass for ever."""
    helpers = {"conftest.py", "__init__.py"}
    for path in (ROOT / "tests").rglob("*.py"):
        relative = path.relative_to(ROOT / "tests")
        if relative.parts[:2] == ("engine", "cases") or path.name in helpers:
            continue
        defines_tests = re.search(r"^(async )?def test_|^    def test_|^\s*@given", path.read_text(), re.MULTILINE)
        assert not defines_tests or path.name.startswith("test_"), f"{relative} defines tests but is not collected"
