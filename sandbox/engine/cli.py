"""The commands. Each imports what it needs only when it runs: most need neither grpc nor a state."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.engine.arguments import Arguments, parse
from sandbox.engine.errors import EngineError

VERSION = "v3.260.0"


def main(argv: list[str]) -> int:
    try:
        arguments = parse(argv)
        if cwd := arguments.get("--cwd"):
            os.chdir(cwd)
        return HANDLERS[arguments.command](arguments)
    except EngineError as e:
        sys.stderr.write(f"error: {e}\n")
        return 1
    except BrokenPipeError:
        return 1


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def to_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


# -- small ones -----------------------------------------------------------------------------------------------------
def _version(_: Arguments) -> int:
    _print(VERSION)
    return 0


def _whoami(a: Arguments) -> int:
    import getpass

    from sandbox.engine.backend import backend_url

    url = backend_url()
    user = getpass.getuser()
    _print(json.dumps({"user": user, "organizations": [], "url": url}) if a.has("--json") else user)
    return 0


def _plugins(a: Arguments) -> int:
    _print("[]" if a.has("--json") else "no plugins: providers are attached with PULUMI_DEBUG_PROVIDERS")
    return 0


def _install(_: Arguments) -> int:
    return 0


# -- stacks ---------------------------------------------------------------------------------------------------------
class Here:
    """The project of the working directory, the backend, and the stack that is meant."""

    def __init__(self, arguments: Arguments) -> None:
        from sandbox.engine import backend, project

        self.arguments = arguments
        self.project = project.find(Path.cwd())
        self.backend = backend.Backend(backend.backend_url())

    def stack_name(self, given: str | None = None) -> str:
        from sandbox.engine import backend

        name = given or self.arguments.get("--stack") or os.environ.get("PULUMI_STACK")
        name = name or backend.selected(self.project.root, self.project.name)
        if not name:
            raise EngineError(
                "no stack selected; please use `pulumi stack select` or `pulumi stack init` to choose one"
            )
        parts = name.split("/")
        if len(parts) == 3 and parts[1] != self.project.name:
            raise EngineError(
                f"stack {name}: its project is {parts[1]}, the one in {self.project.root} {self.project.name}"
            )
        return parts[-1]

    def store(self, given: str | None = None) -> Any:
        """The stack's files. Raises EngineError when there is no such stack."""
        store = self.backend.stack(self.project.name, self.stack_name(given))
        if not store.exists():
            raise EngineError(f"no stack named '{store.name}' found")
        return store

    def config(self, name: str) -> Any:
        from sandbox.engine.config import StackConfig

        return StackConfig(self.project, name, self.arguments.get("--config-file"))


def _stack_init(a: Arguments) -> int:
    import re

    from sandbox.engine import backend

    here = Here(a)
    name = here.stack_name(a.positional[0] if a.positional else None)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
        raise EngineError(f"a stack name may hold letters, digits, hyphens, underscores and periods, not {name!r}")
    if (kind := a.get("--secrets-provider")) not in (None, "default", "passphrase"):
        from sandbox.engine.errors import RefusedError

        raise RefusedError(f"secrets provider {kind}")
    store = here.backend.stack(here.project.name, name)
    if store.exists():
        raise EngineError(f"stack '{store.full_name}' already exists")
    here.config(name).crypter()
    store.create()
    if not a.has("--no-select"):
        backend.select(here.project.root, here.project.name, name)
    _print(f"Created stack '{name}'")
    return 0


def _stack_select(a: Arguments) -> int:
    from sandbox.engine import backend

    here = Here(a)
    given = a.positional[0] if a.positional else None
    name = here.stack_name(given)
    if a.has("--create") and not here.backend.stack(here.project.name, name).exists():
        return _stack_init(a)
    store = here.store(given)
    backend.select(here.project.root, here.project.name, store.name)
    return 0


def _stack_show(a: Arguments) -> int:
    store = Here(a).store()
    if a.has("--show-name"):
        _print(store.name)
        return 0
    raw = store.raw()
    resources = raw.get("resources") or []
    _print(f"Current stack is {store.name}:")
    _print(f"Current stack resources ({len(resources)}):")
    for r in resources:
        _print(f"    {r['type']}  {r['urn'].rsplit('::', 1)[-1]}")
    return 0


def _stack_ls(a: Arguments) -> int:
    import datetime

    from sandbox.engine import backend

    here = Here(a)
    current = backend.selected(here.project.root, here.project.name)
    rows = []
    for project in here.backend.projects() if a.has("--all") else [here.project.name]:
        for name in here.backend.names(project):
            store = here.backend.stack(project, name)
            raw = store.raw()
            row: dict[str, Any] = {
                "name": name if project == here.project.name else store.full_name,
                "current": project == here.project.name and name == current,
                "updateInProgress": bool(store.locks()),
            }
            if raw.get("resources") is not None:
                stamp = datetime.datetime.fromtimestamp(store.path.stat().st_mtime, datetime.UTC)
                row["lastUpdate"] = stamp.strftime("%Y-%m-%dT%H:%M:%S.000Z")
                row["resourceCount"] = len(raw["resources"])
            rows.append(row)
    if a.has("--json"):
        _print(to_json(rows))
    else:
        _print(f"{'NAME':20} RESOURCE COUNT")
        for row in rows:
            _print(f"{row['name'] + ('*' if row['current'] else ''):20} {row.get('resourceCount', 'n/a')}")
    return 0


def _stack_rm(a: Arguments) -> int:
    from sandbox.engine import backend

    here = Here(a)
    store = here.store(a.positional[0] if a.positional else None)
    lock = store.lock()
    try:
        if store.raw().get("resources") and not a.has("--force"):
            raise EngineError(
                f"'{store.full_name}' still has resources; removal rejected. Possible actions:\n- Make sure that "
                f"'{store.name}' is the stack that you want to destroy\n- Run `pulumi destroy` to delete the "
                "resources, then run `pulumi stack rm`\n- Run `pulumi stack rm --force` to override this error"
            )
        store.remove()
    finally:
        lock.release()
    config = here.config(store.name)
    if not a.has("--preserve-config") and config.path.exists():
        config.path.unlink()
    if backend.selected(here.project.root, here.project.name) == store.name:
        backend.select(here.project.root, here.project.name, None)
    _print(f"Stack '{store.name}' has been removed!")
    return 0


def _stack_output(a: Arguments) -> int:
    from sandbox.engine.outputs import outputs

    here = Here(a)
    found = outputs(here.store(), reveal=a.has("--show-secrets"))
    if a.positional:
        name = a.positional[0]
        if name not in found:
            raise EngineError(f"current stack does not have output property '{name}'")
        value = found[name]
        _print(to_json(value) if a.has("--json") else _text(value))
    elif a.has("--json"):
        _print(to_json(found))
    elif not found:
        _print("Current stack outputs (0):\n    No output values currently in this stack")
    else:
        width = max(len("OUTPUT"), *map(len, found))
        _print(f"Current stack outputs ({len(found)}):\n    {'OUTPUT':{width}}  VALUE")
        for key, value in found.items():
            first, *more = _text(value).split("\n")
            _print(f"    {key:{width}}  {first}")
            for line in more:
                _print(f"    {'':{width}}  {line}")
    return 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _stack_export(a: Arguments) -> int:
    from sandbox.engine.outputs import export

    text = json.dumps(export(Here(a).store(), reveal=a.has("--show-secrets")), indent=4, ensure_ascii=False)
    if file := a.get("--file"):
        Path(file).write_text(text + "\n", "utf-8")
    else:
        _print(text)
    return 0


def _stack_import(a: Arguments) -> int:
    from sandbox.engine.outputs import import_document

    here = Here(a)
    store = here.store()
    file = a.get("--file")
    text = Path(file).read_text("utf-8") if file else sys.stdin.read()
    lock = store.lock()
    try:
        import_document(store, here.config(store.name).crypter(), text, force=a.has("--force"))
    finally:
        lock.release()
    _print("Import complete.")
    return 0


def _stack_history(a: Arguments) -> int:
    from sandbox.engine.outputs import history

    here = Here(a)
    store = here.store()
    entries = history(store, here.config(store.name) if a.has("--show-secrets") else None)
    if size := int(a.get("--page-size") or 0):
        start = (max(1, int(a.get("--page") or 1)) - 1) * size
        entries = entries[start : start + size]
    if a.has("--json"):
        _print(to_json(entries))
    else:
        for e in entries:
            _print(
                f"Version: {e['version']}\nUpdateKind: {e['kind']}\nStatus: {e['result']}\nMessage: {e['message']}\n"
            )
    return 0


def _cancel(a: Arguments) -> int:
    here = Here(a)
    store = here.store(a.positional[0] if a.positional else None)
    store.cancel()
    _print(f"The currently running update for '{store.name}' has been canceled!")
    return 0


# -- configuration --------------------------------------------------------------------------------------------------
def _config_of(a: Arguments) -> Any:
    here = Here(a)
    return here.config(here.store().name)


def _split(config: Any, key: str, path: bool) -> tuple[str, str | None]:
    """`ns:a.b[0]` with --path -> (`ns:a`, `b[0]`)."""
    if not path:
        return config.key(key), None
    import re

    found = re.match(r"[^.\[]+", key.split(":", 1)[-1])
    head_end = (len(key) - len(key.split(":", 1)[-1])) + (found.end() if found else 0)
    return config.key(key[:head_end]), key[head_end:].lstrip(".") or None


def _entry_json(e: Any, reveal: bool) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if reveal or not e.secret:
        out["value"] = e.text
        if e.object is not None:
            out["objectValue"] = e.object
    return out | {"secret": e.secret}


def _config_list(a: Arguments) -> int:
    config = _config_of(a)
    reveal = a.has("--show-secrets")
    entries = config.entries(reveal=reveal)
    if a.has("--json"):
        _print(to_json({k: _entry_json(e, reveal) for k, e in entries.items()}))
    else:
        own = f"{config.project.name}:"
        _print(f"{'KEY':24}VALUE")
        for key, e in entries.items():
            _print(f"{key.removeprefix(own):24}{e.text if reveal or not e.secret else '[secret]'}")
    return 0


def _config_get(a: Arguments) -> int:
    config = _config_of(a)
    key, path = _split(config, _one(a), a.has("--path"))
    entry = config.get(key, path)
    if entry is None:
        name = _one(a).removeprefix(f"{config.project.name}:")
        raise EngineError(f"configuration key '{name}' not found for stack '{config.stack}'")
    _print(to_json(_entry_json(entry, True)) if a.has("--json") else entry.text)
    return 0


def _config_set(a: Arguments) -> int:
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


def _config_set_all(a: Arguments) -> int:
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


def _config_rm(a: Arguments) -> int:
    config = _config_of(a)
    for name in a.positional:
        key, path = _split(config, name, a.has("--path"))
        config.remove(key, path)
    return 0


def _config_refresh(a: Arguments) -> int:
    from sandbox.engine.errors import RefusedError

    raise RefusedError("config refresh")


def _one(a: Arguments) -> str:
    if len(a.positional) != 1:
        raise EngineError(f"{a.command}: one key is expected, not {len(a.positional)}")
    return a.positional[0]


# -- deployments -----------------------------------------------------------------------------------------------------
def _deploy(a: Arguments) -> int:
    from sandbox.engine.executor import Options
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


HANDLERS: dict[str, Callable[[Arguments], int]] = {
    "version": _version,
    "whoami": _whoami,
    "plugin ls": _plugins,
    "install": _install,
    "stack": _stack_show,
    "stack init": _stack_init,
    "stack select": _stack_select,
    "stack ls": _stack_ls,
    "stack rm": _stack_rm,
    "stack output": _stack_output,
    "stack export": _stack_export,
    "stack import": _stack_import,
    "stack history": _stack_history,
    "cancel": _cancel,
    "config": _config_list,
    "config get": _config_get,
    "config set": _config_set,
    "config set-all": _config_set_all,
    "config rm": _config_rm,
    "config rm-all": _config_rm,
    "config refresh": _config_refresh,
    "up": _deploy,
    "preview": _deploy,
    "refresh": _deploy,
    "destroy": _deploy,
}
