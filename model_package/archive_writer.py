"""Writing archives that are the same bytes everywhere.

A tar stream is deterministic when its members are: sorted by name (code points, so no locale), names in Unicode's
composed form (macOS may hand them out decomposed), regular files only, no owner, no time, one mode. Compression is
isal's igzip at level 1, whose output depends on the input alone (level 3 varies with the CPU), in blocks of 1 MiB,
beside the thread that reads and digests: by one thread on two cores, by more on more. The blocks are the same for one
thread and for many.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import unicodedata
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from isal import igzip_threaded

from model_package.archives import BLOCK_BYTES, MOST_BYTES, MOST_MEMBERS, Names
from model_package.errors import PackagingFailed

MODE = 0o644
COMPRESSION_LEVEL = 1
MOST_THREADS = 4
"""One thread reads and digests at 1 GB/s or so, which four at most keep up with. It has a core of its own: a second
thread that compresses makes both cores of two slower."""


@dataclass(frozen=True)
class Written:
    """What an archive is: digest of the tar stream (its identity), digest and size of the compressed object."""

    digest: str
    object_sha256: str
    size_bytes: int


def write(
    files: Mapping[str, Path],
    target: IO[bytes],
    threads: int | None = None,
    contents: MutableMapping[Path, str] | None = None,
) -> Written:
    """A tar.gz of `files` (name in the archive -> file), the same bytes for the same names and contents.

    `contents`, where given, gets the SHA-256 of each file, which is then read once for both.
    Streamed: memory does not grow with the files. Raises PackagingFailed that names the file which cannot be read,
    changes meanwhile, or is one too many, and OSError for `target`.
    """
    named = _named(files)
    outer = _Digesting(target)
    with _compressed(outer, threads or min(MOST_THREADS, max(1, (os.cpu_count() or 1) - 1))) as gzip:
        inner = _Digesting(gzip)
        tar = _TarStream(inner)
        for name in sorted(named):
            _add(tar, name, named[name], contents)
        tar.end()
    return Written(inner.digest.hexdigest(), outer.digest.hexdigest(), outer.size_bytes)


def _named(files: Mapping[str, Path]) -> dict[str, Path]:
    """The files by the names they get. Raises PackagingFailed for what a reader of the archive would refuse."""
    if len(files) > MOST_MEMBERS:
        raise PackagingFailed(f"{len(files)} files are too many for a package: at most {MOST_MEMBERS}; leave some out")
    named: dict[str, Path] = {}
    names = Names()
    for given, path in sorted(files.items()):
        try:
            named[names.take(unicodedata.normalize("NFC", given))] = path
        except ValueError as error:
            raise PackagingFailed(f"{path!s:.300}: {error}, on some file system at least: rename it") from None
    return named


def _add(tar: _TarStream, name: str, path: Path, contents: MutableMapping[Path, str] | None) -> None:
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise unreadable(path, error) from error
    with file:
        member = _member(name, os.fstat(file.fileno()).st_size)
        if tar.size_bytes + member.size > MOST_BYTES:
            raise PackagingFailed(
                f"{path} is too big: with its {member.size} bytes the package passes {MOST_BYTES} bytes; leave data "
                "out that serving does not need"
            )
        digest = None if contents is None else hashlib.sha256()
        tar.write(member.tobuf(tarfile.PAX_FORMAT))
        left = member.size
        while left and (read := _read(file, path, tar.room[:left])):
            if digest:
                digest.update(tar.room[:read])
            tar.fill(read)
            left -= read
        tar.pad(tarfile.BLOCKSIZE)
        if left or _read(file, path, memoryview(bytearray(1))):
            raise PackagingFailed(f"{path} changed while it was packaged: package again")
    if contents is not None and digest is not None:
        contents[path] = digest.hexdigest()


def _read(file: io.FileIO, path: Path, into: memoryview) -> int:
    try:
        return file.readinto(into) or 0
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> PackagingFailed:
    """What a person is told about a file that cannot be read."""
    return PackagingFailed(f"{path} cannot be read: {error.strerror or error}; mend its rights, or remove it")


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, MODE, 0
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _compressed(target: io.RawIOBase, threads: int) -> IO[bytes]:
    # Neither file name nor time in the header: they would be this machine's. (isal has no type hints.)
    gzip: Any = igzip_threaded.open
    opened = gzip(target, "wb", compresslevel=COMPRESSION_LEVEL, threads=threads, block_size=BLOCK_BYTES)
    return cast(IO[bytes], opened)


class _Digesting(io.RawIOBase):
    """Passes what is written on to `target` and digests it."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target = target
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        self.digest.update(data)
        self.size_bytes += len(data)
        self.target.write(data)
        return len(data)


class _TarStream:
    """A tar stream in blocks of BLOCK_BYTES, into which files are read at once: tarfile, which makes the headers, would
    copy each byte four times."""

    def __init__(self, target: _Digesting) -> None:
        self._target = target
        self._block = memoryview(bytearray(BLOCK_BYTES))
        self._filled = self._flushed = 0

    @property
    def size_bytes(self) -> int:
        return self._flushed + self._filled

    @property
    def room(self) -> memoryview:
        """What is left of the block, to read into; `fill` says how far."""
        return self._block[self._filled :]

    def fill(self, size: int) -> None:
        self._filled += size
        if self._filled == BLOCK_BYTES:
            self.flush()

    def write(self, data: bytes) -> None:
        while data:
            part = data[: len(self.room)]
            self.room[: len(part)] = part
            self.fill(len(part))
            data = data[len(part) :]

    def pad(self, to: int) -> None:
        """Zeroes, up to a multiple of `to` bytes."""
        self.write(bytes(-self.size_bytes % to))

    def end(self) -> None:
        self.write(bytes(2 * tarfile.BLOCKSIZE))
        self.pad(tarfile.RECORDSIZE)
        self.flush()

    def flush(self) -> None:
        self._target.write(self._block[: self._filled])
        self._flushed += self._filled
        self._filled = 0
