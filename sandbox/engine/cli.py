"""The commands. Each imports what it needs only when it runs: most need neither grpc nor a state."""

from __future__ import annotations

import getpass
import os
import sys
from importlib import import_module

from sandbox.engine.arguments import COMMANDS, Arguments, parse
from sandbox.engine.errors import EngineError

VERSION = "v3.260.0"


def main(argv: list[str]) -> int:
    """The exit code; a command's function answers None for 0."""
    try:
        arguments = parse(argv)
        if cwd := arguments.get("--cwd"):
            os.chdir(cwd)
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


def version(a: Arguments) -> None:
    a.print(VERSION)


def whoami(a: Arguments) -> None:
    from sandbox.engine.workspace import backend_url

    if a.has("--json"):
        a.print_json({"user": getpass.getuser(), "organizations": [], "url": backend_url()})
    else:
        a.print(getpass.getuser())


def plugins(a: Arguments) -> None:
    a.print("[]" if a.has("--json") else "no plugins: providers are attached with PULUMI_DEBUG_PROVIDERS")


def install(a: Arguments) -> None:
    """Nothing to do: dependencies are the virtual environment's, and there are no plugins."""
