"""The command line, as Pulumi's: options may stand before and after the command's words."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from sandbox.engine.errors import EngineError, RefusedError

# Options by command; `=` marks one that takes a value.
GLOBAL = """--non-interactive --color= --cwd= --stack= --emoji --disable-integrity-checking --verbose= --logtostderr
    --logflow --help"""
DEPLOY = """--yes --skip-preview --preview-only --json --event-log= --message= --parallel= --refresh --expect-no-changes
    --diff --debug --exec-kind= --exec-agent= --suppress-outputs --suppress-progress --suppress-permalink
    --show-secrets --show-same --config-file= --replace= --exclude-protected --run-program --remove
    --secrets-provider="""
CONFIG = "--path --plaintext --secret --json --show-secrets --config-file= --type="
# command -> (module.function that carries it out, its options)
COMMANDS = {
    "version": ("cli.version", ""),
    "whoami": ("cli.whoami", "--json"),
    "up": ("operations.deploy", DEPLOY),
    "preview": ("operations.deploy", DEPLOY),
    "refresh": ("operations.deploy", DEPLOY),
    "destroy": ("operations.deploy", DEPLOY),
    "cancel": ("stack_commands.cancel", "--yes"),
    "config": ("config_commands.list_all", CONFIG),
    "config get": ("config_commands.get", CONFIG),
    "config set": ("config_commands.set_one", CONFIG),
    "config set-all": ("config_commands.set_all", "--path --plaintext= --secret= --json= --config-file="),
    "config rm": ("config_commands.remove", CONFIG),
    "config rm-all": ("config_commands.remove", CONFIG),
    "stack": ("stack_commands.show", "--show-ids --show-urns --show-secrets --show-name"),
    "stack init": ("stack_commands.init", "--secrets-provider= --no-select"),
    "stack select": ("stack_commands.select", "--create --secrets-provider="),
    "stack ls": ("stack_commands.ls", "--json --all"),
    "stack rm": ("stack_commands.rm", "--yes --force --preserve-config"),
    "stack output": ("stack_commands.output", "--json --show-secrets"),
    "stack export": ("stack_commands.export", "--file= --show-secrets"),
    "stack import": ("stack_commands.import_", "--file= --force"),
    "stack history": ("stack_commands.history", "--json --show-secrets --page-size= --page= --full-dates"),
    "plugin ls": ("cli.plugins", "--json --project"),
    "install": ("cli.install", "--no-plugins --no-dependencies --reinstall"),
}
# How many words may follow a command; none where it is not listed.
WORDS = {"config get": 1, "config set": 2, "config rm": 1, "config rm-all": 1000, "stack init": 1, "stack select": 1,
         "stack rm": 1, "stack output": 1, "cancel": 1}  # fmt: skip
SHORT = {"-s": "--stack", "-C": "--cwd", "-y": "--yes", "-j": "--json", "-m": "--message", "-p": "--parallel",
         "-f": "--skip-preview", "-v": "--verbose", "-h": "--help", "-r": "--refresh", "-d": "--debug", "-a": "--all",
         "-i": "--show-ids"}  # fmt: skip
ALIASES = {"update": "up", "pre": "preview", "history": "stack history", "config remove": "config rm"}
# What Pulumi has and this engine has not: commands and options.
FOREIGN = """about ai console convert convert-trace deployment env gen-completion gen-markdown help import login logout
    logs new org package plugin policy query replay-events schema state template view-trace watch config stack"""
REFUSED = """--target --target-dependents --target-replace --exclude --exclude-dependents --policy-pack
    --policy-pack-config --plan --save-plan --continue-on-error --client --remote --import-file --attach-debugger
    --tracing --profiling --clear-pending-creates --import-pending-creates"""


@dataclass
class Arguments:
    """`options`: every one given, in order, with its value ("true" for one that takes none)."""

    command: str
    positional: list[str]
    options: list[tuple[str, str]] = field(default_factory=list)

    def given(self, *names: str) -> list[tuple[str, str]]:
        return [(o, v) for o, v in self.options if o in names]

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

    def print(self, text: str) -> None:
        sys.stdout.write(text + "\n")

    def print_json(self, value: Any) -> None:
        self.print(json.dumps(value, indent=2, ensure_ascii=False))


def _table(options: str) -> dict[str, bool]:
    return {o.rstrip("="): o.endswith("=") for o in options.split()}


def parse(argv: list[str]) -> Arguments:
    """Raises EngineError for what is unknown, RefusedError for what Pulumi has and this engine has not."""
    command, rest = _command(argv)
    known = _table(GLOBAL) | _table(COMMANDS[command][1])
    out = Arguments(command, [])
    words = iter(rest)
    for word in words:
        if word == "--":
            out.positional.extend(words)
        elif not word.startswith("-") or word == "-":
            out.positional.append(word)
        else:
            option, eq, value = word.partition("=")
            option = SHORT.get(option, option)
            if option in _table(REFUSED) and option not in known:
                raise RefusedError(f"option {option}")
            if option not in known:
                raise EngineError(f"unknown flag: {option} (of `pulumi {command}`)")
            if known[option] and not eq:
                following = next(words, None)
                if following is None:
                    raise EngineError(f"flag needs an argument: {option}")
                value = following
            out.options.append((option, value if known[option] or eq else "true"))
    if len(out.positional) > WORDS.get(command, 0):
        given = " ".join(out.positional)
        raise EngineError(f"`pulumi {command}` takes {WORDS.get(command, 0)} argument(s), not {given!r}")
    return out


def _command(argv: list[str]) -> tuple[str, list[str]]:
    """The longest known command made of the first words, and everything else in order."""
    valued = _table(GLOBAL)
    words: list[int] = []
    i = 0
    while i < len(argv) and len(words) < 2 and argv[i] != "--":
        option = SHORT.get(argv[i], argv[i])
        if not option.startswith("-"):
            words.append(i)
        elif words and option.partition("=")[0] not in valued:
            break
        elif valued.get(option):
            i += 1
        i += 1
    for n in range(len(words), 0, -1):
        name = " ".join(argv[w] for w in words[:n])
        name = ALIASES.get(name, name)
        if name in COMMANDS and not (n < len(words) and name in ("config", "stack")):
            return name, [a for j, a in enumerate(argv) if j not in words[:n]]
    if not words:
        raise EngineError("a command is expected, such as preview, up or stack ls")
    if argv[words[0]] not in FOREIGN.split():
        raise EngineError(f'unknown command "{argv[words[0]]}" for "pulumi"')
    raise RefusedError(f"command `pulumi {' '.join(argv[w] for w in words)}`")
