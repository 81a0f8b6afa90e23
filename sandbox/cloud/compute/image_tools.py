"""`docker` and `aws`, as far as a build of an image needs them, for builds that have no Docker daemon.

`docker build` runs nothing: it looks for what Docker would refuse before the first instruction runs (no FROM, a COPY
of something that is not in the context) and records what a build of that context would be pushed as. `docker push`
puts that manifest into ECR under its tag. Every build is another image, as Docker's are: its digest covers the time.

An endpoint of such an image runs the model server of this checkout, so an image that would start anything else is
refused here rather than shown to work.

`install` writes both commands, which run this file, into a folder for a build's PATH.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SERVER = "model_package.server"
NO_DAEMON = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running? "
    "(A project needs privilegedMode for it.)"
)


class ToolError(Exception):
    """What the command prints before it ends with 1."""


def install(folder: Path, *, privileged: bool) -> None:
    """The commands, as executables that run this module."""
    folder.mkdir(parents=True)
    for name in ("docker", "aws"):
        options = "" if privileged or name == "aws" else " --no-daemon"
        # By path: as a module it would bring the package around it, and with it moto.
        command = f"'{sys.executable}' '{Path(__file__).resolve()}' {name}{options}"
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / name).chmod(0o755)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="", allow_abbrev=False)
    tools = parser.add_subparsers(dest="tool", required=True)
    _docker(tools.add_parser("docker", prog="docker", allow_abbrev=False))
    _aws(tools.add_parser("aws", prog="aws", allow_abbrev=False))
    options = parser.parse_args(arguments)
    try:
        if getattr(options, "no_daemon", False):
            raise ToolError(NO_DAEMON)
        options.run(options)
    except ToolError as error:
        print(f"{options.tool}: {error}", file=sys.stderr)
        return 1
    return 0


def _docker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-daemon", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    login = commands.add_parser("login")
    login.add_argument("--username", required=True)
    login.add_argument("--password-stdin", action="store_true", required=True)
    login.add_argument("registry")
    login.set_defaults(run=docker_login)
    build = commands.add_parser("build")
    build.add_argument("--platform", choices=["linux/amd64"])
    build.add_argument("--tag", required=True)
    build.add_argument("--file", type=Path)
    build.add_argument("context", type=Path)
    build.set_defaults(run=docker_build)
    push = commands.add_parser("push")
    push.add_argument("image")
    push.set_defaults(run=docker_push)


def _aws(parser: argparse.ArgumentParser) -> None:
    services = parser.add_subparsers(dest="service", required=True)
    copy = services.add_parser("s3").add_subparsers(dest="command", required=True).add_parser("cp")
    copy.add_argument("--only-show-errors", action="store_true")
    copy.add_argument("source")
    copy.add_argument("target", type=Path)
    copy.set_defaults(run=aws_s3_cp)
    ecr = services.add_parser("ecr").add_subparsers(dest="command", required=True)
    ecr.add_parser("get-login-password").set_defaults(run=aws_ecr_get_login_password)


# -- docker -----------------------------------------------------------------------------------------------------------


def docker_login(options: argparse.Namespace) -> None:
    if options.username != "AWS" or not sys.stdin.read().strip():
        raise ToolError(f"login to {options.registry} failed: expected user AWS and ECR's password")
    _store("login", options.registry).write_text("")
    print("Login Succeeded")


def docker_build(options: argparse.Namespace) -> None:
    dockerfile = options.file or options.context / "Dockerfile"
    if not dockerfile.is_file():
        raise ToolError(f"failed to read dockerfile: open {dockerfile}: no such file or directory")
    instructions = list(_instructions(dockerfile.read_text()))
    if not instructions or instructions[0][0] not in ("FROM", "ARG"):
        raise ToolError("no build stage in current context: a Dockerfile begins with FROM")
    for number, (instruction, argument) in enumerate(instructions, start=1):
        print(f"Step {number}/{len(instructions)} : {instruction} {argument}")
        if instruction in ("COPY", "ADD"):
            _check_sources(argument, options.context)
    _check_entrypoint([argument for instruction, argument in instructions if instruction == "ENTRYPOINT"])
    config = {"created": datetime.now(UTC).isoformat(), "dockerfile": _sha256(dockerfile.read_bytes())}
    files = sorted(path for path in options.context.rglob("*") if path.is_file())
    layer = _sha256(b"".join(str(path.relative_to(options.context)).encode() + path.read_bytes() for path in files))
    body = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(body), "digest": _sha256(body)},
        "layers": [{"mediaType": LAYER, "size": sum(path.stat().st_size for path in files), "digest": layer}],
    }
    _store("image", options.tag).write_text(json.dumps(manifest))
    print(f"Successfully tagged {options.tag}")


def docker_push(options: argparse.Namespace) -> None:
    registry, _, rest = options.image.partition("/")
    repository, _, tag = rest.rpartition(":")
    image = _store("image", options.image)
    if not image.exists():
        raise ToolError(f"An image does not exist locally with the tag: {options.image}")
    if not _store("login", registry).exists():
        raise ToolError("no basic auth credentials")
    import boto3
    from botocore.exceptions import ClientError

    manifest = image.read_text()
    digest = _sha256(manifest.encode())
    try:
        boto3.client("ecr").put_image(
            registryId=registry.split(".")[0],
            repositoryName=repository,
            imageTag=tag,
            imageManifest=manifest,
            imageManifestMediaType=MANIFEST,
            imageDigest=digest,
        )
    except ClientError as error:
        raise ToolError(f"{error.response['Error']['Code']}: {error.response['Error']['Message']}") from error
    print(f"{tag}: digest: {digest} size: {len(manifest)}")


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """(instruction, argument) of each; lines that end in a backslash go on, comments are left out."""
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        instruction, _, argument = line.strip().partition(" ")
        yield instruction.upper(), argument.strip()


def _check_sources(argument: str, context: Path) -> None:
    words = argument.split()
    if argument.startswith("[") or any(word.startswith("--from") for word in words):
        raise ToolError(f"the sandbox reads `COPY source… target` from the context only, found: {argument}")
    for source in [word for word in words if not word.startswith("--")][:-1]:
        if not any(context.glob(source.removeprefix("/").removeprefix("./") or "*")):
            raise ToolError(f'COPY failed: "/{source}": not found in the build context')


def _check_entrypoint(entry_points: list[str]) -> None:
    try:
        command = json.loads(entry_points[-1]) if entry_points else []
    except ValueError:
        command = []
    if SERVER not in command:
        raise ToolError(
            f"the sandbox runs images that start Understudy's model server only: ENTRYPOINT must be the exec form "
            f'["python", "-m", "{SERVER}", "--host", "0.0.0.0"], found {entry_points[-1] if entry_points else "none"}'
        )


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _store(kind: str, name: str) -> Path:
    """Where a build keeps what its daemon would."""
    folder = Path(os.environ["HOME"]) / ".docker-stand-in" / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder / hashlib.sha256(name.encode()).hexdigest()


# -- aws --------------------------------------------------------------------------------------------------------------


def aws_s3_cp(options: argparse.Namespace) -> None:
    import boto3
    from botocore.exceptions import ClientError

    bucket, _, key = options.source.removeprefix("s3://").partition("/")
    try:
        boto3.client("s3").download_file(bucket, key, str(options.target))
    except ClientError as error:
        raise ToolError(f"fatal error: {error}") from error


def aws_ecr_get_login_password(_options: argparse.Namespace) -> None:
    import base64

    import boto3

    (data,) = boto3.client("ecr").get_authorization_token()["authorizationData"]
    print(base64.b64decode(data["authorizationToken"]).decode().partition(":")[2])


if __name__ == "__main__":
    sys.exit(main())
