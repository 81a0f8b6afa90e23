"""`model.lock.yaml`: where the trained model is, so that git says which model a commit means.

`understudy train` writes it and a person commits it. A use case without one has no model yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from model_package import documents
from model_package.documents import Document
from model_package.errors import LockInvalid
from model_package.manifest import HyperparameterValue

FILE_NAME = "model.lock.yaml"


class ModelLock(Document):
    """A trained model file, by location and digest, and how it came to be."""

    schema_version: Literal[1] = Field(default=1, alias="schema", description="Version of this format: 1.")
    uri: str = Field(pattern=r"^s3://[a-z0-9.-]{3,63}/.+$", description="s3://bucket/key of the model file.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the model file, 64 lower-case hex digits.")
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="The model file's name in the package.")
    image: str = Field(
        pattern=r"^\S+$", max_length=255, description="Image that serves it; for a Dockerfile, trained it."
    )
    training_job: str = Field(description="Name of the training job.")
    training_job_arn: str = Field(pattern=r"^arn:aws[a-z-]*:sagemaker:", description="ARN of the training job.")
    author: str = Field(pattern=r"^arn:aws[a-z-]*:", description="ARN of the identity that trained it.")
    metrics: dict[str, float] = Field(default_factory=dict, description="What the training job reported, by name.")
    hyperparameters: dict[str, HyperparameterValue] = Field(default_factory=dict, description="As they were given.")


def load_lock(use_case: Path) -> ModelLock | None:
    """The lock of a use case's folder, None where there is none yet. Raises LockInvalid."""
    path = use_case / FILE_NAME
    return documents.read(path, ModelLock, LockInvalid) if path.exists() else None


def write_lock(use_case: Path, lock: ModelLock) -> Path:
    """Write `model.lock.yaml` in one move (a reader sees the old or the new file), and return its path."""
    path = use_case / FILE_NAME
    text = yaml.safe_dump(lock.model_dump(mode="json", by_alias=True), sort_keys=False, width=120)
    partial = path.with_suffix(".partial")
    partial.write_text(
        "# Written by `understudy train`; commit it. Where the trained model is, and its digest.\n" + text
    )
    partial.replace(path)
    return path
