"""What can go wrong in `understudy`, and the exit code of each.

    UnderstudyError
    ├── UsageError             2  a wrong name, ARN or option
    ├── RefusedError           3  a gate said no: evidence, approval, identity, digest
    ├── InconclusiveError      4  too little data for a verdict
    ├── StackLockedError       5  somebody else is changing the stack
    ├── MissingError           6  a stack, lock file, engine or version that should be there is not
    └── FailedError            1  the work was tried and did not succeed
        └── DeclinedError      1  the person at the prompt said no

A person sees what happened, where, and what to do. Everything else that is raised is a bug and shows as a traceback.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `understudy` command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INCONCLUSIVE = 4
    LOCKED = 5
    MISSING = 6


class UnderstudyError(Exception):
    """An error for a person: `what` happened, `where` (stack, key, value), what to `do`."""

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.do = do

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.do:
            lines.append(f"  do:    {self.do}")
        return "\n".join(lines)


class UsageError(UnderstudyError):
    """A name, ARN or option is wrong; nothing was tried."""

    exit_code = ExitCode.USAGE


class RefusedError(UnderstudyError):
    """A gate said no; nothing was changed."""

    exit_code = ExitCode.REFUSED


class InconclusiveError(UnderstudyError):
    """There is too little data for a verdict, which is never a pass."""

    exit_code = ExitCode.INCONCLUSIVE


class StackLockedError(UnderstudyError):
    """Another update holds the stack."""

    exit_code = ExitCode.LOCKED


class MissingError(UnderstudyError):
    """Something that an earlier step makes is not there yet."""

    exit_code = ExitCode.MISSING


class FailedError(UnderstudyError):
    """The work was tried and did not succeed."""


class DeclinedError(FailedError):
    """The person at the prompt said no; nothing was changed."""
