"""Model files by digest: fetched from S3 once, verified always, kept in a cache that cannot lie.

The cache holds `<sha256>/<file name>`; a file appears there in one move, after its digest was checked.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from model_package.errors import ArtifactMissing, DigestMismatch

CACHE = Path(".understudy/artifacts")
"""Below the project's root."""

CHUNK_BYTES = 1 << 20


def fetch(uri: str, sha256: str, cache: Path) -> Path:
    """The file at `uri` (s3://bucket/key), whose SHA-256 is `sha256`, in `cache`.

    Streamed, so that memory stays flat; a cached file is verified again, and fetched anew if it was tampered with.
    Raises ArtifactMissing (nothing readable there) and DigestMismatch (something else there).
    """
    _, key = _location(uri)
    path = cache / sha256 / key.rpartition("/")[2]
    if path.is_file() and sha256_of(path) == sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".fetch-")
    try:
        with os.fdopen(handle, "wb") as partial:
            found = download(uri, partial)
        if found != sha256:
            raise DigestMismatch(uri, expected=sha256, found=found)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return path


def _location(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    key = parts.path.lstrip("/")
    if parts.scheme != "s3" or not parts.netloc or not key or key.endswith("/"):
        raise ArtifactMissing(f"{uri}: expected s3://<bucket>/<key>")
    return parts.netloc, key


def download(uri: str, target: IO[bytes]) -> str:
    """Copy the object at `uri` to `target`; its SHA-256. Raises ArtifactMissing."""
    # Every preview imports this module, and hardly any fetches.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = _location(uri)
    digest = hashlib.sha256()
    try:
        body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        for chunk in body.iter_chunks(CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchKey", "NoSuchBucket", "404"):
            advice = "it was deleted or never uploaded; train again, or restore the object"
        else:
            advice = "the identity in use may not read it"
        raise ArtifactMissing(f"{uri}: {code}: {advice}") from error
    except BotoCoreError as error:
        raise ArtifactMissing(f"{uri}: cannot be read: {error}") from error
    except OSError as error:
        raise ArtifactMissing(
            f"{uri}: cannot be kept in the cache: {error.strerror or error}; make room there, or mend its rights"
        ) from error
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 lower-case hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
