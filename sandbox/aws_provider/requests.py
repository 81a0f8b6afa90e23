"""What a call of the table sends: the inputs that it has members for, in botocore's shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.model import OperationModel, Shape

from sandbox.aws_provider import shapes
from sandbox.aws_provider.table import Call, ResourceType
from sandbox.aws_provider.values import is_asset

Lookup = Callable[[str], Any]  # the value of a dotted name in the scope of a call, None if there is none

_PLACEHOLDER = re.compile(r"\{([\w.]+)\}")


def target(spec: ResourceType, call: Call, model: OperationModel, name: str) -> tuple[tuple[str, ...], Shape] | None:
    """Where a top-level input goes in the call: the members on the way and the shape there; None if nowhere."""
    if not call.inputs or name in spec.local or name == "region" or (call.only is not None and name not in call.only):
        return None
    shape = model.input_shape
    if shape is None:
        return None
    if call.into is not None:
        shape = shape.members[call.into].member
    if name == "tagsAll":
        name = "tags"
    elif name == "tags":
        return None
    return shapes.locate(shape, spec.renames.get(name, name))


def arguments(
    spec: ResourceType, call: Call, model: OperationModel, inputs: Mapping[str, Any], look: Lookup
) -> dict[str, Any]:
    """The keyword arguments of the call."""
    sent: dict[str, Any] = {}
    for name, value in inputs.items():
        place = target(spec, call, model, name) if value is not None and not is_asset(value) else None
        if place is None or (name == "tagsAll" and not value):
            continue
        path, shape = place
        shapes.put(sent, path, shapes.outgoing(value, shape, spec.renames, name))
    if call.into is not None:
        sent = {call.into: [sent]}
    for parameter, given in call.arguments.items():
        value = fill(given, look)
        if value is not None and model.input_shape is not None:
            _merge(sent, parameter, shapes.outgoing(value, model.input_shape.members[parameter], {}, parameter))
    return sent


def unserved(spec: ResourceType, models: Iterable[tuple[Call, OperationModel]], name: str, value: Any) -> list[str]:
    """The paths inside an input that no call of the type can send."""
    for call, model in models:
        place = target(spec, call, model, name)
        if place is not None:
            return list(shapes.unmatched(value, place[1], spec.renames, name))
    return []


def fill(template: Any, look: Lookup) -> Any:
    """A `with` value: `$name` is the value itself, `{name}` in a text its text, lists and maps are filled inside."""
    if isinstance(template, Mapping):
        filled = {key: fill(item, look) for key, item in template.items()}
        return {key: item for key, item in filled.items() if item is not None}
    if isinstance(template, list | tuple):
        return [fill(item, look) for item in template]
    if not isinstance(template, str):
        return template
    if template.startswith("$"):
        return look(template[1:])
    return _PLACEHOLDER.sub(lambda match: str(look(match[1]) or ""), template)


def query(template: str, look: Lookup) -> str:
    """A JMESPath with `{name}` filled in, quotes escaped."""
    return _PLACEHOLDER.sub(lambda match: _quoted(look(match[1])), template)


def _quoted(value: Any) -> str:
    return str("" if value is None else value).replace("\\", "\\\\").replace("'", "\\'")


def _merge(sent: dict[str, Any], parameter: str, value: Any) -> None:
    present = sent.get(parameter)
    if isinstance(present, dict) and isinstance(value, Mapping):
        present.update(value)
    else:
        sent[parameter] = value
