"""A custom image's build context: exactly what goes in, the same bytes everywhere, and Dockerfiles that fit it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from model_package import archives
from model_package.errors import PackagingFailed
from model_package.image import BuildContext, build_context
from model_package.manifest import Manifest, load_manifest
from sandbox.cloud.compute import image_tools

ROOT = Path(__file__).parents[2]
USE_CASES = sorted(path.parent.name for path in ROOT.glob("use_cases/*/Dockerfile"))


def custom(use_case: Path) -> Manifest:
    """The manifest of a use case as it would be with the Dockerfile beside it instead of its framework."""
    return load_manifest(use_case).model_copy(update={"framework": None, "dockerfile": "Dockerfile"})


def copied(folder: Path) -> Path:
    target = folder / "tumor_triage"
    shutil.copytree(ROOT / "use_cases" / "tumor_triage", target, ignore=shutil.ignore_patterns("model.lock.yaml"))
    return target


def built(use_case: Path, cache: Path) -> BuildContext:
    context = build_context(use_case, custom(use_case), cache)
    assert context is not None
    return context


def test_a_framework_s_use_case_has_no_context(tmp_path: Path) -> None:
    use_case = ROOT / "use_cases" / "tumor_triage"
    assert build_context(use_case, load_manifest(use_case), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_exactly_this_goes_in(tmp_path: Path) -> None:
    context = built(copied(tmp_path), tmp_path)
    names = set(archives.read(context.path))
    server = {f"model_package/server/{path.name}" for path in (ROOT / "model_package" / "server").glob("*.py")}
    own = {"use_cases/tumor_triage/Dockerfile", "use_cases/tumor_triage/requirements.txt"}
    assert names == {"requirements/serving.txt", "model_package/__init__.py", *server, *own}
    assert context.dockerfile == "use_cases/tumor_triage/Dockerfile"


def test_the_same_files_are_the_same_bytes_and_others_are_not(tmp_path: Path) -> None:
    first, second = copied(tmp_path / "a"), copied(tmp_path / "b")
    for path in second.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    (second / "notes.txt").write_text("beside it, and not in it")
    one, other = built(first, tmp_path / "one"), built(second, tmp_path / "two")
    assert one.digest == other.digest
    assert one.path.read_bytes() == other.path.read_bytes()
    (second / "Dockerfile").write_text((second / "Dockerfile").read_text() + "ENV A=1\n")
    assert built(second, tmp_path / "two").digest != one.digest


def test_a_missing_dockerfile_and_a_link_are_refused(tmp_path: Path) -> None:
    use_case = copied(tmp_path)
    (use_case / "requirements.txt").unlink()
    (use_case / "requirements.txt").symlink_to("/etc/hostname")
    with pytest.raises(PackagingFailed, match=r"requirements\.txt is a symbolic link: a build context holds regular"):
        built(use_case, tmp_path)
    (use_case / "Dockerfile").unlink()
    with pytest.raises(PackagingFailed, match=r"Dockerfile does not exist: dockerfile of .*package\.yaml must name it"):
        built(use_case, tmp_path)


@pytest.mark.parametrize("name", USE_CASES)
def test_a_shipped_dockerfile_fits_its_context_and_starts_the_model_server(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    context = built(ROOT / "use_cases" / name, tmp_path)
    folder = tmp_path / "context"
    for member, content in archives.read(context.path).items():
        (folder / member).parent.mkdir(parents=True, exist_ok=True)
        (folder / member).write_bytes(content)
    command = ["docker", "build", "--tag", "r/x:1", "--file", str(folder / context.dockerfile), str(folder)]
    assert image_tools.main(command) == 0, capsys.readouterr().err
    instructions = dict(image_tools._instructions((folder / context.dockerfile).read_text()))
    assert json.loads(instructions["ENTRYPOINT"]) == ["python", "-m", "model_package.server", "--host", "0.0.0.0"]
    assert instructions["WORKDIR"] == "/opt/understudy", "where `python -m` finds the package that COPY puts there"
    assert "USER" not in instructions, "SageMaker runs containers as root"


@pytest.mark.parametrize(
    ("dockerfile", "says"),
    [
        ("", "a Dockerfile begins with FROM"),
        ("FROM a\nCOPY gone.txt here\n", 'COPY failed: "/gone.txt": not found in the build context'),
        ("FROM a\nCOPY Dockerfile b\n", "ENTRYPOINT must be the exec form"),
        ('FROM a\nENTRYPOINT ["gunicorn"]\n', 'found ["gunicorn"]'),
        ("FROM a\nENTRYPOINT python -m model_package.server\n", "ENTRYPOINT must be the exec form"),
    ],
)
def test_the_stand_in_for_docker_refuses_what_docker_or_the_sandbox_could_not_run(
    dockerfile: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Dockerfile").write_text(dockerfile)
    assert image_tools.main(["docker", "build", "--tag", "r/x:1", str(tmp_path)]) == 1
    assert says in capsys.readouterr().err


def test_the_stand_in_pushes_what_was_built_and_after_a_log_in_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert image_tools.main(["docker", "push", "r/x:1"]) == 1
    assert "An image does not exist locally with the tag: r/x:1" in capsys.readouterr().err
    (tmp_path / "Dockerfile").write_text('FROM a\nENTRYPOINT ["python", "-m", "model_package.server"]\n')
    assert image_tools.main(["docker", "build", "--tag", "r/x:1", str(tmp_path)]) == 0
    assert image_tools.main(["docker", "push", "r/x:1"]) == 1
    assert "no basic auth credentials" in capsys.readouterr().err
