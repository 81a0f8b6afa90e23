"""The file backend: Pulumi's layout below `<folder>/.pulumi/`.

stacks/<project>/<stack>.json (+ .bak), history/, backups/, locks/, meta.yaml; every file has an `.attrs` companion.
Files appear whole: they are written beside their place and renamed.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import getpass
import hashlib
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from sandbox.engine.checkpoint import NEWEST_VERSION, crypter_of, snapshot_from_json, snapshot_to_text, unsealer
from sandbox.engine.errors import EngineError, RefusedError
from sandbox.engine.secrets import Crypter
from sandbox.engine.state import Snapshot, now

ORGANIZATION = "organization"


class Backend:
    def __init__(self, url: str) -> None:
        path = unquote(urlparse(url).path) if not url.startswith("file://~") else url.removeprefix("file://")
        self.url = url
        self.folder = Path(path).expanduser()
        if not self.folder.is_dir():
            raise EngineError(f"unable to open bucket {url}: {self.folder} is not a folder; create it first")
        self.root = self.folder / ".pulumi"
        meta = self.root / "meta.yaml"
        if not meta.exists():
            write(meta, "version: 1\n", "text/plain; charset=utf-8")

    def stores(self, project: str = "*") -> list[StackStore]:
        """Every stack's store, by name."""
        files = sorted((self.root / "stacks").glob(f"{project}/*.json"))
        return [StackStore(self, path.parent.name, path.stem) for path in files]


class StackStore:
    """One stack's files."""

    def __init__(self, backend: Backend, project: str, name: str) -> None:
        self.backend, self.project, self.name = backend, project, name
        self.full_name = f"{ORGANIZATION}/{project}/{name}"
        root = backend.root
        self.path = root / "stacks" / project / f"{name}.json"
        self.history_folder = root / "history" / project / name
        self.backup_folder = root / "backups" / project / name
        self.lock_folder = root / "locks" / ORGANIZATION / project / name

    def create(self) -> None:
        """Raises EngineError when the stack is there already."""
        if self.path.exists():
            raise EngineError(f"stack '{self.full_name}' already exists")
        self._write_checkpoint(None)

    def remove(self) -> None:
        remove(self.path)
        remove(self.path.with_name(self.path.name + ".bak"))

    # -- checkpoint
    def raw(self) -> dict[str, Any]:
        """The checkpoint's `latest` document. Raises EngineError when the file cannot be trusted."""
        try:
            document = json.loads(self.path.read_text("utf-8"))
        except ValueError as e:
            older = f"{self.path.name}.bak is the last good one, {self.backup_folder} has older ones"
            raise EngineError(f"{self.path}: could not read the state: {e}; {older}") from e
        try:
            version, features = document["version"], document.get("features") or []
            latest: dict[str, Any] = document["checkpoint"].get("latest") or {}
            if not isinstance(version, int) or not isinstance(latest, dict):
                raise TypeError("another kind of JSON")
        except (AttributeError, KeyError, TypeError) as e:
            raise EngineError(f"{self.path}: not a checkpoint of Pulumi") from e
        if features:
            raise RefusedError(f"{self.path}: state that uses {', '.join(features)}")
        if version > NEWEST_VERSION:
            known = f"newer than {NEWEST_VERSION}, the newest this engine knows; use a newer Pulumi CLI"
            raise EngineError(f"{self.path}: the stack's state has version {version}, {known}")
        return latest

    def load(self) -> tuple[Snapshot, Crypter | None]:
        """The state, and what its secrets are encrypted with. The passphrase is asked for only if there are any."""
        raw = self.raw()
        crypter, where = crypter_of(raw), str(self.path)
        return snapshot_from_json(raw, unsealer(crypter, where), where), crypter

    def save(self, snapshot: Snapshot, crypter: Crypter) -> None:
        self._write_checkpoint(snapshot_to_text(snapshot, crypter))

    def _write_checkpoint(self, latest: str | None) -> None:
        """Writes the checkpoint around the text of its `latest`; what was there becomes the `.bak`."""
        if self.path.exists():
            backup = self.path.with_name(self.path.name + ".bak")
            temporary = backup.with_name(f".{backup.name}.{os.getpid()}.tmp")
            temporary.unlink(missing_ok=True)
            temporary.hardlink_to(self.path)
            temporary.replace(backup)
        rest = "" if latest is None else f',"latest":{latest}'
        write(self.path, f'{{"version":3,"checkpoint":{{"stack":{json.dumps(self.full_name)}{rest}}}}}')

    # -- history
    def history(self) -> list[dict[str, Any]]:
        """Entries, newest first, with `version` counted from 1."""
        files = enumerate(sorted(self.history_folder.glob("*.history.json")), 1)
        return [json.loads(f.read_text("utf-8")) | {"version": i} for i, f in files][::-1]

    def add_history(self, entry: dict[str, Any]) -> None:
        stamp, state = time.time_ns(), self.path.read_text("utf-8")
        write(self.history_folder / f"{self.name}-{stamp}.history.json", json.dumps(entry, indent=4))
        write(self.history_folder / f"{self.name}-{stamp}.checkpoint.json", state)
        write(self.backup_folder / f"{self.name}.{stamp}.json", state)

    # -- lock
    def locks(self) -> list[Path]:
        return sorted(self.lock_folder.glob("*.json"))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """The right to change the stack: a file of our own that is the only one. Raises EngineError naming who has it.

        Of two of these engines that begin at once the kernel lets one write and look first. A CLI knows nothing of
        that, but does as we do: it looks once its file is written, so that at most one finds itself alone.
        """
        own = self.lock_folder / f"{uuid.uuid4()}.json"
        holder = {"pid": os.getpid(), "username": getpass.getuser(), "hostname": socket.gethostname()}
        self.lock_folder.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.lock_folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            write(own, json.dumps(holder | {"timestamp": now()}))
            self._refuse_if_held(own)
            fcntl.flock(folder, fcntl.LOCK_UN)
            yield
        finally:
            os.close(folder)
            remove(own)

    def _refuse_if_held(self, own: Path) -> None:
        others = [p for p in self.locks() if p != own]
        if others:
            folder = self.backend.folder
            held = [f"\n  {self.backend.url}/{p.relative_to(folder)}: {_holder(p)}" for p in others]
            raise EngineError(
                f"the stack is currently locked by {len(others)} lock(s). Either wait for the other process(es) to end "
                f"or delete the lock file with `pulumi cancel`.{''.join(held)}"
            )

    def cancel(self) -> None:
        for path in self.locks():
            remove(path)


def _holder(path: Path) -> str:
    try:
        h = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return "created by a process that is ending"
    stale = "; that process is gone, so nothing will release it" if _is_gone(h) else ""
    return f"created by {h.get('username')}@{h.get('hostname')} (pid {h.get('pid')}) at {h.get('timestamp')}{stale}"


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether a lock's process is known to have ended; of another host's nothing is known."""
    if holder.get("hostname") != socket.gethostname():
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except (OSError, KeyError, TypeError):
        pass  # it is somebody else's, or unknown
    return False


def write(path: Path, text: str, content_type: str = "application/json") -> None:
    """Writes a file and its `.attrs` companion; readers see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8")
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    names = ("cache_control", "content_disposition", "content_encoding", "content_language")
    attributes = {f"user.{name}": "" for name in names} | {"user.content_type": content_type, "user.metadata": None}
    attributes["md5"] = base64.b64encode(digest).decode()
    for target, content in ((path.with_name(path.name + ".attrs"), json.dumps(attributes).encode()), (path, data)):
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        temporary.write_bytes(content)
        temporary.replace(target)


def remove(path: Path) -> None:
    """Removes what `write` wrote; it may be gone already."""
    path.with_name(path.name + ".attrs").unlink(missing_ok=True)
    path.unlink(missing_ok=True)
