"""`pulumi config …`."""

from __future__ import annotations

import json
import sys

from sandbox.engine.arguments import Arguments
from sandbox.engine.config import StackConfig
from sandbox.engine.errors import EngineError
from sandbox.engine.workspace import Workspace


def _config_of(a: Arguments) -> StackConfig:
    here = Workspace(a)
    here.store()
    return here.config()


def list_all(a: Arguments) -> None:
    config = _config_of(a)
    reveal = a.has("--show-secrets")
    entries = config.entries(reveal=reveal)
    if a.has("--json"):
        a.print_json({k: e.document(reveal) for k, e in entries.items()})
        return
    a.print(f"{'KEY':24}VALUE")
    for key, e in entries.items():
        shown = e.text if reveal or not e.secret else "[secret]"
        a.print(f"{key.removeprefix(f'{config.project.name}:'):24}{shown}")


def get(a: Arguments) -> None:
    config = _config_of(a)
    if len(a.positional) != 1:
        raise EngineError(f"config get: one key is expected, not {len(a.positional)}")
    entry = config.get(*config.split(a.positional[0], a.has("--path")))
    if entry is None:
        name = a.positional[0].removeprefix(f"{config.project.name}:")
        raise EngineError(f"configuration key '{name}' not found for stack '{config.stack}'")
    if a.has("--json"):
        a.print_json(entry.document(True))
    else:
        a.print(entry.text)


def set_one(a: Arguments) -> None:
    config = _config_of(a)
    if len(a.positional) not in (1, 2):
        raise EngineError("config set: a key and a value are expected")
    value = a.positional[1] if len(a.positional) == 2 else sys.stdin.read().removesuffix("\n")
    config.set(*config.split(a.positional[0], a.has("--path")), value, secret=a.has("--secret"))
    config.save()


def set_all(a: Arguments) -> None:
    config = _config_of(a)
    wanted = [(text.partition("="), option == "--secret") for option, text in a.given("--plaintext", "--secret")]
    for (name, eq, value), secret in wanted:
        if not eq:
            raise EngineError(f"config set-all: {name!r} is not <key>=<value>")
        config.set(*config.split(name, a.has("--path")), value, secret=secret)
    try:
        for name, entry in json.loads(a.get("--json") or "{}").items():
            secret = bool(entry.get("secret"))
            config.set(*config.split(name, a.has("--path")), entry["value"], secret=secret)
    except (ValueError, AttributeError, KeyError, TypeError) as e:
        raise EngineError('config set-all: --json is not {"<key>": {"value": …, "secret": …}, …}') from e
    config.save()


def remove(a: Arguments) -> None:
    config = _config_of(a)
    for name in a.positional:
        config.remove(*config.split(name, a.has("--path")))
    config.save()
