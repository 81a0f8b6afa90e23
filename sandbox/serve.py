"""`python -m sandbox serve`: the cloud and the aws provider, until told to stop.

Exit codes: 0 stopped by SIGTERM or SIGINT (or because its parent ended), 1 a part of it failed, 2 wrong usage or the
port is taken.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from sandbox.cloud import identity
from sandbox.cloud.children import Process

if TYPE_CHECKING:
    from sandbox.cloud.server import CloudServer

ROOT = Path(__file__).resolve().parents[1]
PROVIDER_START_SECONDS = 60.0
WATCH_SECONDS = 0.25
STOP_SECONDS = 25.0

ANNOUNCED = (
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_PROFILE",
    "PULUMI_DEBUG_PROVIDERS",
)

DESCRIPTION = """\
AWS on this machine, for rehearsals: SageMaker endpoints that are real processes, training jobs that really train,
CloudWatch alarms, Lambda functions, events and builds, and moto for the rest. Nothing leaves the loopback interface.
"""
EPILOG = """\
It prints the environment to use it. In another terminal:

    $ python -m sandbox serve --environment-file sandbox.env &
    $ source sandbox.env
    $ aws sagemaker list-endpoints          # plain boto3, the aws command and pulumi work alike
    $ AWS_PROFILE=approver understudy …     # profiles: scientist (default), approver, ci

--account makes one more account and a profile in it; its environment stands beside the first one's:

    $ python -m sandbox serve --environment-file sandbox.env --account prod=222222222222 &
    $ source sandbox.env.prod               # in production's terminal

From one account to the other it goes as on AWS, by assuming a role there whose trust policy lets you in:

    $ aws sts assume-role --role-arn arn:aws:iam::222222222222:role/reader --role-session-name me

--speed divides the durations that AWS owns (rollout waits, bakes, capture delay, alarm periods). Timestamps stay
wall-clock, and latency, computation and request rates are real.

Exit codes: 0 stopped by a signal or because its parent ended; 1 a part of it failed; 2 wrong usage or port taken.
"""


def main(arguments: Sequence[str] | None = None, *, parent: int) -> int:
    """Run the command while the process `parent` is this one's parent; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.account and options.environment_file is None:
        parser.error("--account needs --environment-file, beside which the account's own file is written")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    for name in ANNOUNCED:
        # This shell may still have the environment of a sandbox that is gone.
        os.environ.pop(name, None)
    # moto takes a second to import, which help and wrong usage need not wait for.
    from sandbox.cloud.server import CloudServer, PortTakenError

    with tempfile.TemporaryDirectory(prefix="understudy-sandbox-") as temporary:
        directory = (options.directory or Path(temporary)).resolve()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            print(f"sandbox: The directory {directory} cannot be used ({error.strerror}).", file=sys.stderr)
            return 2
        try:
            server = CloudServer(directory, port=options.port, speed=options.speed)
        except PortTakenError as error:
            print(f"sandbox: {error}", file=sys.stderr)
            return 2
        try:
            return _run(server, options, stopping, parent)
        finally:
            # Daemon thread: no part that hangs keeps the sandbox alive. Its children end with it.
            threading.Thread(target=_end_late, name="end", daemon=True).start()
            server.stop()


def _end_late() -> None:
    time.sleep(STOP_SECONDS)
    print(f"sandbox: It did not stop within {STOP_SECONDS:.0f} s and ends now; where it hangs:", file=sys.stderr)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(1)


def _run(server: CloudServer, options: argparse.Namespace, stopping: threading.Event, parent: int) -> int:
    accounts: dict[str, str] = dict(options.account)
    profiles = identity.write_profiles(server.cloud.directory, options.region, accounts)
    environment = {
        "AWS_ENDPOINT_URL": server.cloud.base_url,
        "AWS_REGION": options.region,
        "AWS_DEFAULT_REGION": options.region,
    }
    access = {
        "AWS_CONFIG_FILE": str(profiles.config_file),
        "AWS_SHARED_CREDENTIALS_FILE": str(profiles.credentials_file),
        "AWS_PROFILE": identity.PERSONAS[0],
    }
    server.cloud.child_environment = environment
    server.cloud.build_environment = dict(options.build_variable)
    server.cloud.instances_per_variant = options.instances_per_variant
    server.start()

    def over() -> bool:
        return stopping.is_set() or os.getppid() != parent

    provider: Process | None = None
    attachments: dict[str, dict[str, str]] = {}
    main = identity.ACCOUNT
    if options.provider:
        served = {main: identity.PERSONAS[0]} | {number: name for name, number in accounts.items()}
        provider = _start_provider(server, {**os.environ, **environment, **access}, list(served.values()))
        ports = _first_line(provider, over)
        if ports is None:
            return 0 if over() else _failed("The aws provider did not start; what it said is above.")
        numbers = zip(served, ports.split(), strict=True)
        attachments = {account: {"PULUMI_DEBUG_PROVIDERS": f"aws:{port}"} for account, port in numbers}
        server.cloud.attachments = attachments
    for name, account in accounts.items():
        own = {"AWS_PROFILE": name, **attachments.get(account, {})}
        _write({**environment, **access, **own}, _file_of(options.environment_file, name))
    _announce({**environment, **access, **attachments.get(main, {})}, options.environment_file)
    while not over():
        stopping.wait(WATCH_SECONDS)
        if provider is not None and provider.poll() is not None:
            return _failed(f"The aws provider ended with exit code {provider.returncode}; what it said is above.")
    return 0


def _start_provider(server: CloudServer, environment: Mapping[str, str], profiles: Sequence[str]) -> Process:
    command = [sys.executable, "-m", "sandbox.aws_provider", *(f"--profile={profile}" for profile in profiles)]
    return server.cloud.children.spawn(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE)


def _first_line(process: Process, stopping: Callable[[], bool]) -> str | None:
    """The first line that a child prints, or None if it ends (or we are to stop) before."""
    lines: list[str] = []
    stream = cast(IO[bytes], process.stdout)
    reader = threading.Thread(target=lambda: lines.append(stream.readline().decode().strip()), daemon=True)
    reader.start()
    waited = 0.0
    while reader.is_alive() and not stopping() and waited < PROVIDER_START_SECONDS:
        reader.join(WATCH_SECONDS)
        waited += WATCH_SECONDS
    return lines[0] if lines and lines[0] else None


def _announce(environment: Mapping[str, str], file: Path | None) -> None:
    """Print `export` lines, the last act of starting, and write them where asked."""
    text = _exports(environment) if file is None else _write(environment, file)
    print(text, end="", flush=True)


def _write(environment: Mapping[str, str], file: Path) -> str:
    """Write `export` lines, and return them; the file appears complete or not at all."""
    text = _exports(environment)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(file.name + ".new")
    draft.write_text(text)
    draft.replace(file)
    return text


def _exports(environment: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


def _file_of(environment_file: Path, account: str) -> Path:
    """Beside the environment file, for a further account."""
    return environment_file.with_name(f"{environment_file.name}.{account}")


def _failed(message: str) -> int:
    print(f"sandbox: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="start the cloud and the aws provider, print the environment to use them",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    serve.add_argument(
        "--speed", type=_speed, default=60.0, help="how much faster AWS's own durations pass, at least 1 (default 60)"
    )
    serve.add_argument(
        "--directory", type=Path, help="where it writes (default: a temporary folder, removed at the end)"
    )
    serve.add_argument("--environment-file", type=Path, help="also write the export lines here, when it is ready")
    serve.add_argument(
        "--account",
        type=_account,
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="one more account, with a profile NAME and the export lines in FILE.NAME; needs --environment-file",
    )
    serve.add_argument("--region", default="us-west-2", help="region of the profiles (default us-west-2)")
    serve.add_argument(
        "--instances-per-variant",
        type=_count,
        default=1,
        help="at most so many processes stand for the instances of a variant (default 1)",
    )
    serve.add_argument(
        "--build-variable",
        type=_variable,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable that CodeBuild's image sets for every build; may be given several times",
    )
    serve.add_argument(
        "--no-provider", dest="provider", action="store_false", help="the cloud alone, without Pulumi's aws provider"
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is no port: 0 to 65535")
    return port


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _account(text: str) -> tuple[str, str]:
    name, _, number = text.partition("=")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not re.fullmatch(r"\d{12}", number):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER, such as prod=222222222222")
    if name in identity.PERSONAS or number == identity.ACCOUNT:
        raise argparse.ArgumentTypeError(f"{text!r} is there already: choose another name and number")
    return name, number


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{count} processes serve nobody: at least 1")
    return count


def _speed(text: str) -> float:
    speed = float(text)
    if speed < 1:
        raise argparse.ArgumentTypeError(f"{text} would slow AWS down: at least 1")
    return speed
