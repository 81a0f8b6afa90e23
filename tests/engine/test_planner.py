"""The planner alone: questions are answered from a list, nothing else exists."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.engine.planner import Planner, replace_on_changes
from sandbox.engine.plugins import Instances
from sandbox.engine.state import Resource, Snapshot
from sandbox.engine.steps import (
    Check,
    CheckError,
    ConfigDiff,
    Diff,
    DiffAnswer,
    Goal,
    Load,
    PropertyChange,
    Step,
    waves,
)
from sandbox.engine.urns import make_urn
from sandbox.engine.values import UNKNOWN, Secret

PROVIDER = "urn:pulumi:dev::p::pulumi:providers:t::default::1"


def urn(name: str) -> str:
    return make_urn("dev", "p", "", "t:index:Thing", name)


def goal(name: str, inputs: dict[str, Any] | None = None, **options: Any) -> Goal:
    return Goal(urn(name), "t:index:Thing", True, inputs or {}, provider=PROVIDER, **options)


def old(name: str, inputs: dict[str, Any] | None = None, **fields: Any) -> Resource:
    return Resource(
        urn=urn(name),
        type="t:index:Thing",
        custom=True,
        id=f"{name}-1",
        inputs=inputs or {},
        provider=fields.pop("provider", PROVIDER),
        **fields,
    )


def plan(planner: Planner, wanted: Goal, *diffs: DiffAnswer) -> tuple[list[Step], list[Any]]:
    """(steps, questions). Check answers what it is given; Diff answers come from the list."""
    answers = list(diffs)
    asked: list[Any] = []
    generator = planner.plan(wanted)
    try:
        question = next(generator)
        while True:
            asked.append(question)
            if isinstance(question, Step | Load):
                question = generator.send(None)
            else:
                question = generator.send((question.news, []) if isinstance(question, Check) else answers.pop(0))
    except StopIteration as e:
        return e.value, asked


def ops(steps: list[Step]) -> list[str]:
    return [f"{s.op} {s.urn.rsplit('::', 1)[-1]}" for s in steps]


def test_a_new_resource_is_checked_without_olds_and_created() -> None:
    steps, asked = plan(Planner(Snapshot()), goal("a", {"v": 1}))
    assert ops(steps) == ["create a"]
    assert [(q.olds, q.news) for q in asked] == [({}, {"v": 1})]


def test_an_unchanged_resource_is_same() -> None:
    steps, asked = plan(Planner(Snapshot([old("a", {"v": 1})])), goal("a", {"v": 1}), DiffAnswer(False))
    assert ops(steps) == ["same a"]
    assert asked[0].olds == {"v": 1}


def test_a_provider_that_does_not_know_has_its_inputs_compared() -> None:
    ignorant = SimpleNamespace(configure=lambda *a: None, diff=lambda *a: DiffAnswer(None))
    provider = Resource(PROVIDER.removesuffix("::1"), "pulumi:providers:t", True, id="1")
    instances = Instances(SimpleNamespace(open=lambda package: ignorant), Snapshot([provider]))  # type: ignore[arg-type]
    answer = instances.diff(old("a", {"v": 1, "w": 1}), goal("a"), {"v": 2, "w": 1})
    assert answer == DiffAnswer(True, diffs=["v"], detailed={"v": PropertyChange("update")})
    ignoring = goal("a", ignore_changes=["v"])
    assert instances.diff(old("a", {"v": 1}), ignoring, {"v": 2}) == DiffAnswer(False, detailed={})


def test_a_replacement_is_created_first_and_checked_anew() -> None:
    steps, asked = plan(Planner(Snapshot([old("a", {"k": 1})])), goal("a", {"k": 2}), DiffAnswer(True, ["k"], ["k"]))
    assert ops(steps) == ["create-replacement a", "replace a"]
    assert steps[0].condemns_old
    assert not steps[0].logical
    assert [q.olds for q in asked if isinstance(q, Check)] == [{"k": 1}, {}]


def test_delete_before_replace_takes_only_dependents_that_would_be_replaced() -> None:
    snapshot = Snapshot(
        [
            old("a", {"k": 1}),
            old("b", {"k": "a-1"}, property_dependencies={"k": [urn("a")]}, dependencies=[urn("a")]),
            old("c", {"v": "a-1"}, property_dependencies={"v": [urn("a")]}, dependencies=[urn("a")]),
            old("d", {"v": 1}, dependencies=[urn("a")]),
        ]
    )
    planner = Planner(snapshot)
    replaced = DiffAnswer(True, ["k"], ["k"])
    steps, asked = plan(planner, goal("a", {"k": 2}, delete_before_replace=True), replaced, replaced, DiffAnswer(True))
    assert ops(steps) == ["delete-replaced b", "delete-replaced a", "replace a", "create-replacement a"]
    assert [q.news for q in asked if isinstance(q, Diff)][1:] == [{"k": UNKNOWN}, {"v": UNKNOWN}]
    steps, asked = plan(planner, goal("b", {"k": "a-2"}))
    assert ops(steps) == ["replace b", "create-replacement b"]
    assert steps[1].keys == ["k"]
    assert [type(q) for q in asked] == [Check]


def test_the_provider_of_what_makes_room_is_loaded_as_it_was() -> None:
    provider = Resource(PROVIDER.removesuffix("::1"), "pulumi:providers:t", True, id="1")
    wanted = Goal(provider.urn, provider.type, True, {"region": "r2"}, delete_before_replace=True)
    steps, asked = plan(Planner(Snapshot([provider, old("a")])), wanted, DiffAnswer(True, ["region"]))
    assert [q for q in asked if isinstance(q, Load)] == [Load(PROVIDER), Load("")]
    assert ops(steps) == [
        "delete-replaced a",
        "delete-replaced default",
        "replace default",
        "create-replacement default",
    ]


@pytest.mark.parametrize("option", [True, False])
def test_the_option_overrides_what_the_provider_wishes(option: bool) -> None:
    answer = DiffAnswer(True, ["k"], delete_before_replace=not option)
    steps, _ = plan(Planner(Snapshot([old("a")])), goal("a", {"k": 2}, delete_before_replace=option), answer)
    assert steps[0].op == ("delete-replaced" if option else "create-replacement")


def test_a_protected_resource_is_not_replaced() -> None:
    planner = Planner(Snapshot([old("a", protect=True)]))
    with pytest.raises(CheckError, match=r"unable to replace resource .*\nas it is currently marked for protection"):
        plan(planner, goal("a", {"k": 2}, protect=True), DiffAnswer(True, ["k"]))


def test_a_protected_dependent_stops_delete_before_replace() -> None:
    dependent = old("b", {"k": "a-1"}, property_dependencies={"k": [urn("a")]}, protect=True)
    planner = Planner(Snapshot([old("a"), dependent]))
    replaced = DiffAnswer(True, ["k"])
    with pytest.raises(CheckError, match="as part of replacing"):
        plan(planner, goal("a", {"k": 2}, delete_before_replace=True), replaced, replaced)


def test_what_was_deleted_for_a_replacement_that_failed_is_not_deleted_again() -> None:
    planner = Planner(Snapshot([old("a", {"k": 1}, pending_replacement=True)]))
    steps, _ = plan(planner, goal("a", {"k": 2}, delete_before_replace=True), DiffAnswer(True, ["k"]))
    assert ops(steps) == ["replace a", "create-replacement a"]


def test_ignored_changes_are_put_back_before_check() -> None:
    planner = Planner(Snapshot([old("a", {"m": {"x": 1, "y": 1}, "v": 1})]))
    wanted = goal("a", {"m": {"x": 2, "y": 2}, "v": 2}, ignore_changes=["m.x", "v"])
    _, asked = plan(planner, wanted, DiffAnswer(True))
    assert asked[0].news == {"m": {"x": 1, "y": 2}, "v": 1}
    assert asked[1].new.ignore_changes == ["m.x", "v"]


def test_replace_on_changes_needs_the_provider_to_name_properties() -> None:
    named = replace_on_changes(DiffAnswer(True, diffs=["v"]), ["v"], False)
    assert named.replaces == ["v"]
    nested = DiffAnswer(True, diffs=["m"], detailed={"m.k": PropertyChange("update")})
    assert replace_on_changes(nested, ["m.k"], False).replace
    assert not replace_on_changes(DiffAnswer(True), ["v"], False).replace


def test_an_alias_finds_the_old_resource_once() -> None:
    planner = Planner(Snapshot([old("was")]))
    steps, _ = plan(planner, goal("now", aliases=[urn("was")]), DiffAnswer(False))
    assert ops(steps) == ["same now"]
    assert planner.aliased == {urn("was"): urn("now")}
    assert planner.deletions() == []
    with pytest.raises(
        CheckError,
        match=r"^Duplicate resource alias '.*was' applied to .*third' conflicting with .*now'",
    ):
        plan(planner, goal("third", aliases=[urn("was")]))


def test_a_urn_is_registered_once() -> None:
    planner = Planner(Snapshot())
    plan(planner, goal("a"))
    with pytest.raises(CheckError, match=f"Duplicate resource URN '{urn('a')}'; try giving it a unique name"):
        plan(planner, goal("a"))


def test_an_import_is_read_first_and_then_planned_like_what_was_there() -> None:
    wanted = goal("a", {"v": 2, "w": 2}, import_id="x", ignore_changes=["w"])
    generator = Planner(Snapshot()).plan(wanted)
    step: Any = next(generator)
    assert ops([step]) == ["import a"]
    step.new.inputs = {"v": 1, "w": 1}  # as read
    check: Any = generator.send(None)
    assert (check.olds, check.news) == ({"v": 1, "w": 1}, {"v": 2, "w": 1})
    assert isinstance(generator.send((check.news, [])), Diff)
    with pytest.raises(StopIteration) as e:
        generator.send(DiffAnswer(True, [], ["v"]))
    assert ops(e.value.value) == ["update a"]
    assert e.value.value[0].old is step.new


def test_an_import_that_would_be_replaced_is_refused() -> None:
    with pytest.raises(CheckError, match="previously-imported resources that still specify an ID may not be replaced"):
        plan(Planner(Snapshot()), goal("a", import_id="x"), DiffAnswer(True, ["k"]))
    said: list[tuple[str, str, str]] = []
    planner = Planner(Snapshot(), preview=True, notify=lambda *told: said.append(told))
    steps, _ = plan(planner, goal("a", import_id="x"), DiffAnswer(True, ["k"]))
    assert (ops(steps), [s[:2] for s in said]) == (["create-replacement a", "replace a"], [("warning", urn("a"))])


def test_an_import_over_another_object_replaces_it() -> None:
    steps, asked = plan(Planner(Snapshot([old("a")])), goal("a", import_id="x"), DiffAnswer(False))
    assert ops([s for s in asked if isinstance(s, Step)]) == ["import-replacement a", "replace a"]
    assert steps == []


def test_what_is_deleted_with_a_replaced_resource_is_replaced_with_it() -> None:
    planner = Planner(Snapshot([old("a"), old("b", deleted_with=urn("a"))]))
    steps, _ = plan(planner, goal("a", {"k": 2}, delete_before_replace=True), DiffAnswer(True, ["k"]))
    assert ops(steps) == ["delete-replaced b", "delete-replaced a", "replace a", "create-replacement a"]
    assert {r.name for r in planner.going} == {"a", "b"}


def test_another_provider_instance_replaces_only_if_its_configuration_says_so() -> None:
    other = "urn:pulumi:dev::p::pulumi:providers:t::default::2"
    planner = Planner(Snapshot([old("a", provider=other), old("b", provider=other)]))
    steps, asked = plan(planner, goal("a"), DiffAnswer(True, ["region"]))
    assert (ops(steps), steps[0].keys) == (["create-replacement a", "replace a"], ["provider"])
    assert asked[1] == ConfigDiff(other, PROVIDER)
    assert ops(plan(planner, goal("b"), DiffAnswer(False), DiffAnswer(False))[0]) == ["same b"]


def test_deletions_come_newest_first_and_leave_pending_ones_of_earlier_runs() -> None:
    planner = Planner(
        Snapshot([old("a"), old("b", pending_replacement=True), old("c", external=True), old("d", delete=True)])
    )
    assert ops(planner.deletions()) == ["delete-replaced d", "discard c", "remove-pending-replace b", "delete a"]


def test_waves_delete_dependents_first_and_the_unrelated_last() -> None:
    a, b, lone = old("a"), old("b", dependencies=[urn("a")]), old("k")
    steps = [Step("delete", r.urn, r) for r in (a, b, lone)]
    assert [sorted(ops(w)) for w in waves(steps)] == [["delete b"], ["delete a", "delete k"]]


def test_of_entries_with_one_urn_the_newest_starts_first() -> None:
    newest, older, oldest = old("a"), old("a", delete=True), old("a", delete=True)
    dependent = old("b", dependencies=[urn("a")])
    steps = Planner(Snapshot([newest, dependent, older, oldest])).deletions()
    assert [[s.old for s in wave] for wave in waves(steps)] == [[dependent], [newest, older, oldest]]


def test_what_is_needed_is_of_the_same_life() -> None:
    a, replaced = old("a"), old("a", delete=True)
    b, gone = old("b", dependencies=[urn("a")]), old("c", dependencies=[urn("a")], delete=True)
    top = old("d", dependencies=[urn("b")])
    state = Snapshot([a, b, replaced, gone, top])
    assert (state.needed_by(top), state.needed_by(gone), state.needed_by(a)) == ({a, b}, {replaced}, set())


def test_a_failed_check_names_type_name_property_and_value() -> None:
    generator = Planner(Snapshot()).plan(goal("a", {"v": "bad", "s": Secret("x")}))
    next(generator)
    with pytest.raises(CheckError) as e:
        generator.send(({}, [("v", "no"), ("s", "no"), ("", "odd")]))
    assert e.value.messages == (
        "t:index:Thing resource 'a': property v value {bad} has a problem: no",
        "t:index:Thing resource 'a': property s value {[secret]} has a problem: no",
        "t:index:Thing resource 'a' has a problem: odd",
    )


def test_urns_leave_the_stack_out_of_the_types() -> None:
    stack = make_urn("dev", "p", "", "pulumi:pulumi:Stack", "p-dev")
    component = make_urn("dev", "p", stack, "x:y:Comp", "c")
    assert component == "urn:pulumi:dev::p::x:y:Comp::c"
    assert make_urn("dev", "p", component, "t:index:Thing", "a") == "urn:pulumi:dev::p::x:y:Comp$t:index:Thing::a"
