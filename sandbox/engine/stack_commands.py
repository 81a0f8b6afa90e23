"""`pulumi stack …` and `pulumi cancel`."""

from __future__ import annotations

import datetime
import json
import re
import sys
from pathlib import Path
from typing import Any

from sandbox.engine import backend
from sandbox.engine import outputs as reading
from sandbox.engine.arguments import Arguments
from sandbox.engine.errors import EngineError, RefusedError
from sandbox.engine.here import Here, print_line, to_json


def init(a: Arguments) -> int:
    here = Here(a)
    name = here.stack_name(a.positional[0] if a.positional else None)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
        raise EngineError(f"a stack name may hold letters, digits, hyphens, underscores and periods, not {name!r}")
    if (kind := a.get("--secrets-provider")) not in (None, "default", "passphrase"):
        raise RefusedError(f"secrets provider {kind}")
    store = here.backend.stack(here.project.name, name)
    if store.exists():
        raise EngineError(f"stack '{store.full_name}' already exists")
    here.config(name).crypter()
    store.create()
    if not a.has("--no-select"):
        backend.select(here.project.root, here.project.name, name)
    print_line(f"Created stack '{name}'")
    return 0


def select(a: Arguments) -> int:
    here = Here(a)
    given = a.positional[0] if a.positional else None
    name = here.stack_name(given)
    if a.has("--create") and not here.backend.stack(here.project.name, name).exists():
        return init(a)
    store = here.store(given)
    backend.select(here.project.root, here.project.name, store.name)
    return 0


def show(a: Arguments) -> int:
    store = Here(a).store()
    if a.has("--show-name"):
        print_line(store.name)
        return 0
    raw = store.raw()
    resources = raw.get("resources") or []
    print_line(f"Current stack is {store.name}:")
    print_line(f"Current stack resources ({len(resources)}):")
    for r in resources:
        print_line(f"    {r['type']}  {r['urn'].rsplit('::', 1)[-1]}")
    return 0


def ls(a: Arguments) -> int:
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
        print_line(to_json(rows))
    else:
        print_line(f"{'NAME':20} RESOURCE COUNT")
        for row in rows:
            print_line(f"{row['name'] + ('*' if row['current'] else ''):20} {row.get('resourceCount', 'n/a')}")
    return 0


def rm(a: Arguments) -> int:
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
    print_line(f"Stack '{store.name}' has been removed!")
    return 0


def output(a: Arguments) -> int:
    here = Here(a)
    found = reading.outputs(here.store(), reveal=a.has("--show-secrets"))
    if a.positional:
        name = a.positional[0]
        if name not in found:
            raise EngineError(f"current stack does not have output property '{name}'")
        value = found[name]
        print_line(to_json(value) if a.has("--json") else _text(value))
    elif a.has("--json"):
        print_line(to_json(found))
    elif not found:
        print_line("Current stack outputs (0):\n    No output values currently in this stack")
    else:
        width = max(len("OUTPUT"), *map(len, found))
        print_line(f"Current stack outputs ({len(found)}):\n    {'OUTPUT':{width}}  VALUE")
        for key, value in found.items():
            first, *more = _text(value).split("\n")
            print_line(f"    {key:{width}}  {first}")
            for line in more:
                print_line(f"    {'':{width}}  {line}")
    return 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def export(a: Arguments) -> int:
    text = json.dumps(reading.export(Here(a).store(), reveal=a.has("--show-secrets")), indent=4, ensure_ascii=False)
    if file := a.get("--file"):
        Path(file).write_text(text + "\n", "utf-8")
    else:
        print_line(text)
    return 0


def import_(a: Arguments) -> int:
    here = Here(a)
    store = here.store()
    file = a.get("--file")
    text = Path(file).read_text("utf-8") if file else sys.stdin.read()
    lock = store.lock()
    try:
        reading.import_document(store, here.config(store.name).crypter(), text, force=a.has("--force"))
    finally:
        lock.release()
    print_line("Import complete.")
    return 0


def history(a: Arguments) -> int:
    here = Here(a)
    store = here.store()
    entries = reading.history(store, here.config(store.name), reveal=a.has("--show-secrets"))
    if size := int(a.get("--page-size") or 0):
        start = (max(1, int(a.get("--page") or 1)) - 1) * size
        entries = entries[start : start + size]
    if a.has("--json"):
        print_line(to_json(entries))
    else:
        for e in entries:
            print_line(
                f"Version: {e['version']}\nUpdateKind: {e['kind']}\nStatus: {e['result']}\nMessage: {e['message']}\n"
            )
    return 0


def cancel(a: Arguments) -> int:
    here = Here(a)
    store = here.store(a.positional[0] if a.positional else None)
    store.cancel()
    print_line(f"The currently running update for '{store.name}' has been canceled!")
    return 0
