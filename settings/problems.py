"""What is wrong with a stack's configuration, said so that a person can put it right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from settings.models import PROJECT, Document, Settings, alias


@dataclass(frozen=True)
class Problem:
    """One wrong value: where it is, what it is and what would be right."""

    key: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.key} is {self.value}; allowed: {self.allowed}"


class SettingsError(Exception):
    """The stack's configuration is wrong; says everything that is wrong with it."""

    def __init__(self, stack: str, problems: list[Problem]) -> None:
        self.stack, self.problems = stack, problems
        super().__init__(f"stack {stack}: " + "\n".join(str(problem) for problem in problems))


def problem_of(detail: Any, prefixes: Mapping[str, str]) -> Problem:
    """A pydantic error as a Problem."""
    location: tuple[str | int, ...] = detail["loc"]
    if location[:1] == ("services",) and len(location) > 1:
        prefix, path = prefixes[str(location[1])], location[2:]
        key = ".".join([prefix, *map(str, path)]) if prefix != PROJECT else f"{PROJECT}:{'.'.join(map(str, path))}"
    else:
        key = f"{PROJECT}:{'.'.join(map(str, location))}"
    model, field = _field_at(location)
    if detail["type"] == "extra_forbidden":
        keys = ", ".join(alias(name, info) for name, info in model.model_fields.items())
        return Problem(key, f"{shown(detail['input'])}, an unknown key", keys)
    description = field.description if field else None
    value = "missing" if detail["type"] == "missing" else shown(detail["input"])
    return Problem(key, value, description or str(detail["msg"]))


def _field_at(location: tuple[str | int, ...]) -> tuple[type[Document], FieldInfo | None]:
    """The innermost model on the way to a location, and its field there."""
    model: type[Document] = Settings
    field: FieldInfo | None = None
    for step in location:
        if isinstance(step, int):
            continue  # An item of a list is described with the list.
        inner = _model_in(field.annotation) if field else None
        if inner is not None and field is not None and get_origin(field.annotation) is dict:
            # The step through the services map is a name, not a field.
            model, field = inner, None
            continue
        if inner is not None:
            model = inner
        field = next((info for name, info in model.model_fields.items() if step in (name, alias(name, info))), None)
    return model, field


def _model_in(annotation: Any) -> type[Document] | None:
    if isinstance(annotation, type) and issubclass(annotation, Document):
        return annotation
    if get_origin(annotation) in (Union, UnionType, dict):
        return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
    return None


def shown(value: object) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(by_alias=True, exclude_none=True)
    text = json.dumps(value, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."
