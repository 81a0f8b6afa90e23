"""What a version answers, known from its model file and code alone, apart from any server."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from release.rehearsal.traffic import CRASH, Answer, Row


def of_version(use_case: Path, model_file: Path, rows: Sequence[Row]) -> list[Answer]:
    """One answer a row: the JSON object that `inference.py` gives with that model, or CRASH where it raises."""
    module = _load(use_case / "inference.py")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / model_file.name).write_bytes(model_file.read_bytes())
        model = module.model_fn(folder)
        return [_answer(module, model, row) for row in rows]


def _answer(module: ModuleType, model: object, row: Row) -> Answer:
    try:
        data = module.input_fn(row.body, "text/csv")
        body = module.output_fn(module.predict_fn(data, model), "application/json")
    except Exception:
        return CRASH
    answer: dict[str, float] = json.loads(body[0] if isinstance(body, tuple) else body)
    return answer


def _load(path: Path) -> ModuleType:
    """The module at that path under a name of its own, so that two versions never share one."""
    name = f"rehearsed_{abs(hash(path.read_bytes()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes_bytecode
    return module
