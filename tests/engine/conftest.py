"""A stage with the recordings' provider attached, for the tests that run the engine as a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.stage import Stage, provider
from tests.engine.warm import Warm


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Of one worker, for all its tests."""
    warm = Warm()
    yield warm
    warm.close()


@pytest.fixture
def stage(tmp_path: Path, warm: Warm) -> Iterator[Stage]:
    stage = Stage(tmp_path, warm=warm)
    with provider(stage.cloud) as address:
        stage.providers = address
        stage.init()
        yield stage
