"""The customer metadata that a model package carries, key by key, in the characters SageMaker allows.

SageMaker takes letters, digits, spaces and `_.:/=+-@` in keys (at most 128 characters) and values (1-256). Metrics are
therefore `name=value` pairs with spaces between them, not JSON; free text (reasons) is brought into form by `text`.
Source: CreateModelPackage, CustomerMetadataProperties.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_package.lock import ModelLock

SCHEMA = "understudy.schema"
ARTIFACT_DIGEST = "understudy.artifact_digest"
OBJECT_SHA256 = "understudy.object_sha256"
OBJECT_VERSION_ID = "understudy.object_version_id"
IMAGE_DIGEST = "understudy.image_digest"
"""`sha256:…` of the image it was registered with."""
ENVIRONMENT_DIGEST = "understudy.environment_digest"
"""`digest_of_environment` of its container's variables; absent for versions of releases that did not compare them."""
IMAGE_CONTEXT = "understudy.image_context"
"""Digest of a custom image's build context, which is its tag; absent for AWS's images."""
IMAGE_PROCESSOR = "understudy.image_processor"
"""Kind of processor that the image is for (`model_package.processors`); absent where its name does not say."""
GIT_COMMIT = "understudy.git_commit"
TRAINING_JOB = "understudy.training_job"
AUTHOR = "understudy.author"
METRICS = "understudy.metrics"
EVIDENCE_DIGEST = "understudy.evidence_digest"
APPROVED_BY = "understudy.approved_by"
APPROVED_BESIDE = "understudy.approved_beside"
"""The newest version of the group when this one was approved: a newer candidate than that ends the approval."""
OVERRIDE_REASON = "understudy.override_reason"
QUARANTINED_REASON = "understudy.quarantined_reason"

RELEASE_KEYS = frozenset({EVIDENCE_DIGEST, APPROVED_BY, APPROVED_BESIDE, OVERRIDE_REASON, QUARANTINED_REASON})
"""Written by releases, after the registration; the rest is registered with the version."""

SCHEMA_VERSION = "1"
"""Version of these keys and their forms."""

MOST_CHARACTERS = 256


def text(words: str) -> str:
    """`words` as a metadata value: other characters become spaces, and what does not fit is cut. Never empty."""
    allowed = re.sub(r"[^\w.:/=+@-]+", " ", words).strip()
    return allowed[:MOST_CHARACTERS].strip() or "-"


def encode_metrics(metrics: Mapping[str, float]) -> str:
    """`validation:accuracy=0.97 validation:logloss=0.1`, sorted; whole pairs only, as many as fit."""
    line = ""
    for name, value in sorted(metrics.items()):
        longer = f"{line} {text(name).replace(' ', '_')}={value:.6g}".strip()
        if len(longer) > MOST_CHARACTERS:
            break
        line = longer
    return line


def decode_metrics(value: str) -> dict[str, float]:
    """The metrics in `encode_metrics`' form. Raises ValueError for another form."""
    pairs = (pair.rpartition("=") for pair in value.split())
    return {name: float(number) for name, _, number in pairs}


def digest_of_image(uri: str) -> str:
    """`sha256:…` of an image that is named by digest; empty where it is named by a tag."""
    _, separator, digest = uri.rpartition("@sha256:")
    return f"sha256:{digest}" if separator else ""


def digest_of_environment(environment: Mapping[str, str]) -> str:
    """64 hex digits that are the same for the same variables, in whatever order."""
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()


def of_registration(lock: ModelLock, artifact_digest: str, object_sha256: str, git_commit: str) -> dict[str, str]:
    """The metadata a version is registered with; keys without a value are left out."""
    values = {
        SCHEMA: SCHEMA_VERSION,
        ARTIFACT_DIGEST: artifact_digest,
        OBJECT_SHA256: object_sha256,
        GIT_COMMIT: git_commit,
        TRAINING_JOB: lock.training_job,
        AUTHOR: lock.author,
        METRICS: encode_metrics(lock.metrics),
    }
    return {key: text(value) for key, value in values.items() if value}
