"""The records of a capture file, kept in parts, so that a message that comes twice, late or again has its effect once.

A part covers the captured lines from its first line up to `next_line`. It is one object, put only if none is there
yet (`If-None-Match: *`), under a key that only the capture file and the first line decide; its metadata says where the
next part begins. So a retry walks the parts that are there and goes on behind the last one, and of two workers on the
same file one wins each part: the winner alone counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from functions.common.capture import CaptureKey
from functions.common.jsonlines import MalformedLine
from functions.common.records import ComparisonRecord


@dataclass(frozen=True)
class CaptureFile:
    """A version of a capture file; `etag` tells versions apart."""

    bucket: str
    key: str
    etag: str

    @property
    def identity(self) -> str:
        """32 hex digits that stand for this version of this file."""
        return hashlib.sha256("\0".join((self.bucket, self.key, self.etag.strip('"'))).encode()).hexdigest()[:32]

    @property
    def captured(self) -> CaptureKey:
        """Raises ValueError when the key is no capture file's."""
        return CaptureKey.parse(self.key)


@dataclass(frozen=True)
class Part:
    """What is finished: all lines before `next_line`, and with `complete` the whole file."""

    next_line: int
    complete: bool


class Ledger(Protocol):
    """Where the parts of capture files are kept."""

    def part(self, file: CaptureFile, first_line: int) -> Part | None:
        """The part that begins at this line, if it is there."""
        ...

    def add(self, file: CaptureFile, first_line: int, part: Part, records: Sequence[ComparisonRecord]) -> bool:
        """Keeps a part; False when another worker was first, whose part then stands."""
        ...

    def add_dead_letters(self, file: CaptureFile, first_line: int, part: Part, lines: Sequence[MalformedLine]) -> None:
        """Keeps the lines of a part that could not be replayed; the same part gives the same object."""
        ...


@dataclass(frozen=True)
class S3Ledger:
    """Parts in the records bucket. Needs s3:GetObject, PutObject, and ListBucket (else a missing part is a 403)."""

    s3: Any
    bucket: str
    service: str
    artifact_digest: str

    def part(self, file: CaptureFile, first_line: int) -> Part | None:
        try:
            metadata = self.s3.head_object(Bucket=self.bucket, Key=self.records_key(file, first_line))["Metadata"]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return None
            raise
        return Part(next_line=int(metadata["next-line"]), complete=metadata["complete"] == "true")

    def add(self, file: CaptureFile, first_line: int, part: Part, records: Sequence[ComparisonRecord]) -> bool:
        try:
            self.s3.put_object(
                Bucket=self.bucket,
                Key=self.records_key(file, first_line),
                Body="".join(record.to_json() + "\n" for record in records).encode("utf-8"),
                ContentType="application/jsonlines",
                Metadata={"next-line": str(part.next_line), "complete": "true" if part.complete else "false"},
                IfNoneMatch="*",
            )
        except ClientError as error:
            # 412: the part is there. 409: another put of it is under way; the next look at the part will tell.
            if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
                return False
            raise
        return True

    def add_dead_letters(self, file: CaptureFile, first_line: int, part: Part, lines: Sequence[MalformedLine]) -> None:
        source = f"s3://{file.bucket}/{file.key}"
        body = "".join(json.dumps({"source": source, **line.to_json()}, sort_keys=True) + "\n" for line in lines)
        name = f"{file.identity}-{first_line:08d}-{part.next_line:08d}.jsonl"
        self.s3.put_object(
            Bucket=self.bucket,
            Key=f"dead-letter/{self.service}/{file.captured.hour}/{name}",
            Body=body.encode("utf-8"),
            ContentType="application/jsonlines",
        )

    def records_key(self, file: CaptureFile, first_line: int) -> str:
        """`comparisons/<service>/<candidate digest>/yyyy/mm/dd/hh/<file>-<first line>.jsonl`."""
        name = f"{file.identity}-{first_line:08d}.jsonl"
        return f"comparisons/{self.service}/{self.artifact_digest}/{file.captured.hour}/{name}"
