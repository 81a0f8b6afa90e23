"""What metric math computes with: numbers, time series and arrays of them; operators and functions over these.

Source: "Using math expressions with CloudWatch metrics", Amazon CloudWatch User Guide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Series = dict[float, float]
"""Value by the window's start, seconds since the epoch."""
Value = float | Series | list[Series]


class ExpressionError(ValueError):
    """The expression cannot be parsed or computed; the message says where."""


@dataclass(frozen=True)
class Context:
    """What an expression is computed over: series by id, all windows' starts in order, and their width in seconds."""

    series: Mapping[str, Value]
    windows: Sequence[float]
    period: float
    metric_ids: Sequence[str] = ()
    """Ids of the plain metrics among `series`, which METRICS() stands for."""


Node = Callable[[Context], Value]


def as_series(value: Value, context: Context) -> Series:
    """The single series an expression returned; a number stands for every window.

    Raises:
        ExpressionError: an array of several series.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        if len(value) != 1:
            raise ExpressionError(f"The expression returns {len(value)} time series where one is needed")
        return value[0]
    return dict.fromkeys(context.windows, float(value))


def both(a: float, b: float) -> float:
    return float(bool(a) and bool(b))


def either(a: float, b: float) -> float:
    return float(bool(a) or bool(b))


def look_up(context: Context, name: str) -> Value:
    if name not in context.series:
        raise ExpressionError(f"Undefined id '{name}' in the expression")
    return context.series[name]


def metrics(context: Context, part: str) -> Value:
    return [as_series(context.series[name], context) for name in context.metric_ids if part in name]


def _apply(function: Callable[[float, float], float], a: float, b: float) -> float | None:
    try:
        return float(function(a, b))
    except (ZeroDivisionError, OverflowError):
        return None  # CloudWatch gives no data point where the result is not a number


def combine(function: Callable[[float, float], float], left: Node, right: Node) -> Node:
    def of(a: Value, b: Value) -> Value:
        if isinstance(a, list):
            return [_single(of(item, b)) for item in a]
        if isinstance(b, list):
            return [_single(of(a, item)) for item in b]
        if isinstance(a, dict) or isinstance(b, dict):
            stamps = [t for t in (a if isinstance(a, dict) else b) if not isinstance(b, dict) or t in b]  # type: ignore[union-attr]
            result = {t: _apply(function, _at(a, t), _at(b, t)) for t in stamps}
            return {t: value for t, value in result.items() if value is not None}
        number = _apply(function, a, b)
        return {} if number is None else number

    return lambda context: of(left(context), right(context))


def _single(value: Value) -> Series:
    if not isinstance(value, dict):
        raise ExpressionError("An array of time series can be combined only with a number or a time series")
    return value


def _at(value: float | Series, stamp: float) -> float:
    return value[stamp] if isinstance(value, dict) else value


def each(value: Value, function: Callable[[Series], Series]) -> Value:
    if isinstance(value, list):
        return [function(series) for series in value]
    if isinstance(value, dict):
        return function(value)
    raise ExpressionError("The function needs a time series, not a number")


def filled(context: Context, series: Series, mode: str | None, filler: Value) -> Series:
    result: Series = {}
    known = sorted(series)
    for stamp in context.windows:
        if stamp in series:
            result[stamp] = series[stamp]
        elif mode is None:
            if isinstance(filler, list):
                raise ExpressionError("FILL takes a number or a time series as its second argument")
            if not isinstance(filler, dict) or stamp in filler:
                result[stamp] = _at(filler, stamp)
        else:
            before = [t for t in known if t < stamp]
            after = [t for t in known if t > stamp]
            if before and (mode == "REPEAT" or after):
                low = series[before[-1]]
                share = 0.0 if mode == "REPEAT" else (stamp - before[-1]) / (after[0] - before[-1])
                result[stamp] = low + (series[after[0]] - low) * share if share else low
    return result


def _if(context: Context, arguments: list[Value]) -> Value:
    condition, yes = arguments[0], arguments[1]
    no: Value = arguments[2] if len(arguments) == 3 else {}
    if isinstance(condition, list) or isinstance(yes, list) or isinstance(no, list):
        raise ExpressionError("IF takes numbers and time series, no arrays")
    if not isinstance(condition, dict):
        return yes if condition else no
    result: Series = {}
    for stamp, truth in condition.items():
        chosen = yes if truth else no
        if not isinstance(chosen, dict) or stamp in chosen:
            result[stamp] = _at(chosen, stamp)
    return result


def _aggregate(function: Callable[[list[float]], float]) -> Callable[[Context, list[Value]], Value]:
    """Of one series: a number. Of an array: a series, over what is there at each time."""

    def compute(context: Context, arguments: list[Value]) -> Value:
        value = arguments[0]
        if isinstance(value, dict):
            return function(list(value.values())) if value else {}
        if isinstance(value, list):
            stamps = sorted({stamp for series in value for stamp in series})
            return {t: function([series[t] for series in value if t in series]) for t in stamps}
        return value

    return compute


def _pointwise(function: Callable[[float], float]) -> Callable[[Context, list[Value]], Value]:
    def compute(context: Context, arguments: list[Value]) -> Value:
        if isinstance(arguments[0], float | int):
            return float(function(arguments[0]))
        return each(arguments[0], lambda series: {t: float(function(v)) for t, v in series.items()})

    return compute


def _running(series: Series) -> Series:
    total, result = 0.0, {}
    for stamp in sorted(series):
        total += series[stamp]
        result[stamp] = total
    return result


def _differences(series: Series, per_second: bool) -> Series:
    stamps = sorted(series)
    pairs = pairwise(stamps)
    return {b: (series[b] - series[a]) / ((b - a) if per_second else 1.0) for a, b in pairs}


FUNCTIONS: dict[str, tuple[tuple[int, ...], Callable[[Context, list[Value]], Value]]] = {
    "IF": ((2, 3), _if),
    "SUM": ((1,), _aggregate(math.fsum)),
    "AVG": ((1,), _aggregate(lambda values: math.fsum(values) / len(values))),
    "MIN": ((1,), _aggregate(min)),
    "MAX": ((1,), _aggregate(max)),
    "ABS": ((1,), _pointwise(abs)),
    "CEIL": ((1,), _pointwise(math.ceil)),
    "FLOOR": ((1,), _pointwise(math.floor)),
    "PERIOD": ((1,), lambda context, _: float(context.period)),
    "RUNNING_SUM": ((1,), lambda _, arguments: each(arguments[0], _running)),
    "DIFF": ((1,), lambda _, arguments: each(arguments[0], lambda series: _differences(series, False))),
    "RATE": ((1,), lambda _, arguments: each(arguments[0], lambda series: _differences(series, True))),
}
