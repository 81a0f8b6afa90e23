"""How far the labels of a ground-truth file are joined: a small object beside the captures, changed by one winner.

Labels may come before the capture is delivered, and events come more than once. So what is still open is kept, and is
looked at again with every later event; each change of the object is conditional (`If-None-Match: *` for the first,
`If-Match` after), and only who wins it publishes what it settled.

`label-joins/<service>/files/<file>.json` says what is open, `label-joins/<service>/open/<file>` lists the open ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError

from functions.common.groundtruth import Label
from functions.common.payload import Payload


def file_identity(bucket: str, key: str, etag: str) -> str:
    """32 hex digits that stand for this version of a ground-truth file."""
    return hashlib.sha256("\0".join((bucket, key, etag.strip('"'))).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Join:
    """The labels of a file that are still open. `version` is None before the first change is kept."""

    identity: str
    first_seen: datetime
    open: tuple[Label, ...]
    version: str | None = None


class Joins(Protocol):
    """Where joins are kept."""

    def load(self, identity: str) -> Join | None: ...

    def open_identities(self) -> list[str]:
        """Files with labels that are still open."""
        ...

    def change(self, join: Join, still_open: Sequence[Label]) -> Join | None:
        """Keeps what is still open; None when another worker changed this version first."""
        ...

    def close(self, identity: str) -> None:
        """Takes a file without open labels off the list."""
        ...


@dataclass(frozen=True)
class S3Joins:
    """Needs s3:GetObject, PutObject, DeleteObject on `label-joins/<service>/*` and ListBucket on the bucket."""

    s3: Any
    bucket: str
    service: str

    def load(self, identity: str) -> Join | None:
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=self._key(identity))
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        value = json.loads(answer["Body"].read())
        labels = tuple(_label(item) for item in value["open"])
        return Join(identity, datetime.fromisoformat(value["first_seen"]), labels, answer["ETag"])

    def open_identities(self) -> list[str]:
        prefix = f"label-joins/{self.service}/open/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", ())]

    def change(self, join: Join, still_open: Sequence[Label]) -> Join | None:
        marker = f"label-joins/{self.service}/open/{join.identity}"
        if still_open:
            # Before the change: a marker without open labels is harmless, open labels without a marker are lost.
            self.s3.put_object(Bucket=self.bucket, Key=marker, Body=b"")
        value = {"first_seen": join.first_seen.isoformat(), "open": [_json(label) for label in still_open]}
        condition = {"IfNoneMatch": "*"} if join.version is None else {"IfMatch": join.version}
        try:
            answer = self.s3.put_object(
                Bucket=self.bucket,
                Key=self._key(join.identity),
                Body=json.dumps(value, sort_keys=True).encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
                return None
            raise
        return Join(join.identity, join.first_seen, tuple(still_open), answer["ETag"])

    def close(self, identity: str) -> None:
        """Takes a file without open labels off the list."""
        self.s3.delete_object(Bucket=self.bucket, Key=f"label-joins/{self.service}/open/{identity}")

    def _key(self, identity: str) -> str:
        return f"label-joins/{self.service}/files/{identity}.json"


def _json(label: Label) -> dict[str, Any]:
    time = None if label.inference_time is None else label.inference_time.isoformat()
    return {"line": label.line, "event_id": label.event_id, "truth": label.truth.to_json(), "inference_time": time}


def _label(value: dict[str, Any]) -> Label:
    time = value["inference_time"]
    return Label(
        value["line"],
        value["event_id"],
        Payload.from_json(value["truth"]),
        None if time is None else datetime.fromisoformat(time),
    )
