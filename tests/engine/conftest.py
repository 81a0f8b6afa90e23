"""A stage with the recordings' provider attached, for the tests that run the engine as a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.stage import Stage, provider


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    with provider(stage.cloud) as address:
        stage.providers = address
        stage.init()
        yield stage
