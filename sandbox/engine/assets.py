"""Content hashes of assets and archives, as Pulumi computes them: they decide whether content changed.

A text or file counts by its SHA-256; an archive file too. A folder, or an archive made of assets, counts by the
SHA-256 of the tar of its files: names sorted, mode 0600, no times. Source: sdk/go/common/resource/archive in
pulumi/pulumi; held against a recorded hash.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

from sandbox.engine.errors import EngineError, RefusedError
from sandbox.engine.values import ARCHIVE_SIG, ASSET_SIG, DESCEND, SIG, Value, rebuilt

_ARCHIVE_ENDINGS = (".tar", ".tgz", ".tar.gz", ".zip", ".jar")
_BLOCK = 512


def hashed(value: Value, folder: Path) -> Value:
    """The value with every asset and archive in it hashed; relative paths are below `folder`."""

    def visit(v: Value) -> Value:
        sig = v.get(SIG) if isinstance(v, dict) else None
        if sig == ASSET_SIG:
            return {**v, "hash": hashlib.sha256(_content(v, folder)).hexdigest()}
        if sig == ARCHIVE_SIG:
            inner = {k: hashed(x, folder) for k, x in v.items()}
            return {**inner, "hash": _archive_hash(inner, folder)}
        return DESCEND

    return rebuilt(value, visit)


def _content(asset: dict[str, Value], folder: Path) -> bytes:
    if "text" in asset:
        return str(asset["text"]).encode()
    if "path" not in asset:
        raise RefusedError("remote assets")
    return _bytes(folder / asset["path"])


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise EngineError(f"failed to compute asset hash: {path}: {e.strerror}") from e


def _archive_hash(archive: dict[str, Value], folder: Path) -> str:
    path = archive.get("path")
    if path and str(path).endswith(_ARCHIVE_ENDINGS):
        return hashlib.sha256(_bytes(folder / path)).hexdigest()
    digest = hashlib.sha256()
    seen: set[str] = set()
    for name, content in _members(archive, folder):
        if name not in seen:
            seen.add(name)
            digest.update(_header(name, len(content)) + content + bytes(-len(content) % _BLOCK))
    digest.update(bytes(2 * _BLOCK))
    return digest.hexdigest()


def _members(archive: dict[str, Value], folder: Path) -> Iterator[tuple[str, bytes]]:
    if path := archive.get("path"):
        yield from _files(folder / path)
        return
    if "uri" in archive:
        raise RefusedError("remote archives")
    for name, member in sorted((archive.get("assets") or {}).items()):
        if member.get(SIG) == ASSET_SIG:
            yield name, _content(member, folder)
        elif str(member.get("path", "")).endswith(_ARCHIVE_ENDINGS):
            raise RefusedError("an archive file inside an archive of assets")
        else:
            for inner, content in _members(member, folder):
                yield f"{name}/{inner}", content


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder in lexical order, folders and files mixed, `.pulumi` and linked folders left out."""
    if not root.is_dir():
        raise EngineError(f"'{root}' is neither a recognized archive type nor a directory")
    for path in sorted(root.rglob("*"), key=lambda p: p.parts):
        below = path.relative_to(root)
        if path.is_file() and ".pulumi" not in below.parts:
            yield below.as_posix(), _bytes(path)


def _header(name: str, size: int) -> bytes:
    """A tar header as Go writes it: unlike Python's, with zeroes for the device numbers."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[329:345] = b"0000000\0" * 2
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)
