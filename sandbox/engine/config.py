"""`Pulumi.<stack>.yaml`: a stack's configuration and its encryption salt.

A value is text, an object (lists, dicts, numbers, booleans), or `{"secure": <ciphertext>}`, also inside an object.
Edits keep the rest of the file, its comments and its order.
"""

from __future__ import annotations

import io
import json
import pathlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sandbox.engine.errors import EngineError
from sandbox.engine.project import Project, read_yaml
from sandbox.engine.secrets import Crypter
from sandbox.engine.values import Path, nodes, parse_path

_INDENTED_LIST = re.compile(r"^( *)\S.*:[ \t]*\n\1  - ", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One key's value as programs see it: `text` (objects as JSON), the object if it is one, and whether secret."""

    text: str
    secret: bool
    object: Any = None

    def document(self, reveal: bool) -> dict[str, Any]:
        """As `--json` shows it."""
        hidden = self.secret and not reveal
        value = {} if hidden else {"value": self.text}
        return value | ({} if hidden or self.object is None else {"objectValue": self.object}) | {"secret": self.secret}


class StackConfig:
    """Read at once; `set` and `remove` change a document that `save` writes."""

    def __init__(self, project: Project, stack: str, file: str | None = None) -> None:
        self.project = project
        self.stack = stack
        self.path = pathlib.Path(file) if file else project.root / f"Pulumi.{stack}.yaml"
        self.raw = read_yaml(self.path) if self.path.exists() else {}
        if not isinstance(self.raw.get("config") or {}, dict):
            raise EngineError(f"{self.path}: `config` is not a mapping of keys to values")
        salt = self.raw.get("encryptionsalt")
        self._crypter = Crypter(str(salt)) if salt else None

    def crypter(self) -> Crypter:
        """The stack's crypter; a stack without a salt gets one, which is written."""
        if self._crypter is None:
            self._crypter = Crypter.create()
            self._document.insert(0, "encryptionsalt", self._crypter.salt)
            self.save()
        return self._crypter

    # -- reading
    def key(self, text: str) -> str:
        """The full key, `project:key`, of a key as people write it."""
        namespace, *middle, name = text.split(":") if ":" in text else [self.project.name, text]
        if middle not in ([], ["config"]):
            raise EngineError(f"could not parse {text!r} as a configuration key; write `key` or `namespace:key`")
        return f"{namespace}:{name}"

    def place(self, text: str, path: bool) -> Path:
        """Where a value stands below `config`: `ns:a.b[0]` as a path is `["ns:a", "b", 0]`."""
        found = re.match(r"((?:[^:]*:)*[^.\[]+)\.?(.*)", text) if path else None
        return [self.key(found[1]), *parse_path(found[2])] if found else [self.key(text)]

    def values(self) -> dict[str, Any]:
        """Stored values by full key, sorted, over the project's defaults."""
        own = {self.key(str(k)): v for k, v in (self.raw.get("config") or {}).items()}
        return dict(sorted((self.project.defaults | own).items()))

    def entries(self, *, reveal: bool = True) -> dict[str, Entry]:
        """Every key's entry. Without `reveal` secrets are not decrypted and show as `[secret]`."""
        return {key: self.entry(key, value, reveal) for key, value in self.values().items()}

    def get(self, place: Path) -> Entry | None:
        value: Any = self.values()
        try:
            for step in place:
                value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
        return self.entry(str(place[0]), value, True)

    def missing(self) -> list[str]:
        """Keys that the project's schema requires and the stack does not set."""
        return sorted(self.project.required - self.values().keys())

    def entry(self, key: str, value: Any, reveal: bool) -> Entry:
        """The entry of a stored value: this file's, or one that an update remembers."""
        secret = any(_is_secure(v) for v in nodes(value))
        if secret and not reveal:
            return Entry("[secret]", True)
        opened = self._opened(key, value)
        if isinstance(opened, (dict, list)):
            return Entry(json.dumps(opened, separators=(",", ":"), ensure_ascii=False, sort_keys=True), secret, opened)
        text = str(opened).lower() if isinstance(opened, bool) else str(opened)
        return Entry("" if opened is None else text, secret)

    def _opened(self, key: str, value: Any) -> Any:
        if _is_secure(value):
            return self.crypter().decrypt(value["secure"], f"{self.path}: {key}")
        if isinstance(value, dict):
            return {str(k): self._opened(key, v) for k, v in value.items()}
        return [self._opened(key, v) for v in value] if isinstance(value, list) else value

    # -- writing
    @cached_property
    def _document(self) -> Any:
        """The file as ruamel's mapping, which remembers comments and layout."""
        from ruamel.yaml import YAML  # a slow import that only edits need
        from ruamel.yaml.comments import CommentedMap

        self._yaml = YAML()
        self._yaml.width, self._yaml.preserve_quotes = 100_000, True
        if not self.raw:
            return CommentedMap()
        text = self.path.read_text("utf-8")
        offset = 2 if _INDENTED_LIST.search(text) else 0
        self._yaml.indent(mapping=2, sequence=2 + offset, offset=offset)
        return self._yaml.load(text)

    def set(self, place: Path, text: str, *, secret: bool) -> None:
        """Stores a value; inside an object numbers and booleans count as such."""
        value: Any = {"secure": self.crypter().encrypt(text)} if secret else _typed(text) if place[1:] else text
        config = self._document.setdefault("config", type(self._document)())
        if place[0] not in config:
            config.insert(sum(1 for k in config if k < place[0]), place[0], None)
        _placed(config, place, value)

    def remove(self, place: Path) -> None:
        held = config = self._document.get("config")
        try:
            for step in place[:-1]:
                held = held[step]
            del held[place[-1]]
        except (KeyError, IndexError, TypeError):
            return  # it is not there
        if not config:
            del self._document["config"]

    def save(self) -> None:
        text = io.StringIO()
        if self._document:
            self._yaml.dump(self._document, text)
        self.path.write_text(text.getvalue(), "utf-8")
        self.raw = read_yaml(self.path)


def _is_secure(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"secure"} and isinstance(value["secure"], str)


def _typed(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?(0|[1-9]\d*)", text) else text


def _placed(held: Any, place: Path, value: Any) -> Any:
    """`held` with `value` at `place`; missing objects and lists are made."""
    if not place:
        return value
    step, *below = place
    if held is None:
        held = [] if isinstance(step, int) else {}
    if isinstance(step, int) and isinstance(held, list) and step <= len(held):
        inner = _placed(held[step] if step < len(held) else None, below, value)
        held[step : step + 1] = [inner]
    elif isinstance(step, str) and isinstance(held, dict) and not _is_secure(held):
        held[step] = _placed(held.get(step), below, value)
    else:
        raise EngineError(f"configuration path: {step!r} has no place in what is there")
    return held
