"""The commands. Each imports what it needs only when it runs: most need neither grpc nor a state."""

from __future__ import annotations

import getpass
import os
import sys
import textwrap
from importlib import import_module

from sandbox.engine.arguments import COMMANDS, GLOBAL, Arguments, parse
from sandbox.engine.errors import EngineError


def main(argv: list[str]) -> int:
    """The exit code; a command's function answers None for 0."""
    try:
        arguments = parse(argv)
        os.chdir(arguments.get("--cwd") or ".")
        module, function = COMMANDS[arguments.command][0].split(".")
        code: int | None = getattr(import_module(f"sandbox.engine.{module}"), function)(arguments)
        return code or 0
    except EngineError as e:
        sys.stderr.write(f"error: {e}\n")
        return e.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("error: canceled\n")
        return 1
    except BrokenPipeError:
        return 1
    except OSError as e:
        if e.filename is None:
            raise
        sys.stderr.write(f"error: {e.filename}: {e.strerror}\n")
        return 1


def usage(a: Arguments) -> None:
    """The commands that begin with the given words; the options of the one that is meant."""
    wanted = " ".join(a.positional)
    lines = [f"{name:15} {what}" for name, (*_, what) in COMMANDS.items() if name.startswith(wanted)]
    if not lines:
        raise EngineError(f"no command begins with {wanted!r}; `pulumi help` lists all")
    if wanted in COMMANDS:
        options = " ".join(f"{COMMANDS[wanted][1]} {GLOBAL}".replace("=", "=…").split())
        lines += ["", textwrap.fill(options, 100, break_on_hyphens=False)]
    a.answer("\n".join([*lines, "", "`pulumi help <command>` lists its options. What is not here: docs/engine.md"]))


def version(a: Arguments) -> None:
    from sandbox.engine.checkpoint import ENGINE_VERSION

    a.answer(ENGINE_VERSION)


def whoami(a: Arguments) -> None:
    from sandbox.engine.workspace import backend_url

    user = getpass.getuser()
    a.answer(user, {"user": user, "organizations": [], "url": backend_url()})


def plugins(a: Arguments) -> None:
    a.answer("no plugins: providers are attached with PULUMI_DEBUG_PROVIDERS", [])


def install(a: Arguments) -> None:
    """Nothing to do: dependencies are the virtual environment's, and there are no plugins."""
