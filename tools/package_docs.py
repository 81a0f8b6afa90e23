"""Writes docs/package.md from the fields of `package.yaml`'s model: `python -m tools.package_docs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from model_package.documents import Document, model_in
from model_package.manifest import Manifest

TARGET = Path(__file__).parents[1] / "docs" / "package.md"
HEAD = """\
# package.yaml, field by field

What a use case says of itself, in `use_cases/<name>/package.yaml`. Generated from `model_package/manifest.py` by
`python -m tools.package_docs`. An unknown field is refused. `understudy new` writes a file to start from, and
`understudy check` says what is wrong with yours.

Model files: XGBoost's UBJ or JSON, safetensors (PyTorch) and skops (scikit-learn) hold data only, and are what the
templates use. A pickle (joblib, torch.save) runs code when it is loaded: it is packaged, reported at `check` and
`deploy`, and shown by `understudy inspect`.
"""
NAMES = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "NoneType": "none"}


def text() -> str:
    """The page."""
    return "\n".join([HEAD, *_section("package.yaml", Manifest, set())])


def _section(title: str, kind: type[Document], told: set[type[Document]]) -> Iterator[str]:
    """A table of the type's fields, then those of the types in it; `told` has the types that have theirs."""
    told.add(kind)
    summary = (kind.__doc__ or "").strip().splitlines()[0]
    yield f"## {title}\n\n{summary}\n"
    yield "| field | type | allowed | default | meaning |\n| --- | --- | --- | --- | --- |"
    nested: list[tuple[str, type[Document]]] = []
    for name, field in kind.model_fields.items():
        key = field.alias or name
        if (inner := model_in(field.annotation)) is not None:
            nested.append((key, inner))
        cells = (f"`{key}`", _type(field.annotation), _allowed(field), _default(field), field.description or "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""
    for key, inner in nested:
        if inner not in told:
            yield from _section(key, inner, told)


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if (inner := model_in(annotation)) is not None:
        return f"[{inner.__name__.lower()}](#{inner.__name__.lower()})"
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"name: {_type(arguments[1])}"
    name = str(annotation.__name__)
    return NAMES.get(name, name)


def _allowed(field: FieldInfo) -> str:
    told = []
    for rule in field.metadata:
        match rule:
            case annotated_types.Ge(ge=value):
                told.append(f"at least {value}")
            case annotated_types.Gt(gt=value):
                told.append(f"more than {value}")
            case annotated_types.Le(le=value):
                told.append(f"at most {value}")
            case annotated_types.MinLen(min_length=value):
                told.append(f"length at least {value}")
            case annotated_types.MaxLen(max_length=value):
                told.append(f"length at most {value}")
            case _ if getattr(rule, "pattern", None):
                told.append(f"`{rule.pattern}`")
    return ", ".join(told)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default is PydanticUndefined or field.default in (None, (), ""):
        return "none" if model_in(field.annotation) is None or field.default is None else "its fields' own"
    return f"`{field.default}`"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
