"""Doubtful labels under a privacy floor: how many there are is told where they are none or enough."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from mlopskit.data import TARGET, Columns, Target, find_label_errors
from mlopskit.data.features import make_preparation
from mlopskit.data.labels import LabelCheck

FLOOR = 8


def check(doubtful: int, n: int = 1143, floor: int = FLOOR) -> LabelCheck:
    return LabelCheck(pd.DataFrame(index=range(doubtful)), n, "passed", floor=floor)


@pytest.mark.parametrize("doubtful", [1, 3, 7])
def test_few_doubtful_labels_are_not_counted_under_a_floor(doubtful):
    for said in (check(doubtful).sentence.text, f"{check(doubtful).portion} of 1,143"):
        assert set(re.findall(r"[\d.,]*\d", said)) == {"8", "1,143"}, said
    assert "fewer than 8" in check(doubtful).portion


def test_few_labels_that_are_not_doubtful_are_not_counted_either():
    assert check(7, n=12).portion == "fewer than 8"
    said = check(1140).sentence.text
    assert "all but fewer than 8 of 1,143" in said.lower()
    assert "1,140" not in said


def test_no_doubtful_label_and_enough_of_them_are_counted():
    assert check(0).sentence.text.startswith("0 of 1,143")
    assert check(8).sentence.text.startswith("8 of 1,143")
    assert check(3, floor=0).sentence.text == "3 of 1,143 labels looked at (0.3 %) look doubtful."
    assert check(3, floor=0).portion == "0.3 %"


def test_how_few_rows_a_class_has_is_not_told_where_labels_cannot_be_checked():
    train = pd.DataFrame({"x": range(60), TARGET: [1] + [0] * 59})
    preparation = make_preparation(Columns(("x",), numeric=("x",))).fit(train)
    target = Target("binary", "y", ("no", "yes"), "yes")
    assert "class yes has 1 of" in find_label_errors(train, preparation, target=target).reason
    assert "class yes has fewer than 8 of" in find_label_errors(train, preparation, target=target, floor=FLOOR).reason
