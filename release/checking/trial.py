"""A use case trained on its own few rows and served: what its tests stand on."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_package import archives, packaging
from model_package.manifest import Manifest, load_manifest
from release.checking import model, serving


@dataclass(frozen=True)
class Trial:
    """A use case on this machine: what it says of itself, its model, and the server that runs its package."""

    manifest: Manifest
    model: model.Model
    server: serving.Server


@contextlib.contextmanager
def served(use_case: Path) -> Iterator[Trial]:
    """Train on `tests/data`, package, serve; stopped and removed in the end. Raises TrainingFailed, NotHealthy."""
    manifest = load_manifest(use_case)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        channels = sorted(path for path in (use_case / model.DATA).iterdir() if path.is_dir())
        trained = model.train(use_case, manifest, channels, scratch)
        unpacked = unpack(use_case, manifest, trained, scratch)[1]
        with serving.serve(unpacked, packaging.environment(manifest)) as server:
            server.await_healthy()
            yield Trial(manifest, trained, server)


def unpack(use_case: Path, manifest: Manifest, found: model.Model, scratch: Path) -> tuple[packaging.Artifact, Path]:
    """Package a use case with a model and unpack it again, as SageMaker does. Raises PackagingFailed."""
    files = {found.name: found.path, **packaging.code_files(use_case, manifest)}
    artifact = packaging.pack(files, scratch / "packages")
    archives.unpack(artifact.path, scratch / "unpacked")
    return artifact, scratch / "unpacked"
