"""What can go wrong between a use case's folder and a deployable artifact.

ModelPackageError           everything below; its text says what, where and what to do
├── ManifestInvalid         package.yaml is missing, is not YAML, or breaks a rule
├── LockInvalid             model.lock.yaml is not YAML or breaks a rule
├── ArtifactMissing         nothing readable at a model file's URI
├── DigestMismatch          what is at the URI is not what the lock file says
├── PackagingFailed         a use case cannot be packaged (missing file, file too big)
├── ArchiveRefused          an archive that is unsafe to read
├── ImageRefused            an image that SageMaker would not run, or that is not the registered one
├── SigningKeyMissing       versions are to be signed, and the key is not there or is not the right one
└── SignatureRefused        a version's signature is missing, by another key, or over something else
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


class ImageRefused(ModelPackageError):
    """An image is not in ECR, in another region, or not the registered one."""


class SigningKeyMissing(ModelPackageError):
    """There is no usable key to sign with."""


class SignatureRefused(ModelPackageError):
    """A signature does not say that this version is what the key's owner registered."""
