"""The state: resources, and Pulumi's checkpoint JSON they are kept in.

Source: sdk/go/common/apitype/core.go (ResourceV3, DeploymentV3) in pulumi/pulumi.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sandbox.engine.errors import EngineError
from sandbox.engine.secrets import Crypter
from sandbox.engine.values import SECRET_SIG, SIG, UNKNOWN, Properties, Secret, Value, mapped

ENGINE_VERSION = "v3.260.0"  # the Pulumi whose behaviour and format this engine follows
DYNAMIC_PACKAGE = "pulumi-python"
PROVIDER_PREFIX = "pulumi:providers:"
STACK_TYPE = "pulumi:pulumi:Stack"
NEWEST_VERSION = 3


@dataclass(eq=False)
class Resource:
    """One resource of the state; equality is identity, as two entries may share a URN during a replacement.

    Its values are replaced, never altered in place: the text it is saved as is kept until a field is set.
    """

    text: ClassVar[str | None] = None

    urn: str
    type: str
    custom: bool = False
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    provider: str = ""
    protect: bool = False
    external: bool = False
    delete: bool = False
    pending_replacement: bool = False
    retain_on_delete: bool = False
    deleted_with: str = ""
    init_errors: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    import_id: str = ""
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    hide_diff: list[str] = field(default_factory=list)
    created: str = ""
    modified: str = ""
    extra: dict[str, Any] = field(default_factory=dict)  # fields of newer formats, kept as they are

    def __setattr__(self, name: str, value: Any) -> None:
        if self.text is not None:
            object.__setattr__(self, "text", None)
        object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[-1]

    @property
    def is_provider(self) -> bool:
        return self.type.startswith(PROVIDER_PREFIX)

    @property
    def is_default_provider(self) -> bool:
        return self.is_provider and self.name.startswith("default") and not self.parent

    @property
    def reference(self) -> str:
        """How other resources name this provider instance."""
        return f"{self.urn}::{self.id or '04da6b54-80e4-46f7-96ec-b56ff0331ba9'}"

    def needs(self) -> set[str]:
        """URNs that must exist as long as this resource does."""
        out = set(self.dependencies)
        for urns in self.property_dependencies.values():
            out.update(urns)
        out.update(u for u in (self.parent, self.deleted_with) if u)
        if self.provider:
            out.add(provider_urn(self.provider))
        return out

    def renamed(self, names: Mapping[str, str]) -> None:
        """Rewrites references to resources that are known under a new URN."""
        self.dependencies = [names.get(d, d) for d in self.dependencies]
        self.property_dependencies = {k: [names.get(d, d) for d in v] for k, v in self.property_dependencies.items()}
        self.parent = names.get(self.parent, self.parent)
        self.deleted_with = names.get(self.deleted_with, self.deleted_with)
        if self.provider:
            urn, _, ident = self.provider.rpartition("::")
            self.provider = f"{names.get(urn, urn)}::{ident}"


def provider_urn(reference: str) -> str:
    return reference.rpartition("::")[0]


@dataclass
class Operation:
    """An operation that had begun when the state was written."""

    resource: Resource
    type: str


@dataclass
class Snapshot:
    resources: list[Resource] = field(default_factory=list)
    pending: list[Operation] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


# -- JSON -------------------------------------------------------------------------------------------------------------
_JSON = {
    "id": "id",
    "inputs": "inputs",
    "outputs": "outputs",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "init_errors": "initErrors",
    "provider": "provider",
    "property_dependencies": "propertyDependencies",
    "pending_replacement": "pendingReplacement",
    "additional_secret_outputs": "additionalSecretOutputs",
    "aliases": "aliases",
    "custom_timeouts": "customTimeouts",
    "import_id": "importID",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "created": "created",
    "modified": "modified",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
    "hide_diff": "hideDiff",
}
_KNOWN = {"urn", "type", "custom", "delete", *_JSON.values()}
Sealer = Callable[[Secret], Any]


def sealer(crypter: Crypter) -> Sealer:
    """Secrets as the state keeps them."""

    def seal(value: Secret) -> Any:
        text = json.dumps(_json_value(value.value, seal), separators=(",", ":"), ensure_ascii=False)
        return {SIG: SECRET_SIG, "ciphertext": crypter.encrypt(text)}

    return seal


def shown(value: Secret) -> Any:
    """Secrets as `stack export --show-secrets` writes them."""
    return {SIG: SECRET_SIG, "plaintext": json.dumps(_json_value(value.value, shown), separators=(",", ":"))}


def hidden(value: Secret) -> Any:
    return {SIG: SECRET_SIG, "ciphertext": "[secret]"}


def _json_value(value: Value, seal: Sealer) -> Any:
    def leaf(v: Value) -> Any:
        if isinstance(v, Secret):
            return seal(v)
        if v is UNKNOWN:
            raise AssertionError("an unknown value would be written to the state")
        return v

    return mapped(value, leaf)


def resource_to_json(r: Resource, seal: Sealer) -> dict[str, Any]:
    out: dict[str, Any] = {"urn": r.urn, "custom": r.custom}
    if r.delete:
        out["delete"] = True
    if r.id:
        out["id"] = r.id
    out["type"] = r.type
    for name, key in _JSON.items():
        value = getattr(r, name)
        if value and key not in out:
            out[key] = _json_value(value, seal) if name in ("inputs", "outputs") else value
    return out | r.extra


def resource_from_json(raw: dict[str, Any], unseal: Callable[[Any], Value]) -> Resource:
    try:
        r = Resource(urn=raw["urn"], type=raw["type"], custom=raw.get("custom", False), delete=raw.get("delete", False))
    except (KeyError, TypeError) as e:
        raise EngineError(f"state: a resource without {e}; restore the stack's state from its backups folder") from e
    for name, key in _JSON.items():
        if raw.get(key):
            setattr(r, name, unseal(raw[key]) if name in ("inputs", "outputs") else raw[key])
    r.extra = {k: v for k, v in raw.items() if k not in _KNOWN and k not in ("sourcePosition", "stackTrace")}
    return r


def unsealer(crypter: Crypter | None, where: str) -> Callable[[Any], Value]:
    """Reads values of the state; without a crypter a ciphertext is an error, plaintext (an import) is read."""

    def unseal(value: Any) -> Value:
        if isinstance(value, list):
            return [unseal(v) for v in value]
        if isinstance(value, dict):
            if value.get(SIG) != SECRET_SIG:
                return {k: unseal(v) for k, v in value.items()}
            if "plaintext" in value:
                return Secret(unseal(json.loads(value["plaintext"])))
            if crypter is None:
                raise EngineError(f"{where}: it holds secrets, but names no passphrase secrets provider")
            return Secret(unseal(json.loads(crypter.decrypt(value["ciphertext"], where))))
        return value

    return unseal


def refuse_plain_providers(snapshot: Snapshot, where: str) -> None:
    """A dynamic resource's `__provider` is code that runs: only an authenticated one is loaded."""
    for r in snapshot.resources:
        for bag in (r.inputs, r.outputs):
            if f":{DYNAMIC_PACKAGE}" in provider_urn(r.provider) and isinstance(bag.get("__provider"), str):
                raise EngineError(
                    f"{where}: the provider of {r.urn} is stored as plain text, so nobody can tell whether it was "
                    "altered; refused. Restore the state from the backups folder, or deploy the stack anew"
                )


def resource_to_text(r: Resource, seal: Sealer) -> str:
    """The resource as it is saved. Only what changed since is written anew, so a step costs the same in a big stack."""
    if r.text is None:
        object.__setattr__(r, "text", _compact(resource_to_json(r, seal)))
    return r.text or ""


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def snapshot_to_text(snapshot: Snapshot, crypter: Crypter) -> str:
    """`snapshot_to_json` as text."""
    head = snapshot_to_json(Snapshot(metadata=snapshot.metadata), hidden, crypter.salt)
    seal = sealer(crypter)
    parts = [f"{json.dumps(key)}:{_compact(head[key])}" for key in ("manifest", "secrets_providers")]
    if snapshot.resources:
        parts.append(f'"resources":[{",".join(resource_to_text(r, seal) for r in snapshot.resources)}]')
    if snapshot.pending:
        pending = (
            f'{{"resource":{resource_to_text(o.resource, seal)},"type":{_compact(o.type)}}}' for o in snapshot.pending
        )
        parts.append(f'"pending_operations":[{",".join(pending)}]')
    parts.append(f'"metadata":{_compact(head["metadata"])}')
    return "{" + ",".join(parts) + "}"


def snapshot_to_json(snapshot: Snapshot, seal: Sealer, salt: str) -> dict[str, Any]:
    """The `deployment`/`latest` document."""
    out: dict[str, Any] = {"manifest": manifest()}
    out["secrets_providers"] = {"type": "passphrase", "state": {"salt": salt}}
    if snapshot.resources:
        out["resources"] = [resource_to_json(r, seal) for r in snapshot.resources]
    if snapshot.pending:
        out["pending_operations"] = [
            {"resource": resource_to_json(o.resource, seal), "type": o.type} for o in snapshot.pending
        ]
    return out | {"metadata": snapshot.metadata}


def snapshot_from_json(raw: dict[str, Any], unseal: Callable[[Any], Value]) -> Snapshot:
    return Snapshot(
        resources=[resource_from_json(r, unseal) for r in raw.get("resources") or []],
        pending=[
            Operation(resource_from_json(o["resource"], unseal), o["type"]) for o in raw.get("pending_operations") or []
        ],
        metadata=raw.get("metadata") or {},
    )


def manifest() -> dict[str, str]:
    magic = hashlib.sha256(ENGINE_VERSION.encode()).hexdigest()
    return {"time": now(), "magic": magic, "version": ENGINE_VERSION}


def now() -> str:
    """UTC, RFC 3339, with microseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def problems(snapshot: Snapshot) -> list[str]:
    """Why the snapshot is not valid: order, dangling references, duplicate URNs. Empty: it is."""
    out: list[str] = []
    seen: set[str] = set()
    live: set[str] = set()
    for r in snapshot.resources:
        out.extend(f"{r.urn} comes before {need}, which it needs" for need in sorted(r.needs() - seen))
        if not r.delete and r.urn in live:
            out.append(f"{r.urn} is there twice")
        if r.custom and not r.id:
            out.append(f"{r.urn} has no id")
        seen.add(r.urn)
        if not r.delete:
            live.add(r.urn)
    return out


def copied(r: Resource, **changes: Any) -> Resource:
    return dataclasses.replace(r, **changes)
