"""Targets, and what else deploys a part of a program: refused by name, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.puppet import Node, Puppet

URN = "urn:pulumi:dev::conf::testing:index:Thing::a"
NODES = (Node("a", "a"),)
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puppet]:
    with Puppet(tmp_path_factory.mktemp("targets") / "project") as puppet:
        code, said = puppet.deploy("up", nodes=NODES)
        assert code == 0, said
        yield puppet


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("up", ("--target", URN)),
        ("up", (f"--target={URN}",)),
        ("up", ("--target", URN, "--target-dependents")),
        ("up", ("--target-replace", URN)),
        ("up", ("--replace", URN)),
        ("up", ("--exclude", URN)),
        ("up", ("--exclude", URN, "--exclude-dependents")),
        ("preview", ("--target", URN)),
        ("refresh", ("--target", URN)),
        ("destroy", ("--target", URN)),
        ("destroy", ("--exclude-protected",)),
        ("destroy", ("--run-program",)),
        ("destroy", ("--exclude", URN)),
    ],
)
def test_a_part_of_a_program_is_refused_by_name(puppet: Puppet, command: str, arguments: tuple[str, ...]) -> None:
    before = puppet.checkpoint.read_text()
    code, said = puppet.deploy(command, *arguments, nodes=())
    assert code == 1
    option = arguments[0].split("=")[0]
    assert f"option {option}: not supported by the embedded engine" in said
    assert puppet.checkpoint.read_text() == before
    assert (puppet.cloud.calls, puppet.locks) == ([], [])
