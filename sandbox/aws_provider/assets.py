"""The content of assets and archives."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.aws_provider.errors import ProviderError
from sandbox.aws_provider.values import ARCHIVE, SIGNATURE

_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's earliest time: equal content gives equal bytes


def content(asset: Mapping[str, Any], directory: str | None) -> bytes:
    """The bytes of an asset, or of an archive as a zip file; raises ProviderError if a file is not there."""
    if asset.get(SIGNATURE) == ARCHIVE:
        return _archive(asset, directory)
    if "text" in asset:
        return str(asset["text"]).encode()
    return _file(asset, directory).read_bytes()


def digest(asset: Mapping[str, Any], directory: str | None) -> str:
    """Base64 SHA-256 of the content: what Lambda calls CodeSha256."""
    return base64.b64encode(hashlib.sha256(content(asset, directory)).digest()).decode()


def _archive(archive: Mapping[str, Any], directory: str | None) -> bytes:
    if "path" in archive or "uri" in archive:
        path = _file(archive, directory, folder=True)
        if path.is_file():
            if not zipfile.is_zipfile(path):
                raise ProviderError(f"archive {path} is not a zip file")
            return path.read_bytes()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in sorted(_members(archive, directory)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, data)
    return target.getvalue()


def _members(archive: Mapping[str, Any], directory: str | None, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    if "path" in archive or "uri" in archive:
        root = _file(archive, directory, folder=True)
        if root.is_file():
            with zipfile.ZipFile(root) as zipped:
                for name in zipped.namelist():
                    if not name.endswith("/"):
                        yield prefix + name, zipped.read(name)
            return
        for path in sorted(root.rglob("*")):
            if path.is_file():
                yield prefix + path.relative_to(root).as_posix(), path.read_bytes()
        return
    for name, item in (archive.get("assets") or {}).items():
        if item.get(SIGNATURE) == ARCHIVE:
            yield from _members(item, directory, f"{prefix}{name}/")
        else:
            yield prefix + name, content(item, directory)


def _file(asset: Mapping[str, Any], directory: str | None, folder: bool = False) -> Path:
    if "path" not in asset:
        raise ProviderError("remote assets are not served by the sandbox's provider: use a file")
    path = Path(asset["path"])
    if not path.is_absolute() and directory:
        path = Path(directory) / path
    if not (path.is_file() or (folder and path.is_dir())):
        raise ProviderError(
            f"asset {asset['path']} is not there: relative paths start in {directory or Path.cwd()}; "
            "give an absolute path"
        )
    return path
