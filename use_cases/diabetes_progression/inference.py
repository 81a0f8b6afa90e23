"""Serves the progression model: one row of 10 baseline variables in, `{"value": 152.1}` out.

Runs in AWS's XGBoost image and in the model server alike, so it needs numpy and xgboost only.
"""

import json
from pathlib import Path

import numpy as np
import xgboost

FEATURES = 10
CSV, JSON = "text/csv", "application/json"


class UnsupportedTypeError(ValueError):
    """Content-Type (415) or Accept (406) that this use case does not speak."""

    def __init__(self, message, status_code):
        super().__init__(message)
        self.status_code = status_code


def model_fn(model_dir):
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(Path(model_dir) / "model.ubj")
    return booster


def input_fn(body, content_type):
    """Rows x 10 numbers, from CSV lines or from a JSON list (of lists)."""
    if content_type == CSV:
        rows = [line.split(",") for line in body.splitlines() if line.strip()]
    elif content_type == JSON:
        rows = json.loads(body)
        if not isinstance(rows, list):
            raise ValueError(f"expected a list of numbers, or of such lists, found {rows!r:.50}")
        rows = rows if rows and isinstance(rows[0], list) else [rows]
    else:
        raise UnsupportedTypeError(f"Content-Type {content_type} is not supported: send {CSV} or {JSON}", 415)
    if not rows:
        raise ValueError("the request holds no rows")
    for number, row in enumerate(rows, start=1):
        if len(row) != FEATURES:
            raise ValueError(f"row {number} has {len(row)} values, expected {FEATURES} baseline variables")
    return np.array(rows, dtype=np.float32)


def predict_fn(data, booster):
    return booster.inplace_predict(data)


def output_fn(values, accept):
    """One row: an object (JSON) or a line (CSV); several: a list of objects, or lines."""
    answers = [{"value": round(float(value), 3)} for value in values]
    if accept == JSON:
        return json.dumps(answers[0] if len(answers) == 1 else answers), JSON
    if accept == CSV:
        return "\n".join(str(answer["value"]) for answer in answers), CSV
    raise UnsupportedTypeError(f"Accept {accept} is not supported: ask for {JSON} or {CSV}", 406)
