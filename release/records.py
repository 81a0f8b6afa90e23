"""Comparison records, evidence and labels: JSON objects in S3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from release import access
from release.errors import MissingError
from release.gate import StoredEvidence

_READERS = 16
_CHUNK_BYTES = 1024 * 1024
NO_VERSION = "null"
"""What S3 calls the version of an object whatever is in it, where the bucket keeps no versions."""


class ObjectStore:
    """S3 as releases need it: whole small objects, read many at a time."""

    def __init__(self, region: str | None = None, *, role: str | None = None) -> None:
        """`role` reads buckets of another account."""
        config = Config(max_pool_connections=_READERS)
        self._client: Any = access.client("s3", role, region_name=region, config=config)

    def keys(self, bucket: str, prefix: str, since: datetime | None = None) -> list[str]:
        """Keys below `prefix` in order, only those written at or after `since`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            item["Key"]
            for page in pages
            for item in page.get("Contents", ())
            if since is None or item["LastModified"] >= since
        ]

    def written(self, bucket: str, prefix: str) -> list[datetime]:
        """When the objects below `prefix` were written."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["LastModified"] for page in pages for item in page.get("Contents", ())]

    def newest(self, bucket: str, prefix: str) -> str | None:
        """The key below `prefix` that was written last."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        items = [item for page in pages for item in page.get("Contents", ())]
        return max(items, key=lambda item: (item["LastModified"], item["Key"]))["Key"] if items else None

    def read(self, bucket: str, key: str) -> bytes:
        """One object. Raises `MissingError`."""
        try:
            body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise MissingError(f"There is no object s3://{bucket}/{key}.", do="Check the name.") from error
            raise
        return body

    def bodies(self, bucket: str, keys: list[str]) -> Iterator[tuple[str, bytes]]:
        """Many objects with their keys, in the keys' order."""
        with ThreadPoolExecutor(_READERS) as pool:
            yield from zip(keys, pool.map(lambda key: self.read(bucket, key), keys), strict=True)

    def lines(self, bucket: str, keys: list[str]) -> Iterator[bytes]:
        """The lines of many objects, in the keys' order."""
        for _, body in self.bodies(bucket, keys):
            yield from body.splitlines()

    def write_json(self, bucket: str, key: str, document: Any) -> None:
        """One JSON document, readable by people."""
        body = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode()
        self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")

    def sha256(self, uri: str, known: Mapping[str, str] | None = None) -> str:
        """SHA-256 of the object at an s3:// URI, from its bytes. Raises `MissingError`.

        `known`: digests by S3's version id; a version among them is not read, as S3 gives an id to one content only.
        """
        bucket, key = split_uri(uri)
        digest = hashlib.sha256()
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
                raise MissingError(
                    f"The artifact is not at {uri}.", do="Restore that object version, or register the model anew."
                ) from error
            raise
        with closing(answer["Body"]) as body:
            found = (known or {}).get(answer.get("VersionId", NO_VERSION))
            if found is not None:
                return found
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


def split_uri(uri: str) -> tuple[str, str]:
    """(bucket, key) of an s3:// URI. Raises ValueError."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise ValueError(f"{uri!r} is no s3://bucket/key URI")
    return bucket, key


class EvidenceStore:
    """Evidence documents under `evidence/<service>/<candidate digest>/<evidence digest>.json`."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    def put(self, service: str, candidate: str, digest: str, document: Mapping[str, Any]) -> str:
        """Its s3:// URI."""
        key = _evidence_key(service, candidate, digest)
        self._store.write_json(self._bucket, key, document)
        return f"s3://{self._bucket}/{key}"

    def latest(self, service: str, candidate: str) -> StoredEvidence | None:
        """The evidence stored last about a candidate; None when there is none."""
        key = self._store.newest(self._bucket, f"evidence/{service}/{candidate}/") if candidate else None
        return None if key is None else self._load(key)

    def get(self, service: str, candidate: str, digest: str) -> StoredEvidence:
        """The evidence with that digest. Raises `MissingError`."""
        return self._load(_evidence_key(service, candidate, digest))

    def _load(self, key: str) -> StoredEvidence:
        document = json.loads(self._store.read(self._bucket, key))
        return StoredEvidence(document, key.rpartition("/")[2].removesuffix(".json"))


def _evidence_key(service: str, candidate: str, digest: str) -> str:
    return f"evidence/{service}/{candidate}/{digest}.json"
