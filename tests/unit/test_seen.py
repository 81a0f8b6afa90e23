"""Files that have not changed are not read again, and every change is noticed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from model_package import artifacts, seen
from model_package.seen import Seen


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read. A file counts as settled at once."""
    read: list[str] = []
    real = artifacts.sha256_of

    def counted(path: Path) -> str:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(artifacts, "sha256_of", counted)
    monkeypatch.setattr(seen, "SETTLED_SECONDS", -3600.0)
    return read


def ask(file: Path, cache: Path) -> str:
    """The digest, as a later process is told it."""
    one = Seen(file.parent, cache)
    digest = one.digest(file)
    one.save()
    return digest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "a"
    path.parent.mkdir()
    path.write_bytes(b"one")
    return path


def test_a_file_is_read_once(file: Path, tmp_path: Path, reads: list[str]) -> None:
    assert ask(file, tmp_path / "cache") == ask(file, tmp_path / "cache") == hashlib.sha256(b"one").hexdigest()
    assert reads == ["a"]


@pytest.mark.parametrize("way", ["written", "replaced"])
def test_a_change_of_the_same_size_and_time_is_noticed(file: Path, tmp_path: Path, way: str, reads: list[str]) -> None:
    """Whoever sets the time of modification back moves the time of change, and a renamed file is another inode."""
    before = file.stat()
    ask(file, tmp_path / "cache")
    if way == "written":
        file.write_bytes(b"two")
    else:
        (file.parent / "b").write_bytes(b"two")
        (file.parent / "b").replace(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert ask(file, tmp_path / "cache") == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_changed_just_now_is_not_remembered(
    file: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next change may come within the same tick of the clock, and look like none."""
    monkeypatch.setattr(seen, "SETTLED_SECONDS", 3600.0)
    ask(file, tmp_path / "cache")
    ask(file, tmp_path / "cache")
    assert reads == ["a", "a"]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    file: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = artifacts.sha256_of

    def meanwhile(path: Path) -> str:
        digest = counted(path)
        path.write_bytes(b"longer")
        return digest

    monkeypatch.setattr(artifacts, "sha256_of", meanwhile)
    ask(file, tmp_path / "cache")
    monkeypatch.setattr(artifacts, "sha256_of", counted)
    assert ask(file, tmp_path / "cache") == hashlib.sha256(b"longer").hexdigest()


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff"])
def test_a_damaged_record_means_reading(file: Path, tmp_path: Path, reads: list[str], content: bytes) -> None:
    ask(file, tmp_path / "cache")
    [record] = (tmp_path / "cache" / "seen").iterdir()
    record.write_bytes(content)
    assert ask(file, tmp_path / "cache") == hashlib.sha256(b"one").hexdigest()
    assert reads == ["a", "a"]


def test_what_is_asked_no_more_is_forgotten(file: Path, tmp_path: Path, reads: list[str]) -> None:
    ask(file, tmp_path / "cache")
    (file.parent / "b").write_bytes(b"b")
    ask(file.parent / "b", tmp_path / "cache")
    ask(file, tmp_path / "cache")
    assert reads == ["a", "b", "a"]
