"""What a rule's target receives: the event, a constant (Input), a part (InputPath) or a text made from parts.

Source: Amazon EventBridge User Guide, "Input transformation".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_VARIABLE = re.compile(r"<([A-Za-z0-9_.-]+)>")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\['([^']+)'\]|\[(\d+)\]")


def target_input(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str) -> str:
    """The text sent to a target."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        return compact(at_path(event, target["InputPath"]))
    if target.get("InputTransformer"):
        transformer = target["InputTransformer"]
        paths = transformer.get("InputPathsMap") or {}
        values: dict[str, Any] = {name: at_path(event, path) for name, path in paths.items()}
        values |= {
            "aws.events.rule-arn": rule_arn,
            "aws.events.rule-name": rule_arn.rsplit("/", 1)[-1],
            "aws.events.event.ingestion-time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "aws.events.event.json": event,
            "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        }
        return fill(transformer["InputTemplate"], values)
    return compact(event)


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def at_path(event: Any, path: str) -> Any:
    """The value at a JSON path of names and indexes (`$.detail.object.key`); None where there is nothing."""
    value, position = event, 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError(f"InputPath '{path}' is not supported after '{path[:position]}'")
        name, quoted, index = match.groups()
        try:
            value = value[int(index)] if index is not None else value[name or quoted]
        except (KeyError, IndexError, TypeError):
            return None
        position = match.end()
    return value


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with its <variables>: as text inside a JSON string, as JSON outside of one."""
    result, position, quoted = [], 0, False
    for match in _VARIABLE.finditer(template):
        before = template[position : match.start()]
        result.append(before)
        quoted ^= len(re.findall(r'(?<!\\)"', before)) % 2 == 1
        position = match.end()
        if match[1] not in values:
            result.append(match[0])
            continue
        value = values[match[1]]
        if not quoted:
            result.append(compact(value))
        else:
            text = "" if value is None else value if isinstance(value, str) else compact(value)
            result.append(json.dumps(text)[1:-1])
    return "".join(result) + template[position:]
