"""What a package answers, judged by its own package.yaml."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from functions.common.comparison import number
from functions.common.payload import Payload, UnreadablePayloadError
from functions.common.quality import NoSuchValueError, Quality
from model_package.manifest import Manifest
from release.checking.findings import Finding
from release.checking.serving import Answer, Server

CSV, JSON = "text/csv", "application/json"
OK = 200


def findings(server: Server, manifest: Manifest) -> Iterator[Finding]:
    """Yield what is wrong with the answers to the sample request: in every type, of every type, and to nothing."""
    sample = manifest.sample
    for accept in manifest.content_types:
        answer = server.ask(sample.body.encode(), sample.content_type, accept)
        yield from _judge(f"sample {sample.content_type} → {accept}", answer, accept, manifest)
    for content_type in manifest.content_types:
        if content_type != sample.content_type:
            yield from _other_type(server, manifest, content_type)
    empty = server.ask(b"", sample.content_type, manifest.content_types[0])
    if empty.status >= 500:
        yield Finding(
            "warning",
            "empty request",
            f"answered {empty.status}: {empty.text}",
            "a ValueError out of input_fn is answered 400 and is not counted as the model's error",
        )


def _judge(where: str, answer: Answer, accept: str, manifest: Manifest) -> Iterator[Finding]:
    if answer.status != OK:
        yield Finding("error", where, f"answered {answer.status}: {answer.text}")
        return
    if answer.content_type != accept:
        yield Finding("error", where, f"answered as {answer.content_type or 'no type'}, asked for as {accept}")
        return
    quality = manifest.quality
    payload = Payload(answer.body, answer.content_type)
    if payload.kind == "opaque":
        yield Finding("warning", where, f"{accept} is no type whose answers can be compared or judged")
        return
    rule = Quality(quality.task, quality.label, quality.tolerance or 0.0, manifest.comparison.columns)
    try:
        predictions = rule.predictions(payload)
    except (NoSuchValueError, UnreadablePayloadError) as error:
        yield Finding("error", where, f"quality.label {quality.label!r}: {error}; it answered {answer.text}")
        return
    if quality.task == "regression" and any((n := number(p)) is None or not math.isfinite(n) for p in predictions):
        yield Finding("error", where, f"quality.label {quality.label!r} is no number: {predictions!r:.200}")
    yield from _fields(where, payload.document(), payload.kind == "csv", manifest)


def _fields(where: str, document: Any, is_csv: bool, manifest: Manifest) -> Iterator[Finding]:
    """Fields that package.yaml names and the answer lacks: a rule about them would never apply."""
    columns = manifest.comparison.columns
    if is_csv:
        if columns and len(document[0]) != len(columns):
            what = f"comparison.columns names {len(columns)} columns, the answer has {len(document[0])}"
            yield Finding("error", where, what, "name them all, in order")
        return
    first = document[0] if isinstance(document, list) and document else document
    for name in manifest.comparison.ignored_fields:
        value = first
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and isinstance(first, dict):
            what = f"comparison.ignoredFields names {name!r}, which the answer has not: it has {', '.join(first)}"
            yield Finding("warning", where, what)


def _other_type(server: Server, manifest: Manifest, content_type: str) -> Iterator[Finding]:
    """The sample in another type that package.yaml promises, where it is rows of numbers in both."""
    body = _translated(manifest.sample.body, manifest.sample.content_type, content_type)
    if body is None:
        yield Finding("warning", content_type, f"not tried: the sample is {manifest.sample.content_type}")
        return
    answer = server.ask(body.encode(), content_type, manifest.content_types[0])
    if answer.status != OK:
        yield Finding(
            "warning",
            f"sample as {content_type}",
            f"{body[:60]} is answered {answer.status}: {answer.text}",
            "take contentTypes that it does not read out of package.yaml, or read a list of numbers too",
        )


def _translated(body: str, given: str, wanted: str) -> str | None:
    try:
        if (given, wanted) == (CSV, JSON):
            rows = [[float(cell) for cell in line.split(",")] for line in body.splitlines() if line.strip()]
            return json.dumps(rows[0] if len(rows) == 1 else rows)
        if (given, wanted) == (JSON, CSV):
            rows = json.loads(body)
            rows = rows if isinstance(rows[0], list) else [rows]
            return "\n".join(",".join(str(float(cell)) for cell in row) for row in rows)
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return None
