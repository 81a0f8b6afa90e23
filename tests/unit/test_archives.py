"""Archives that strangers wrote are refused before anything is written, quickly and in little memory."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isal import igzip

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
    opened: Any = igzip.open  # no type hints
    with opened(path, "wb", compresslevel=2) as stream:
        stream.write(info.tobuf())
        for _ in range(size // MEBIBYTE):
            stream.write(bytes(MEBIBYTE))
    return path


def long_header(path: Path, kind: bytes) -> Path:
    """A header (a long name, or extended attributes) that says it has 64 MiB; the first of them are there."""
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, 64 * MEBIBYTE
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(info.tobuf())
        for number in range(2):
            stream.write(bytes((number * index * 7919) % 251 for index in range(4096)) * 256)
    return path


def folders(path: Path, count: int) -> Path:
    """Nothing but folders, which hold no bytes that a limit of bytes would count."""
    return tar_gz(path, *(member(str(number), tarfile.DIRTYPE) for number in range(count)))


def raw(path: Path, *blocks: bytes, end: bytes = bytes(1024)) -> Path:
    """A tar of ready blocks, padded."""
    return plain(path, gzip.compress(b"".join(block + bytes(-len(block) % 512) for block in blocks) + end, 1))


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(**records: str) -> bytes:
    """A pax header with its records, whatever they say."""
    body = b"".join(pax_record(key.replace("__", "."), value) for key, value in records.items())
    return header("pax", len(body), tarfile.XHDTYPE) + body + bytes(-len(body) % 512)


def pax_record(key: str, value: str) -> bytes:
    rest = f" {key}={value}\n".encode("utf-8", "surrogateescape")
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def changed(path: Path, position: int) -> Path:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    return plain(path, bytes(content))


ONE = member("a", content=b"x" * 3000)
LINK = "is a link, device or sparse file"
OUTSIDE = "points outside the archive"

HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "symbolic link": (lambda p: tar_gz(p, member("a", tarfile.SYMTYPE, "/etc/passwd")), LINK),
    "link chain": (
        lambda p: tar_gz(p, member("a", tarfile.SYMTYPE, ".."), member("a/b", content=b"x")),
        f"'a' {LINK}",
    ),
    "hard link": (lambda p: tar_gz(p, member("x"), member("a", tarfile.LNKTYPE, "x")), "'a' is a link, device"),
    "absolute": (lambda p: tar_gz(p, member("/etc/cron.d/a", content=b"x")), OUTSIDE),
    "parent": (lambda p: tar_gz(p, member("code/../../a", content=b"x")), OUTSIDE),
    "parent of a folder": (lambda p: tar_gz(p, member("../a", tarfile.DIRTYPE)), OUTSIDE),
    "parent by pax": (lambda p: raw(p, pax(path="../../a"), header("a")), OUTSIDE),
    "parent by long name": (
        lambda p: raw(p, header("l", 7, tarfile.GNUTYPE_LONGNAME), b"../../a", header("a")),
        OUTSIDE,
    ),
    "backslash": (lambda p: tar_gz(p, member("..\\a", content=b"x")), OUTSIDE),
    "no name": (lambda p: tar_gz(p, member(".", content=b"x")), OUTSIDE),
    "control character": (lambda p: tar_gz(p, member("a\x1b[2J", content=b"x")), "is no name for a file"),
    "not a character": (lambda p: raw(p, header("a\udcff")), "is no name for a file"),
    "long part": (lambda p: tar_gz(p, member("a" * 300, content=b"x")), "is no name for a file"),
    "device": (lambda p: tar_gz(p, member("a", tarfile.CHRTYPE)), LINK),
    "block device": (lambda p: tar_gz(p, member("a", tarfile.BLKTYPE)), LINK),
    "sparse": (lambda p: tar_gz(p, member("a", tarfile.GNUTYPE_SPARSE)), LINK),
    "sparse by pax": (lambda p: raw(p, pax(GNU__sparse__major="1", GNU__sparse__minor="0"), header("a")), LINK),
    "pipe": (lambda p: tar_gz(p, member("a", tarfile.FIFOTYPE)), LINK),
    "unknown kind": (lambda p: tar_gz(p, member("a", b"Z")), LINK),
    "for all members": (lambda p: raw(p, header("g", 0, tarfile.XGLTYPE), header("a")), LINK),
    "twice": (lambda p: tar_gz(p, member("a", content=b"1"), member("./a", content=b"2")), "'a' is there twice"),
    "twice but for case": (lambda p: tar_gz(p, member("a/B"), member("A/b")), "'A/b' is there twice"),
    "twice but for composition": (lambda p: tar_gz(p, member("\u00e9"), member("e\u0301")), "is there twice"),
    "file and folder": (lambda p: tar_gz(p, member("a/b"), member("A")), "'A' is there twice"),
    "below a file": (lambda p: tar_gz(p, member("a"), member("a/b")), "'a/b' is there twice"),
    "bomb": (lambda p: zeros(p, "a", 256 * MEBIBYTE), "inflates more than 200 times"),
    "bomb behind the end": (lambda p: raw(p, header("a"), end=bytes(64 * MEBIBYTE)), "inflates more than 200 times"),
    "long name": (lambda p: long_header(p, tarfile.GNUTYPE_LONGNAME), "a header of 67108864 bytes"),
    "long attributes": (lambda p: long_header(p, tarfile.XHDTYPE), "a header of 67108864 bytes"),
    "long search": (lambda p: raw(p, header("p", 8000, tarfile.XHDTYPE), b"1" * 8000), "pax attributes that are none"),
    "headers without end": (
        lambda p: raw(p, *(pax(path=str(number) * 40) for number in range(12_000))),
        "more than 10000 members|inflates more than",
    ),
    "too many": (
        lambda p: tar_gz(p, *(member(str(n)) for n in range(archives.MOST_MEMBERS + 1))),
        "more than 10000 members|inflates more than",
    ),
    "too many folders": (lambda p: folders(p, 10_001), "more than 10000 members|inflates more than"),
    "negative size": (lambda p: raw(p, pax(size="-1024"), header("a")), "has a size that is none: -1024"),
    "negative size in base 256": (lambda p: raw(p, negative()), "has a size that is none: -512"),
    "huge size": (lambda p: raw(p, pax(size="9" * 15), header("a")), "more than 8589934592 bytes"),
    "endless size": (lambda p: raw(p, pax(size="9" * 4000), header("a")), "has a size that is none"),
    "size beyond the end": (lambda p: raw(p, header("a", 1 << 20), b"x"), "it is cut off"),
    "damaged header": (lambda p: raw(p, header("a"), b"\1" * 512), "not a readable tar.gz: "),
    "no end": (lambda p: raw(p, header("a"), end=b""), "it is cut off"),
    "more behind the end": (lambda p: raw(p, header("a"), bytes(1024), header("b")), "something follows the archive"),
    "no archive": (lambda p: plain(p, b"hello"), "not a readable tar.gz"),
    "empty": (lambda p: plain(p, b""), "not a readable tar.gz"),
    "cut off": (lambda p: cut(tar_gz(p, member("a", content=bytes(range(256)) * 40))), "not a readable tar.gz"),
    "without its checksum": (lambda p: plain(p, tar_gz(p, ONE).read_bytes()[:-8]), "not a readable tar.gz"),
    "wrong checksum": (lambda p: changed(tar_gz(p, ONE), -6), "not a readable tar.gz"),
    "many gzip members": (lambda p: plain(p, gzip.compress(b"") * 200_000), "it is cut off"),
    "something behind gzip": (lambda p: plain(p, tar_gz(p, ONE).read_bytes() + b"evil"), "not a readable tar.gz"),
}


def negative() -> bytes:
    """A header whose size is -512, as GNU tar writes numbers that octal digits cannot."""
    block = bytearray(header("a"))
    block[124:136] = (-512).to_bytes(12, "big", signed=True)
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


def plain(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def cut(path: Path) -> Path:
    return plain(path, path.read_bytes()[:60])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    return {kind: make(folder / f"{number}.tar.gz") for number, (kind, (make, _)) in enumerate(HOSTILE.items())}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused(
    kind: str, hostile: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In AWS's place: unpacked to a folder, outside of which nothing appears."""
    if "10000" in HOSTILE[kind][1]:
        monkeypatch.setattr(archives, "MOST_MEMBERS", 100)  # ten thousand files take long to write
    message = HOSTILE[kind][1].replace("10000", "100")
    with pytest.raises(ArchiveRefused, match=message):
        archives.unpack(hostile[kind], tmp_path / "a" / "b" / "target")
    written = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert [path for path in written if path.is_symlink() or tmp_path / "a" / "b" / "target" not in path.parents] == []


def test_a_hostile_archive_takes_little_time_and_memory(hostile: dict[str, Path]) -> None:
    """All of them, in one process that the kernel gives no more than 200 MB on top of what importing took.

    The peak is that of /proc: getrusage's is at least what the process that started this one had.
    """
    program = """
import resource, sys, time
from pathlib import Path
from model_package import archives
from model_package.errors import ArchiveRefused

def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

before, limit = kilobytes("VmRSS"), (kilobytes("VmSize") << 10) + 200_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
slowest = refused = 0
for path in sys.argv[1:]:
    start = time.process_time()
    try:
        for member, content in archives.members(Path(path)):
            while content.read(1 << 20):
                pass
    except ArchiveRefused:
        refused += 1
    slowest = max(slowest, time.process_time() - start)
print(refused, kilobytes("VmHWM") - before, slowest)
"""
    command = [sys.executable, "-c", program, *map(str, hostile.values())]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=50)
    refused, kilobytes, seconds = result.stdout.split()
    assert int(refused) == len(HOSTILE)
    assert int(kilobytes) < 200_000
    assert float(seconds) < 2


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


def test_what_is_cut_off_in_a_member_is_refused_while_it_is_read(tmp_path: Path) -> None:
    """The consumer's own `read` meets the end: it is told the same as a consumer of whole archives."""
    path = raw(tmp_path / "model.tar.gz", header("a", 1 << 20), b"x", end=b"")
    members = archives.members(path)
    _, content = next(members)
    with pytest.raises(ArchiveRefused, match=r"model\.tar\.gz: not a readable tar\.gz: it is cut off"):
        content.read()
    members.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_usual_forms_of_tar_are_read(tmp_path: Path, form: int) -> None:
    names = ["model.ubj", f"code/{'d' * 90}/{'f' * 60}.py", "code/a.py"]
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz", format=form) as tar:
        for name in names:
            info, content = member(name, content=name.encode())
            info.mtime = 1_700_000_000.5 if form == tarfile.PAX_FORMAT else 0
            tar.addfile(info, io.BytesIO(content))
    assert archives.read(tmp_path / "model.tar.gz") == {name: name.encode() for name in names}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_is_read_right_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Any byte of the tar stream changed: the reader ends in words, never in a traceback, a loop or a name outside."""
    whole = pax(path="code/\u00e9.py", mtime="1.5") + header("x", 3) + b"abc" + bytes(509) + header("b") + bytes(1024)
    position = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255))
    path = plain(tmp_path / "model.tar.gz", gzip.compress(whole[:position] + bytes([value]) + whole[position + 1 :], 1))
    try:
        files = archives.read(path)
    except ArchiveRefused as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert all(".." not in Path(name).parts and not Path(name).is_absolute() for name in files)


def test_an_archive_is_unpacked_below_its_target(tmp_path: Path) -> None:
    path = tar_gz(tmp_path / "model.tar.gz", member("model.ubj", content=b"m"), member("code/a.py", content=b"a"))
    archives.unpack(path, tmp_path / "here")
    files = {file.relative_to(tmp_path).as_posix() for file in (tmp_path / "here").rglob("*") if file.is_file()}
    assert files == {"here/model.ubj", "here/code/a.py"}
