"""Where a rehearsal plays: a sandbox cloud, a git clone with a bare origin, and the commands run in it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from release.errors import UnderstudyError

SANDBOX_START_SECONDS = 60
COMMAND_SECONDS = 240
ENGINES = {"cli": ("pulumi",), "embedded": (".venv/bin/python", "-m", "sandbox.engine")}
"""What each engine is called by, in the clone."""
PRODUCTION = "prod"
"""The role, and its profile, of whoever deploys production: a pipeline of production's own account."""
PRODUCTION_ACCOUNT = "222222222222"
PIPELINE_ROLE = "understudy-ci"
"""The IAM role of the pipelines, in either account."""


class StageError(UnderstudyError):
    """The sandbox or a command of the rehearsal did not do what it was asked."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, standard output and standard error."""

    command: str
    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """What a `--json` command printed."""
        try:
            return json.loads(self.stdout)
        except ValueError as error:
            raise StageError(f"{self.command} printed no JSON: {self.stdout[-500:]!r}") from error

    @property
    def tail(self) -> str:
        """The last lines, for an error message."""
        return "\n".join((self.stdout + "\n" + self.stderr).strip().splitlines()[-25:])


class Stage:
    """One rehearsal's machine room below `directory`: origin.git, work/ (the clone), state/, cloud/, logs/."""

    def __init__(self, source: Path, directory: Path, *, speed: float, engine: str) -> None:
        self.source = source
        self.directory = directory
        self.speed = speed
        self.engine = engine
        self.origin = directory / "origin.git"
        self.work = directory / "work"
        self.state = directory / "state"
        self.log = directory / "logs" / "commands.log"
        self.passphrase = secrets.token_urlsafe(16)
        self._environment: dict[str, str] = {}
        self._production: dict[str, str] = {}
        self._sessions: dict[str, boto3.Session] = {}
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()

    def prepare(self) -> None:
        """Empty the directory and clone the project, as it stands in `source`, into it."""
        if self.directory.exists():
            shutil.rmtree(self.directory)
        self.state.mkdir(parents=True)
        self.log.parent.mkdir()
        self._publish()
        self.git("clone", "--quiet", str(self.origin), str(self.work), cwd=self.directory)
        for key, value in (("user.name", "Rehearsal"), ("user.email", "rehearsal@understudy.invalid")):
            self.git("config", key, value)
        (self.work / ".venv").symlink_to(_environment_folder())
        (self.work / ".understudy").mkdir()
        (self.work / ".understudy" / "layers").symlink_to(_environment_folder() / "layers")

    def _publish(self) -> None:
        """Make the bare origin from the tracked and new files of `source`, uncommitted changes included."""
        seed = self.directory / "seed"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.source,
            check=True,
            capture_output=True,
        ).stdout.decode()
        for name in filter(None, listed.split("\0")):
            if (self.source / name).is_file():
                (seed / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.source / name, seed / name)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin), cwd=self.directory)
        identity = ("-c", "user.name=Rehearsal", "-c", "user.email=rehearsal@understudy.invalid")
        self.git("init", "--quiet", "--initial-branch=main", cwd=seed)
        self.git("add", "--all", cwd=seed)
        self.git(*identity, "commit", "--quiet", "--message", "The project as it is rehearsed", cwd=seed)
        self.git("push", "--quiet", str(self.origin), "main", cwd=seed)
        shutil.rmtree(seed)

    @contextmanager
    def sandbox(self) -> Iterator[None]:
        """The sandbox cloud, running while the context is open."""
        environment_file = self.directory / "environment"
        command = [sys.executable, "-m", "sandbox", "serve", "--speed", str(self.speed)]
        command += ["--directory", str(self.directory / "cloud"), "--environment-file", str(environment_file)]
        command += ["--account", f"{PRODUCTION}={PRODUCTION_ACCOUNT}"]
        # As the build's image on AWS would: an environment that `make setup` finds ready, and the engine to use.
        image = {"UNDERSTUDY_VENV": str(_environment_folder()), "UNDERSTUDY_ENGINE": self.engine}
        command += [f"--build-variable={name}={value}" for name, value in image.items()]
        with (self.directory / "logs" / "sandbox.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.work, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env=self._base()
            )
            try:
                self._await_sandbox(process, environment_file)
                yield
            finally:
                _stop(process)

    def _await_sandbox(self, process: subprocess.Popen[bytes], environment_file: Path) -> None:
        deadline = time.monotonic() + SANDBOX_START_SECONDS
        while not environment_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                said = (self.directory / "logs" / "sandbox.log").read_text(errors="replace")[-2000:]
                raise StageError(f"the sandbox did not start (exit code {process.poll()}):\n{said}")
            time.sleep(0.05)
        self._environment = read_environment(environment_file)
        self._production = read_environment(environment_file.with_name(f"{environment_file.name}.{PRODUCTION}"))

    def _base(self) -> dict[str, str]:
        """The caller's environment without its AWS and Pulumi settings: a rehearsal never reaches a real account."""
        return {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}

    def environment(self, role: str) -> dict[str, str]:
        """What a terminal of that role has set: scientist, approver and ci of the registry's account, or `prod`."""
        return {
            **self._base(),
            **(self._production if role == PRODUCTION else self._environment),
            "AWS_PROFILE": role,
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_HOME": str(self.directory / "pulumi-home"),
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "UNDERSTUDY_ENGINE": self.engine,
            "NO_COLOR": "1",
            "COLUMNS": "160",
        }

    def session(self, role: str) -> boto3.Session:
        """A boto3 session of that role against the sandbox, for the rehearsal's own clients."""
        if role not in self._sessions:
            os.environ.update({k: v for k, v in self._environment.items() if k != "AWS_PROFILE"})
            self._sessions[role] = boto3.Session(profile_name=role)
        return self._sessions[role]

    def client(self, service: str, role: str = "ci") -> Any:
        """A boto3 client of that role, made once: making them is not safe in two threads at once, using them is."""
        with self._making:
            if (service, role) not in self._clients:
                self._clients[service, role] = self.session(role).client(service)
            return self._clients[service, role]

    def understudy(self, *arguments: str, role: str, check: bool = True, timeout: float = COMMAND_SECONDS) -> Outcome:
        """Run `understudy ARGUMENTS` in the clone as that role."""
        return self._run([".venv/bin/python", "-m", "release", *arguments], role, check, timeout)

    def pulumi(self, *arguments: str, role: str, check: bool = True, timeout: float = COMMAND_SECONDS) -> Outcome:
        """Run the engine's own command line in the clone as that role."""
        return self._run([*ENGINES[self.engine], *arguments], role, check, timeout)

    def _run(self, command: Sequence[str], role: str, check: bool, timeout: float) -> Outcome:
        shown = " ".join(command)
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.work,
            env=self.environment(role),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        outcome = Outcome(shown, done.returncode, done.stdout, done.stderr)
        with self.log.open("a") as log:
            seconds = time.monotonic() - started
            log.write(f"$ {shown}   [{role}, exit {done.returncode}, {seconds:.1f} s]\n{done.stdout}{done.stderr}\n")
        if check and outcome.code != 0:
            raise StageError(f"`{shown}` ended with {outcome.code}:\n{outcome.tail}")
        return outcome

    def commit(self, message: str) -> None:
        """Commit everything changed in the clone, on top of what others have pushed, and push it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.pull()
        self.git("push", "--quiet", "origin", "main")

    def pull(self) -> None:
        self.git("pull", "--quiet", "--rebase", "--autostash", "origin", "main")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=cwd or self.work, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StageError(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout


def read_environment(file: Path) -> dict[str, str]:
    """`export NAME=value` lines as a mapping."""
    pairs: dict[str, str] = {}
    for line in file.read_text().splitlines():
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            pairs[name] = value.strip("'\"")
    return pairs


def _environment_folder() -> Path:
    """The virtual environment this process runs in."""
    return Path(sys.prefix).resolve()


def _stop(process: subprocess.Popen[bytes], patience_seconds: float = 20) -> None:
    """End a process group: SIGTERM, then SIGKILL."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
