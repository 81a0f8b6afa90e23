"""Reading a stack without deploying it: outputs, export, import, history."""

from __future__ import annotations

import json
from typing import Any

from sandbox.engine.backend import StackStore
from sandbox.engine.config import StackConfig
from sandbox.engine.errors import EngineError
from sandbox.engine.secrets import Crypter
from sandbox.engine.state import (
    STACK_TYPE,
    problems,
    refuse_plain_providers,
    shown,
    snapshot_from_json,
    snapshot_to_json,
    unsealer,
)
from sandbox.engine.values import SECRET_SIG, SIG, plain

TIME = "%Y-%m-%dT%H:%M:%S.000Z"


def outputs(store: StackStore, *, reveal: bool) -> dict[str, Any]:
    """The stack's outputs as JSON; the passphrase is needed only to reveal secrets."""
    raw = store.raw()
    salt = ((raw.get("secrets_providers") or {}).get("state") or {}).get("salt")
    for r in raw.get("resources") or []:
        if r["type"] == STACK_TYPE and not r.get("delete"):
            found = r.get("outputs") or {}
            if reveal:
                crypter = Crypter(salt) if salt else None
                found = plain(unsealer(crypter, str(store.path))(found))
            else:
                found = _masked(found)
            return dict(sorted(found.items()))
    return {}


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return "[secret]" if value.get(SIG) == SECRET_SIG else {k: _masked(v) for k, v in value.items()}
    return [_masked(v) for v in value] if isinstance(value, list) else value


def export(store: StackStore, *, reveal: bool) -> dict[str, Any]:
    """`{version, deployment}`; with `reveal` secrets are written as plaintext."""
    raw = store.raw()
    if reveal and "resources" in raw:
        loaded = store.load()
        salt = loaded.crypter.salt if loaded.crypter else ""
        written = snapshot_to_json(loaded.snapshot, shown, salt)
        raw = raw | {k: written[k] for k in ("resources", "pending_operations") if k in written}
    return {"version": 3, "deployment": raw}


def import_document(store: StackStore, crypter: Crypter, text: str, *, force: bool) -> None:
    """Replaces the state with an exported one. Raises EngineError when it is not one, or not of this stack."""
    try:
        document = json.loads(text)
        deployment = document["deployment"]
        version = document.get("version")
    except (ValueError, KeyError, TypeError) as e:
        raise EngineError("stack import: not an exported stack (a JSON object with version and deployment)") from e
    if version != 3:
        raise EngineError(f"stack import: the deployment has version {version}, this engine knows 3")
    salt = (((deployment or {}).get("secrets_providers") or {}).get("state") or {}).get("salt")
    snapshot = snapshot_from_json(deployment or {}, unsealer(Crypter(salt) if salt else None, "stack import"))
    refuse_plain_providers(snapshot, "stack import")
    stack, project = store.name, store.project
    for r in snapshot.resources:
        if not r.urn.startswith(f"urn:pulumi:{stack}::{project}::") and not force:
            raise EngineError(f"resource '{r.urn}' is of another stack than '{store.full_name}'; --force imports it")
    if (found := problems(snapshot)) and not force:
        raise EngineError("stack import: the state is not valid:\n  " + "\n  ".join(found))
    store.save(snapshot, crypter)


def history(store: StackStore, config: StackConfig, *, reveal: bool) -> list[dict[str, Any]]:
    """Entries, newest first, as `stack history --json` writes them; the passphrase is needed only to reveal secrets."""
    import datetime

    def stamp(seconds: int) -> str:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime(TIME)

    out = []
    for e in store.history():
        entry = {
            "kind": e["kind"],
            "startTime": stamp(e["startTime"]),
            "message": e.get("message", ""),
            "environment": e.get("environment") or {},
            "config": {k: config.entry(k, v, reveal).document(reveal) for k, v in (e.get("config") or {}).items()},
            "result": e["result"],
            "version": e["version"],
            "endTime": stamp(e["endTime"]),
            "resourceChanges": e.get("resourceChanges") or {},
        }
        out.append(entry)
    return out
