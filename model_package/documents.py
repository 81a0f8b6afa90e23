"""Reading a YAML file into a frozen pydantic model, with errors a person can act on."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from model_package.errors import ModelPackageError


class Document(BaseModel):
    """A part of a YAML document: camelCase in the file, snake_case in Python, unknown keys refused, frozen."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


DocumentType = TypeVar("DocumentType", bound=Document)


def read(path: Path, kind: type[DocumentType], error: type[ModelPackageError]) -> DocumentType:
    """The document in `path`; raises `error` naming file, field and what is allowed."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise error(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{path}: cannot be read: {problem}") from None
    except yaml.YAMLError as problem:
        raise error(f"{path}: not YAML: {' '.join(str(problem).split())}") from None
    if not isinstance(data, dict):
        raise error(f"{path}: expected a mapping of fields, found {type(data).__name__}")
    try:
        return kind.model_validate(data)
    except ValidationError as problem:
        raise error("\n".join(f"{path}: {line}" for line in _lines(kind, problem))) from None


def _lines(kind: type[Document], problem: ValidationError) -> list[str]:
    """One line a mistake: `field: what is wrong, found …; the field's description`."""
    lines = []
    for mistake in problem.errors():
        where = ".".join(str(part) for part in mistake["loc"]) or "the document"
        message = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            message = f"unknown field; allowed here: {', '.join(_allowed(kind, mistake['loc'][:-1]))}"
        elif mistake["type"] != "missing" and mistake["loc"]:
            message += f", found {mistake['input']!r}"
        description = _description(kind, mistake["loc"])
        lines.append(f"{where}: {message}" + (f" ({description})" if description else ""))
    return lines


def model_in(annotation: Any) -> type[Document] | None:
    """The document type inside an annotation such as `Framework | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Document):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        return next((found for part in get_args(annotation) if (found := model_in(part))), None)
    return None


def _at(kind: type[Document], location: tuple[int | str, ...]) -> type[Document] | None:
    current: type[Document] | None = kind
    for part in location:
        if current is None:
            return None
        field = next((f for name, f in current.model_fields.items() if part in (f.alias, name)), None)
        current = model_in(field.annotation) if field else None
    return current


def _allowed(kind: type[Document], location: tuple[int | str, ...]) -> list[str]:
    owner = _at(kind, location)
    return sorted(f.alias or name for name, f in owner.model_fields.items()) if owner else []


def _description(kind: type[Document], location: tuple[int | str, ...]) -> str:
    owner = _at(kind, location[:-1]) if location else None
    if owner is None:
        return ""
    return next((f.description or "" for name, f in owner.model_fields.items() if location[-1] in (f.alias, name)), "")
