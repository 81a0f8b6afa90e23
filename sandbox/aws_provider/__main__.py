"""`python -m sandbox.aws_provider [--port 0] [--profile NAME …]`: prints its ports; ends by SIGTERM or with its parent.

A plugin that an engine starts has the credentials of the shell. One that engines attach to has its own, so it serves
each profile on a port of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from sandbox.aws_provider.server import serve

_PARENT_SECONDS = 1.0
_GRACE_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws_provider", description="Pulumi's aws provider")
    parser.add_argument("--port", type=int, default=0, help="port on the loopback address; 0: any free one")
    parser.add_argument(
        "--profile", action="append", metavar="NAME", help="serve these credentials; again: on one more (free) port"
    )
    arguments, _ = parser.parse_known_args()  # an engine appends its own address
    profiles = arguments.profile or [None]
    try:
        served = [serve(0 if index else arguments.port, profile) for index, profile in enumerate(profiles)]
    except RuntimeError as error:
        print(f"port {arguments.port} cannot be used: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print(*(port for _, port in served), flush=True)
    parent = os.getppid()
    while not stop.wait(_PARENT_SECONDS) and os.getppid() == parent:
        pass
    for ended in [server.stop(_GRACE_SECONDS) for server, _ in served]:
        ended.wait(_GRACE_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
