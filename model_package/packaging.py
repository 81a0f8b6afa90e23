"""A use case and its model as one deterministic `model.tar.gz`.

Layout, which is what AWS's framework images expect in script mode: the model file at the root, the script and
everything beside it under `code/`. Identity is the SHA-256 of the uncompressed tar stream: the same input has the same
digest on any machine, for any user, umask, time or file order.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from model_package import archive_writer, artifacts, pickles
from model_package.errors import PackagingFailed
from model_package.lock import FILE_NAME as LOCK_FILE
from model_package.lock import ModelLock
from model_package.manifest import FILE_NAME as MANIFEST_FILE
from model_package.manifest import Manifest
from model_package.seen import Seen, write_whole

FORMAT = 2
"""Part of the cache's key: raise it when the layout, the compression or the index changes."""

PARTIAL = ".package-"

NOT_SERVED = (MANIFEST_FILE, LOCK_FILE, "replay.py", "README*", "tests", "__pycache__", "*.pyc", ".*")
"""What a use case's folder holds that its container does not need; the training script and Dockerfile come on top."""

ABANDONED_SECONDS = 24 * 3600
"""A half-written package this old is of a process that was killed."""


@dataclass(frozen=True)
class Artifact:
    """A built package: where it is, its identity, its object's SHA-256 and size, and the pickles in it, in words."""

    path: Path
    digest: str
    object_sha256: str
    size_bytes: int
    pickles: tuple[str, ...] = ()


def build(use_case: Path, manifest: Manifest, lock: ModelLock, cache: Path) -> Artifact:
    """The package of a use case with the model that its lock file names; from `cache` if nothing changed.

    What has not changed since it was read last is not read again (`model_package.seen`).
    Raises PackagingFailed, ArtifactMissing, DigestMismatch.
    """
    seen = Seen(use_case, cache)
    files = code_files(use_case, manifest)
    contents: dict[Path, str] = {}
    artifact = None
    with _reading():
        if seen.empty:
            seen.look(files.values())  # nothing to compare with: the files are digested while they are packed
        else:
            contents = seen.digests(files.values())
            artifact = _known(_index(cache, files, lock, contents), cache, seen)
    if artifact is None:
        model = artifacts.fetch(lock.uri, lock.sha256, cache)
        artifact = pack({lock.file: model, **files}, cache, None if contents else contents)
        if changed := seen.changed(files.values()):
            raise PackagingFailed(f"{changed} changed while it was packaged: package again")
        if seen.empty:
            for path in files.values():
                seen.learn(path, contents[path])
        seen.remember(artifact.path, artifact.object_sha256)
        with _writing(cache):
            index = _index(cache, files, lock, contents)
            write_whole(index, json.dumps({**asdict(artifact), "path": artifact.path.name}).encode())
    with _writing(cache):
        seen.save()
    return artifact


def pack(files: dict[str, Path], folder: Path, contents: dict[Path, str] | None = None) -> Artifact:
    """Write the package of `files` (name in it -> file) to `folder/<digest>/model.tar.gz`, in one move.

    `contents`, where given, gets each file's SHA-256. Raises PackagingFailed; whatever happens, no half package is
    left under that name.
    """
    with _writing(folder), ThreadPoolExecutor(1) as beside:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        handle, name = tempfile.mkstemp(dir=folder, prefix=PARTIAL)
        looking = beside.submit(_pickles, files)
        try:
            with os.fdopen(handle, "wb") as target:
                written = archive_writer.write(files, target, contents=contents)
            path = folder / written.digest / "model.tar.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    return Artifact(path, written.digest, written.object_sha256, written.size_bytes, looking.result())


def _pickles(files: dict[str, Path]) -> tuple[str, ...]:
    return tuple(str(pickle) for member, file in sorted(files.items()) for pickle in pickles.in_file(member, file))


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """What the system says of reading a file of the use case, for a person."""
    try:
        yield
    except OSError as error:
        raise archive_writer.unreadable(Path(error.filename), error) from error


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the system says of writing below `folder`, for a person."""
    try:
        yield
    except OSError as error:
        raise PackagingFailed(
            f"{folder}: the package cannot be written: {error.strerror or error}; make room there, or mend its rights"
        ) from error


def _remove_abandoned(folder: Path) -> None:
    for left in folder.glob(f"{PARTIAL}*"):
        with contextlib.suppress(FileNotFoundError):  # another build may be as tidy
            if left.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                left.unlink()


def code_files(use_case: Path, manifest: Manifest) -> dict[str, Path]:
    """Name in the package -> file, for everything under `code/`."""
    entry_point = use_case / manifest.entry_point
    if not entry_point.is_file():
        raise PackagingFailed(f"{entry_point} does not exist: entryPoint of {use_case / MANIFEST_FILE} must name it")
    patterns = (*NOT_SERVED, manifest.training.entry_point, manifest.dockerfile or "Dockerfile")
    left_out = re.compile("|".join(map(fnmatch.translate, patterns))).match
    files: dict[str, Path] = {}
    for path in sorted(use_case.rglob("*")):
        relative = path.relative_to(use_case)
        names = [*relative.parts, relative.as_posix()]
        if any(map(left_out, names)):
            continue
        if path.is_symlink():
            raise PackagingFailed(f"{path} is a symbolic link: a package holds regular files only; copy the file")
        if path.is_file():
            files[f"code/{relative.as_posix()}"] = path
        elif not path.is_dir():
            raise PackagingFailed(f"{path} is neither a file nor a folder: remove it")
    return files


SUBMIT_DIRECTORY = "/opt/ml/model/code"


def environment(manifest: Manifest) -> dict[str, str]:
    """The container environment that makes AWS's images, and our server, run the script.

    The same two for the XGBoost, scikit-learn and PyTorch images: all three import SAGEMAKER_PROGRAM from the folder
    that the second names, after they have installed its requirements.txt (sagemaker-containers, sagemaker-inference).
    """
    return {
        "SAGEMAKER_PROGRAM": manifest.entry_point,
        "SAGEMAKER_SUBMIT_DIRECTORY": SUBMIT_DIRECTORY,
    }


def names_only_a_script(environment: Mapping[str, str]) -> bool:
    """Whether the variables do no more than choose which script of the artifact is served, as `environment`'s do.

    The directory may be a URI elsewhere, for AWS's images, and any other variable may change what a process does.
    """
    return set(environment) <= {"SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"} and (
        environment.get("SAGEMAKER_SUBMIT_DIRECTORY", SUBMIT_DIRECTORY) == SUBMIT_DIRECTORY
    )


def _index(cache: Path, files: dict[str, Path], lock: ModelLock, contents: dict[Path, str]) -> Path:
    """Where it stands what was built of everything that decides the package's bytes; no model is fetched for it."""
    digest = hashlib.sha256(json.dumps([FORMAT, lock.file, lock.sha256]).encode())
    for name, path in sorted(files.items()):
        digest.update(json.dumps([name, contents[path]]).encode())
    return cache / "packages" / f"{digest.hexdigest()}.json"


def _known(index: Path, cache: Path, seen: Seen) -> Artifact | None:
    """The package that the index names, if it is there and still what it was."""
    try:
        values = json.loads(index.read_bytes())
        path = cache / values["digest"] / values.pop("path")
        artifact = Artifact(path=path, **{**values, "pickles": tuple(values["pickles"])})
        return artifact if seen.digest(path) == artifact.object_sha256 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no index, one that was damaged, or one of a package that is gone: it is built again
