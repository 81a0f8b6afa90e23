"""`pulumi config …`."""

from __future__ import annotations

import json
import sys

from sandbox.engine.arguments import Arguments
from sandbox.engine.config import StackConfig
from sandbox.engine.errors import EngineError
from sandbox.engine.workspace import Workspace


def _config_of(a: Arguments, *words: int) -> StackConfig:
    """The configuration of an existing stack. `words`: how many may follow the command."""
    if words and len(a.positional) not in words:
        raise EngineError(f"{a.command}: a key is expected{', and a value' if 2 in words else ''}")
    here = Workspace(a)
    here.store()
    return here.config()


def list_all(a: Arguments) -> None:
    config = _config_of(a)
    reveal = a.has("--show-secrets")
    entries = config.entries(reveal=reveal)
    own = f"{config.project.name}:"
    rows = [f"{'KEY':24}VALUE", *(f"{key.removeprefix(own):24}{e.text}" for key, e in entries.items())]
    a.answer("\n".join(rows), {k: e.document(reveal) for k, e in entries.items()})


def get(a: Arguments) -> None:
    config = _config_of(a, 1)
    entry = config.get(config.place(a.positional[0], a.has("--path")))
    if entry is None:
        name = a.positional[0].removeprefix(f"{config.project.name}:")
        raise EngineError(f"configuration key '{name}' not found for stack '{config.stack}'")
    a.answer(entry.text, entry.document(True))


def set_one(a: Arguments) -> None:
    config = _config_of(a, 1, 2)
    value = a.positional[1] if len(a.positional) == 2 else sys.stdin.read().removesuffix("\n")
    config.set(config.place(a.positional[0], a.has("--path")), value, secret=a.has("--secret"))
    config.save()


def set_all(a: Arguments) -> None:
    config = _config_of(a)
    wanted = [(*text.partition("="), option == "--secret") for option, text in a.given("--plaintext", "--secret")]
    try:
        document = json.loads(a.get("--json") or "{}")
        wanted += [(name, "=", entry["value"], bool(entry.get("secret"))) for name, entry in document.items()]
    except (ValueError, AttributeError, KeyError, TypeError) as e:
        raise EngineError('config set-all: --json is not {"<key>": {"value": …, "secret": …}, …}') from e
    for name, eq, value, secret in wanted:
        if not eq:
            raise EngineError(f"config set-all: {name!r} is not <key>=<value>")
        config.set(config.place(name, a.has("--path")), value, secret=secret)
    config.save()


def remove(a: Arguments) -> None:
    config = _config_of(a)
    for name in a.positional:
        config.remove(config.place(name, a.has("--path")))
    config.save()
