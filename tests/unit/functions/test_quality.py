"""Right or wrong: the rule that the live metric and evidence share."""

from __future__ import annotations

import pytest

from functions.common.payload import Payload
from functions.common.quality import NoSuchValueError, Quality

CLASSES = Quality("classification", "label")
VALUES = Quality("regression", "value", tolerance=10)


def csv(text: str) -> Payload:
    return Payload(text.encode(), "text/csv")


def js(text: str) -> Payload:
    return Payload(text.encode(), "application/json")


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        (csv("1,0.98"), csv("1"), [True]),
        (csv("1.0,0.98"), csv("1"), [True]),
        (js('{"label": 1, "probability": 0.9}'), csv("1"), [True]),
        (js('{"label": 1}'), js('{"label": 0}'), [False]),
        (js('[{"label": 1}, {"label": 0}]'), csv("1\n1"), [True, False]),
        (js('{"label": "benign"}'), csv("benign"), [True]),
        (js("[1, 0]"), csv("1\n0"), [True, True]),
        (js('{"score": 1}'), csv("1"), [False]),
        (js("oops"), csv("1"), [False]),
        (csv("1"), csv("1\n1"), [False, False]),
    ],
)
def test_classification(answer: Payload, truth: Payload, expected: list[bool]) -> None:
    assert CLASSES.correct(answer, truth) == expected


@pytest.mark.parametrize(
    ("answer", "expected"), [("152.1", True), ("160", True), ("160.1", False), ("nan", False), ("x", False)]
)
def test_regression_is_within_the_tolerance_inclusive(answer: str, expected: bool) -> None:
    assert VALUES.correct(csv(answer), csv("150")) == [expected]


def test_no_answer_is_a_wrong_answer() -> None:
    assert CLASSES.correct(None, csv("1\n0")) == [False, False]


def test_a_path_goes_through_objects_and_lists() -> None:
    nested = Quality("classification", "predictions.label")
    assert nested.predictions(js('{"predictions": [{"label": 1}, {"label": 0}]}')) == [1, 0]


def test_named_and_numbered_columns() -> None:
    assert Quality("classification", "label", columns=("p", "label")).predictions(csv("0.9,1")) == ["1"]
    assert Quality("classification", "1").predictions(csv("0.9,1")) == ["1"]


@pytest.mark.parametrize("truth", ["x", "nan", "inf"])
def test_a_label_that_is_no_number_is_named(truth: str) -> None:
    with pytest.raises(NoSuchValueError, match="a regression label must be a finite number"):
        VALUES.correct(csv("1"), csv(truth))


def test_an_empty_label_is_named() -> None:
    with pytest.raises(NoSuchValueError, match="the body has no rows"):
        CLASSES.correct(csv("1"), csv(""))


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(ValueError, match="task is 'ranking', must be classification or regression"):
        Quality("ranking", "label")  # type: ignore[arg-type]
