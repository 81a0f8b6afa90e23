"""`python -m sandbox.aws_provider [--port 0]`: prints its port, then serves until SIGTERM or its parent's end."""

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
    arguments, _ = parser.parse_known_args()  # an engine appends its own address
    try:
        server, port = serve(arguments.port)
    except RuntimeError as error:
        print(f"port {arguments.port} cannot be used: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print(port, flush=True)
    parent = os.getppid()
    while not stop.wait(_PARENT_SECONDS) and os.getppid() == parent:
        pass
    server.stop(_GRACE_SECONDS).wait(_GRACE_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
