"""Checks a request against SageMaker's own service model, offline, so that a preview finds what AWS would refuse.

botocore itself checks types and required members only; lengths, patterns and enums are in the model's metadata.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape


@functools.cache
def _input_shape(operation: str) -> StructureShape:
    return botocore.session.get_session().get_service_model("sagemaker").operation_model(operation).input_shape


@functools.cache
def _pattern(text: str) -> re.Pattern[str] | None:
    """AWS's pattern, or None where Python has no words for it (`\\p{L}`, and quantifiers after `$`)."""
    return None if "\\p{" in text or "${" in text else re.compile(text)


def mistakes(operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (`Path.To[0].Member`, what is wrong) for all values that break the model of `operation`."""
    yield from _walk(_input_shape(operation), request, "")


def _walk(shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                yield f"{path}{name}", "is required"
        for name, part in value.items():
            if name not in shape.members:
                yield f"{path}{name}", f"is unknown; known are {', '.join(shape.members)}"
            else:
                yield from _walk(shape.members[name], part, f"{path}{name}.")
        return
    where = path.removesuffix(".")
    if isinstance(shape, ListShape):
        yield from _size(shape, len(value), where, "items")
        for index, part in enumerate(value):
            yield from _walk(shape.member, part, f"{where}[{index}].")
    elif isinstance(shape, MapShape):
        yield from _size(shape, len(value), where, "entries")
        for key, part in value.items():
            yield from _walk(shape.key, key, f"{where}[{key!r}] (its key).")
            yield from _walk(shape.value, part, f"{where}[{key!r}].")
    else:
        yield from _scalar(shape, value, where)


def _scalar(shape: Shape, value: Any, where: str) -> Iterator[tuple[str, str]]:
    metadata = shape.metadata
    if shape.type_name == "string":
        if not isinstance(value, str):
            yield where, f"must be a string, found {value!r}"
            return
        yield from _size(shape, len(value), where, "characters")
        if "enum" in metadata and value not in metadata["enum"]:
            yield where, f"must be one of {', '.join(metadata['enum'])}, found {value!r}"
        pattern = _pattern(metadata["pattern"]) if "pattern" in metadata else None
        if pattern and not pattern.fullmatch(value):
            yield where, f"must match {metadata['pattern']}, found {value!r}"
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _size(shape, value, where, "")


def _size(shape: Shape, size: float, where: str, unit: str) -> Iterator[tuple[str, str]]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        bounds = f"at least {least}" if most is None else f"{least or 0} to {most}"
        yield where, f"must be {bounds} {unit}".rstrip() + f", found {size}"
