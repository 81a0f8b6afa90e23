"""Model archives, unpacked without trusting them: regular files and folders only, bounded, inside the target."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath

MAXIMUM_MEMBERS = 10_000
MAXIMUM_BYTES = 4 * 2**30


class BadArchiveError(Exception):
    """The archive is not a tar.gz, too large, or would write outside its folder."""


def extract(archive: Path, target: Path) -> None:
    """Unpack a tar.gz into `target`; links, devices and paths that leave the folder raise `BadArchiveError`."""
    members = size = 0
    try:
        with tarfile.open(archive, "r|gz") as stream:
            for member in stream:
                members, size = members + 1, size + member.size
                if members > MAXIMUM_MEMBERS or size > MAXIMUM_BYTES:
                    raise BadArchiveError(f"{archive.name} holds more than {MAXIMUM_MEMBERS} members or 4 GiB.")
                path = _inside(target, member.name)
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                elif member.isreg():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    content = stream.extractfile(member)
                    if content is None:
                        raise BadArchiveError(f"{archive.name}: {member.name} has no content.")
                    with path.open("xb") as file:
                        shutil.copyfileobj(content, file)
                    path.chmod(0o755 if member.mode & 0o100 else 0o644)
                else:
                    raise BadArchiveError(f"{archive.name}: {member.name} is neither a file nor a folder.")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BadArchiveError(f"{archive.name} cannot be unpacked: {error}") from error


def _inside(target: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        raise BadArchiveError(f"{name} points outside the archive.")
    return target.joinpath(*parts)
