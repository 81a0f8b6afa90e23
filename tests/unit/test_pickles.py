"""Pickles are found wherever models hide them, told by what they do, and never loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_package import pickles

ROOT = Path(__file__).parents[2]


class Canary:
    """Leaves a file behind wherever it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def zipped(name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/version", "3")
        archive.writestr(name, content)
    return buffer.getvalue()


def array_of_objects(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([value], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def by_joblib(value: Any, compress: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump({"value": value, "weights": np.arange(4.0)}, buffer, compress=compress)
    return buffer.getvalue()


def plain(value: Any) -> bytes:
    return pickle.dumps(value, 4)


HIDDEN: dict[str, Callable[[Any], bytes]] = {
    **{f"protocol {number}": lambda value, n=number: pickle.dumps(value, n) for number in range(6)},  # type: ignore[misc]
    "second in a row": lambda value: plain(1) + plain(value),
    "PyTorch zip": lambda value: zipped("archive/data.pkl", plain(value)),
    "deflated zip": lambda value: zipped("archive/data.pkl", plain(value), zipfile.ZIP_DEFLATED),
    "zip in a zip": lambda value: zipped("inner.zip", zipped("data.pkl", plain(value))),
    "array of objects": array_of_objects,
    "array of objects in a zip": lambda value: zipped("a.npy", array_of_objects(value)),
    "joblib, before its arrays": lambda value: by_joblib(value, 0),
    "compressed joblib": lambda value: by_joblib(value, 3),
    "gzip": lambda value: gzip.compress(plain(value)),
    "zlib": lambda value: zlib.compress(plain(value)),
    "bz2": lambda value: bz2.compress(plain(value)),
    "xz": lambda value: lzma.compress(plain(value)),
}


@pytest.mark.parametrize("way", HIDDEN)
def test_a_hidden_pickle_is_found_with_what_it_imports(way: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    content = HIDDEN[way](Canary(canary))
    found = pickles.in_stream("model.bin", io.BytesIO(content))
    assert [one for one in found if {"posix.mkdir"} & set(one.imports) and one.opcodes.get("REDUCE")]
    assert not canary.exists()


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_a_joblib_dump_is_told_as_far_as_it_can_be_read(compress: Any) -> None:
    """Behind its first array, joblib writes bytes that are no opcodes: what follows is not read, and that is said."""
    [found] = pickles.in_stream("model.joblib", io.BytesIO(by_joblib(1, compress)))
    assert "joblib.numpy_pickle.NumpyArrayWrapper" in found.imports
    assert found.note.startswith("not readable to its end")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.ubj", b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner"),
        ("model.json", b'{"learner": {}}'),
        ("inference.py", b"import os\nimport sys\n\ndef model_fn(d):\n    return 1.\n"),
        ("requirements.txt", b"numpy\nscikit-learn\n"),
        ("table.csv", b"1,2.5\n0,.3\n"),
        ("model.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{}              "),
        ("weights.npy", b"\x93NUMPY\x01\x00\x16\x00{'descr': '<f8', 'a': 1}"),
        ("model.skops", zipped("schema.json", b"{}")),
        ("empty", b""),
        ("notes.txt", b"(all) is well.\n"),
    ],
)
def test_what_holds_data_only_is_not_complained_about(name: str, content: bytes) -> None:
    assert pickles.in_stream(name, io.BytesIO(content)) == []


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("model.pkl", b"nothing of the kind", "named like one, and not readable as one"),
        ("model.bin", pickle.dumps([b"x" * 3_000_000])[:2_000_000], "not readable to its end (an argument of 3000000"),
        ("model.bin", b"\x80\x04" + b"N0" * 60_000 + b"N.", "only its first 100000 opcodes were read"),
        ("model.zip", b"PK\x03\x04 and then nothing", "a zip that cannot be read"),
        ("model.bin", gzip.compress(plain(bytes(range(256)) * 9), mtime=0)[:90], "not readable to its end"),
        ("model.bin", b"\x1f\x8b\x08\x00 and then nothing", "compressed, and cannot be read"),
        (
            "model.zip",
            zipped("1", zipped("2", zipped("3", zipped("4", b"", zipfile.ZIP_STORED)))),
            "archives in archives: not looked into",
        ),
    ],
)
def test_what_cannot_be_read_is_told_too(name: str, content: bytes, note: str) -> None:
    found = pickles.in_stream(name, io.BytesIO(content))
    assert [one.note for one in found if one.note.startswith(note)]


def test_long_arguments_are_skipped_and_what_follows_is_read() -> None:
    content = pickle.dumps([b"x" * 5_000_000, Canary(Path("/nowhere"))], 4)
    [found] = pickles.in_stream("model.pkl", io.BytesIO(content))
    assert found.imports == ("posix.mkdir",)
    assert found.note == ""


def test_a_line_for_people_names_file_imports_and_opcodes() -> None:
    [found] = pickles.in_stream("model.pt", io.BytesIO(zipped("archive/data.pkl", plain(Canary(Path("/x"))))))
    assert str(found) == (
        "model.pt: archive/data.pkl: a pickle, which can run any code when it is loaded; it imports posix.mkdir "
        "(1 STACK_GLOBAL, 1 REDUCE)"
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    start=st.sampled_from(
        [b"", b"\x80\x04", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x1f\x8b\x08", b"BZh9", b"\x5d\0\0"]
    ),
    rest=st.binary(max_size=400),
)
def test_whatever_it_is_given_it_ends_in_words(start: bytes, rest: bytes) -> None:
    assert all(str(found) for found in pickles.in_stream("model.pkl", io.BytesIO(start + rest)))


def test_a_bomb_takes_little_memory(tmp_path: Path) -> None:
    """A string of 400 MB that a pickle says it holds, bare and compressed, within 200 MB of memory."""
    big = b"\x80\x04\x8e" + (400_000_000).to_bytes(8, "little")
    with (tmp_path / "bare.pkl").open("wb") as file:
        file.write(big)
        file.seek(400_000_000, os.SEEK_CUR)
        file.write(b".")
    packer = zlib.compressobj(1)
    blocks = [packer.compress(big), *(packer.compress(bytes(1 << 20)) for _ in range(100)), packer.flush()]
    (tmp_path / "compressed.pkl").write_bytes(b"".join(blocks))
    program = """
import resource, sys
from pathlib import Path
from model_package import pickles

def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

limit = (kilobytes("VmSize") << 10) + 200_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for name in sys.argv[1:]:
    print(*pickles.in_file(name, Path(name)))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "bare.pkl"), str(tmp_path / "compressed.pkl")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=50)
    assert ran.stdout.count("a pickle, which can run any code") == 2
