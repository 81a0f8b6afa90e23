"""Packaging a folder of 200 MB in 1,263 files, side by side with `tar | pigz -1` on the same files.

The ways take turns, so that whatever else the machine does falls on all of them. Most of the bytes are weights, most of
the files are an installed environment's own (code, data).
"""

from __future__ import annotations

import hashlib
import os
import resource
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

import numpy as np
from rich.console import Console

from model_package import artifacts, packaging, seen
from model_package.lock import ModelLock
from model_package.manifest import Manifest

ROOT = Path(__file__).parents[1]
FILES = 1_263
FOLDER_BYTES = 200_000_000
WEIGHTS = 20
"""Big files of random numbers, which hardly compress; the ratio of the whole is about 1.5, as a model folder's."""

ROUNDS = 3
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "framework": {"name": "xgboost", "version": "3.0-5"},
    "contentTypes": ["text/csv"],
    "sample": {"body": "1"},
    "quality": {"task": "classification", "threshold": 0.9, "label": "label"},
}


def measure(console: Console) -> list[dict[str, Any]]:
    """Rows by way: seconds, of all processors too, MB/s, ratio, factor over `pigz -1`, peak memory in MB.

    Seconds of all processors (`cpu_seconds`) hardly depend on what else the machine does. A missing pigz is told.
    """
    with tempfile.TemporaryDirectory() as scratch:
        use_case = Path(scratch) / "use_case"
        size = _fill(use_case)
        console.print(f"{size / 1e6:.0f} MB in {FILES} files, {ROUNDS} rounds")
        ways: dict[str, Callable[[int], int]] = {
            "understudy": lambda number: _build(use_case, Path(scratch) / f"cache-{number}")
        }
        if shutil.which("pigz"):
            ways["tar | pigz -1"] = lambda _: _pigz(use_case, Path(scratch) / "out")
        else:
            console.print("no pigz on PATH: nothing to compare with (apt-get install pigz)")
        rows = _rows(_alternate(ways), size)
        rows[0]["peak_mb"] = _peak_megabytes(use_case, Path(scratch) / "peak")
        return [*rows, _rebuild(use_case, Path(scratch) / "again")]


def _fill(folder: Path) -> int:
    """Write the folder: an environment's small files as they are, and 20 big files of weights; its size in bytes."""
    found = sorted(path for path in Path(sysconfig.get_path("purelib")).rglob("*") if path.is_file())
    small = [path for path in found if 20_000 < path.stat().st_size < 300_000][: FILES - WEIGHTS]
    folder.mkdir()
    (folder / "inference.py").write_text("def model_fn(model_dir): ...\n")
    for number, path in enumerate(small):
        shutil.copyfile(path, folder / f"{number:04d}.bin")
    size = sum(path.stat().st_size for path in folder.iterdir())
    random = np.random.default_rng(0)
    for number in range(WEIGHTS):
        weights = random.normal(size=(FOLDER_BYTES - size) // WEIGHTS // 4).astype(np.float32)
        (folder / f"weights-{number:02d}.bin").write_bytes(weights.tobytes())
    return sum(path.stat().st_size for path in folder.iterdir())


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


def _pigz(use_case: Path, target: Path) -> int:
    with target.open("wb") as file, subprocess.Popen(["tar", "-C", use_case, "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(["pigz", "-n", "-1", "-p", str(os.cpu_count())], stdin=tar.stdout, stdout=file, check=True)
    return target.stat().st_size


def _alternate(ways: dict[str, Callable[[int], int]]) -> dict[str, tuple[float, float, int]]:
    """Median seconds, median seconds of all processors, and size in bytes, by way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    processors: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, int] = {}
    for number in range(ROUNDS + 1):
        for name, run in ways.items():
            started, worked = time.perf_counter(), _processor_seconds()
            sizes[name] = run(number)
            if number:  # the first round fills the page cache
                seconds[name].append(time.perf_counter() - started)
                processors[name].append(_processor_seconds() - worked)
    median = statistics.median
    return {name: (median(seconds[name]), median(processors[name]), size) for name, size in sizes.items()}


def _processor_seconds() -> float:
    """Of this process and the children that it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _rows(taken: dict[str, tuple[float, float, int]], size: int) -> list[dict[str, Any]]:
    base = taken.get("tar | pigz -1")
    return [
        {
            "way": name,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(worked, 2),
            "mb_per_s": round(size / 1e6 / seconds, 1),
            "ratio": round(size / packed, 3),
            "times_pigz_1": round(base[0] / seconds, 2) if base else "",
            "peak_mb": "",
        }
        for name, (seconds, worked, packed) in taken.items()
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
        ("cpu_seconds", "mb_per_s", "ratio", "times_pigz_1", "peak_mb"), ""
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
