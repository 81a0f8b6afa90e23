"""A Python that has already imported what a command needs: each command is a fork of it, and pays for no import.

`Warm.python` takes a command line as `python` does (`-u`, `-m MODULE …`, `FILE …`) and behaves as the process it stands
for: its streams, folder, environment, exit code, SIGINT and SIGTERM are the command's, and its death is the command's.
What it is not is a member of its caller's process group, so nothing that is to be killed as a group runs here.

The key of a stack takes a million rounds of a hash, as Pulumi wants it. Stacks whose salt is `SALT` have theirs
derived before the fork.
"""

from __future__ import annotations

import atexit
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from importlib import import_module
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]
PASSPHRASE = "x"
# Of the key that PASSPHRASE gives; any would do, made by `Crypter.create`.
SALT = "v1:kJB1JXYJ4uw=:v1:RFrk3rw7McbzM6fs:Og4khdnDS4dPIbnTall7awGa2eBgYg=="
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect(sys.argv[0] + ".socket")
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: server.send(bytes([number])))
socket.send_fds(server, [json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()], [0, 1, 2])
status = int(server.recv(16) or b"9")
if os.WIFSIGNALED(status):
    signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.waitstatus_to_exitcode(status))
"""


class Warm:
    """The server of one test process; `python` is an executable, `pulumi` stands for `python -m sandbox.engine`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self.python = self.folder / "python"
        self.pulumi = self.folder / "pulumi"
        self.python.write_text(CLIENT.format(python=sys.executable))
        self.pulumi.write_text(f'#!/bin/sh\nexec {self.python} -m sandbox.engine "$@"\n')
        for command in (self.python, self.pulumi):
            command.chmod(0o755)
        self._server = subprocess.Popen(
            [sys.executable, __file__, f"{self.python}.socket"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._server.stdout
        assert self._server.stdout.readline() == b"ready\n"

    def close(self) -> None:
        self._server.communicate()  # its stdin ends, and so does it
        shutil.rmtree(self.folder)


def preload() -> None:
    for name in ("pulumi.runtime", "pulumi.dynamic"):  # whole, before the engine comes and brings parts of it alone
        import_module(name)
    engine = import_module("sandbox.engine")
    for module in pkgutil.iter_modules(engine.__path__, "sandbox.engine."):
        if module.name not in ("sandbox.engine.__main__", "sandbox.engine.runner"):
            import_module(module.name)
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = PASSPHRASE
    import_module("sandbox.engine.secrets").Crypter(SALT).key()


def serve(path: str) -> list[str]:
    """Serves until its stdin ends. Returns only in a fork, which is to run the command line it returns."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return _supervise(connection)
        connection.close()


def _supervise(connection: socket.socket) -> list[str]:
    """In a fork of its own for each command: waits for the command or the caller, whichever ends first."""
    message, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    argv, folder, environment = json.loads(message)
    child = os.fork()
    if child == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        return list(argv)
    for number in (0, 1, 2, *streams):
        os.close(number)
    ended = os.pidfd_open(child)
    while True:
        ready, _, _ = select.select([connection.fileno(), ended], [], [])
        if ended in ready:
            connection.send(str(os.waitpid(child, 0)[1]).encode())
            os._exit(0)
        asked = connection.recv(1)
        os.kill(child, asked[0] if asked else signal.SIGKILL)
        if not asked:
            os._exit(0)


def run(argv: list[str]) -> NoReturn:
    """Runs a command line to its end, but for the interpreter's own: taking hundreds of modules down is not needed."""
    if argv[0] == "-u":
        argv = argv[1:]
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the process's own, for its whole life
    sys.stdout, sys.stderr = (TextIOWrapper(FileIO(n, "w", closefd=False), write_through=True) for n in (1, 2))
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(":"))
    code: object = 0
    try:
        if argv[0] == "-m":
            sys.path[0], sys.argv = str(Path.cwd()), argv[1:]
            runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        else:
            sys.path[0], sys.argv = str(Path(argv[0]).parent), argv
            runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as e:
        code = e.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    preload()
    run(serve(sys.argv[1]))
