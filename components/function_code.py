"""Function zips, built from source at plan time: same sources, same bytes, so nothing updates for nothing."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pulumi

from components.errors import MistakeError

OUTPUT = Path(".understudy/functions")
LAYER_SOURCE = Path(".understudy/layers/functions")
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold; a file's own time would change the bytes with every checkout."""
FORMAT = b"1"
"""Part of a zip's digest: raise it when the way of writing changes."""


class LayerMissingError(MistakeError):
    """The functions' third-party code has not been installed yet."""


def function_archive(function: str, root: Path, use_case: Path | None = None) -> pulumi.FileArchive:
    """The zip of `functions/<function>` with `functions/common`; with a use case, its replay.py as use_case_replay.py.

    `root` is the project's folder. Archives have absolute paths: a provider that Pulumi is attached to runs elsewhere,
    and what the engine compares is their hash.
    """
    entries = dict(_package(root, function))
    name = function
    if use_case is not None:
        entries["use_case_replay.py"] = use_case / "replay.py"
        name = f"{function}-{use_case.name}"
    return pulumi.FileArchive(os.fspath(_write(root, name, entries)))


def layer_archive(root: Path) -> pulumi.FileArchive:
    """The zip of the layer that set-up installed. Raises LayerMissingError."""
    source = root / LAYER_SOURCE
    if not (source / "python").is_dir():
        raise LayerMissingError(
            f"{source / 'python'} is missing: the functions' libraries are not installed; run `make setup`"
        )
    entries = {path.relative_to(source).as_posix(): path for path in _files(source)}
    return pulumi.FileArchive(os.fspath(_write(root, "layer", entries)))


def _package(root: Path, function: str) -> Iterator[tuple[str, Path]]:
    functions = root / "functions"
    for folder in (functions / function, functions / "common"):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: there is no such function")
        for path in _files(folder):
            if path.suffix == ".py":
                yield path.relative_to(root).as_posix(), path
    yield "functions/__init__.py", functions / "__init__.py"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _write(root: Path, name: str, entries: dict[str, Path]) -> Path:
    """Write the zip in one move, only when its sources changed; returns its path.

    Compressing takes far longer than reading, so the zip carries its sources' digest as its comment.
    """
    contents = {entry: entries[entry].read_bytes() for entry in sorted(entries)}
    digest = _digest(contents)
    target = root.resolve() / OUTPUT / f"{name}.zip"
    if _comment(target) == digest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.comment = digest
        for entry, content in contents.items():
            info = zipfile.ZipInfo(entry, EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    partial.replace(target)
    return target


def _digest(contents: Mapping[str, bytes]) -> bytes:
    """SHA-256 (hex) of names and contents, and of the way they are written."""
    digest = hashlib.sha256(FORMAT)
    for entry, content in contents.items():
        digest.update(f"{entry}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest().encode()


def _comment(path: Path) -> bytes:
    """A zip's comment; nothing where there is no readable zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment
    except (FileNotFoundError, zipfile.BadZipFile):
        return b""
