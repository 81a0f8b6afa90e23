"""What can go wrong between a use case's folder and a deployable artifact.

ModelPackageError           everything below; its text says what, where and what to do
├── ManifestInvalid         package.yaml is missing, is not YAML, or breaks a rule
├── LockInvalid             model.lock.yaml is not YAML or breaks a rule
├── ArtifactMissing         nothing readable at a model file's URI
├── DigestMismatch          what is at the URI is not what the lock file says
├── PackagingFailed         a use case cannot be packaged (missing file, file too big)
└── ArchiveRefused          an archive that is unsafe to read
"""
# ruff: noqa: N818  (the names say what happened; they are a seam)

from __future__ import annotations


class ModelPackageError(Exception):
    """Base of all errors of this package."""


class ManifestInvalid(ModelPackageError):
    """`package.yaml` is missing or breaks a rule."""


class LockInvalid(ModelPackageError):
    """`model.lock.yaml` breaks a rule."""


class ArtifactMissing(ModelPackageError):
    """Nothing readable at the URI."""


class DigestMismatch(ModelPackageError):
    """The bytes at the URI are not the bytes that were asked for."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__(
            f"{uri}: the SHA-256 is {found}, expected {expected}. The object was overwritten or the lock file is of "
            "another model: train again, or restore the object."
        )
        self.expected = expected
        self.found = found


class PackagingFailed(ModelPackageError):
    """A use case cannot be packaged."""


class ArchiveRefused(ModelPackageError):
    """An archive is unsafe to read."""
