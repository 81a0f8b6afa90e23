"""What is in a model archive, told without unpacking it and without ever loading a pickle."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from model_package import archives, artifacts, pickles
from model_package.errors import ArchiveRefused
from model_package.pickles import Pickle
from release.errors import MissingError

MOST_ANALYSED_BYTES = 4 << 20
"""fickling reads a pickle into memory as a whole, several times its size."""


@dataclass(frozen=True)
class Inspection:
    """An archive's members (name -> size in bytes), digests, pickles, and why it is refused, if it is."""

    file: str
    object_sha256: str
    size_bytes: int
    digest: str
    members: dict[str, int]
    pickles: list[Pickle]
    refused: str

    @property
    def verdict(self) -> str:
        """`refused`: nothing here reads it. `warning`: it holds pickles, which run code when the model is loaded."""
        if self.refused:
            return "refused"
        return "warning" if self.pickles else "plain"

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {**asdict(self), "verdict": self.verdict}


@contextmanager
def local(source: str) -> Iterator[Path]:
    """A file, or an s3:// object fetched for as long as it is looked at. Raises MissingError, ArtifactMissing."""
    if source.startswith("s3://"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tar.gz"
            with path.open("wb") as file:
                artifacts.download(source, file)
            yield path
    elif Path(source).is_file():
        yield Path(source)
    else:
        raise MissingError(f"There is no file {source}.", where=str(Path.cwd()), do="Name a model.tar.gz or s3://… .")


def inspect(source: str) -> Inspection:
    """Everything that can be told of an archive; a refusal is part of it, with what was read before."""
    with local(source) as path:
        members: dict[str, int] = {}
        found: list[Pickle] = []
        refused = digest = ""
        try:
            for member, content in archives.members(path):
                members[member.name] = member.size
                found += pickles.in_stream(member.name, content, opinion)
            digest = archives.digest(path)
        except ArchiveRefused as error:
            refused = str(error).removeprefix(f"{path}: ")
        return Inspection(source, artifacts.sha256_of(path), path.stat().st_size, digest, members, found, refused)


def opinion(file: IO[bytes]) -> str:
    """fickling's severity (`LIKELY_UNSAFE`, …) for the pickles at a file's position. It errs in both directions.

    https://github.com/trailofbits/fickling interprets opcodes symbolically, and imports nothing that they name.
    """
    from fickling.analysis import Severity, check_safety
    from fickling.fickle import StackedPickle

    data = file.read(MOST_ANALYSED_BYTES + 1)
    if len(data) > MOST_ANALYSED_BYTES:
        return f"fickling: not asked, more than {MOST_ANALYSED_BYTES} bytes"
    try:
        severities = [check_safety(one).severity for one in StackedPickle.load(io.BytesIO(data), False)]
        return f"fickling: {max(severities, default=Severity.LIKELY_SAFE).name}"
    except Exception as error:  # whatever a hostile file makes of it, its opinion is not what decides
        return f"fickling: cannot say ({type(error).__name__})"
