"""Targets become class indices with the positive class at 1, or are refused in words."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mlopskit.data.target import make_target, target_findings
from mlopskit.errors import DataError
from mlopskit.scope import Data


def data(**more: Any) -> Data:
    return Data.model_validate({"source": "a.csv", "task": "binary", "target": "y"} | more)


def made(values: list[Any], **more: Any) -> tuple[Any, list[Any]]:
    column = pd.Series(values, name="y")
    target, codes = make_target(column, data(**more), development=pd.Series(data=True, index=column.index))
    return target, codes.tolist()


def test_the_positive_class_is_one_and_missing_stays_missing() -> None:
    target, codes = made(["yes", "no", None] * 5, positive="yes")
    assert target.classes == ("no", "yes")
    assert codes[:2] == [1, 0]
    assert codes[2] is pd.NA


@pytest.mark.parametrize(("positive", "values"), [(1, [1.0, 0.0]), (True, [True, False]), ("1", [1, 0])])
def test_labels_match_however_they_are_stored(positive: Any, values: list[Any]) -> None:
    target, codes = made(values * 6, positive=positive)
    assert codes[:2] == [1, 0]
    assert target.task == "binary"


def test_a_bound_on_a_quantity_makes_two_classes() -> None:
    target, codes = made([1.0, 5.0, 5.1, 9.0] * 5, positive_above=5)
    assert target.classes == ("at most 5", "above 5")
    assert codes[:4] == [0, 0, 1, 1]


def test_other_labels_are_merged_and_that_is_said() -> None:
    target, codes = made(["a", "b", "c"] * 5, positive="b")
    assert (target.classes, codes[:3]) == (("a or c", "b"), [0, 1, 0])
    found = target_findings(pd.Series(["a", "b", "c"] * 5, name="y"), pd.Series(codes), target)
    assert [(item.code, item.outcome) for item in found] == [("DAT004", "passed"), ("DAT018", "issue")]


def test_many_classes_are_numbered_in_their_natural_order() -> None:
    target, codes = made([10, 2, 1] * 5, task="multiclass")
    assert (target.classes, codes[:3]) == (("1", "2", "10"), [2, 1, 0])


def test_a_class_that_only_production_has_is_left_out_and_said() -> None:
    column = pd.Series(["a", "b"] * 6 + ["new"], name="y")
    development = pd.Series([True] * 12 + [False])
    target, codes = make_target(column, data(task="multiclass"), development=development)
    assert target.classes == ("a", "b")
    assert codes.iloc[-1] is pd.NA
    assert any("class that no development row has" in item.detail for item in target_findings(column, codes, target))


@pytest.mark.parametrize(
    ("values", "more", "said"),
    [
        (["yes"] * 12, {"positive": "yes"}, "one class among the development rows .'yes', 12 rows"),
        (["yes", "no"] * 6, {"positive": "y"}, "'y' does not occur .*its labels there are 'no', 'yes'"),
        (["a"] * 10 + ["b"] * 2, {"task": "multiclass"}, "fewer rows than the 3 splits.*'b' .2."),
        ([None] * 12, {"positive": "yes"}, "missing in all 12 development rows"),
        (["yes", "no"] * 2, {"positive": "yes"}, "Only 4 rows have a target"),
        ([1.0, 2.0] * 6, {"positive_above": 7}, "leaves one class: 'y' runs from 1 to 2"),
        (["a", "1"] * 6, {"positive_above": 0}, "not numbers .'a'"),
        (["low", "high"] * 6, {"task": "regression"}, "a regression needs numbers"),
        ([3.0] * 12, {"task": "regression"}, "a constant needs no model"),
        (list(range(300)), {"task": "multiclass"}, "300 classes"),
    ],
)
def test_targets_that_teach_nothing_are_refused(values: list[Any], more: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        made(values, **more)
