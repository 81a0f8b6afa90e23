"""A request's or an answer's body with its content type, as capture, replay and comparison pass it on."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["json", "jsonlines", "csv", "opaque"]
JsonValue = Any
"""What `json.loads` gives: dict, list, str, int, float, bool or None."""

_KINDS: Mapping[str, Kind] = {
    "application/json": "json",
    "application/jsonlines": "jsonlines",
    "application/x-jsonlines": "jsonlines",
    "application/x-ndjson": "jsonlines",
    "text/csv": "csv",
}


class UnreadablePayloadError(ValueError):
    """The body is not what its content type says."""


@dataclass(frozen=True)
class Payload:
    """`body` is what travels over HTTP, decoded from the capture's encoding."""

    body: bytes
    content_type: str

    @property
    def kind(self) -> Kind:
        """Which parser the content type asks for; parameters (`; charset=utf-8`) do not count."""
        return _KINDS.get(self.content_type.partition(";")[0].strip().lower(), "opaque")

    @property
    def text(self) -> str:
        """The body as UTF-8. Raises UnreadablePayloadError."""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadablePayloadError(f"{self.content_type} body is not UTF-8 at byte {error.start}") from error

    def document(self) -> JsonValue:
        """The body as JSON values: JSON as it is, JSON lines as a list, CSV as a list of rows of strings.

        Raises UnreadablePayloadError for an opaque content type or a body that does not parse.
        """
        match self.kind:
            case "json":
                return _parse_json(self.text)
            case "jsonlines":
                return [_parse_json(line) for line in self.text.splitlines() if line.strip()]
            case "csv":
                return _parse_csv(self.text)
            case "opaque":
                raise UnreadablePayloadError(f"no parser for content type {self.content_type!r}")

    def to_json(self) -> dict[str, str]:
        """`{data, content_type}`; a body that is not UTF-8 is base64 and says so by `encoding`."""
        try:
            return {"data": self.text, "content_type": self.content_type}
        except UnreadablePayloadError:
            data = base64.b64encode(self.body).decode("ascii")
            return {"data": data, "content_type": self.content_type, "encoding": "BASE64"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Payload:
        """Reverse of `to_json`. Raises KeyError or UnreadablePayloadError."""
        if value.get("encoding") == "BASE64":
            return cls(decode_base64(value["data"]), value["content_type"])
        return cls(str(value["data"]).encode("utf-8"), value["content_type"])


def decode_base64(data: str) -> bytes:
    """Strict base64. Raises UnreadablePayloadError."""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadablePayloadError(f"not base64: {error}") from error


def _parse_json(text: str) -> JsonValue:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadablePayloadError(f"not JSON: {error}") from error


def _parse_csv(text: str) -> list[list[str]]:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise UnreadablePayloadError(f"not CSV: {error}") from error
    return rows
