"""Packages are the same bytes for the same input, hold what AWS's images expect, and are built once."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_package import archive_writer, archives, artifacts, metadata, packaging, seen
from model_package.errors import ArtifactMissing, PackagingFailed
from model_package.lock import ModelLock
from model_package.manifest import Manifest
from tests.unit.test_manifest import LOCK, VALID

ROOT = Path(__file__).parents[2]
MODEL = b"a trained model"
MODEL_DIGEST = hashlib.sha256(MODEL).hexdigest()
MANIFEST = Manifest.model_validate(VALID)
MODEL_LOCK = ModelLock.model_validate({**LOCK, "sha256": MODEL_DIGEST})


@pytest.fixture
def use_case(tmp_path: Path) -> Path:
    folder = tmp_path / "use_case"
    for name in (
        "inference.py",
        "train.py",
        "replay.py",
        "Dockerfile",
        "package.yaml",
        "model.lock.yaml",
        "features.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")
    (folder / "requirements.txt").write_text("numpy\n")
    (folder / "tables").mkdir()
    (folder / "tables" / "units.json").write_text("{}")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "inference.pyc").write_bytes(b"\0")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that holds the model file, so that nothing is fetched."""
    model = tmp_path / "cache" / MODEL_DIGEST / "model.ubj"
    model.parent.mkdir(parents=True)
    model.write_bytes(MODEL)
    return tmp_path / "cache"


def test_the_layout_is_what_script_mode_expects(use_case: Path, cache: Path) -> None:
    artifact = packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)
    files = archives.read(artifact.path)
    assert list(files) == [
        "code/features.py",
        "code/inference.py",
        "code/requirements.txt",
        "code/tables/units.json",
        "model.ubj",
    ]
    assert files["model.ubj"] == MODEL
    assert artifact.path == cache / artifact.digest / "model.tar.gz"
    assert artifact.object_sha256 == hashlib.sha256(artifact.path.read_bytes()).hexdigest()
    assert artifact.size_bytes == artifact.path.stat().st_size


def test_the_container_environment_runs_the_entry_point() -> None:
    assert packaging.environment(MANIFEST) == {
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }


def test_an_environment_that_only_chooses_a_script_runs_nothing_from_elsewhere() -> None:
    ours = packaging.environment(MANIFEST)
    assert packaging.names_only_a_script(ours)
    assert packaging.names_only_a_script({**ours, "SAGEMAKER_PROGRAM": "other.py"})
    assert packaging.names_only_a_script({})
    assert not packaging.names_only_a_script({**ours, "SAGEMAKER_SUBMIT_DIRECTORY": "s3://elsewhere/code.tar.gz"})
    assert not packaging.names_only_a_script({**ours, "PYTHONPATH": "/tmp"})


def test_the_identity_is_that_of_the_tar_stream(use_case: Path, cache: Path) -> None:
    artifact = packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)
    with gzip.open(artifact.path) as stream:
        assert hashlib.sha256(stream.read()).hexdigest() == artifact.digest
    with tarfile.open(artifact.path) as tar:
        for member in tar:
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert (member.mtime, member.mode, member.type) == (0, 0o644, tarfile.REGTYPE)


def test_unchanged_input_is_not_rebuilt(use_case: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)

    def rebuilt(*_: object) -> None:
        raise AssertionError("the package was built again")

    monkeypatch.setattr(archive_writer, "write", rebuilt)
    monkeypatch.setattr(artifacts, "fetch", rebuilt)
    assert packaging.build(use_case, MANIFEST, MODEL_LOCK, cache) == first


def test_unchanged_input_is_not_even_read(use_case: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "SETTLED_SECONDS", -3600.0)
    first = packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)
    monkeypatch.setattr(artifacts, "sha256_of", lambda path: pytest.fail(f"{path} was read again"))
    assert packaging.build(use_case, MANIFEST, MODEL_LOCK, cache) == first


@pytest.mark.parametrize("way", ["written", "removed"])
def test_a_change_between_looking_and_packaging_is_told(
    use_case: Path, cache: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index would name a package of other files than its key was made of."""
    pack = packaging.pack

    def and_then(files: dict[str, Path], folder: Path, contents: dict[Path, str] | None) -> packaging.Artifact:
        artifact = pack(files, folder, contents)
        if way == "written":
            (use_case / "features.py").write_text("changed, and longer than before\n")
        else:
            (use_case / "features.py").unlink()
        return artifact

    monkeypatch.setattr(packaging, "pack", and_then)
    with pytest.raises(PackagingFailed, match=r"features\.py changed while it was packaged: package again"):
        packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)
    assert not (cache / "packages").exists()


def test_a_cache_that_cannot_be_made_is_told(use_case: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PackagingFailed, match="the package cannot be written: Not a directory; make room there"):
        packaging.pack({"inference.py": use_case / "inference.py"}, tmp_path / "file" / "cache")


def test_pickles_are_reported_and_remembered(use_case: Path, cache: Path) -> None:
    (use_case / "table.pkl").write_bytes(b"\x80\x04cposix\nsystem\n.")
    line = "code/table.pkl: a pickle, which can run any code when it is loaded; it imports posix.system (1 GLOBAL)"
    assert packaging.build(use_case, MANIFEST, MODEL_LOCK, cache).pickles == (line,)
    assert packaging.build(use_case, MANIFEST, MODEL_LOCK, cache).pickles == (line,)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"path": "model.tar.gz"}'])
def test_a_damaged_index_means_building_again(use_case: Path, cache: Path, damage: str) -> None:
    first = packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)
    [index] = (cache / "packages").iterdir()
    index.write_text(damage)
    assert packaging.build(use_case, MANIFEST, MODEL_LOCK, cache) == first


def test_a_cached_package_that_was_changed_is_built_again(use_case: Path, cache: Path) -> None:
    first = packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)
    content = first.path.read_bytes()
    first.path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert packaging.build(use_case, MANIFEST, MODEL_LOCK, cache) == first
    assert first.path.read_bytes() == content


@pytest.mark.parametrize("name", ["inference.py", "features.py", "requirements.txt"])
def test_a_change_of_what_is_served_is_another_package(use_case: Path, cache: Path, name: str) -> None:
    first = packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)
    (use_case / name).write_text("changed\n")
    assert packaging.build(use_case, MANIFEST, MODEL_LOCK, cache).digest != first.digest


@pytest.mark.parametrize("name", ["train.py", "replay.py", "Dockerfile", "package.yaml"])
def test_a_change_of_what_is_not_served_is_the_same_package(use_case: Path, cache: Path, name: str) -> None:
    first = packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)
    (use_case / name).write_text("changed\n")
    assert packaging.build(use_case, MANIFEST, MODEL_LOCK, cache) == first


def test_a_missing_entry_point_is_named_with_what_to_do(use_case: Path, cache: Path) -> None:
    (use_case / "inference.py").unlink()
    with pytest.raises(
        PackagingFailed, match=r"inference\.py does not exist: entryPoint of .*package\.yaml must name it"
    ):
        packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)


def test_a_link_is_refused(use_case: Path, cache: Path) -> None:
    (use_case / "secrets").symlink_to("/etc/passwd")
    with pytest.raises(PackagingFailed, match="secrets is a symbolic link"):
        packaging.build(use_case, MANIFEST, MODEL_LOCK, cache)


def test_a_missing_model_leaves_nothing_half_built(use_case: Path, tmp_path: Path) -> None:
    lock = MODEL_LOCK.model_copy(update={"uri": "file:///model.ubj"})
    with pytest.raises(ArtifactMissing, match="expected s3://"):
        packaging.build(use_case, MANIFEST, lock, tmp_path / "empty")
    assert not [path for path in (tmp_path / "empty").rglob("*") if path.is_file()]


names = st.text("abcxyz_0123456789éüßжλ中", min_size=1, max_size=30)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=st.dictionaries(paths, st.binary(max_size=3000), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
    umask=st.sampled_from([0o000, 0o022, 0o077]),
    mtime=st.integers(0, 2**33),
    mode=st.sampled_from([0o400, 0o644, 0o755]),
    threads=st.integers(1, 5),
)
def test_the_same_files_are_the_same_bytes(
    files: dict[str, bytes], order: Random, umask: int, mtime: int, mode: int, threads: int
) -> None:
    """Whatever order they were written in, by whom, when, under which umask, behind which links, with which cores."""
    files = _distinct(files)
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder) / "here", Path(folder) / "there"
        plain = _written(_laid_out(here, files, list(files)), Path(folder) / "1.tar.gz", 1)
        shuffled = list(files)
        order.shuffle(shuffled)
        previous = os.umask(umask)
        try:
            _laid_out(there, files, shuffled)
        finally:
            os.umask(previous)
        (Path(folder) / "link").symlink_to(there)
        laid_out = {name: Path(folder) / "link" / name for name in shuffled}
        for path in laid_out.values():
            os.utime(path, (mtime, mtime))
            path.chmod(mode)
        again = _written(laid_out, Path(folder) / "2.tar.gz", threads)
        assert again == plain
        assert (Path(folder) / "1.tar.gz").read_bytes() == (Path(folder) / "2.tar.gz").read_bytes()
        assert archives.read(Path(folder) / "1.tar.gz") == dict(sorted(files.items()))


def _distinct(files: dict[str, bytes]) -> dict[str, bytes]:
    """Those of the files whose names fit beside the others'."""
    found, taken = {}, archives.Names()
    for name, content in files.items():
        with contextlib.suppress(ValueError):
            found[taken.take(name)] = content
    return found


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(size=st.integers(0, 5 << 20), seed=st.integers(0, 9), threads=st.integers(2, 6))
def test_the_number_of_threads_changes_no_byte(size: int, seed: int, threads: int) -> None:
    """Sizes beyond the blocks that the threads share out, contents that compress and that do not."""
    content = Random(seed).randbytes(size // 2) + bytes(size - size // 2)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        file.write_bytes(content)
        one = _written({"model": file}, Path(folder) / "1", 1)
        many = _written({"model": file}, Path(folder) / "2", threads)
        assert one == many
        assert gzip.decompress((Path(folder) / "2").read_bytes())[512 : 512 + size] == content


def test_another_process_of_another_user_elsewhere_writes_the_same(use_case: Path, tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from model_package import packaging
from model_package.manifest import Manifest
import json
if len(sys.argv) > 4:
    os.umask(0o077)
files = packaging.code_files(Path(sys.argv[1]), Manifest.model_validate(json.loads(sys.argv[3])))
print(packaging.pack(files, Path(sys.argv[2])))
"""
    (use_case / "é.txt").write_text("é")
    told = []
    for number, other in enumerate(({"TZ": "UTC", "LC_ALL": "C"}, {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"})):
        cache = tmp_path / str(number)
        cache.mkdir()
        command = [sys.executable, "-c", program, str(use_case), str(cache), json.dumps(VALID), *["umask"] * number]
        environment = {**other, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(number)}
        ran = subprocess.run(
            command, cwd=cache, env=environment, capture_output=True, text=True, check=True, timeout=50
        )
        told.append(ran.stdout.replace(str(cache), ""))
    assert told[0] == told[1]


def test_names_are_composed_whatever_the_file_system_does_to_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    composed = _written({"caf\u00e9": tmp_path / "a"}, tmp_path / "1")
    assert _written({"cafe\u0301": tmp_path / "a"}, tmp_path / "2") == composed


@pytest.mark.parametrize("names", [("A", "a"), ("caf\u00e9", "cafe\u0301"), ("a", "a/b")])
def test_names_that_some_file_system_confuses_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(PackagingFailed, match=r"is there twice, on some file system at least: rename it"):
        _written({name: tmp_path / "x" for name in names}, tmp_path / "1")


def _laid_out(folder: Path, files: dict[str, bytes], order: list[str]) -> dict[str, Path]:
    for name in order:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(files[name])
    return {name: folder / name for name in order}


def _written(files: dict[str, Path], target: Path, threads: int | None = None) -> archive_writer.Written:
    with target.open("wb") as stream:
        return archive_writer.write(files, stream, threads)


def test_the_bytes_are_pinned(tmp_path: Path) -> None:
    """A new compressor or a new Python that writes other bytes makes new object digests: it must be noticed."""
    (tmp_path / "a").write_bytes(b"a" * 1000)
    written = _written({"a": tmp_path / "a", "code/b": tmp_path / "a"}, tmp_path / "x.tar.gz")
    assert written.digest == "8e67208c5f5a53c43bb54afd9b89fcf4ac94dc242c8cff3fd9afe8da2e9f4e34"
    assert written.object_sha256 == "ab8c18db4f077f7394ff35757165a6b96d4e5120caa273848a7c631e6b977b38"


def test_metrics_fit_into_the_characters_that_sagemaker_takes() -> None:
    metrics = {"holdout:accuracy": 0.954774, "train loss": 1e-7}
    line = metadata.encode_metrics(metrics)
    assert line == "holdout:accuracy=0.954774 train_loss=1e-07"
    assert metadata.decode_metrics(line) == {"holdout:accuracy": 0.954774, "train_loss": 1e-07}
    many = metadata.encode_metrics({f"validation:metric{number}": number for number in range(100)})
    assert len(many) <= 256
    assert all(
        value == float(name.removeprefix("validation:metric")) for name, value in metadata.decode_metrics(many).items()
    )


def test_reasons_are_brought_into_form() -> None:
    assert metadata.text('labels were "shuffled", 47% right (alarm)') == "labels were shuffled 47 right alarm"
    assert len(metadata.text("x" * 300)) == 256
    assert metadata.text("!!!") == "-"


def test_a_registration_carries_what_the_lock_says() -> None:
    values = metadata.of_registration(MODEL_LOCK, "d" * 64, "o" * 64, "")
    assert values == {
        "understudy.schema": "1",
        "understudy.artifact_digest": "d" * 64,
        "understudy.object_sha256": "o" * 64,
        "understudy.training_job": "tumor-triage-1",
        "understudy.author": "arn:aws:sts::111111111111:assumed-role/understudy-scientist/ann",
        "understudy.metrics": "holdout:accuracy=0.95",
    }
