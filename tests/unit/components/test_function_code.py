"""Function zips: what is in them, and the same bytes from the same sources."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from components.function_code import LayerMissingError, function_archive, layer_archive


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in {
        "functions/__init__.py": "",
        "functions/replay/__init__.py": "",
        "functions/replay/handler.py": "def handler(event, context): ...\n",
        "functions/replay/__pycache__/handler.cpython-311.pyc": "stale",
        "functions/replay/notes.txt": "not code",
        "functions/common/__init__.py": "",
        "functions/rollback/handler.py": "another function's",
        "use_cases/x/replay.py": "def transform(record): return record\n",
        ".understudy/layers/functions/python/library.py": "ANSWER = 42\n",
    }.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return tmp_path


def _names(path: str) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_a_function_brings_its_own_code_and_the_common_code(root: Path) -> None:
    assert _names(function_archive("replay", root).path) == [
        "functions/__init__.py",
        "functions/common/__init__.py",
        "functions/replay/__init__.py",
        "functions/replay/handler.py",
    ]


def test_a_use_case_brings_its_transform(root: Path) -> None:
    path = function_archive("replay", root, root / "use_cases/x").path
    assert "use_case_replay.py" in _names(path)
    assert Path(path).name == "replay-x.zip"


def test_same_sources_same_bytes_and_no_new_file(root: Path) -> None:
    first = Path(function_archive("replay", root).path)
    content, written = first.read_bytes(), first.stat().st_mtime_ns
    for path in (root / "functions").rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    again = Path(function_archive("replay", root).path)
    assert (again.read_bytes(), again.stat().st_mtime_ns) == (content, written)
    assert [path.name for path in first.parent.iterdir()] == ["replay.zip"]


def test_a_changed_source_changes_the_bytes(root: Path) -> None:
    before = Path(function_archive("replay", root).path).read_bytes()
    (root / "functions/common/__init__.py").write_text("VERSION = 2\n")
    assert Path(function_archive("replay", root).path).read_bytes() != before


def test_what_was_not_written_here_is_written_anew(root: Path) -> None:
    target = Path(function_archive("replay", root).path)
    content = target.read_bytes()
    target.write_bytes(b"half a zip")
    assert Path(function_archive("replay", root).path).read_bytes() == content


def test_layer_has_its_libraries_under_python(root: Path) -> None:
    assert _names(layer_archive(root).path) == ["python/library.py"]


def test_a_missing_layer_and_an_unknown_function_say_so(root: Path) -> None:
    (root / ".understudy/layers/functions/python").rename(root / "elsewhere")
    with pytest.raises(LayerMissingError, match=r"the functions' libraries are not installed; run `make setup`"):
        layer_archive(root)
    with pytest.raises(FileNotFoundError, match="there is no such function"):
        function_archive("unknown", root)
