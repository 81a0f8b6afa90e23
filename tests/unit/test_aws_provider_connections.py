"""Connections of engines to the provider: each has its own configuration."""

from __future__ import annotations

import pytest

from sandbox.aws_provider import connections
from sandbox.aws_provider.configuration import Configuration
from sandbox.aws_provider.connections import Connections
from sandbox.aws_provider.errors import NotConfiguredError, ProviderError

WEST, EAST = Configuration(region="us-west-2"), Configuration(region="us-east-1")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_each_connection_has_its_own() -> None:
    known = Connections()
    known.configure("a", WEST)
    known.configure("b", EAST)
    assert (known.session("a").region, known.session("b").region) == ("us-west-2", "us-east-1")
    with pytest.raises(NotConfiguredError, match="no configuration for the connection c"):
        known.session("c")


def test_equal_configurations_share_their_clients_and_may_share_a_connection() -> None:
    known = Connections()
    assert known.configure("a", WEST) is known.configure("b", WEST) is known.configure("a", WEST)


def test_two_configurations_on_one_connection_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1000.0
    monkeypatch.setattr(connections, "_now", lambda: moment)
    known = Connections()
    known.configure("a", WEST)
    with pytest.raises(ProviderError, match="different configurations share one connection: open a channel"):
        known.configure("a", EAST)
    assert known.session("a").region == "us-west-2"
    # Later the address may be another connection's.
    moment += 61
    assert known.configure("a", EAST).region == "us-east-1"
