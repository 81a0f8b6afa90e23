"""Git, the truth of what runs: commit one path, push, pull, and say what differs."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from release.errors import FailedError, MissingError

_TIMEOUT_SECONDS = 120
_PUSH_ATTEMPTS = 5
_INDEX_SECONDS = 10.0
_INDEX_POLL_SECONDS = 0.1
_OWN_IDENTITY = ("-c", "user.name=understudy", "-c", "user.email=understudy@noreply.invalid")


@dataclass(frozen=True)
class Repository:
    """The git repository a project lives in."""

    root: Path

    @classmethod
    def around(cls, root: Path) -> Repository:
        """Raises `MissingError` when `root` is in no repository."""
        repository = cls(root)
        if repository._run("rev-parse", "--is-inside-work-tree", check=False).returncode != 0:
            raise MissingError(
                "The project is in no git repository, and git is the truth of what runs.",
                where=str(root),
                do="Run `git init` and commit the project.",
            )
        return repository

    def differs(self, path: Path) -> bool:
        """Whether a tracked or new file differs from the committed one."""
        return bool(self._run("status", "--porcelain", "--", str(path)).stdout.strip())

    def committed(self, path: Path) -> bytes | None:
        """The file as the last commit has it; None when it has none."""
        shown = subprocess.run(
            ["git", "show", f"HEAD:./{path.relative_to(self.root)}"],
            cwd=self.root,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return shown.stdout if shown.returncode == 0 else None

    def commit(self, path: Path, message: str) -> str | None:
        """Commit exactly `path`, whatever else is staged; the commit's hash, or None when nothing changed."""
        self._run("add", "--", str(path))
        if not self.differs(path):
            return None
        self._run(*self._identity(), "commit", "--quiet", "--only", "--message", message, "--", str(path))
        return self.head()

    def head(self) -> str:
        """The last commit's full hash."""
        return self._run("rev-parse", "HEAD").stdout.strip()

    def has_upstream(self) -> bool:
        """Whether the current branch follows a remote one."""
        return self._run("rev-parse", "--abbrev-ref", "@{upstream}", check=False).returncode == 0

    def pull(self) -> None:
        """Bring the remote's commits below ours; nothing to do without a remote branch."""
        if self.has_upstream():
            self._run(*self._identity(), "pull", "--quiet", "--rebase", "--autostash")

    def push(self) -> None:
        """Push; when somebody was faster, rebase on theirs and try again, a few times."""
        for _ in range(_PUSH_ATTEMPTS):
            pushed = self._run("push", "--quiet", "origin", "HEAD", check=False)
            if pushed.returncode == 0:
                return
            if "rejected" not in pushed.stderr and "fetch first" not in pushed.stderr:
                raise self._failed(("push",), pushed)
            self.pull()
        raise self._failed(("push",), pushed)

    def _identity(self) -> tuple[str, ...]:
        """Whose commits they are where nobody configured it, as in a build: understudy's own."""
        configured = self._run("var", "GIT_COMMITTER_IDENT", check=False).returncode == 0
        return () if configured else _OWN_IDENTITY

    def _run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git; when another git process holds the index, which takes moments, try again for a while."""
        deadline = time.monotonic() + _INDEX_SECONDS
        while True:
            result = subprocess.run(
                ["git", *arguments],
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
            if "index.lock" not in result.stderr or time.monotonic() > deadline:
                break
            time.sleep(_INDEX_POLL_SECONDS)
        if check and result.returncode != 0:
            raise self._failed(arguments, result)
        return result

    def _failed(self, arguments: tuple[str, ...], result: subprocess.CompletedProcess[str]) -> FailedError:
        verb = next(word for word in arguments if word not in _OWN_IDENTITY)
        return FailedError(
            f"`git {verb}` failed: {(result.stderr or result.stdout).strip()}",
            where=str(self.root),
            do=f"Mend it and run `git {verb}` yourself; what was deployed stays deployed.",
        )
