"""The default input_fn and output_fn: text/csv and application/json to numpy and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

CSV, JSON = "text/csv", "application/json"


class UnsupportedContentTypeError(ValueError):
    """The request's Content-Type is none that the server reads."""

    status_code = 415


class NotAcceptableError(ValueError):
    """The request's Accept is none that the server writes."""

    status_code = 406


def decode(body: str, content_type: str) -> NDArray[np.float64]:
    """Rows x features, float64. Raises ValueError naming the row that is not numbers or not as long as the others."""
    rows: Any
    if content_type == CSV:
        rows = [line.split(",") for line in body.splitlines() if line.strip()]
    elif content_type == JSON:
        rows = json.loads(body)
        if isinstance(rows, dict):
            rows = rows.get("instances")
        if isinstance(rows, list) and rows and not isinstance(rows[0], list):
            rows = [rows]
    else:
        raise UnsupportedContentTypeError(f"Content-Type {content_type!r} is not supported: send {CSV} or {JSON}")
    if not isinstance(rows, list) or not rows:
        raise ValueError("the request holds no rows")
    return _matrix(rows)


def _matrix(rows: list[Any]) -> NDArray[np.float64]:
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != width:
            found = len(row) if isinstance(row, list) else row
            raise ValueError(f"row {number}: expected {width} numbers as in row 1, found {found}")
        for column, value in enumerate(row, start=1):
            if isinstance(value, str) and not value.strip():
                row[column - 1] = "nan"
            elif value is None:
                row[column - 1] = np.nan
    try:
        return np.array(rows, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"not numbers: {error}") from None


def encode(prediction: Any, accept: str) -> str:
    """An array (or what numpy makes one of) as CSV, one line a row, or as JSON lists."""
    values = prediction if isinstance(prediction, dict | list | str) else np.asarray(prediction).tolist()
    if accept == JSON:
        return json.dumps(values)
    if accept == CSV:
        rows = values if isinstance(values, list) else [values]
        return "\n".join(",".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows)
    raise NotAcceptableError(f"Accept {accept!r} is not supported: ask for {JSON} or {CSV}")
