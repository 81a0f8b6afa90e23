"""Fetching model files by digest: verified, cached, atomic."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from model_package import artifacts
from model_package.errors import ArtifactMissing, DigestMismatch

CONTENT = b"model" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
URI = "s3://training/models/tumor_triage/model.ubj"


class Bucket:
    """S3 with one object, which counts how often it is read."""

    def __init__(self, content: bytes | None = CONTENT, code: str = "NoSuchKey") -> None:
        self.content, self.code, self.reads = content, code, 0

    def client(self, service: str) -> Bucket:
        assert service == "s3"
        return self

    def get_object(self, **request: str) -> dict[str, Any]:
        assert request == {"Bucket": "training", "Key": "models/tumor_triage/model.ubj"}
        self.reads += 1
        if self.content is None:
            raise ClientError({"Error": {"Code": self.code, "Message": "…"}}, "GetObject")
        return {"Body": StreamingBody(io.BytesIO(self.content), len(self.content))}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket()
    monkeypatch.setattr(boto3, "client", bucket.client)
    return bucket


def files(cache: Path) -> list[str]:
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())


def test_a_file_is_fetched_once_and_kept_by_its_digest(bucket: Bucket, tmp_path: Path) -> None:
    path = artifacts.fetch(URI, DIGEST, tmp_path)
    assert path == tmp_path / DIGEST / "model.ubj"
    assert path.read_bytes() == CONTENT
    assert artifacts.fetch(URI, DIGEST, tmp_path) == path
    assert bucket.reads == 1
    assert files(tmp_path) == [f"{DIGEST}/model.ubj"]


def test_a_cached_file_that_was_changed_is_fetched_again(bucket: Bucket, tmp_path: Path) -> None:
    path = artifacts.fetch(URI, DIGEST, tmp_path)
    path.write_bytes(b"tampered")
    assert artifacts.fetch(URI, DIGEST, tmp_path).read_bytes() == CONTENT
    assert bucket.reads == 2


def test_another_object_is_refused_with_both_digests(bucket: Bucket, tmp_path: Path) -> None:
    bucket.content = b"another model"
    found = hashlib.sha256(b"another model").hexdigest()
    with pytest.raises(DigestMismatch, match=f"{URI}: the SHA-256 is {found}, expected {DIGEST}") as caught:
        artifacts.fetch(URI, DIGEST, tmp_path)
    assert (caught.value.expected, caught.value.found) == (DIGEST, found)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "advice"),
    [("NoSuchKey", "deleted or never uploaded"), ("AccessDenied", "the identity in use may not read it")],
)
def test_a_missing_object_is_named_with_what_to_do(bucket: Bucket, tmp_path: Path, code: str, advice: str) -> None:
    bucket.content, bucket.code = None, code
    with pytest.raises(ArtifactMissing, match=f"{URI}: {code}: .*{advice}"):
        artifacts.fetch(URI, DIGEST, tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("uri", ["https://host/model.ubj", "s3://training", "s3://training/folder/", "model.ubj"])
def test_what_is_no_object_is_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ArtifactMissing, match="expected s3://<bucket>/<key>"):
        artifacts.fetch(uri, DIGEST, tmp_path)
