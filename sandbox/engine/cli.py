"""The commands. Each imports what it needs only when it runs: most need neither grpc nor a state."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module

from sandbox.engine.arguments import Arguments, parse
from sandbox.engine.errors import EngineError

VERSION = "v3.260.0"


def main(argv: list[str]) -> int:
    try:
        arguments = parse(argv)
        if cwd := arguments.get("--cwd"):
            os.chdir(cwd)
        module, function = HANDLERS[arguments.command]
        handler: Callable[[Arguments], int] = getattr(import_module(f"sandbox.engine.{module}"), function)
        return handler(arguments)
    except EngineError as e:
        sys.stderr.write(f"error: {e}\n")
        return 1
    except BrokenPipeError:
        return 1


# -- small ones -----------------------------------------------------------------------------------------------------
def version(_: Arguments) -> int:
    sys.stdout.write(VERSION + "\n")
    return 0


def whoami(a: Arguments) -> int:
    import getpass

    from sandbox.engine.backend import backend_url

    url = backend_url()
    user = getpass.getuser()
    shown = json.dumps({"user": user, "organizations": [], "url": url}) if a.has("--json") else user
    sys.stdout.write(shown + "\n")
    return 0


def plugins(a: Arguments) -> int:
    none = "[]" if a.has("--json") else "no plugins: providers are attached with PULUMI_DEBUG_PROVIDERS"
    sys.stdout.write(none + "\n")
    return 0


def install(_: Arguments) -> int:
    """Nothing to do: dependencies are the virtual environment's, and there are no plugins."""
    return 0


# -- deployments -----------------------------------------------------------------------------------------------------
def deploy(a: Arguments) -> int:
    from sandbox.engine.executor import Options
    from sandbox.engine.here import Here
    from sandbox.engine.operations import Operation, Request

    here = Here(a)
    store = here.store()
    kind = {"up": "update"}.get(a.command, a.command)
    preview = kind == "preview" or a.has("--preview-only")
    if not preview and not a.has("--yes") and not a.has("--skip-preview"):
        raise EngineError("--yes or --skip-preview must be passed in to proceed when running in non-interactive mode")
    parallel = a.get("--parallel") or "16"
    if not parallel.isdigit():
        raise EngineError(f"--parallel: {parallel!r} is not a number")
    options = Options(
        preview=preview,
        parallel=max(1, int(parallel)),
        refresh=a.has("--refresh"),
        replace=tuple(a.all("--replace")),
        exclude_protected=a.has("--exclude-protected"),
    )
    request = Request(
        kind=kind,
        options=options,
        event_log=a.get("--event-log"),
        message=a.get("--message") or "",
        json=a.has("--json"),
        expect_no_changes=a.has("--expect-no-changes"),
        colour={"always": True, "never": False, "raw": False}.get(a.get("--color") or "auto", sys.stdout.isatty()),
    )
    return Operation(here.project, here.backend, store, here.config(store.name)).run(request)


# command -> (module, function), so that a command imports only what it needs
HANDLERS: dict[str, tuple[str, str]] = {
    "version": ("cli", "version"),
    "whoami": ("cli", "whoami"),
    "plugin ls": ("cli", "plugins"),
    "install": ("cli", "install"),
    "up": ("cli", "deploy"),
    "preview": ("cli", "deploy"),
    "refresh": ("cli", "deploy"),
    "destroy": ("cli", "deploy"),
    "cancel": ("stack_commands", "cancel"),
    "stack": ("stack_commands", "show"),
    "stack init": ("stack_commands", "init"),
    "stack select": ("stack_commands", "select"),
    "stack ls": ("stack_commands", "ls"),
    "stack rm": ("stack_commands", "rm"),
    "stack output": ("stack_commands", "output"),
    "stack export": ("stack_commands", "export"),
    "stack import": ("stack_commands", "import_"),
    "stack history": ("stack_commands", "history"),
    "config": ("config_commands", "list_all"),
    "config get": ("config_commands", "get"),
    "config set": ("config_commands", "set_one"),
    "config set-all": ("config_commands", "set_all"),
    "config rm": ("config_commands", "remove"),
    "config rm-all": ("config_commands", "remove"),
    "config refresh": ("config_commands", "refresh"),
}
