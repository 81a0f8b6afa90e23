"""`understudy inspect`: what an archive holds, told without unpacking or unpickling."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from botocore.response import StreamingBody

from model_package import archive_writer
from release.commands.inspect import inspect as command
from release.errors import ExitCode, MissingError
from release.inspecting import inspect, opinion


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A package with a plain script and a model that would leave a folder behind."""
    (tmp_path / "inference.py").write_text("def model_fn(d): ...\n")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    files = {"model.pkl": tmp_path / "model.pkl", "code/inference.py": tmp_path / "inference.py"}
    with (tmp_path / "model.tar.gz").open("wb") as target:
        archive_writer.write(files, target)
    return tmp_path / "model.tar.gz"


def test_members_digests_and_pickles_are_told(archive: Path) -> None:
    found = inspect(str(archive))
    assert found.members == {"code/inference.py": 21, "model.pkl": (archive.parent / "model.pkl").stat().st_size}
    assert found.object_sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert found.digest == hashlib.sha256(gzip.decompress(archive.read_bytes())).hexdigest()
    [model] = found.pickles
    assert (model.where, model.imports) == ("model.pkl", ("posix.mkdir",))
    assert model.opinion == "fickling: LIKELY_OVERTLY_MALICIOUS"
    assert (found.verdict, found.refused) == ("warning", "")
    assert not (archive.parent / "canary").exists()


def test_a_refused_archive_ends_with_its_reason_and_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("fine"))
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(typer.Exit) as ended:
        command(str(tmp_path / "model.tar.gz"), as_json=True)
    assert ended.value.exit_code == ExitCode.REFUSED
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "refused"
    assert document["refused"] == "'a' is a link, device or sparse file; only regular files are read"
    assert document["members"] == {"fine": 0}
    assert document["digest"] == ""


def test_a_pickle_is_a_warning_and_no_gate(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        command(str(archive))
    assert ended.value.exit_code == ExitCode.OK
    shown = capsys.readouterr().out
    assert "warning: model.pkl: a pickle, which can run any code when it is loaded; it imports posix.mkdir" in shown
    assert "verdict: warning" in shown


def test_an_object_in_s3_is_fetched_for_a_look(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bucket:
        def get_object(self, **request: str) -> dict[str, Any]:
            assert request == {"Bucket": "artifacts", "Key": "x/model.tar.gz"}
            content = archive.read_bytes()
            return {"Body": StreamingBody(io.BytesIO(content), len(content))}

    monkeypatch.setattr(boto3, "client", lambda _: Bucket())
    found = inspect("s3://artifacts/x/model.tar.gz")
    assert found.file == "s3://artifacts/x/model.tar.gz"
    assert found.object_sha256 == inspect(str(archive)).object_sha256


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="There is no file"):
        inspect(str(tmp_path / "gone.tar.gz"))


def test_an_analyser_that_stumbles_says_so() -> None:
    assert opinion(io.BytesIO(b"\x80\x04garbage")).startswith("fickling: ")
    assert opinion(io.BytesIO(bytes(5 << 20))) == "fickling: not asked, more than 4194304 bytes"
