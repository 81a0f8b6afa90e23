"""`pulumi stack …`, `pulumi config …` and `pulumi cancel`."""

from __future__ import annotations

import datetime
import json
import re
import sys
from pathlib import Path
from typing import Any

from sandbox.engine.arguments import Arguments
from sandbox.engine.backend import StackStore
from sandbox.engine.checkpoint import crypter_of, revealed, snapshot_from_json, unsealer
from sandbox.engine.config import StackConfig
from sandbox.engine.errors import EngineError, RefusedError
from sandbox.engine.secrets import Crypter
from sandbox.engine.state import problems
from sandbox.engine.urns import STACK_TYPE, name_of
from sandbox.engine.values import DESCEND, SECRET_SIG, SIG, plain, rebuilt
from sandbox.engine.workspace import Workspace


# -- stacks
def stack_init(a: Arguments) -> None:
    here = Workspace(a)
    store = here.anystore()
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", store.name):
        raise EngineError(f"a stack name may hold letters, digits, `-`, `_` and `.`, unlike {store.name!r}")
    if (kind := a.get("--secrets-provider")) not in (None, "default", "passphrase"):
        raise RefusedError(f"secrets provider {kind}")
    here.config().crypter()
    store.create()
    if not a.has("--no-select"):
        here.select(store.name)
    a.answer(f"Created stack '{store.name}'")


def stack_select(a: Arguments) -> None:
    here = Workspace(a)
    if a.has("--create") and not here.anystore().path.exists():
        stack_init(a)
    else:
        here.select(here.store().name)


def stack_show(a: Arguments) -> None:
    store = Workspace(a).store()
    resources = store.raw().get("resources") or []
    rows = [f"Current stack is {store.name}:", f"Current stack resources ({len(resources)}):"]
    rows += [f"    {r['type']}  {name_of(r['urn'])}" for r in resources]
    a.answer(store.name if a.has("--show-name") else "\n".join(rows))


def stack_ls(a: Arguments) -> None:
    here = Workspace(a)
    own = here.project.name
    rows = []
    for store in here.backend.stores("*" if a.has("--all") else own):
        name = store.name if store.project == own else store.full_name
        row: dict[str, Any] = {"name": name, "current": name == here.selected, "updateInProgress": bool(store.locks())}
        resources = store.raw().get("resources")
        if resources is not None:
            row |= {"lastUpdate": _time(store.path.stat().st_mtime), "resourceCount": len(resources)}
        rows.append(row)
    lines = [f"{r['name'] + '*' * r['current']:20} {r.get('resourceCount', 'n/a')}" for r in rows]
    a.answer("\n".join([f"{'NAME':20} RESOURCE COUNT", *lines]), rows)


def stack_rm(a: Arguments) -> None:
    here = Workspace(a)
    store = here.store()
    with store.lock():
        if store.raw().get("resources") and not a.has("--force"):
            raise EngineError(
                f"'{store.full_name}' still has resources; removal rejected. Possible actions:\n- Make sure that "
                f"'{store.name}' is the stack that you want to destroy\n- Run `pulumi destroy` to delete the "
                "resources, then run `pulumi stack rm`\n- Run `pulumi stack rm --force` to override this error"
            )
        store.remove()
    if not a.has("--preserve-config"):
        here.config().path.unlink(missing_ok=True)
    if here.selected == store.name:
        here.select(None)
    a.answer(f"Stack '{store.name}' has been removed!")


def stack_output(a: Arguments) -> None:
    found = outputs(Workspace(a).store(), reveal=a.has("--show-secrets"))
    if a.positional:
        name = a.positional[0]
        if name not in found:
            raise EngineError(f"current stack does not have output property '{name}'")
        a.answer(_text(found[name]), found[name])
        return
    width = max(map(len, ["OUTPUT", *found]))
    rows = [f"Current stack outputs ({len(found)}):", f"    {'OUTPUT':{width}}  VALUE"]
    for key, value in found.items():
        rows.append(f"    {key:{width}}  " + _text(value).replace("\n", f"\n    {'':{width}}  "))
    a.answer("\n".join(rows), found)


def outputs(store: StackStore, *, reveal: bool) -> dict[str, Any]:
    """The stack's outputs as JSON; the passphrase is needed only to reveal secrets."""
    raw = store.raw()
    stacks = (r for r in raw.get("resources") or [] if r.get("type") == STACK_TYPE and not r.get("delete"))
    found = next((r.get("outputs") or {} for r in stacks), {})
    found = plain(unsealer(crypter_of(raw), str(store.path))(found)) if reveal else rebuilt(found, _masked)
    return dict(sorted(found.items()))


def _masked(value: Any) -> Any:
    return "[secret]" if isinstance(value, dict) and value.get(SIG) == SECRET_SIG else DESCEND


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def stack_export(a: Arguments) -> None:
    store = Workspace(a).store()
    latest = store.raw()
    if a.has("--show-secrets"):
        latest = revealed(latest, str(store.path))
    text = json.dumps({"version": 3, "deployment": latest}, indent=4, ensure_ascii=False)
    if file := a.get("--file"):
        Path(file).write_text(text + "\n", "utf-8")
    else:
        a.answer(text)


def stack_import(a: Arguments) -> None:
    here = Workspace(a)
    store = here.store()
    file = a.get("--file")
    text = Path(file).read_text("utf-8") if file else sys.stdin.read()
    with store.lock():
        import_document(store, here.config().crypter(), text, force=a.has("--force"))
    a.answer("Import complete.")


def import_document(store: StackStore, crypter: Crypter, text: str, *, force: bool) -> None:
    """Replaces the state with an exported one. Raises EngineError when it is not one, or not of this stack."""
    try:
        document = json.loads(text)
        latest, version = document["deployment"] or {}, document.get("version")
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise EngineError("stack import: not an exported stack (a JSON object with version and deployment)") from e
    if version != 3:
        raise EngineError(f"stack import: the deployment has version {version}, this engine knows 3")
    where = "stack import"
    snapshot = snapshot_from_json(latest, unsealer(crypter_of(latest), where, importing=True), where)
    if not force:
        for r in snapshot.resources:
            if not r.urn.startswith(f"urn:pulumi:{store.name}::{store.project}::"):
                raise EngineError(f"resource '{r.urn}' is not of '{store.full_name}'; --force imports it")
        if found := problems(snapshot):
            raise EngineError("stack import: the state is not valid:\n  " + "\n  ".join(found))
    store.save(snapshot, crypter)


def stack_history(a: Arguments) -> None:
    here = Workspace(a)
    entries = remembered(here.store(), here.config(), reveal=a.has("--show-secrets"))
    if size := a.number("--page-size", 0):
        start = (a.number("--page", 1) - 1) * size
        entries = entries[start : start + size]
    text = "Version: {version}\nUpdateKind: {kind}\nStatus: {result}\nMessage: {message}\n"
    a.answer("\n".join(text.format(**e) for e in entries), entries)


def remembered(store: StackStore, config: StackConfig, *, reveal: bool) -> list[dict[str, Any]]:
    """The stack's history, newest first; the passphrase is needed only to reveal secrets."""
    entries = store.history()
    for e in entries:
        e |= {"startTime": _time(e["startTime"]), "endTime": _time(e["endTime"])}
        e |= {"message": e.get("message", ""), "environment": e.get("environment") or {}}
        e["config"] = {k: config.entry(k, v, reveal).document(reveal) for k, v in (e.get("config") or {}).items()}
        e["resourceChanges"] = e.get("resourceChanges") or {}
    return entries


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def cancel(a: Arguments) -> None:
    store = Workspace(a).store()
    store.cancel()
    a.answer(f"The currently running update for '{store.name}' has been canceled!")


# -- configuration
def _config_of(a: Arguments) -> StackConfig:
    """The configuration of an existing stack."""
    here = Workspace(a)
    here.store()
    return here.config()


def config_list(a: Arguments) -> None:
    config = _config_of(a)
    reveal = a.has("--show-secrets")
    entries = config.entries(reveal=reveal)
    own = f"{config.project.name}:"
    rows = [f"{'KEY':24}VALUE", *(f"{key.removeprefix(own):24}{e.text}" for key, e in entries.items())]
    a.answer("\n".join(rows), {k: e.document(reveal) for k, e in entries.items()})


def config_get(a: Arguments) -> None:
    config = _config_of(a)
    entry = config.get(config.place(a.positional[0], a.has("--path")))
    if entry is None:
        name = a.positional[0].removeprefix(f"{config.project.name}:")
        raise EngineError(f"configuration key '{name}' not found for stack '{config.stack}'")
    a.answer(entry.text, entry.document(True))


def config_set(a: Arguments) -> None:
    config = _config_of(a)
    value = a.positional[1] if len(a.positional) == 2 else sys.stdin.read().removesuffix("\n")
    config.set(config.place(a.positional[0], a.has("--path")), value, secret=a.has("--secret"))
    config.save()


def config_set_all(a: Arguments) -> None:
    config = _config_of(a)
    wanted = [(*v.partition("="), o == "--secret") for o, v in a.options if o in ("--plaintext", "--secret")]
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


def config_remove(a: Arguments) -> None:
    config = _config_of(a)
    for name in a.positional:
        config.remove(config.place(name, a.has("--path")))
    config.save()
