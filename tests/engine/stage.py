"""A project with its state, its cloud and the recordings' provider, and the engine's command line as a process.

Only what Pulumi itself has is relied on: the command line, the files of the backend, the provider protocol.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.engine.warm import SALT, Warm

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "cases"
HEAD = "import pulumi\nfrom pulumi import ResourceOptions as Opts\nfrom sdk import *\n"
Done = subprocess.CompletedProcess[str]


class Stage:
    """One project `conf` in a folder, one stack `dev`. `command`: what stands before the arguments.

    With `warm`, what is run to its end are forks of it. What is started, to be interrupted or killed, is cold.
    """

    def __init__(
        self,
        folder: Path,
        command: tuple[str, ...] = (sys.executable, "-m", "sandbox.engine"),
        warm: Warm | None = None,
    ) -> None:
        self.folder, self.command, self._warm = folder, command, warm
        self.project, self.cloud, self.state = folder / "project", folder / "cloud", folder / "state"
        for each in (self.project, self.cloud, self.state, folder / "home"):
            each.mkdir(parents=True, exist_ok=True)
        (self.project / "Pulumi.yaml").write_text("name: conf\nruntime: python\n")
        shutil.copy(CASES / "sdk.py", self.project)
        self.providers = ""

    def environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")}
        return inherited | {
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_DEBUG_PROVIDERS": self.providers,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_PYTHON_CMD": sys.executable,
        }

    def program(self, text: str) -> None:
        (self.project / "__main__.py").write_text(HEAD + text)

    def start(self, *argv: str, **environment: str) -> subprocess.Popen[str]:
        """A command as the leader of a process group of its own."""
        return subprocess.Popen(
            [*self.command, *argv],
            cwd=self.project,
            env=self.environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *argv: str, check: bool = True, **environment: str) -> Done:
        if self._warm:
            environment = {"PULUMI_PYTHON_CMD": str(self._warm.python), **environment}
        done = subprocess.run(
            [*([self._warm.pulumi] if self._warm else self.command), *argv],
            cwd=self.project,
            env=self.environment() | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def init(self) -> None:
        (self.project / "Pulumi.dev.yaml").write_text(f"encryptionsalt: {SALT}\n")
        self.run("stack", "init", "dev", "--non-interactive")

    def up(self, *argv: str, check: bool = True, **environment: str) -> Done:
        return self._deploy("up", *argv, check=check, **environment)

    def destroy(self, *argv: str, check: bool = True, **environment: str) -> Done:
        return self._deploy("destroy", *argv, check=check, **environment)

    def refresh(self, *argv: str, check: bool = True, **environment: str) -> Done:
        return self._deploy("refresh", *argv, check=check, **environment)

    def preview(self, *argv: str, check: bool = True, **environment: str) -> Done:
        return self.run("preview", *COMMON, *argv, check=check, **environment)

    def _deploy(self, command: str, *argv: str, check: bool, **environment: str) -> Done:
        return self.run(command, "--yes", "--skip-preview", *COMMON, *argv, check=check, **environment)

    # -- what is on disk
    @property
    def checkpoint(self) -> Path:
        return self.state / ".pulumi/stacks/conf/dev.json"

    @property
    def locks(self) -> list[Path]:
        return sorted((self.state / ".pulumi/locks/organization/conf/dev").glob("*.json"))

    def deployment(self) -> dict[str, Any]:
        """The state as the file has it: secrets stay encrypted."""
        latest: dict[str, Any] = json.loads(self.checkpoint.read_text("utf-8"))["checkpoint"].get("latest") or {}
        return latest

    def ids(self) -> dict[str, str]:
        """Name -> id of what the state holds alive."""
        return {
            r["urn"].rsplit("::", 1)[-1]: r["id"]
            for r in self.deployment().get("resources") or []
            if r.get("id") and not r.get("delete") and not r["type"].startswith("pulumi:providers:")
        }

    # -- the cloud
    def objects(self) -> dict[str, Any]:
        path = self.cloud / "cloud.json"
        return dict(json.loads(path.read_text())["objects"]) if path.exists() else {}

    def change_cloud(self, change: Callable[[dict[str, Any]], None]) -> None:
        """`change` gets the objects by id, and may alter them."""
        path = self.cloud / "cloud.json"
        document = json.loads(path.read_text()) if path.exists() else {"objects": {}, "creates": {}, "writes": {}}
        change(document["objects"])
        path.write_text(json.dumps(document))

    def fail(self, **methods: str) -> None:
        """From now on these resources' methods fail: `fail(b="create")`; without arguments, none."""
        (self.cloud / "control.json").write_text(json.dumps({"fail": {name: [m] for name, m in methods.items()}}))

    def calls(self) -> list[dict[str, Any]]:
        path = self.cloud / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


COMMON = ("--stack", "dev", "--non-interactive", "--color", "never")
CHANGING = {"Create", "Update", "Delete"}


def changing(calls: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(method, name) of the calls that change the cloud."""
    return [(c["m"], c["urn"].rsplit("::", 1)[-1]) for c in calls if c["m"] in CHANGING and not c.get("preview")]


@contextmanager
def provider(cloud: Path, **environment: str) -> Iterator[str]:
    """The recordings' provider as a process; the value for PULUMI_DEBUG_PROVIDERS."""
    process = subprocess.Popen(
        [sys.executable, str(CASES / "testing_provider.py"), "--dir", str(cloud)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)
