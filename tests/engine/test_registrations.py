"""What the engine itself adds to a registration; Pulumi's SDK for Python mostly adds it first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.engine.values import UNKNOWN, Secret, without_unknowns
from tests.engine.puppet import Node, Puppet

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puppet]:
    with Puppet(tmp_path_factory.mktemp("registrations") / "project") as puppet:
        yield puppet


def deployed(puppet: Puppet, *nodes: Node) -> dict[str, Any]:
    """Name -> what the state has."""
    code, said = puppet.deploy("up", nodes=nodes)
    assert code == 0, said
    return {r["urn"].rsplit("::", 1)[-1]: r for r in puppet.deployment()["resources"]}


def test_a_child_takes_the_provider_of_its_parent_if_it_is_of_the_same_package(puppet: Puppet) -> None:
    parent = Node("a", "a", own_provider=True)
    made = deployed(puppet, parent, Node("b", "b", parent="a"), Node("c", "c", parent="a", kind="plain:index:Thing"))
    assert made["a"]["provider"] == made["b"]["provider"] == f"{made['own']['urn']}::{made['own']['id']}"
    assert made["c"]["provider"].startswith("urn:pulumi:dev::conf::pulumi:providers:plain::default::")
    assert "default_1_2_3" not in made  # nobody needs it


def test_a_component_has_no_provider_to_hand_on(puppet: Puppet) -> None:
    top = Node("a", "a", own_provider=True)
    made = deployed(puppet, top, Node("b", "b", parent="a", component=True), Node("c", "c", parent="b"))
    assert "::default_1_2_3::" in made["c"]["provider"]


def test_who_names_no_property_depends_with_all_of_them(puppet: Puppet) -> None:
    made = deployed(puppet, Node("a", "a"), Node("b", "b", on=("a",), by="depends_on"))
    needs = [made["a"]["urn"]]
    assert made["b"]["propertyDependencies"] == {"value": needs, "replaceKey": needs}


def test_an_update_leaves_out_what_is_not_known() -> None:
    given = {"a": UNKNOWN, "b": [1, UNKNOWN], "c": Secret(UNKNOWN), "d": Secret({"e": UNKNOWN, "f": None})}
    assert without_unknowns(given) == {"b": [1], "d": Secret({"f": None})}
