"""A function's settings come from its environment; a wrong one is named with what is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping


class WrongEnvironmentError(ValueError):
    """An environment variable of the function is missing or wrong: the deployment is at fault, not the event."""


def text(environment: Mapping[str, str], name: str) -> str:
    """A required, non-empty variable."""
    value = environment.get(name, "").strip()
    if not value:
        raise WrongEnvironmentError(f"environment variable {name} is not set on this function: deploy the stack again")
    return value


def number(
    environment: Mapping[str, str], name: str, *, above: float | None = None, at_most: float = math.inf
) -> float:
    """A required finite number, at least 0, or greater than `above` where that is given."""
    raw = text(environment, name)
    lower = "at least 0" if above is None else f"greater than {above}"
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value > at_most or (value < 0 if above is None else value <= above):
        upper = "" if math.isinf(at_most) else f" and at most {at_most:g}"
        raise WrongEnvironmentError(f"environment variable {name} is {raw!r}, must be a number {lower}{upper}")
    return value
