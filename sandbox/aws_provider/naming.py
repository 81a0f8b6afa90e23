"""Automatic names: `<logical name>-<7 hex digits>` unless the type says otherwise."""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.aws_provider.errors import NamingError
from sandbox.aws_provider.table import Name

DIGITS = 7
_LETTERS = 8


@dataclass(frozen=True)
class Autonaming:
    """What the stack's `pulumi:autonaming` configuration asks for one resource."""

    mode: Literal["propose", "enforce", "disable"]
    proposed: str


def generate(
    rule: Name, logical: str, inputs: Mapping[str, Any], seed: bytes, urn: str, autonaming: Autonaming | None = None
) -> str:
    """A name for the resource, stable for one seed and URN.

    Raises NamingError where the name would be longer than AWS allows (it is never cut) or is forbidden by the stack's
    configuration. Suffixes such as `.fifo` come after the length check, as in the real plugin.
    """
    if autonaming is not None and autonaming.mode == "disable":
        raise NamingError(f"automatic naming is disabled for this stack: give {rule.property!r} a value")
    if autonaming is not None and autonaming.mode == "enforce":
        return autonaming.proposed
    if rule.exact:
        return logical
    stem = logical.lower() if rule.lower else logical
    if autonaming is not None and autonaming.proposed:
        name = autonaming.proposed.lower() if rule.lower else autonaming.proposed
    elif rule.separator == "_":
        name = f"{stem}_{_random(seed, urn, string.ascii_lowercase, _LETTERS)}"
    else:
        name = f"{stem}-{_random(seed, urn, string.hexdigits[:16], DIGITS)}"
    if rule.max and len(name) > rule.max:
        raise NamingError(
            f"the automatic name {name!r} of {rule.property!r} has {len(name)} characters, at most {rule.max} are "
            f"allowed: give the resource a shorter logical name or set {rule.property!r}"
        )
    if rule.prefix and not name.startswith(rule.prefix):
        name = rule.prefix + name
    for condition, suffix in rule.suffix_if.items():
        if inputs.get(condition) is True and not name.endswith(suffix):
            name += suffix
    return name


def _random(seed: bytes, urn: str, alphabet: str, length: int) -> str:
    digest = hashlib.sha256((seed or secrets.token_bytes(32)) + urn.encode()).digest()
    return "".join(alphabet[byte % len(alphabet)] for byte in digest[:length])
