"""Finds pickles in what a package holds, and tells what they import and call. Nothing is ever unpickled.

A pickle is a program that runs when it is loaded. It is found by content, not by name: bare (also several in a row, as
torch.save once wrote them), in a zip (PyTorch's .pt, .npz), compressed (joblib), and in a .npy of objects. Opcodes are
read by `pickletools`, which executes nothing. What is found is a warning, never a gate: a pickle can be hidden where
nobody looks, and a clean one proves nothing about the next.
"""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import re
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

SNIFFED_BYTES = 4096
MOST_OPCODES = 100_000
MOST_INFLATED_BYTES = 64 << 20
MOST_DIRECTORY_BYTES = 4 << 20
MOST_NESTED = 3
_BIG_ARGUMENT_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 64 << 10

ACTING = ("GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD", "EXT1", "EXT2", "EXT4")
"""Opcodes that import or call something; the others only build data."""

_NAMED = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt")
_GLOBAL = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.<>]*")
_READ_ERRORS = (ValueError, EOFError, OSError, struct.error, IndexError, OverflowError, zipfile.BadZipFile)

Ask = Callable[[IO[bytes]], str]
"""Asked for a second opinion on the pickle at a file's position."""


@dataclass(frozen=True)
class Pickle:
    """A pickle: where it is, what it imports (`posix.system`), how often which opcode acts, and what was not read.

    `opinion` is another analyser's, where one was asked.
    """

    where: str
    imports: tuple[str, ...] = ()
    opcodes: dict[str, int] = field(default_factory=dict)
    note: str = ""
    opinion: str = ""

    def __str__(self) -> str:
        told = f"{self.where}: a pickle, which can run any code when it is loaded"
        if self.imports:
            told += f"; it imports {', '.join(self.imports[:10])}{' …' * (len(self.imports) > 10)}"
        if self.opcodes:
            told += f" ({', '.join(f'{count} {name}' for name, count in self.opcodes.items())})"
        return told + (f"; {self.note}" if self.note else "") + (f"; {self.opinion}" if self.opinion else "")


def in_file(name: str, path: Path) -> list[Pickle]:
    """The pickles in a file of a package. Raises OSError."""
    with path.open("rb") as file:
        if not may_hold(name, file.read(SNIFFED_BYTES)):
            return []
        return list(_find(name, name, file, MOST_NESTED, _no_opinion))


def _no_opinion(_: IO[bytes]) -> str:
    return ""


def in_stream(name: str, content: IO[bytes], ask: Ask = _no_opinion) -> list[Pickle]:
    """The pickles in a member that is read once from its beginning; it is set aside on disk only if it may hold one."""
    first = content.read(SNIFFED_BYTES)
    if not may_hold(name, first):
        return []
    with tempfile.TemporaryFile() as aside:
        aside.write(first)
        while block := content.read(_BIG_ARGUMENT_BYTES):
            aside.write(block)
        return list(_find(name, name, aside, MOST_NESTED, ask))


def may_hold(name: str, first: bytes) -> bool:
    """Whether a file that begins with `first` may be or hold a pickle."""
    return (
        name.lower().endswith(_NAMED)
        or first.startswith((b"PK\x03\x04", b"\x93NUMPY"))
        or _inflater(first) is not None
        or _is_binary(first)
        or _is_textual(first)
    )


def _is_binary(first: bytes) -> bool:
    return len(first) > 1 and first[0] == 0x80 and 2 <= first[1] <= 5


def _is_textual(first: bytes) -> bool:
    """A pickle of protocol 0 or 1, which has no mark of its own: all opcodes are known, and one imports something."""
    scan = _scan("", io.BytesIO(first))
    return bool(scan.imports) and "unknown" not in scan.note and all(" " not in name for name in scan.imports)


def _find(name: str, where: str, file: IO[bytes], depth: int, ask: Ask) -> Iterator[Pickle]:
    file.seek(0)
    first = file.read(SNIFFED_BYTES)
    file.seek(0)
    if depth == 0:
        yield Pickle(where, note="archives in archives: not looked into")
    elif first.startswith(b"PK\x03\x04"):
        yield from _in_zip(where, file, depth, ask)
    elif first.startswith(b"\x93NUMPY"):
        yield from _in_array(where, file, ask)
    elif (inflater := _inflater(first)) is not None:
        yield from _in_compressed(name, where, file, inflater, depth, ask)
    elif _is_binary(first) or _is_textual(first):
        yield from _in_a_row(where, file, ask)
    elif name.lower().endswith(_NAMED):
        yield Pickle(where, note="named like one, and not readable as one")


def _in_zip(where: str, file: IO[bytes], depth: int, ask: Ask) -> Iterator[Pickle]:
    try:
        if _directory_bytes(file) > MOST_DIRECTORY_BYTES:
            yield Pickle(where, note="a zip with too many entries: not looked into")
            return
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                inside = f"{where}: {entry.filename}"
                if entry.compress_type != zipfile.ZIP_STORED and entry.file_size > MOST_INFLATED_BYTES:
                    yield Pickle(inside, note="too big when inflated: not looked into")
                    continue
                with archive.open(entry) as content:
                    if may_hold(entry.filename, content.read(SNIFFED_BYTES)):
                        yield from _find(entry.filename, inside, content, depth - 1, ask)
    except (*_READ_ERRORS, NotImplementedError, RuntimeError) as error:
        yield Pickle(where, note=f"a zip that cannot be read ({error}): not looked into")


def _directory_bytes(file: IO[bytes]) -> int:
    """Size of a zip's directory, which zipfile reads into memory whole; a zip64 counts as too big."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - (1 << 16) - 22))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    return int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0


def _in_array(where: str, file: IO[bytes], ask: Ask) -> Iterator[Pickle]:
    """The pickle behind the header of a .npy whose dtype has objects."""
    start = file.read(12)
    wide = start[6:7] != b"\x01"
    length = int.from_bytes(start[8:12] if wide else start[8:10], "little")
    file.seek(12 if wide else 10)
    header = file.read(min(length, _LONGEST_LINE_BYTES))
    if b"|O" in header or b"'O" in header:
        yield from _in_a_row(f"{where}: array of objects", file, ask)


def _inflater(first: bytes) -> Any:
    """A decompressor with `decompress(data, max_length)` for what joblib and others wrap pickles in; None for none."""
    if first.startswith(b"\x1f\x8b") or (first[:1] == b"\x78" and int.from_bytes(first[:2], "big") % 31 == 0):
        return zlib.decompressobj(wbits=47)
    if first.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if first.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        return lzma.LZMADecompressor(memlimit=MOST_INFLATED_BYTES)
    return None


def _in_compressed(name: str, where: str, file: IO[bytes], inflater: Any, depth: int, ask: Ask) -> Iterator[Pickle]:
    # A compressed text is no pickle, whatever its wrapping is called.
    name = name if name.lower().endswith(".joblib") else ""
    pieces, first = _inflated(file, inflater), b""
    with tempfile.TemporaryFile() as inflated:
        try:
            while len(first) < SNIFFED_BYTES and (piece := next(pieces, None)) is not None:
                first += piece
            if not may_hold(name, first[:SNIFFED_BYTES]):
                return
            inflated.write(first)
            inflated.writelines(pieces)
        except (*_READ_ERRORS, zlib.error, lzma.LZMAError) as error:
            yield Pickle(where, note=f"compressed, and cannot be read ({error}): not looked into")
            return
        yield from _find(name, f"{where}: inflated", inflated, depth - 1, ask)


def _inflated(file: IO[bytes], inflater: Any) -> Iterator[bytes]:
    """What is in a compressed file, at most MOST_INFLATED_BYTES; the first piece is only to look at."""
    size = 0
    while not inflater.eof and size < MOST_INFLATED_BYTES:
        data = getattr(inflater, "unconsumed_tail", b"") or (
            file.read(1 << 16) if getattr(inflater, "needs_input", True) else b""
        )
        if not data and getattr(inflater, "needs_input", True):
            return
        piece = inflater.decompress(data, _BIG_ARGUMENT_BYTES if size else SNIFFED_BYTES)
        size += len(piece)
        yield piece


def _in_a_row(where: str, file: IO[bytes], ask: Ask) -> Iterator[Pickle]:
    """One pickle, or several one after another, as one finding."""
    imports: dict[str, None] = {}
    opcodes: Counter[str] = Counter()
    note, start = "", file.tell()
    while not note and (first := file.read(2)):
        file.seek(-len(first), io.SEEK_CUR)
        scan = _scan(where, file)
        imports |= dict.fromkeys(scan.imports)
        opcodes.update(scan.opcodes)
        note = scan.note
    file.seek(start)
    yield Pickle(where, tuple(imports), dict(opcodes), note, ask(file))


def _scan(where: str, file: IO[bytes]) -> Pickle:
    """One pickle's imports and acting opcodes, up to its STOP. Strings are followed through the memo."""
    imports: dict[str, None] = {}
    opcodes: Counter[str] = Counter()
    memo: dict[Any, str | None] = {}
    pushed: list[str | None] = [None, None]
    note = ""
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(_Skipping(file))):  # type: ignore[arg-type]
            if count == MOST_OPCODES:
                note = f"only its first {MOST_OPCODES} opcodes were read"
                break
            if opcode.name in ACTING:
                opcodes[opcode.name] += 1
            if opcode.name in ("GLOBAL", "INST"):
                imports[_dotted(str(argument))] = None
            elif opcode.name == "STACK_GLOBAL":
                imports[".".join(part or "?" for part in pushed[-2:])] = None
            if opcode.name == "MEMOIZE":
                memo[len(memo)] = pushed[-1]
            elif opcode.name.endswith("PUT"):
                memo[argument] = pushed[-1]
            elif opcode.name.endswith("GET"):
                pushed = [pushed[-1], memo.get(argument)]
            elif opcode.stack_after:
                pushed = [pushed[-1], argument if isinstance(argument, str) else None]
    except _READ_ERRORS as error:
        note = f"not readable to its end ({error!s:.120})"
    return Pickle(where, tuple(imports), dict(opcodes), note)


def _dotted(argument: str) -> str:
    return argument.replace(" ", ".") if _GLOBAL.fullmatch(argument) else argument


class _Skipping:
    """A file as `pickletools` reads it, with long arguments skipped and long lines cut, so that memory stays flat."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def tell(self) -> int:
        return self._file.tell()

    def readline(self) -> bytes:
        return self._file.readline(_LONGEST_LINE_BYTES)

    def read(self, size: int) -> bytes:
        if size <= _BIG_ARGUMENT_BYTES:
            return self._file.read(size)
        before = self._file.tell()
        self._file.seek(size - 1, io.SEEK_CUR)
        if not self._file.read(1):
            raise EOFError(f"an argument of {size} bytes at {before} is cut off")
        return _Absent(size)


class _Absent(bytes):
    """Bytes that were skipped: as long as they were, and empty."""

    _size: int

    def __new__(cls, size: int) -> _Absent:
        made = super().__new__(cls)
        made._size = size
        return made

    def __len__(self) -> int:
        return self._size
