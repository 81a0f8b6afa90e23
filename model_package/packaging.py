"""A use case and its model as one deterministic `model.tar.gz`.

Layout, which is what AWS's framework images expect in script mode: the model file at the root, the script and
everything beside it under `code/`. Identity is the SHA-256 of the uncompressed tar stream: the same input has the same
digest on any machine, for any user, umask, time or file order.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from model_package import archives, artifacts
from model_package.errors import PackagingFailed
from model_package.lock import FILE_NAME as LOCK_FILE
from model_package.lock import ModelLock
from model_package.manifest import FILE_NAME as MANIFEST_FILE
from model_package.manifest import Manifest

FORMAT = 1
"""Part of the cache's key: raise it when the layout changes."""

NOT_SERVED = (MANIFEST_FILE, LOCK_FILE, "replay.py", "README*", "tests", "__pycache__", "*.pyc", ".*")
"""What a use case's folder holds that its container does not need; the training script and Dockerfile come on top."""


@dataclass(frozen=True)
class Artifact:
    """A built package: where it is, its identity, its object's SHA-256 and size."""

    path: Path
    digest: str
    object_sha256: str
    size_bytes: int


def build(use_case: Path, manifest: Manifest, lock: ModelLock, cache: Path) -> Artifact:
    """The package of a use case with the model that its lock file names; from `cache` if nothing changed.

    Raises PackagingFailed, ArtifactMissing, DigestMismatch.
    """
    files = code_files(use_case, manifest)
    key = _key(files, lock)
    index = cache / "packages" / f"{key}.json"
    if (known := _known(index, cache)) is not None:
        return known
    model = artifacts.fetch(lock.uri, lock.sha256, cache)
    artifact = _write({lock.file: model, **files}, cache)
    _replace(index, json.dumps({**asdict(artifact), "path": artifact.path.name}).encode())
    return artifact


def code_files(use_case: Path, manifest: Manifest) -> dict[str, Path]:
    """Name in the package -> file, for everything under `code/`."""
    entry_point = use_case / manifest.entry_point
    if not entry_point.is_file():
        raise PackagingFailed(f"{entry_point} does not exist: entryPoint of {use_case / MANIFEST_FILE} must name it")
    left_out = (*NOT_SERVED, manifest.training.entry_point, manifest.dockerfile or "Dockerfile")
    files: dict[str, Path] = {}
    for path in sorted(use_case.rglob("*")):
        relative = path.relative_to(use_case)
        names = [*relative.parts, relative.as_posix()]
        if any(fnmatch.fnmatch(name, pattern) for name in names for pattern in left_out):
            continue
        if path.is_symlink():
            raise PackagingFailed(f"{path} is a symbolic link: a package holds regular files only; copy the file")
        if path.is_file():
            files[f"code/{relative.as_posix()}"] = path
    return files


def environment(manifest: Manifest) -> dict[str, str]:
    """The container environment that makes AWS's images, and our server, run the script."""
    return {
        "SAGEMAKER_PROGRAM": manifest.entry_point,
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }


def _key(files: dict[str, Path], lock: ModelLock) -> str:
    """Digest of everything that decides the package's bytes, without fetching the model."""
    digest = hashlib.sha256(json.dumps([FORMAT, lock.file, lock.sha256]).encode())
    for name, path in sorted(files.items()):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PackagingFailed(f"{path} cannot be read: {error.strerror}") from error
        digest.update(json.dumps([name, hashlib.sha256(content).hexdigest()]).encode())
    return digest.hexdigest()


def _known(index: Path, cache: Path) -> Artifact | None:
    """The package that the index names, if it is there and still what it was."""
    if not index.is_file():
        return None
    values = json.loads(index.read_text())
    path = cache / values["digest"] / values.pop("path")
    if not path.is_file() or artifacts.sha256_of(path) != values["object_sha256"]:
        return None
    return Artifact(path=path, **values)


def _write(files: dict[str, Path], cache: Path) -> Artifact:
    cache.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=cache, prefix=".package-")
    try:
        with os.fdopen(handle, "wb") as target:
            written = archives.write(files, target)
        path = cache / written.digest / "model.tar.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return Artifact(path, written.digest, written.object_sha256, written.size_bytes)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".index-")
    with os.fdopen(handle, "wb") as target:
        target.write(content)
    Path(name).replace(path)
