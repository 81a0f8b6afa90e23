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


# A file's tests are played by one worker, so that what it sets up is set up once. Those that take half a minute and
# more come first: the other workers do everything else meanwhile.
LONGEST = (
    "test_rehearsal.py",
    "test_cases.py",
    "test_bad_input.py",
    "test_signed_custom_image.py",
    "test_properties.py",
    "test_use_cases.py",
    "test_one_writer.py",
    "test_sagemaker_rollouts.py",
    "test_killed.py",
    "test_serve.py",
    "test_model_package_resource.py",
    "test_creating.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
    skip = pytest.mark.skip(reason="no `pulumi` on PATH: the program was not run with the real CLI")
    for item in items:
        if item.get_closest_marker("cli") and shutil.which("pulumi") is None:
            item.add_marker(skip)
