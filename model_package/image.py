"""The build context of a custom image: exactly what goes into it, the same bytes everywhere.

The context keeps the project's layout, so that the Dockerfile is the same for a build by hand
(`docker build -f use_cases/<name>/Dockerfile .` from the project's root) and for the one in CodeBuild. It holds

- the use case's Dockerfile and, where there is one, its requirements.txt, under `use_cases/<name>/`,
- `requirements/serving.txt`, hashed, which the model server needs,
- the model server's sources, `model_package/__init__.py` and `model_package/server/`.

The model and its script are not in the image: they come with the artifact. The context's digest is the image's tag.
It says what the image was built from, not what came out: a base image's tag and an index of packages may answer
otherwise tomorrow. What came out has a digest of its own, and that is what a version is registered with.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from model_package import archive_writer
from model_package.errors import PackagingFailed
from model_package.manifest import FILE_NAME as MANIFEST_FILE
from model_package.manifest import Manifest

PROJECT = Path(__file__).resolve().parents[1]
SERVER = ("model_package/__init__.py", "model_package/server/*.py")


@dataclass(frozen=True)
class BuildContext:
    """A tar.gz of the context: where it is, the SHA-256 of its tar stream, and the Dockerfile's path in it."""

    path: Path
    digest: str
    dockerfile: str


def build_context(use_case: Path, manifest: Manifest, cache: Path) -> BuildContext | None:
    """The build context of a use case, in `cache`; None where the manifest names no Dockerfile.

    Raises PackagingFailed for a file that is missing, is a link, or cannot be read.
    """
    if manifest.dockerfile is None:
        return None
    content = io.BytesIO()
    try:
        written = archive_writer.write(context_files(use_case, manifest.dockerfile), content)
    except OSError as error:
        raise PackagingFailed(f"{error.filename} cannot be read: {error.strerror}") from error
    path = cache / "contexts" / written.digest / "context.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content.getvalue())
    partial.replace(path)
    return BuildContext(path, written.digest, f"use_cases/{use_case.name}/{manifest.dockerfile}")


def context_files(use_case: Path, dockerfile: str) -> dict[str, Path]:
    """Name in the context -> file. Raises PackagingFailed."""
    folder = f"use_cases/{use_case.name}"
    if not (use_case / dockerfile).is_file():
        raise PackagingFailed(
            f"{use_case / dockerfile} does not exist: dockerfile of {use_case / MANIFEST_FILE} must name it"
        )
    files = {f"{folder}/{dockerfile}": use_case / dockerfile}
    if (use_case / "requirements.txt").exists():
        files[f"{folder}/requirements.txt"] = use_case / "requirements.txt"
    server = [path for pattern in SERVER for path in PROJECT.glob(pattern)]
    for path in (PROJECT / "requirements" / "serving.txt", *server):
        files[path.relative_to(PROJECT).as_posix()] = path
    for path in files.values():
        if path.is_symlink():
            raise PackagingFailed(f"{path} is a symbolic link: a build context holds regular files only; copy the file")
    return files
