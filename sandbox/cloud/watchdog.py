"""Ends the sandbox's process groups when the sandbox is gone.

Reads `+<group>` and `-<group>` lines from standard input; the end of input means that the sandbox ended. Runs as a
script without site-packages, so that it costs a few megabytes.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 2.0


def end(groups: set[int], number: int) -> set[int]:
    """Signal the groups; return those that existed."""
    alive = set()
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue
        alive.add(group)
    return alive


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    groups = end(groups, signal.SIGTERM)
    if groups:
        time.sleep(GRACE_SECONDS)
        end(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
