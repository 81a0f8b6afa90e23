"""Pulumi's checkpoint JSON. Source: sdk/go/common/apitype/core.go (ResourceV3, DeploymentV3) in pulumi/pulumi."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from sandbox.engine.errors import EngineError
from sandbox.engine.secrets import Crypter
from sandbox.engine.state import DYNAMIC_PACKAGE, FIELDS, Operation, Resource, Snapshot, now, provider_urn
from sandbox.engine.values import DESCEND, SECRET_SIG, SIG, UNKNOWN, Secret, Value, rebuilt

ENGINE_VERSION = "v3.260.0"  # the Pulumi whose behaviour and format this engine follows
NEWEST_VERSION = 3
Seal = Callable[[Secret], Any]
Unseal = Callable[[Any], Value]

# resource_field -> resourceField, as the checkpoint names it
_KEYS = {f: re.sub(r"_(.)", lambda m: m[1].upper(), f) for f in FIELDS if f != "extra"} | {"import_id": "importID"}
_IGNORED = {*_KEYS.values(), "sourcePosition", "stackTrace"}
_BAGS = ("inputs", "outputs")


def compact(value: Any, *, ascii_only: bool = True) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)


# -- secrets ----------------------------------------------------------------------------------------------------------
def sealer(crypter: Crypter) -> Seal:
    """Secrets as the state keeps them."""

    def seal(value: Secret) -> Any:
        text = compact(_sealed(value.value, seal), ascii_only=False)
        return {SIG: SECRET_SIG, "ciphertext": crypter.encrypt(text)}

    return seal


def shown(value: Secret) -> Any:
    """Secrets as `stack export --show-secrets` writes them."""
    return {SIG: SECRET_SIG, "plaintext": compact(_sealed(value.value, shown))}


def _sealed(value: Value, seal: Seal) -> Any:
    def visit(v: Value) -> Any:
        if v is UNKNOWN:
            raise AssertionError("an unknown value would be written to the state")
        return seal(v) if isinstance(v, Secret) else DESCEND

    return rebuilt(value, visit)


def unsealer(crypter: Crypter | None, where: str, *, importing: bool = False) -> Unseal:
    """Reads values of the state. Secrets in plain text are taken only from a person who is `importing` them."""

    def visit(value: Any) -> Value:
        if not isinstance(value, dict) or value.get(SIG) != SECRET_SIG:
            return DESCEND
        if importing and "plaintext" in value:
            return Secret(unseal(json.loads(value["plaintext"])))
        if crypter is None:
            raise EngineError(f"{where}: it holds secrets, but names no passphrase secrets provider")
        return Secret(unseal(json.loads(crypter.decrypt(str(value.get("ciphertext")), where))))

    def unseal(value: Any) -> Value:
        return rebuilt(value, visit)

    return unseal


def crypter_of(latest: dict[str, Any]) -> Crypter | None:
    """What opens the secrets of a `latest` document; None when it names no passphrase."""
    salt = ((latest.get("secrets_providers") or {}).get("state") or {}).get("salt")
    return Crypter(salt) if salt else None


# -- writing ----------------------------------------------------------------------------------------------------------
def resource_to_text(r: Resource, seal: Seal) -> str:
    """The resource as it is saved. Only what changed since is written anew, so a step costs the same in a big stack."""
    edition = r.edition
    known: tuple[object, str] | None = r.__dict__.get("saved_as")
    if known is None or known[0] is not edition:
        values = {f: getattr(r, f) for f in _KEYS}
        out = {_KEYS[f]: _sealed(v, seal) if f in _BAGS else v for f, v in values.items() if v or f == "custom"}
        known = r.__dict__["saved_as"] = (edition, compact(out | r.extra))
    return known[1]


def snapshot_to_text(snapshot: Snapshot, crypter: Crypter) -> str:
    """The `latest` document of a checkpoint."""
    seal = sealer(crypter)
    resources = [resource_to_text(r, seal) for r in snapshot.resources]
    pending = [f'{{"resource":{resource_to_text(o.resource, seal)},"type":"{o.type}"}}' for o in snapshot.pending]
    manifest = {"time": now(), "magic": hashlib.sha256(ENGINE_VERSION.encode()).hexdigest(), "version": ENGINE_VERSION}
    head = {"manifest": manifest, "secrets_providers": {"type": "passphrase", "state": {"salt": crypter.salt}}}
    lists = (("resources", resources), ("pending_operations", pending))
    listed = "".join(f'"{key}":[{",".join(texts)}],' for key, texts in lists if texts)
    return f'{compact(head)[:-1]},{listed}"metadata":{compact(snapshot.metadata)}}}'


def revealed(latest: dict[str, Any], where: str) -> Any:
    """A `latest` document with its secrets in plain text."""
    return _sealed(unsealer(crypter_of(latest), where)(latest), shown)


# -- reading ----------------------------------------------------------------------------------------------------------
def resource_from_json(raw: dict[str, Any], unseal: Unseal) -> Resource:
    given = {
        f: unseal(raw[k]) if f in _BAGS else raw[k] for f, k in _KEYS.items() if raw.get(k) or f in ("urn", "type")
    }
    return Resource(**given, extra={k: v for k, v in raw.items() if k not in _IGNORED})


def snapshot_from_json(latest: dict[str, Any], unseal: Unseal, where: str) -> Snapshot:
    """Raises EngineError when it is not a snapshot, or holds a dynamic provider's code that nobody vouches for."""
    pending = latest.get("pending_operations") or []
    try:
        snapshot = Snapshot(
            resources=[resource_from_json(r, unseal) for r in latest.get("resources") or []],
            pending=[Operation(resource_from_json(o["resource"], unseal), o["type"]) for o in pending],
            metadata=latest.get("metadata") or {},
        )
    except KeyError as e:
        raise EngineError(f"{where}: a resource without {e}; restore the state from the backups folder") from e
    except (AttributeError, TypeError) as e:
        raise EngineError(f"{where}: not a list of resources ({e}); restore it from the backups folder") from e
    for r in (*snapshot.resources, *(o.resource for o in snapshot.pending)):
        _refuse_plain_provider(r, where)
    return snapshot


def _refuse_plain_provider(r: Resource, where: str) -> None:
    """A dynamic resource's `__provider` is code that runs: only an authenticated one is loaded."""
    dynamic = f":{DYNAMIC_PACKAGE}" in provider_urn(r.provider)
    if dynamic and any(isinstance(bag.get("__provider"), str) for bag in (r.inputs, r.outputs)):
        raise EngineError(
            f"{where}: the provider of {r.urn} is stored as plain text, so nobody can tell whether it was altered; "
            "refused. Restore the state from the backups folder, or deploy the stack anew"
        )
