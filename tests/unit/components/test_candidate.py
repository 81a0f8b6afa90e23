"""What a deployment says of a candidate before anything is registered."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pulumi
import pytest

from components import candidate
from model_package import artifacts
from model_package.lock import ModelLock, write_lock
from tests.unit.test_manifest import LOCK, VALID
from tests.unit.test_manifest import write as write_document


def test_a_pickled_model_is_told_at_every_preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = b"\x80\x04cposix\nsystem\n."
    digest = hashlib.sha256(model).hexdigest()
    cached = tmp_path / artifacts.CACHE / digest / "model.ubj"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(model)
    use_case = tmp_path / "use_cases" / "tumor_triage"
    use_case.mkdir(parents=True)
    write_document(use_case, "package.yaml", VALID)
    (use_case / "inference.py").write_text("def model_fn(d): ...\n")
    write_lock(use_case, ModelLock.model_validate({**LOCK, "sha256": digest}))
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", told.append)
    for _ in range(2):
        assert candidate.build(use_case, tmp_path) is not None
    line = "a pickle, which can run any code when it is loaded; it imports posix.system (1 GLOBAL)"
    assert told == [f"tumor_triage: model.ubj: {line}"] * 2
