"""`Pulumi.<stack>.yaml`: a stack's configuration and its encryption salt.

A value is text, an object (lists, dicts, numbers, booleans), or `{"secure": <ciphertext>}`, also inside an object.
Edits keep the rest of the file as it is, comments included.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.engine.errors import EngineError
from sandbox.engine.project import Loader, Project, read_yaml
from sandbox.engine.secrets import Crypter
from sandbox.engine.values import parse_path


@dataclass(frozen=True)
class Entry:
    """One key's value as programs see it: `text` (objects as JSON), the object if it is one, and whether secret."""

    text: str
    secret: bool
    object: Any = None

    def document(self, reveal: bool) -> dict[str, Any]:
        """As `--json` shows it."""
        out: dict[str, Any] = {}
        if reveal or not self.secret:
            out["value"] = self.text
            if self.object is not None:
                out["objectValue"] = self.object
        return out | {"secret": self.secret}


class StackConfig:
    def __init__(self, project: Project, stack: str, file: str | None = None) -> None:
        self.project = project
        self.stack = stack
        self.path = Path(file) if file else project.root / f"Pulumi.{stack}.yaml"
        self.raw = read_yaml(self.path) if self.path.exists() else {}
        self._crypter: Crypter | None = None

    # -- secrets
    @property
    def salt(self) -> str | None:
        return self.raw.get("encryptionsalt")

    def crypter(self) -> Crypter:
        """The stack's crypter; a stack without a salt gets one, which is written."""
        if self._crypter is None:
            if self.salt:
                self._crypter = Crypter(self.salt)
            else:
                self._crypter = Crypter.create()
                self.raw["encryptionsalt"] = self._crypter.salt
                text = self._text()
                self.path.write_text(f"encryptionsalt: {self._crypter.salt}\n{text}", "utf-8")
        return self._crypter

    # -- reading
    def key(self, text: str) -> str:
        """The full key, `project:key`, of a key as people write it."""
        if text.count(":") > 1:
            namespace, middle, name = [*text.split(":"), ""][:3]
            if middle == "config" and text.count(":") == 2:
                return f"{namespace}:{name}"
            raise EngineError(f"could not parse {text!r} as a configuration key; write `key` or `namespace:key`")
        return text if ":" in text else f"{self.project.name}:{text}"

    def values(self) -> dict[str, Any]:
        """Stored values by full key, sorted, over the project's defaults."""
        own = {self.key(str(k)): v for k, v in (self.raw.get("config") or {}).items()}
        return dict(sorted((self.project.defaults | own).items()))

    def entries(self, *, reveal: bool = True) -> dict[str, Entry]:
        """Every key's entry. Without `reveal` secrets are not decrypted and show as `[secret]`."""
        return {key: self.entry(key, value, reveal) for key, value in self.values().items()}

    def get(self, key: str, path: str | None = None) -> Entry | None:
        """One entry, or what lies at `path` below it."""
        values = self.values()
        if key not in values:
            return None
        value = values[key]
        for step in parse_path(path) if path else []:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return self.entry(key, value, True)

    def missing(self) -> list[str]:
        """Keys that the project's schema requires and the stack does not set."""
        return sorted(self.project.required - self.values().keys())

    def entry(self, key: str, value: Any, reveal: bool) -> Entry:
        """The entry of a stored value: this file's, or one that an update remembers."""
        secret = _has_secure(value)
        opened = self._opened(key, value, reveal)
        if isinstance(opened, (dict, list)):
            return Entry(json.dumps(opened, separators=(",", ":"), ensure_ascii=False, sort_keys=True), secret, opened)
        return Entry(_scalar(opened), secret)

    def _opened(self, key: str, value: Any, reveal: bool) -> Any:
        if _is_secure(value):
            return self.crypter().decrypt(value["secure"], f"{self.path}: {key}") if reveal else "[secret]"
        if isinstance(value, dict):
            return {str(k): self._opened(key, v, reveal) for k, v in value.items()}
        if isinstance(value, list):
            return [self._opened(key, v, reveal) for v in value]
        return value

    # -- writing
    def set(self, key: str, text: str, *, secret: bool, path: str | None = None) -> None:
        """Stores a value under the full `key`, or at `path` inside its object (then numbers and booleans count)."""
        value: Any = {"secure": self.crypter().encrypt(text)} if secret else text
        if path:
            steps = parse_path(path)
            held = (self.raw.get("config") or {}).get(key)
            value = _placed(held, steps, value if secret else _typed(text), key)
        self._splice(key, value)

    def remove(self, key: str, path: str | None = None) -> None:
        held = (self.raw.get("config") or {}).get(key)
        if held is None:
            return
        if path:
            *steps, last = parse_path(path)
            parent = held
            for step in steps:
                parent = parent[step]
            del parent[last]
            self._splice(key, held)
        else:
            self._splice(key, None)

    def _text(self) -> str:
        return self.path.read_text("utf-8") if self.path.exists() else ""

    def _splice(self, key: str, value: Any) -> None:
        """Replaces, adds or (None) removes one entry below `config:`, leaving every other line alone."""
        text = self._text()
        lines = text.splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        root = yaml.compose(text, Loader=Loader)
        top = {k.value: (k, v) for k, v in root.value} if isinstance(root, yaml.MappingNode) else {}
        block = top.get("config")
        if block is None or not isinstance(block[1], yaml.MappingNode) or block[1].flow_style:
            self._rewrite(key, value, lines, block)
        else:
            node = block[1]
            indent = node.start_mark.column
            found = next(((k, v) for k, v in node.value if k.value == key), None)
            if found:
                start, end = found[0].start_mark.line, _last_line(lines, found[1])
            else:
                after = [k.start_mark.line for k, _ in node.value if k.value > key]
                start = end = min(after) if after else _last_line(lines, node)
            lines[start:end] = [] if value is None else [_rendered(key, value, indent)]
            if value is None and len(node.value) == 1:
                lines[block[0].start_mark.line : start] = []
        self.path.write_text("".join(lines), "utf-8")
        self.raw = read_yaml(self.path)

    def _rewrite(self, key: str, value: Any, lines: list[str], block: Any) -> None:
        """No `config:` in block style yet: one is written at the end."""
        held = dict(self.raw.get("config") or {})
        held[key] = value
        entries = "".join(_rendered(k, v, 2) for k, v in sorted(held.items()) if v is not None)
        if block is not None:
            lines[block[0].start_mark.line : max(_last_line(lines, block[1]), block[0].start_mark.line + 1)] = []
        if entries:
            lines.append("config:\n" + entries)


def _last_line(lines: list[str], node: Any) -> int:
    """The line after a node's last one: trailing blank lines and comments belong to what follows."""
    end = int(node.end_mark.line)
    if end < len(lines) and lines[end][: node.end_mark.column].strip():
        end += 1  # it ends within this line; a block's end mark is the beginning of what follows
    end = max(end, int(node.start_mark.line) + 1)
    while end - 1 > node.start_mark.line and re.match(r"\s*(#.*)?$", lines[end - 1]):
        end -= 1
    return end


def _rendered(key: str, value: Any, indent: int) -> str:
    text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=100_000)
    return "".join(" " * indent + line for line in text.splitlines(keepends=True))


def _is_secure(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"secure"} and isinstance(value["secure"], str)


def _has_secure(value: Any) -> bool:
    if isinstance(value, dict):
        return _is_secure(value) or any(_has_secure(v) for v in value.values())
    return isinstance(value, list) and any(_has_secure(v) for v in value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _typed(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?(0|[1-9]\d*)", text) else text


def _placed(held: Any, steps: list[str | int], value: Any, key: str) -> Any:
    """`held` with `value` at `steps`; missing objects and lists are made."""
    if not steps:
        return value
    head, rest = steps[0], steps[1:]
    if isinstance(head, int):
        items = list(held) if isinstance(held, list) else []
        if (held is not None and not isinstance(held, list)) or head > len(items):
            raise EngineError(f"{key}: index {head} is out of range of what is there")
        items[head:] = [_placed(items[head] if head < len(items) else None, rest, value, key), *items[head + 1 :]]
        return items
    if held is not None and (not isinstance(held, dict) or _is_secure(held)):
        raise EngineError(f"{key}: an object is expected where {head!r} is to be set")
    out = dict(held or {})
    out[head] = _placed(out.get(head), rest, value, key)
    return out
