"""Archives that strangers wrote are refused before anything is written, quickly and in little memory."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model_package import archives
from model_package.errors import ArchiveRefused

ROOT = Path(__file__).parents[2]
MEBIBYTE = 1 << 20


Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"") -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, content


def tar_gz(path: Path, *members: Member) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def zeros(path: Path, name: str, size: int) -> Path:
    """One member of `size` zeros, in a few kilobytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(info.tobuf())
        for _ in range(size // MEBIBYTE):
            stream.write(bytes(MEBIBYTE))
    return path


def long_header(path: Path, kind: bytes) -> Path:
    """A header (a long name, or extended attributes) of 64 MiB that does not compress away."""
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, 64 * MEBIBYTE
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(info.tobuf())
        for number in range(64):
            stream.write(bytes((number * index * 7919) % 251 for index in range(4096)) * 256)
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "symbolic link": (lambda p: tar_gz(p, member("a", tarfile.SYMTYPE, "/etc/passwd")), "is a link, device or sparse"),
    "link chain": (
        lambda p: tar_gz(p, member("a", tarfile.SYMTYPE, ".."), member("a/b", content=b"x")),
        "'a' is a link, device or sparse file",
    ),
    "hard link": (lambda p: tar_gz(p, member("x"), member("a", tarfile.LNKTYPE, "x")), "'a' is a link, device"),
    "absolute": (lambda p: tar_gz(p, member("/etc/cron.d/a", content=b"x")), "points outside the archive"),
    "parent": (lambda p: tar_gz(p, member("code/../../a", content=b"x")), "points outside the archive"),
    "backslash": (lambda p: tar_gz(p, member("..\\a", content=b"x")), "points outside the archive"),
    "device": (lambda p: tar_gz(p, member("a", tarfile.CHRTYPE)), "is a link, device or sparse file"),
    "sparse": (lambda p: tar_gz(p, member("a", tarfile.GNUTYPE_SPARSE)), "is a link, device or sparse file"),
    "pipe": (lambda p: tar_gz(p, member("a", tarfile.FIFOTYPE)), "is a link, device or sparse file"),
    "twice": (lambda p: tar_gz(p, member("a", content=b"1"), member("./a", content=b"2")), "'a' is there twice"),
    "bomb": (lambda p: zeros(p, "a", 256 * MEBIBYTE), "inflates more than 200 times"),
    "long name": (lambda p: long_header(p, tarfile.GNUTYPE_LONGNAME), "a header of 67108864 bytes"),
    "long attributes": (lambda p: long_header(p, tarfile.XHDTYPE), "a header of 67108864 bytes"),
    "too many": (
        lambda p: tar_gz(p, *(member(str(n)) for n in range(archives.MOST_MEMBERS + 1))),
        "more than 10000 members|inflates more than",
    ),
    "no archive": (lambda p: plain(p, b"hello"), "not a readable tar.gz"),
    "cut off": (lambda p: cut(tar_gz(p, member("a", content=bytes(range(256)) * 40))), "not a readable tar.gz"),
}


def plain(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def cut(path: Path) -> Path:
    return plain(path, path.read_bytes()[:60])


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused(kind: str, tmp_path: Path) -> None:
    make, message = HOSTILE[kind]
    path = make(tmp_path / "model.tar.gz")
    start = time.process_time()
    with pytest.raises(ArchiveRefused, match=message):
        archives.read(path)
    assert time.process_time() - start < 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tar.gz"]


def test_a_bomb_takes_little_memory(tmp_path: Path) -> None:
    """In a process of its own, whose memory is capped at 200 MB above what importing takes."""
    path = zeros(tmp_path / "model.tar.gz", "a", 256 * MEBIBYTE)
    program = f"""
import resource
from pathlib import Path
from model_package import archives
from model_package.errors import ArchiveRefused
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for member, content in archives.members(Path({str(path)!r})):
        while content.read(1 << 20):
            pass
except ArchiveRefused as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    verdict, kilobytes = result.stdout.splitlines()
    assert verdict.endswith("inflates more than 200 times")
    assert int(kilobytes) < 200_000


def test_an_honest_archive_is_read(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("code")
    folder.type = tarfile.DIRTYPE
    path = tar_gz(
        tmp_path / "model.tar.gz",
        (folder, b""),
        member("./model.ubj", content=b"model"),
        member("code/a.py", content=b"a"),
    )
    assert archives.read(path) == {"model.ubj": b"model", "code/a.py": b"a"}


def test_what_is_too_much_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_IN_MEMORY_BYTES", 4)
    path = tar_gz(tmp_path / "model.tar.gz", member("model.ubj", content=b"model"))
    with pytest.raises(ArchiveRefused, match="more than 4 bytes, too much to read at once"):
        archives.read(path)
    assert [(m.name, m.size) for m, _ in archives.members(path)] == [("model.ubj", 5)]
