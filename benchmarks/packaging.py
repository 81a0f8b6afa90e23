"""Packaging a folder of 200 MB in 1,263 files, side by side with `tar | pigz -1` on the same files.

The ways take turns, so that whatever else the machine does falls on all of them. The files are an installed
environment's own (compiled code, Python source, data), cut or repeated to the size: what a model's folder looks like
to a compressor.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from model_package import artifacts, packaging, seen
from model_package.lock import ModelLock
from model_package.manifest import Manifest

ROOT = Path(__file__).parents[1]
FILES = 1_263
FOLDER_BYTES = 200_000_000
ROUNDS = 3
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "framework": {"name": "xgboost", "version": "3.0-5"},
    "contentTypes": ["text/csv"],
    "sample": {"body": "1"},
    "quality": {"task": "classification", "threshold": 0.9, "label": "label"},
}


def measure(console: Console) -> list[dict[str, Any]]:
    """Rows: MB/s, ratio to the input, factor over `pigz -1` and peak memory (MB) by way; pigz may be absent, which is said."""
    with tempfile.TemporaryDirectory() as scratch:
        use_case = Path(scratch) / "use_case"
        size = _fill(use_case)
        console.print(f"{size / 1e6:.0f} MB in {FILES} files, {ROUNDS} rounds")
        ways: dict[str, Callable[[int], int]] = {
            "understudy": lambda number: _build(use_case, Path(scratch) / f"cache-{number}")
        }
        if shutil.which("pigz"):
            for level in (1, 6):
                ways[f"tar | pigz -{level}"] = lambda _, level=level: _pigz(use_case, Path(scratch) / "out", level)  # type: ignore[misc]
        else:
            console.print("no pigz on PATH: nothing to compare with (apt-get install pigz)")
        rows = _rows(_alternate(ways), size)
        rows[0]["peak_mb"] = _peak_megabytes(use_case, Path(scratch) / "peak")
        return [*rows, _rebuild(use_case, Path(scratch) / "again")]


def _fill(folder: Path) -> int:
    """Copy files of this environment into a folder until it has its number and size; its size in bytes."""
    found = sorted(path for path in Path(sysconfig.get_path("purelib")).rglob("*") if path.is_file())
    big = sorted(found, key=lambda path: -path.stat().st_size)[:20]
    small = [path for path in found if 0 < path.stat().st_size < 100_000][: FILES - len(big) - 1]
    folder.mkdir()
    (folder / "inference.py").write_text("def model_fn(model_dir): ...\n")
    size = 0
    for number, path in enumerate([*small, *big]):
        content = path.read_bytes()[: (FOLDER_BYTES - size) // max(1, len(big)) * 2 if path in big else None]
        (folder / f"{number:04d}.bin").write_bytes(content)
        size += len(content)
    number = 0
    while size < FOLDER_BYTES:
        content = big[number % len(big)].read_bytes()[: FOLDER_BYTES - size]
        with (folder / f"{len(small) + number % len(big):04d}.bin").open("ab") as file:
            file.write(content)
        size, number = size + len(content), number + 1
    return size


def _lock(cache: Path) -> ModelLock:
    """A model of a few bytes, in the cache already: the folder is what is measured."""
    digest = hashlib.sha256(b"model").hexdigest()
    (cache / digest).mkdir(parents=True)
    (cache / digest / "model.ubj").write_bytes(b"model")
    return ModelLock(
        uri="s3://training/model.ubj",
        sha256=digest,
        file="model.ubj",
        image="image",
        training_job="job",
        training_job_arn="arn:aws:sagemaker:us-west-2:111111111111:training-job/job",
        author="arn:aws:iam::111111111111:user/ann",
    )


def _build(use_case: Path, cache: Path) -> int:
    lock = _lock(cache)
    artifact = packaging.build(use_case, Manifest.model_validate(MANIFEST), lock, cache)
    shutil.rmtree(cache)
    return artifact.size_bytes


def _pigz(use_case: Path, target: Path, level: int) -> int:
    with target.open("wb") as file, subprocess.Popen(["tar", "-C", use_case, "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(
            ["pigz", "-n", f"-{level}", "-p", str(os.cpu_count())], stdin=tar.stdout, stdout=file, check=True
        )
    return target.stat().st_size


def _alternate(ways: dict[str, Callable[[int], int]]) -> dict[str, tuple[float, int]]:
    """Median seconds and size in bytes, by way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, int] = {}
    for number in range(ROUNDS + 1):
        for name, run in ways.items():
            started = time.perf_counter()
            sizes[name] = run(number)
            if number:  # the first round fills the page cache
                seconds[name].append(time.perf_counter() - started)
    return {name: (statistics.median(taken), sizes[name]) for name, taken in seconds.items()}


def _rows(taken: dict[str, tuple[float, int]], size: int) -> list[dict[str, Any]]:
    base = taken.get("tar | pigz -1")
    return [
        {
            "way": name,
            "seconds": round(seconds, 2),
            "mb_per_s": round(size / 1e6 / seconds, 1),
            "ratio": round(size / packed, 3),
            "times_pigz_1": round(base[0] / seconds, 2) if base else "",
            "peak_mb": "",
        }
        for name, (seconds, packed) in taken.items()
    ]


def _rebuild(use_case: Path, cache: Path) -> dict[str, Any]:
    """An unchanged folder again, as the next `up` does; what was read is settled by then."""
    lock, manifest = _lock(cache), Manifest.model_validate(MANIFEST)
    packaging.build(use_case, manifest, lock, cache)
    time.sleep(seen.SETTLED_SECONDS + 0.5)
    packaging.build(use_case, manifest, lock, cache)
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        artifact = packaging.build(use_case, manifest, lock, cache)
        taken.append(time.perf_counter() - started)
    if artifacts.sha256_of(artifact.path) != artifact.object_sha256:
        raise RuntimeError("the package that was not rebuilt is not what it was")
    seconds = round(statistics.median(taken), 3)
    return {"way": "understudy, unchanged", "seconds": seconds} | dict.fromkeys(
        ("mb_per_s", "ratio", "times_pigz_1", "peak_mb"), ""
    )


def _peak_megabytes(use_case: Path, cache: Path) -> float:
    """The peak of a process that packages the folder and does nothing else."""
    program = (
        "import sys; from pathlib import Path; from model_package import packaging;"
        "files = {p.name: p for p in Path(sys.argv[1]).iterdir()}; packaging.pack(files, Path(sys.argv[2]));"
        "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", program, str(use_case), str(cache)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return round(int(ran.stdout) / 1000, 1)
