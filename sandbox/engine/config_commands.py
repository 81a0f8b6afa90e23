"""`pulumi config …`."""

from __future__ import annotations

import json
import re
import sys

from sandbox.engine.arguments import Arguments
from sandbox.engine.config import StackConfig
from sandbox.engine.errors import EngineError, RefusedError
from sandbox.engine.here import Here, print_line, to_json


def _config_of(a: Arguments) -> StackConfig:
    here = Here(a)
    return here.config(here.store().name)


def _split(config: StackConfig, key: str, path: bool) -> tuple[str, str | None]:
    """`ns:a.b[0]` with --path -> (`ns:a`, `b[0]`)."""
    if not path:
        return config.key(key), None
    found = re.match(r"[^.\[]+", key.split(":", 1)[-1])
    head_end = (len(key) - len(key.split(":", 1)[-1])) + (found.end() if found else 0)
    return config.key(key[:head_end]), key[head_end:].lstrip(".") or None


def list_all(a: Arguments) -> int:
    config = _config_of(a)
    reveal = a.has("--show-secrets")
    entries = config.entries(reveal=reveal)
    if a.has("--json"):
        print_line(to_json({k: e.document(reveal) for k, e in entries.items()}))
    else:
        own = f"{config.project.name}:"
        print_line(f"{'KEY':24}VALUE")
        for key, e in entries.items():
            print_line(f"{key.removeprefix(own):24}{e.text if reveal or not e.secret else '[secret]'}")
    return 0


def get(a: Arguments) -> int:
    config = _config_of(a)
    key, path = _split(config, _one(a), a.has("--path"))
    entry = config.get(key, path)
    if entry is None:
        name = _one(a).removeprefix(f"{config.project.name}:")
        raise EngineError(f"configuration key '{name}' not found for stack '{config.stack}'")
    print_line(to_json(entry.document(True)) if a.has("--json") else entry.text)
    return 0


def set_one(a: Arguments) -> int:
    config = _config_of(a)
    if len(a.positional) == 1:
        value = sys.stdin.read().removesuffix("\n")
    elif len(a.positional) == 2:
        value = a.positional[1]
    else:
        raise EngineError("config set: a key and a value are expected")
    key, path = _split(config, a.positional[0], a.has("--path"))
    config.set(key, value, secret=a.has("--secret"), path=path)
    return 0


def set_all(a: Arguments) -> int:
    config = _config_of(a)
    for option, text in a.ordered:
        if option in ("--plaintext", "--secret"):
            name, eq, value = text.partition("=")
            if not eq:
                raise EngineError(f"config set-all: {text!r} is not <key>=<value>")
            key, path = _split(config, name, a.has("--path"))
            config.set(key, value, secret=option == "--secret", path=path)
    if document := a.get("--json"):
        for name, entry in json.loads(document).items():
            key, path = _split(config, name, a.has("--path"))
            config.set(key, entry["value"], secret=bool(entry.get("secret")), path=path)
    return 0


def remove(a: Arguments) -> int:
    config = _config_of(a)
    for name in a.positional:
        key, path = _split(config, name, a.has("--path"))
        config.remove(key, path)
    return 0


def refresh(a: Arguments) -> int:
    raise RefusedError("config refresh")


def _one(a: Arguments) -> str:
    if len(a.positional) != 1:
        raise EngineError(f"{a.command}: one key is expected, not {len(a.positional)}")
    return a.positional[0]
