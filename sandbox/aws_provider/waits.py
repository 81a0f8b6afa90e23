"""Waiting for AWS: polls start at 0.1 s, as a rehearsal is timed; the limits are the real plugin's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jmespath  # type: ignore[import-untyped]

from sandbox.aws_provider.errors import WaitError
from sandbox.aws_provider.table import Wait

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 0.3
_GROWTH = 1.2


def until(done: Callable[[], bool], seconds: float, complaint: str, alive: Callable[[], bool]) -> None:
    """Polls until `done()`; raises WaitError after `seconds`, or when the engine has gone."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise WaitError(f"{complaint} after {seconds:.0f} s")
        if not alive():
            raise WaitError("canceled while waiting")
        time.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST_SECONDS)


def until_status(wait: Wait, fetch: Callable[[], Mapping[str, Any] | None], alive: Callable[[], bool]) -> None:
    """Polls until the status is a target; any status that is neither target nor pending is an error at once."""
    last = ""

    def done() -> bool:
        nonlocal last
        found = fetch() or {}
        last = str(jmespath.search(wait.path, dict(found)))
        if last in wait.target:
            return True
        if last not in wait.pending:
            reason = jmespath.search(wait.reason, dict(found)) if wait.reason else None
            raise WaitError(
                f"unexpected state '{last}', wanted target '{', '.join(wait.target)}'. last error: {reason}"
            )
        return False

    until(done, wait.seconds, f"the status is still not {', '.join(wait.target)}", alive)
