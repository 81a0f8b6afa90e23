"""The use case's script, loaded and ready to answer."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from model_package.server import content, lean

PARTS = ("input_fn", "predict_fn", "output_fn")


class ScriptError(Exception):
    """The script cannot be served; its text says why and what to change."""


class RequestError(Exception):
    """A request that gets no prediction: HTTP status and the body that says why."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code


@dataclass(frozen=True)
class Answer:
    """A response's body and its content type."""

    body: str | bytes
    content_type: str


@dataclass(frozen=True)
class Script:
    """A loaded model with the functions around it."""

    model: Any
    transform_fn: Callable[[Any, str | bytes, str, str], Any]

    def answer(self, body: bytes, content_type: str, accept: str) -> Answer:
        """Predict. Raises RequestError for the client's mistakes, whatever the script raises for its own."""
        try:
            result = self.transform_fn(self.model, _text_or_bytes(body, content_type), content_type, accept)
        except RequestError:
            raise
        except Exception as error:
            status_code = getattr(error, "status_code", None)
            if isinstance(status_code, int) and 400 <= status_code <= 599:
                raise RequestError(status_code, str(error)) from error
            raise
        if isinstance(result, tuple):
            return Answer(*result)
        return Answer(result, accept)


def load(model_dir: Path, submit_directory: Path, program: str) -> Script:
    """Import the script, load the model. Raises ScriptError, or whatever the script or its model_fn raises."""
    path = submit_directory / program
    if not path.is_file():
        raise ScriptError(f"{path} does not exist: SAGEMAKER_SUBMIT_DIRECTORY/SAGEMAKER_PROGRAM must name the script")
    left_out = lean.leave_out(submit_directory / "requirements.txt")
    sys.path.insert(0, str(submit_directory))
    module = _imported(path, left_out)
    if not callable(getattr(module, "model_fn", None)):
        raise ScriptError(f"{path} defines no model_fn(model_dir)")
    parts = [name for name in PARTS if hasattr(module, name)]
    transform_fn = getattr(module, "transform_fn", None)
    if transform_fn is not None and parts:
        raise ScriptError(f"{path} defines transform_fn and {', '.join(parts)}: transform_fn stands for all of them")
    return Script(module.model_fn(str(model_dir)), transform_fn or _chain(module))


def _imported(path: Path, left_out: list[str]) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ScriptError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name in left_out:
            raise ScriptError(
                f"{path} imports {error.name}, which {path.parent / 'requirements.txt'} does not name: add "
                f"{lean.HEAVY[error.name]} to it"
            ) from error
        raise
    return module


def _chain(module: ModuleType) -> Callable[[Any, str | bytes, str, str], Any]:
    input_fn: Callable[[Any, str], Any] = getattr(module, "input_fn", content.decode)
    predict_fn = getattr(module, "predict_fn", None) or _predict
    output_fn = getattr(module, "output_fn", content.encode)

    def transform(model: Any, body: str | bytes, content_type: str, accept: str) -> Any:
        try:
            data = input_fn(body, content_type)
        except ValueError as error:
            raise RequestError(getattr(error, "status_code", 400), str(error)) from error
        return output_fn(predict_fn(data, model), accept)

    return transform


def _predict(data: Any, model: Any) -> Any:
    """The default predict_fn: an XGBoost Booster predicts in place, others by their `predict`."""
    return (getattr(model, "inplace_predict", None) or model.predict)(data)


def _text_or_bytes(body: bytes, content_type: str) -> str | bytes:
    """Text for the types that are text, as AWS's containers hand it to a script."""
    if not (content_type.startswith("text/") or content_type in ("application/json", "application/jsonlines")):
        return body
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(400, f"the {content_type} body is not UTF-8: {error}") from error
