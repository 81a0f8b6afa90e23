"""Reading archives that strangers wrote.

A tar.gz is read as a stream: regular files and folders only, each check before the bytes it is about, memory bounded
by one block. Nothing is extracted but by `unpack`, which writes below its target only. A header's 512 bytes are decoded
by tarfile; what surrounds them is read here, because tarfile follows links, sparse maps and chains of headers that no
model archive needs, and takes a damaged header for the archive's end.

Format: https://www.gnu.org/software/tar/manual/html_node/Standard.html and POSIX pax.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from isal import igzip, isal_zlib

from model_package.errors import ArchiveRefused

MOST_MEMBERS = 10_000
"""Folders and the headers of long names count too."""

MOST_BYTES = 8 << 30
MOST_IN_MEMORY_BYTES = 512 << 20
MOST_RATIO = 200
"""Uncompressed over compressed bytes; gzip itself reaches 1,000 on zeros only."""

MOST_HEADER_BYTES = 8 << 10
"""Of a long name or of pax attributes: Linux ends paths at 4,096 bytes."""

MOST_PART_BYTES = 255
"""Of one part of a path, as file systems have it."""

BLOCK_BYTES = 1 << 20
_HEADER_BYTES = tarfile.BLOCKSIZE
_NO_HEADER = bytes(_HEADER_BYTES)

# isal's hints call its exception class an instance.
_UNREADABLE: tuple[type[Exception], ...] = (EOFError, igzip.BadGzipFile, cast(type[Exception], isal_zlib.error))


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


def unpack(path: Path, target: Path) -> None:
    """Write the regular files of a tar.gz below `target`, an empty folder. Raises ArchiveRefused as `members` does."""
    for member, content in members(path):
        file = target / member.name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as written:
            shutil.copyfileobj(content, written, BLOCK_BYTES)


def digest(path: Path) -> str:
    """SHA-256 of the uncompressed tar stream, an archive's identity. Raises ArchiveRefused."""
    found = hashlib.sha256()
    with _inflated(path) as gzip:
        stream = _Stream(gzip, path)
        while data := stream.read(BLOCK_BYTES):
            found.update(data)
    return found.hexdigest()


def members(path: Path) -> Iterator[tuple[Member, IO[bytes]]]:
    """Yield each regular file of a tar.gz with its content, to be read before the next one is asked for.

    Raises ArchiveRefused, also out of a content's `read`: for a link, a device, a name that leaves the archive or is
    taken, for more members, bytes or compression than any model needs, and for an archive that is damaged, cut off or
    followed by something else.
    """
    with _inflated(path) as gzip:
        stream = _Stream(gzip, path)
        names = Names()
        attributes: dict[str, str] = {}
        for count, header in enumerate(_headers(stream), start=1):
            if count > MOST_MEMBERS:
                raise ArchiveRefused(f"{path}: more than {MOST_MEMBERS} members")
            if header.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
                attributes |= _attributes(stream, header)
                continue
            try:
                name = names.take(attributes.get("path", header.name), folder=header.isdir())
            except ValueError as error:
                raise ArchiveRefused(f"{path}: {error}") from None
            size = _size(path, name, attributes.get("size", str(header.size)))
            attributes = {}
            if header.isdir():
                continue
            content = _Content(stream, size)
            yield Member(name, size), cast(IO[bytes], content)
            stream.skip(content.left + -size % _HEADER_BYTES)


def _inflated(path: Path) -> IO[bytes]:
    gzip: Any = igzip.IGzipFile
    return cast(IO[bytes], gzip(filename=str(path), mode="rb"))


def _headers(stream: _Stream) -> Iterator[tarfile.TarInfo]:
    """Yield header after header; the caller reads what belongs to one before it asks for the next."""
    while (block := stream.exactly(_HEADER_BYTES)) != _NO_HEADER:
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise ArchiveRefused(f"{stream.path}: not a readable tar.gz: {error}") from error
        if header.type not in (
            tarfile.REGTYPE,
            tarfile.AREGTYPE,
            tarfile.DIRTYPE,
            tarfile.XHDTYPE,
            tarfile.GNUTYPE_LONGNAME,
        ):
            raise ArchiveRefused(
                f"{stream.path}: {header.name!r} is a link, device or sparse file; only regular files are read"
            )
        yield header
    while rest := stream.read(BLOCK_BYTES):
        if rest.strip(b"\0"):
            raise ArchiveRefused(f"{stream.path}: something follows the archive's end")


def _attributes(stream: _Stream, header: tarfile.TarInfo) -> dict[str, str]:
    """What a GNU long name or a pax header says of the member after it."""
    if not 0 <= header.size <= MOST_HEADER_BYTES:
        raise ArchiveRefused(
            f"{stream.path}: a header of {header.size} bytes, where {MOST_HEADER_BYTES} are plenty for a name"
        )
    data = stream.exactly(header.size + -header.size % _HEADER_BYTES)[: header.size]
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    records: dict[str, str] = {}
    while data := data.lstrip(b"\0"):
        digits, _, _ = data.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 6 else 0
        record = data[len(digits) + 1 : length]
        key, equals, value = record[:-1].decode("utf-8", "surrogateescape").partition("=")
        if length > len(data) or not record.endswith(b"\n") or not equals:
            raise ArchiveRefused(f"{stream.path}: not a readable tar.gz: pax attributes that are none")
        if key.startswith("GNU.sparse") or key == "hdrcharset":
            raise ArchiveRefused(f"{stream.path}: a member is a link, device or sparse file ({key})")
        records[key] = value
        data = data[length:]
    return records


def _size(path: Path, name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ArchiveRefused(f"{path}: {name!r} has a size that is none: {text:.40}")
    if int(text) > MOST_BYTES:
        raise ArchiveRefused(f"{path}: more than {MOST_BYTES} bytes")
    return int(text)


class Names:
    """The names of an archive so far, in the form in which some file system confuses them: composed, without case."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, given: str, *, folder: bool = False) -> str:
        """The name as a safe relative path. Raises ValueError for one that is unsafe or taken."""
        path = PurePosixPath(given)
        if path.is_absolute() or ".." in path.parts or "\\" in given or not (path.parts or folder):
            raise ValueError(f"{given!r:.200} points outside the archive")
        if not given.isprintable() or any(len(part.encode()) > MOST_PART_BYTES for part in path.parts):
            raise ValueError(f"{given!r:.200} is no name for a file")
        own, parents = _canonical(path), {_canonical(parent) for parent in path.parents}
        if own in self._files or (not folder and own in self._folders) or self._files & parents:
            raise ValueError(f"{str(path)!r} is there twice")
        self._folders |= parents | ({own} if folder else set())
        if not folder:
            self._files.add(own)
        return str(path)


def _canonical(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())


class _Stream:
    """The inflated archive: bounded, and with errors that name the file."""

    def __init__(self, source: IO[bytes], path: Path) -> None:
        self._source = source
        self.path = path
        self._left = min(MOST_BYTES, MOST_RATIO * max(1, path.stat().st_size) + BLOCK_BYTES)

    def read(self, size: int) -> bytes:
        """At most `size` bytes, none at the end. Raises ArchiveRefused."""
        try:
            data = self._source.read(size)
        except _UNREADABLE as error:
            raise ArchiveRefused(f"{self.path}: not a readable tar.gz: {error}") from error
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveRefused(f"{self.path}: inflates more than {MOST_RATIO} times, or beyond {MOST_BYTES} bytes")
        return data

    def exactly(self, size: int) -> bytes:
        """`size` bytes, a few. Raises ArchiveRefused when the archive ends before."""
        data = b""
        while len(data) < size:
            more = self.read(size - len(data))
            if not more:
                raise ArchiveRefused(f"{self.path}: not a readable tar.gz: it is cut off")
            data += more
        return data

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.exactly(min(size, BLOCK_BYTES)))


class _Content(io.RawIOBase):
    """One member's bytes."""

    def __init__(self, stream: _Stream, size: int) -> None:
        self._stream = stream
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self.left, BLOCK_BYTES)
        data = self._stream.exactly(wanted)
        buffer[: len(data)] = data
        self.left -= len(data)
        return len(data)
