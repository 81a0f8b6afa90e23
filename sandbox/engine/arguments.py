"""The command line, as Pulumi's: options may stand before and after the command's words."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.engine.errors import EngineError, RefusedError

# Options by command; `=` marks one that takes a value.
GLOBAL = """--non-interactive --color= --cwd= --stack= --emoji --disable-integrity-checking --verbose= --logtostderr
    --logflow --help"""
DEPLOY = """--yes --skip-preview --preview-only --json --event-log= --message= --parallel= --refresh --expect-no-changes
    --diff --debug --exec-kind= --exec-agent= --suppress-outputs --suppress-progress --suppress-permalink
    --config-file="""
SET_ALL = "--path --plaintext= --secret= --json= --config-file="
HISTORY = "--json --show-secrets --page-size= --page= --full-dates"
# command -> (module.function that carries it out, its options, what it does)
COMMANDS = {
    "help": ("cli.usage", "", "tell what commands there are, and which options"),
    "version": ("cli.version", "", "tell the Pulumi whose behaviour this is"),
    "whoami": ("cli.whoami", "--json", "tell who would change a stack, and where"),
    "up": ("operations.deploy", DEPLOY, "make the stack what the program says"),
    "preview": ("operations.deploy", DEPLOY, "show what `up` would do"),
    "refresh": ("operations.deploy", DEPLOY, "make the state what the providers say"),
    "destroy": ("operations.deploy", DEPLOY, "delete the stack's resources"),
    "cancel": ("commands.cancel", "--yes", "clear the lock of an update that is over"),
    "config": ("commands.config_list", "--json --show-secrets --config-file=", "list the stack's configuration"),
    "config get": ("commands.config_get", "--path --json --config-file=", "show one value"),
    "config set": ("commands.config_set", "--path --plaintext --secret --config-file=", "set one value"),
    "config set-all": ("commands.config_set_all", SET_ALL, "set several values"),
    "config rm": ("commands.config_remove", "--path --config-file=", "remove one value"),
    "config rm-all": ("commands.config_remove", "--path --config-file=", "remove several values"),
    "stack": ("commands.stack_show", "--show-ids --show-urns --show-secrets --show-name", "list the stack's resources"),
    "stack init": ("commands.stack_init", "--secrets-provider= --no-select", "make a stack"),
    "stack select": ("commands.stack_select", "--create --secrets-provider=", "choose the stack of later commands"),
    "stack ls": ("commands.stack_ls", "--json --all", "list the project's stacks"),
    "stack rm": ("commands.stack_rm", "--yes --force --preserve-config", "forget a stack"),
    "stack output": ("commands.stack_output", "--json --show-secrets", "show what the stack exports"),
    "stack export": ("commands.stack_export", "--file= --show-secrets", "write the state as JSON"),
    "stack import": ("commands.stack_import", "--file= --force", "take a state that was exported"),
    "stack history": ("commands.stack_history", HISTORY, "list what was done to the stack"),
    "plugin ls": ("cli.plugins", "--json --project", "list plugins, of which there are none"),
    "install": ("cli.install", "--no-plugins --no-dependencies --reinstall", "do nothing: pip installs"),
}
# How many words follow a command, at least and at most; none where it is not listed.
WORDS = {"help": (0, 2), "config get": (1, 1), "config set": (1, 2), "config rm": (1, 1), "config rm-all": (0, 1000),
         "stack init": (0, 1), "stack select": (0, 1), "stack rm": (0, 1), "stack output": (0, 1),
         "cancel": (0, 1)}  # fmt: skip
SHORT = {"-s": "--stack", "-C": "--cwd", "-y": "--yes", "-j": "--json", "-m": "--message", "-p": "--parallel",
         "-f": "--skip-preview", "-v": "--verbose", "-h": "--help", "-r": "--refresh", "-d": "--debug", "-a": "--all",
         "-i": "--show-ids"}  # fmt: skip
ALIASES = {"update": "up", "pre": "preview", "history": "stack history", "config remove": "config rm"}


@dataclass
class Arguments:
    """`options`: every one given, in order, with its value ("true" for one that takes none)."""

    command: str
    positional: list[str]
    options: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """The last value of an option."""
        return next((v for o, v in reversed(self.options) if o == name), None)

    def has(self, name: str) -> bool:
        return self.get(name) not in (None, "false")

    def number(self, name: str, default: int) -> int:
        """A count from 1. Raises EngineError when it is none."""
        text = self.get(name)
        if text is not None and not text.isdigit():
            raise EngineError(f"{name}: {text!r} is not a number")
        return max(1, int(text)) if text is not None else default

    def answer(self, text: str, document: Any = None) -> None:
        """Prints the text, or with `--json` the document."""
        if self.has("--json"):
            text = json.dumps(document, indent=2, ensure_ascii=False)
        sys.stdout.write(text + "\n")


def parse(argv: list[str]) -> Arguments:
    """Raises EngineError for what is incomplete, RefusedError for what this engine has not."""
    out = Arguments("", [])
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--":
            words.extend(rest)
        elif word == "-" or not word.startswith("-"):
            words.append(word)
        else:
            out.options.append(_option(word, rest, _command(words)[0]))
    out.command, out.positional = _command(words)
    if out.has("--help"):
        return Arguments("help", words)
    if not words:
        raise EngineError("a command is expected, such as preview, up or stack ls")
    if not out.command or (out.positional and out.command in ("config", "stack")):
        raise RefusedError(f"command `pulumi {' '.join(words[:2])}`")
    least, most = WORDS.get(out.command, (0, 0))
    if not least <= len(out.positional) <= most:
        expected = f"{least} to {most}" if least < most else most
        raise EngineError(f"`pulumi {out.command}` takes {expected} argument(s), not {' '.join(out.positional)!r}")
    return out


def _command(words: list[str]) -> tuple[str, list[str]]:
    """(the longest known command that the words begin with, the words after it)."""
    for n in (2, 1):
        name = " ".join(words[:n])
        if (name := ALIASES.get(name, name)) in COMMANDS:
            return name, words[n:]
    return "", words


def _option(word: str, rest: Iterator[str], command: str) -> tuple[str, str]:
    """An option and its value, which may be the next word of the `rest`."""
    option, eq, value = word.partition("=")
    option = SHORT.get(option, option)
    known = f"{GLOBAL} {COMMANDS[command][1] if command else ''}".split()
    if option in known:
        return option, value if eq else "true"
    if f"{option}=" not in known:
        raise RefusedError(f"option {option}")
    following = value if eq else next(rest, None)
    if following is None:
        raise EngineError(f"flag needs an argument: {option}")
    return option, following
