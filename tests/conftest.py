"""What all tests share: the order in which they are handed out, and what a run says of itself."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _clients_of_this_test() -> Iterator[None]:
    """The dynamic providers keep their clients, and each test has an AWS of its own."""
    yield
    if aws := sys.modules.get("providers.aws"):
        aws.forget_clients()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, so that the other worker does everything else meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
    skip = pytest.mark.skip(reason="no `pulumi` on PATH: the program was not run with the real CLI")
    for item in items:
        if item.get_closest_marker("cli") and shutil.which("pulumi") is None:
            item.add_marker(skip)
