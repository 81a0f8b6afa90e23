"""The command line, as Pulumi's: options may stand before and after the command's words."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.engine.errors import EngineError, RefusedError

# option -> takes a value
GLOBAL = {
    "--non-interactive": False,
    "--color": True,
    "--cwd": True,
    "--stack": True,
    "--emoji": False,
    "--disable-integrity-checking": False,
    "--verbose": True,
    "--logtostderr": False,
    "--logflow": False,
    "--help": False,
}
SHORT = {"-s": "--stack", "-C": "--cwd", "-y": "--yes", "-j": "--json", "-m": "--message", "-p": "--parallel",
         "-f": "--skip-preview", "-v": "--verbose", "-h": "--help", "-r": "--refresh", "-d": "--debug", "-a": "--all",
         "-i": "--show-ids"}  # fmt: skip
DEPLOY = {
    "--yes": False,
    "--skip-preview": False,
    "--preview-only": False,
    "--json": False,
    "--event-log": True,
    "--message": True,
    "--parallel": True,
    "--refresh": False,
    "--expect-no-changes": False,
    "--diff": False,
    "--debug": False,
    "--exec-kind": True,
    "--exec-agent": True,
    "--suppress-outputs": False,
    "--suppress-progress": False,
    "--suppress-permalink": False,
    "--show-secrets": False,
    "--show-same": False,
    "--config-file": True,
    "--replace": True,
    "--exclude-protected": False,
    "--run-program": False,
    "--remove": False,
    "--secrets-provider": True,
}
REFUSED = {
    "--target", "--target-dependents", "--target-replace", "--exclude", "--exclude-dependents", "--policy-pack",
    "--policy-pack-config", "--plan", "--save-plan", "--continue-on-error", "--client", "--remote", "--import-file",
    "--attach-debugger", "--tracing", "--profiling", "--clear-pending-creates", "--import-pending-creates",
}  # fmt: skip
CONFIG = {"--path": False, "--plaintext": False, "--secret": False, "--json": False, "--show-secrets": False,
          "--config-file": True, "--type": True}  # fmt: skip
COMMANDS: dict[str, dict[str, bool]] = {
    "version": {},
    "whoami": {"--json": False},
    "up": DEPLOY,
    "preview": DEPLOY,
    "refresh": DEPLOY,
    "destroy": DEPLOY,
    "cancel": {"--yes": False},
    "config": CONFIG,
    "config get": CONFIG,
    "config set": CONFIG,
    "config set-all": {**CONFIG, "--plaintext": True, "--secret": True, "--json": True},
    "config rm": CONFIG,
    "config rm-all": CONFIG,
    "config refresh": {"--force": False},
    "stack": {"--show-ids": False, "--show-urns": False, "--show-secrets": False, "--show-name": False},
    "stack init": {"--secrets-provider": True, "--no-select": False},
    "stack select": {"--create": False, "--secrets-provider": True},
    "stack ls": {"--json": False, "--all": False},
    "stack rm": {"--yes": False, "--force": False, "--preserve-config": False},
    "stack output": {"--json": False, "--show-secrets": False},
    "stack export": {"--file": True, "--show-secrets": False},
    "stack import": {"--file": True, "--force": False},
    "stack history": {
        "--json": False,
        "--show-secrets": False,
        "--page-size": True,
        "--page": True,
        "--full-dates": False,
    },
    "plugin ls": {"--json": False, "--project": False},
    "install": {"--no-plugins": False, "--no-dependencies": False, "--reinstall": False},
}
ALIASES = {"update": "up", "pre": "preview", "history": "stack history", "config remove": "config rm"}


@dataclass
class Arguments:
    """`values` has the last value of an option; `ordered` every occurrence, in order (set-all needs it)."""

    command: str
    positional: list[str]
    values: dict[str, str] = field(default_factory=dict)
    ordered: list[tuple[str, str]] = field(default_factory=list)

    def has(self, option: str) -> bool:
        return self.values.get(option, "false") != "false"

    def get(self, option: str) -> str | None:
        return self.values.get(option)

    def all(self, option: str) -> list[str]:
        return [v for o, v in self.ordered if o == option]


def parse(argv: list[str]) -> Arguments:
    """Raises EngineError for what is unknown, RefusedError for what Pulumi has and this engine has not."""
    command, rest = _command(argv)
    known = GLOBAL | COMMANDS[command]
    out = Arguments(command, [])
    i = 0
    while i < len(rest):
        word = rest[i]
        i += 1
        if word == "--":
            out.positional.extend(rest[i:])
            break
        if not word.startswith("-") or word == "-":
            out.positional.append(word)
            continue
        option, eq, value = word.partition("=")
        option = SHORT.get(option, option)
        if option not in known:
            if option in REFUSED:
                raise RefusedError(f"option {option}")
            raise EngineError(f"unknown flag: {option} (of `pulumi {command}`)")
        if known[option] and not eq:
            if i == len(rest):
                raise EngineError(f"flag needs an argument: {option}")
            value = rest[i]
            i += 1
        out.values[option] = value if known[option] or eq else "true"
        out.ordered.append((option, out.values[option]))
    return out


def _command(argv: list[str]) -> tuple[str, list[str]]:
    """The longest known command made of the first words, and everything else in order."""
    words: list[int] = []
    i = 0
    while i < len(argv) and len(words) < 2 and argv[i] != "--":
        option = SHORT.get(argv[i], argv[i])
        if not argv[i].startswith("-"):
            words.append(i)
        elif GLOBAL.get(option) and "=" not in argv[i]:
            i += 1
        elif words and option not in GLOBAL:
            break
        i += 1
    for n in range(len(words), 0, -1):
        name = " ".join(argv[w] for w in words[:n])
        name = ALIASES.get(name, name)
        if name in COMMANDS:
            return name, [a for j, a in enumerate(argv) if j not in words[:n]]
    if not words:
        raise EngineError("a command is expected, such as preview, up or stack ls")
    raise RefusedError(f"command `pulumi {' '.join(argv[w] for w in words)}`")
