"""`python -m model_package.server`: serve one model until SIGTERM, then finish what was begun."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import signal
import sys
from pathlib import Path

# Read by OpenMP when numpy or xgboost load it. More threads than cores cost milliseconds a row, not save them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import uvicorn

from model_package.server.app import ModelServer
from model_package.server.script import load

DRAIN_SECONDS = 25
"""SageMaker sends SIGKILL 30 s after SIGTERM."""

KEEP_ALIVE_SECONDS = 75
"""Longer than a client keeps a connection, so that none is closed under a request."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 when all that was begun has been answered."""
    parser = argparse.ArgumentParser(prog="python -m model_package.server", description="Serve a model package.")
    parser.add_argument("command", nargs="?", choices=["serve"], default="serve", help="what SageMaker passes")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind; 0.0.0.0 in a container")
    host = parser.parse_args(arguments).host
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    model_dir = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    submit_directory = Path(os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", model_dir / "code"))
    program = os.environ.get("SAGEMAKER_PROGRAM", "inference.py")
    server = ModelServer(functools.partial(load, model_dir, submit_directory, program))
    config = uvicorn.Config(
        server.app(),
        host=host,
        port=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")),
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    # uvicorn drains on these and then raises them again for whoever handled them before: here nobody needs to know.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    uvicorn.Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
