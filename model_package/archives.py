"""Writing archives that are the same bytes everywhere, and reading archives that strangers wrote.

A tar stream is deterministic when its members are: sorted by name, regular files only, no owner, no time, one of two
modes. Compression is isal's igzip at level 1, whose output depends on the input alone (level 3 varies with the CPU).
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from isal import igzip, isal_zlib

from model_package.errors import ArchiveRefused

MOST_MEMBERS = 10_000
MOST_BYTES = 8 << 30
MOST_IN_MEMORY_BYTES = 512 << 20
MOST_RATIO = 200
"""Uncompressed over compressed bytes; gzip itself reaches 1,000 on zeros only."""

MOST_HEADER_BYTES = 64 << 10

# isal's hints call its exception class an instance.
_UNREADABLE: tuple[type[Exception], ...] = (
    tarfile.TarError,
    EOFError,
    igzip.BadGzipFile,
    cast(type[Exception], isal_zlib.error),
)

_HEADER_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)

MODE = 0o644
COMPRESSION_LEVEL = 1
BLOCK_BYTES = 1 << 20


class _Digesting(io.RawIOBase):
    """Passes what is written on to `target` and digests it."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target = target
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        self.size_bytes += len(data)
        self.target.write(data)
        return len(data)


def _compressed(target: io.RawIOBase) -> IO[bytes]:
    # Neither file name nor time in the header: they would be this machine's. (isal has no type hints.)
    gzip: Any = igzip.IGzipFile
    return cast(IO[bytes], gzip(filename="", mode="wb", fileobj=target, compresslevel=COMPRESSION_LEVEL, mtime=0))


def _inflated(path: Path) -> IO[bytes]:
    gzip: Any = igzip.IGzipFile
    return cast(IO[bytes], gzip(filename=str(path), mode="rb"))


@dataclass(frozen=True)
class Written:
    """What an archive is: digest of the tar stream (its identity), digest and size of the compressed object."""

    digest: str
    object_sha256: str
    size_bytes: int


def write(files: Mapping[str, Path], target: IO[bytes]) -> Written:
    """A tar.gz of `files` (name in the archive -> file), the same bytes for the same names and contents.

    Streamed: memory does not grow with the files.
    """
    outer = _Digesting(target)
    with _compressed(outer) as gzip:
        inner = _Digesting(gzip)
        with tarfile.open(fileobj=inner, mode="w|", format=tarfile.PAX_FORMAT, bufsize=BLOCK_BYTES) as tar:
            for name in sorted(files):
                with files[name].open("rb") as file:
                    tar.addfile(_member(name, files[name].stat().st_size), file)
    return Written(inner.digest.hexdigest(), outer.digest.hexdigest(), outer.size_bytes)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, MODE, 0
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


@dataclass(frozen=True)
class Member:
    """A regular file of an archive: its name, safe below any folder, and its size in bytes."""

    name: str
    size: int


def read(path: Path) -> dict[str, bytes]:
    """Name -> content of all regular files of a small tar.gz, at most `MOST_IN_MEMORY_BYTES` together.

    Raises ArchiveRefused as `members` does.
    """
    files: dict[str, bytes] = {}
    total = 0
    for member, content in members(path):
        total += member.size
        if total > MOST_IN_MEMORY_BYTES:
            raise ArchiveRefused(f"{path}: more than {MOST_IN_MEMORY_BYTES} bytes, too much to read at once")
        files[member.name] = content.read()
    return files


def members(path: Path) -> Iterator[tuple[Member, IO[bytes]]]:
    """Yield each regular file of a tar.gz with its content, to be read before the next one is asked for.

    Nothing is extracted. Raises ArchiveRefused for a link, a device, a name that leaves the archive or comes twice,
    and for more members, bytes or compression than any model needs.
    """
    compressed = max(1, path.stat().st_size)
    seen: set[str] = set()
    total = 0
    try:
        with (
            _inflated(path) as gzip,
            tarfile.open(fileobj=_Bounded(gzip, path, compressed), mode="r|", tarinfo=_ModestHeader) as tar,
        ):
            for member in tar:
                if member.isdir():
                    continue
                name = _safe_name(path, member)
                if name in seen:
                    raise ArchiveRefused(f"{path}: {name!r} is there twice")
                seen.add(name)
                total += member.size
                if len(seen) > MOST_MEMBERS:
                    raise ArchiveRefused(f"{path}: more than {MOST_MEMBERS} members")
                if total > MOST_BYTES:
                    raise ArchiveRefused(f"{path}: more than {MOST_BYTES} bytes")
                content = tar.extractfile(member)
                if content is None:
                    raise ArchiveRefused(f"{path}: {name!r} has no content")
                yield Member(name, member.size), content
    except _UNREADABLE as error:
        raise ArchiveRefused(f"{path}: not a readable tar.gz: {error}") from error


def _safe_name(path: Path, member: tarfile.TarInfo) -> str:
    if not member.isreg() or member.issparse():
        raise ArchiveRefused(f"{path}: {member.name!r} is a link, device or sparse file; only regular files are read")
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not name.parts or "\\" in member.name:
        raise ArchiveRefused(f"{path}: {member.name!r} points outside the archive")
    return str(name)


class _ModestHeader(tarfile.TarInfo):
    """Refuses long headers before tarfile reads them into memory (`_proc_member` is where it lets subclasses in)."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADER_TYPES and self.size > MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {self.size} bytes, where {MOST_HEADER_BYTES} are plenty")
        checked: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return checked


class _Bounded(io.RawIOBase):
    """Stops a stream that inflates beyond reason, headers and skipped members included."""

    def __init__(self, source: IO[bytes], path: Path, compressed_bytes: int) -> None:
        self.source = source
        self.path = path
        self.left = min(MOST_BYTES, MOST_RATIO * compressed_bytes + BLOCK_BYTES)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.source.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ArchiveRefused(f"{self.path}: inflates more than {MOST_RATIO} times")
        return data
