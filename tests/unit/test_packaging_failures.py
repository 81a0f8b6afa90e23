"""What can go wrong while a package is built: a file and a fix are named, and no half package is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from model_package import archive_writer, packaging
from model_package.errors import PackagingFailed
from model_package.manifest import Manifest
from tests.unit.test_manifest import VALID

ROOT = Path(__file__).parents[2]
MANIFEST = Manifest.model_validate(VALID)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.ubj"
    path.write_bytes(os.urandom(5000))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """A cache in which nothing is left after a build that failed."""
    cache = tmp_path / "cache"
    yield cache
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_file_without_the_right_to_read_it_is_named(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def denied(path: Path, *arguments: Any, **named: Any) -> Any:
        if path == model:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(PackagingFailed, match=r"model\.ubj cannot be read: Permission denied; mend its rights"):
        packaging.pack({"model.ubj": model}, cache)


def test_a_file_that_fails_while_it_is_read_is_named(cache: Path) -> None:
    memory = Path("/proc/self/mem")  # it opens, and nothing is there to be read at its beginning
    with pytest.raises(PackagingFailed, match=r"/proc/self/mem cannot be read: Input/output error"):
        packaging.pack({"model.ubj": memory}, cache)


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_file_that_changes_meanwhile_is_named(
    model: Path, cache: Path, difference: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was asked for its size, it was longer or shorter than when it was read."""
    member = archive_writer._member
    monkeypatch.setattr(archive_writer, "_member", lambda name, size: member(name, size + difference))
    with pytest.raises(PackagingFailed, match=r"model\.ubj changed while it was packaged: package again"):
        packaging.pack({"model.ubj": model}, cache)


def test_a_file_that_is_too_big_is_named(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_writer, "MOST_BYTES", 4000)
    with pytest.raises(PackagingFailed, match=r"model\.ubj is too big: with its 5000 bytes the package passes 4000"):
        packaging.pack({"model.ubj": model}, cache)


def test_too_many_files_are_refused(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_writer, "MOST_MEMBERS", 2)
    with pytest.raises(PackagingFailed, match="3 files are too many for a package: at most 2"):
        packaging.pack({name: model for name in "abc"}, cache)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "inference.py").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PackagingFailed, match="pipe is neither a file nor a folder: remove it"):
        packaging.code_files(tmp_path, MANIFEST)


def test_ctrl_c_leaves_nothing_behind(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(files: object, target: IO[bytes], **_: object) -> None:
        target.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(archive_writer, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        packaging.pack({"model.ubj": model}, cache)


FULL = """
import resource, signal, sys
from pathlib import Path
from model_package import packaging
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
try:
    packaging.pack({"model.ubj": Path(sys.argv[1])}, Path(sys.argv[2]))
except packaging.PackagingFailed as error:
    print(error)
"""


def test_a_disk_that_is_full_is_told(model: Path, cache: Path) -> None:
    """The kernel refuses every write beyond 2 MiB, in the thread that compresses."""
    model.write_bytes(os.urandom(8 << 20))
    command = [sys.executable, "-c", FULL, str(model), str(cache)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=50).stdout
    assert told.strip() == (
        f"{cache}: the package cannot be written: File too large; make room there, or mend its rights"
    )


def test_a_killed_build_leaves_no_package_and_its_rest_is_removed_later(model: Path, tmp_path: Path) -> None:
    big, cache = tmp_path / "big", tmp_path / "kept"
    with big.open("wb") as file:
        file.truncate(4 << 30)
    command = [sys.executable, "-c", FULL.replace("(2 << 20, 2 << 20)", "(-1, -1)"), str(big), str(cache)]
    process = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 40
    while not [left for left in cache.glob(".package-*") if left.stat().st_size] and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    [left] = [path for path in cache.rglob("*") if path.is_file()]
    assert left.name.startswith(".package-")
    packaging.pack({"model.ubj": model}, cache)
    assert left.exists()  # it could be of a build that runs
    long_ago = time.time() - packaging.ABANDONED_SECONDS - 60
    os.utime(left, (long_ago, long_ago))
    packaging.pack({"model.ubj": model}, cache)
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["model.tar.gz"]


@pytest.mark.timeout(180)
def test_two_gigabytes_are_streamed(tmp_path: Path) -> None:
    """A sparse file of 2 GiB, packaged within 200 MB of memory (the process's own peak, importing included)."""
    big = tmp_path / "model.ubj"
    with big.open("wb") as file:
        file.truncate(2 << 30)
    program = """
import sys
from pathlib import Path
from model_package import packaging
print(packaging.pack({"model.ubj": Path(sys.argv[1])}, Path(sys.argv[2])).size_bytes)
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    command = [sys.executable, "-c", program, str(big), str(tmp_path / "cache")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=170).stdout.split()
    assert 0 < int(told[0]) < 2 << 30
    assert int(told[1]) < 200_000
