"""Comparison of two answers, field by field."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.common.comparison import Comparison, Rules, compare
from functions.common.payload import Payload

JSON = "application/json"
CSV = "text/csv; charset=utf-8"
EXACT = Rules()


def compared(
    production: str | bytes, shadow: str | bytes, content_type: str = JSON, rules: Rules = EXACT
) -> Comparison:
    one, other = (body.encode() if isinstance(body, str) else body for body in (production, shadow))
    return compare(Payload(one, content_type), Payload(other, content_type), rules)


@pytest.mark.parametrize(
    ("production", "shadow", "verdict", "distance"),
    [
        ('{"label": 1}', '{ "label": 1.0 }', "match", 0.0),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', "match", 0.0),
        ('{"label": 1}', '{"label": 0}', "mismatch", 1.0),
        ('{"v": 100}', '{"v": 99}', "mismatch", 0.01),
        ('{"v": -1}', '{"v": 1}', "mismatch", 1.0),
        ('{"label": 1}', '{"label": "1"}', "mismatch", 1.0),
        ('{"label": 1}', '{"label": true}', "mismatch", 1.0),
        ('{"label": 1}', '{"label": null}', "mismatch", 1.0),
        ('{"label": 1, "p": 2}', '{"label": 1}', "mismatch", 1.0),
        ('{"label": 1}', '{"label": 1, "p": 2}', "mismatch", 1.0),
        ('{"v": "1.50"}', '{"v": "1.5"}', "match", 0.0),
        ('{"id": "007"}', '{"id": "7"}', "mismatch", 1.0),
        ('{"v": NaN}', '{"v": NaN }', "match", 0.0),
        ('{"v": NaN}', '{"v": 1}', "mismatch", 1.0),
        ('{"v": Infinity}', '{"v": 1e999}', "match", 0.0),
        ('{"v": Infinity}', '{"v": -Infinity}', "mismatch", 1.0),
        ('{"v": 0}', '{"v": -0.0}', "match", 0.0),
        ('[{"l": 1}, {"l": 0}]', '[{"l": 1}]', "mismatch", 1.0),
        ('[{"l": 1}, {"l": 0}]', '[{"l": 1}, {"l": 0.0}]', "match", 0.0),
        ('{"a": {"b": [1]}}', '{"a": {"b": 1}}', "mismatch", 1.0),
        ('{"v": 1.7e308}', '{"v": -1.7e308}', "mismatch", 1.0),
        ("{}", "{ }", "match", 0.0),
    ],
)
def test_json(production: str, shadow: str, verdict: str, distance: float) -> None:
    result = compared(production, shadow)
    assert result.verdict == verdict
    assert result.distance == pytest.approx(distance)


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (Rules(), "mismatch"),
        (Rules(absolute_tolerance=0.5), "match"),
        (Rules(absolute_tolerance=0.49), "mismatch"),
        (Rules(relative_tolerance=0.25), "match"),
        (Rules(relative_tolerance=0.24), "mismatch"),
        (Rules(ignored_fields=frozenset({"v"})), "match"),
        (Rules(ignored_fields=frozenset({"w"})), "mismatch"),
    ],
)
def test_tolerances_are_inclusive_and_relative_to_production(rules: Rules, verdict: str) -> None:
    result = compared('{"v": 2.0}', '{"v": 2.5}', rules=rules)
    assert result.verdict == verdict


def test_a_match_within_tolerance_keeps_its_distance() -> None:
    assert compared("100", "98", rules=Rules(absolute_tolerance=5)) == Comparison("match", 0.02)


def test_ignored_fields_are_paths_through_lists() -> None:
    rules = Rules(ignored_fields=frozenset({"rows.meta.time", "id"}))
    production = {"id": 1, "rows": [{"v": 1, "meta": {"time": 1}}, {"v": 2, "meta": {"time": 2}}]}
    shadow = {"rows": [{"v": 1, "meta": {"time": 8}}, {"v": 2, "meta": {}}]}
    assert compared(json.dumps(production), json.dumps(shadow), rules=rules).verdict == "match"


def test_csv_rows_are_compared_as_numbers_and_text() -> None:
    assert compared("1,0.980\r\n0,0.1\r\n", "1.0,0.98\n0,0.1", CSV).verdict == "match"
    assert compared("1,0.98\n0,0.1", "1,0.98\n1,0.1", CSV).verdict == "mismatch"
    assert compared("1,0.98", "1", CSV).verdict == "mismatch"
    assert compared("benign,nan", "benign,NaN", CSV).verdict == "match"


def test_csv_columns_have_the_names_that_json_has() -> None:
    named = Rules(ignored_fields=frozenset({"probability"}), columns=("label", "probability"))
    assert compared("1,0.98", "1,0.61", CSV, named).verdict == "match"
    numbered = Rules(ignored_fields=frozenset({"1"}))
    assert compared("1,0.98", "1,0.61", CSV, numbered).verdict == "match"


def test_json_lines_are_rows() -> None:
    assert compared('{"v": 1}\n{"v": 2}\n', '{"v":1}\n{"v":2}', "application/jsonlines").verdict == "match"


def test_what_shadow_garbles_is_a_mismatch_and_what_production_garbles_is_not_comparable() -> None:
    assert compared('{"v": 1}', "oops") == Comparison("mismatch", 1.0)
    assert compared("oops", '{"v": 1}') == Comparison("not_comparable", None)
    assert compare(Payload(b"1", CSV), Payload(b"1", JSON), Rules()) == Comparison("mismatch", 1.0)


def test_opaque_answers_are_compared_byte_by_byte() -> None:
    assert compared(b"\x00\xff", b"\x00\xff", "application/x-npy") == Comparison("match", 0.0)
    assert compared(b"\x00\xff", b"\x00\xfe", "application/x-npy") == Comparison("not_comparable", None)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_every_answer_matches_itself(value: object) -> None:
    assert compared(json.dumps(value), json.dumps(value, indent=1)) == Comparison("match", 0.0)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_distance_is_symmetric_and_zero_only_for_a_match(one: object, other: object) -> None:
    there, back = compared(json.dumps(one), json.dumps(other)), compared(json.dumps(other), json.dumps(one))
    assert there.verdict == back.verdict
    assert there.distance is not None
    assert there.distance == back.distance
    assert 0 <= there.distance <= 1
    assert (there.verdict == "match") == (there.distance == 0)


def test_rules_come_from_package_yaml_with_the_keys_of_evidence_passed_over() -> None:
    text = json.dumps(
        {
            "ignoredFields": ["probability"],
            "absoluteTolerance": 1,
            "relativeTolerance": 0.5,
            "minimumPairs": 500,
            "maximumLatencyRatio": 1.1,
        }
    )
    assert Rules.from_json(text) == Rules(frozenset({"probability"}), 1.0, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must be a JSON object"),
        ('{"tolerance": 1}', "unknown keys: tolerance"),
        ('{"absoluteTolerance": -1}', "absoluteTolerance must be a number of at least 0, got -1"),
        ('{"relativeTolerance": true}', "relativeTolerance must be a number of at least 0, got True"),
        ('{"ignoredFields": "probability"}', "ignoredFields must be a list of names"),
    ],
)
def test_wrong_rules_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rules.from_json(text)
