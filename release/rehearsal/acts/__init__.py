"""The acts, in order; each builds on the ones before. What two people would do at once overlaps."""

from __future__ import annotations

from collections.abc import Callable

from release.rehearsal.acts import (
    bad_version,
    crashing_version,
    curtain,
    first_version,
    installation,
    second_version,
    shadow_variant,
)
from release.rehearsal.play import Play

ACTS: tuple[Callable[[Play], None], ...] = (
    installation.play,
    first_version.play,
    second_version.play,
    bad_version.play,
    crashing_version.play,
    shadow_variant.play,
    curtain.play,
)
