"""Digests of files that have not changed, without reading them again.

A file's digest is remembered with what its file system says of it: size, time of modification, time of change, inode
and device. Whatever is written to a file, renamed over it or done to its attributes moves the time of change, which
the kernel sets and no call sets back; so equal signatures mean equal bytes, with two exceptions that are guarded or
named here. Two writes within one tick of a coarse clock look alike: a file that changed less than `SETTLED_SECONDS`
before it was read is not remembered, and read again next time. A clock that was set back, or a disk written below the
file system, can fool it; delete the cache after that. Whoever may write the cache can lie to it, as to all it holds.
Anything else, such as a record that is missing or damaged, means that the file is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model_package import artifacts

SETTLED_SECONDS = 2.0
"""The coarsest clock of a file system in use: FAT's. Linux's own tick every 10 ms at most."""


class Seen:
    """The digests of one folder's files and of what was made of them; kept in `cache`."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self._path = cache / "seen" / f"{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]}.json"
        self._before = self._read()
        self._now: dict[str, list[int | str]] = {}
        self._asked: dict[Path, list[int | str]] = {}
        self._looked_at = 0.0

    @property
    def empty(self) -> bool:
        """Whether nothing was read in this folder before."""
        return not self._before

    def look(self, files: Iterable[Path]) -> None:
        """Take note of what files are before their caller reads them, to `learn` their digests afterwards."""
        self._looked_at = time.time()
        self._asked |= {file: _signature(file) for file in files}

    def learn(self, file: Path, digest: str) -> None:
        """The digest of a file that was read since `look`."""
        self._keep(file, digest, self._looked_at)

    def digest(self, file: Path) -> str:
        """SHA-256 of a file, 64 lower-case hex digits; read only if it may have changed. Raises OSError."""
        return self.digests([file])[file]

    def digests(self, files: Iterable[Path]) -> dict[Path, str]:
        """The same of many files; those that must be read are read by as many threads as there are processors."""
        found: dict[Path, str] = {}
        unknown: list[Path] = []
        for file in files:
            signature = self._asked[file] = _signature(file)
            known = self._before.get(os.fspath(file))
            if known and known[:-1] == signature:
                self._now[os.fspath(file)] = known
                found[file] = str(known[-1])
            else:
                unknown.append(file)
        if unknown:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                found |= zip(unknown, pool.map(self._read_digest, unknown), strict=True)
        return found

    def _read_digest(self, file: Path) -> str:
        read_at = time.time()
        try:
            digest = artifacts.sha256_of(file)
        except OSError as error:
            error.filename = os.fspath(file)  # reading, unlike opening, does not tell it
            raise
        self._keep(file, digest, read_at)
        return digest

    def _keep(self, file: Path, digest: str, read_at: float) -> None:
        signature = _signature(file)
        if signature == self._asked[file] and file.stat().st_ctime < read_at - SETTLED_SECONDS:
            self._now[os.fspath(file)] = [*signature, digest]

    def remember(self, file: Path, digest: str) -> None:
        """Take a digest on trust: of a file that its caller has just written, where nobody else writes."""
        self._now[os.fspath(file)] = [*_signature(file), digest]

    def changed(self, files: Iterable[Path]) -> Path | None:
        """The first of some files that is not any more what it was when its digest was asked for."""
        return next((file for file in files if _signature_if_any(file) != self._asked[file]), None)

    def save(self) -> None:
        """Keep what is known now; files that were not asked about are forgotten."""
        if self._now != self._before:
            write_whole(self._path, json.dumps(self._now).encode())

    def _read(self) -> dict[str, list[int | str]]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _signature(file: Path) -> list[int | str]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]


def _signature_if_any(file: Path) -> list[int | str] | None:
    try:
        return _signature(file)
    except OSError:
        return None


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file in one move: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(content)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
