"""Groups of a phase's test rows: persons who have several rows count as persons, not as rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.display import Table
from mlopskit.evaluate import (
    GroupedRows,
    SliceFeatures,
    disparities_by_column,
    group_metrics,
    metrics_by_slice,
    slice_examples,
)
from mlopskit.tally import Grouping


def rows_of_persons(times: int, *, persons: int = 120) -> GroupedRows:
    """Each person's row so many times over: repeating a row teaches nothing about the person."""
    rng = np.random.default_rng(0)
    one = pd.DataFrame(
        {
            "person": np.arange(persons),
            "sex": rng.choice(["f", "m"], persons),
            TARGET: rng.integers(0, 2, persons),
            "prediction": rng.integers(0, 2, persons),
        }
    )
    table = one.loc[np.repeat(one.index, times)].reset_index(drop=True)
    table.insert(0, ROW, np.arange(len(table)))
    found = table[[ROW, TARGET, "prediction"]].assign(score=table["prediction"] * 0.5 + 0.25)
    rows = table[[ROW, "person", "sex", TARGET]]
    columns = Columns(("sex",), (), ("sex",), sensitive=("sex",), group="person")
    target = Target("binary", "y", ("no", "yes"), "yes")
    return GroupedRows(target, columns, Grouping.fit(rows, ["sex"]), rows, rows, found, found, (), "accuracy")


def width(table: pd.DataFrame, group: str) -> float:
    row = table[(table["metric"] == "accuracy") & (table["group"] == group)].iloc[0]
    return float(row["high"] - row["low"])


def test_rows_that_repeat_their_person_do_not_narrow_the_interval() -> None:
    once, often = (metrics_by_slice(rows_of_persons(times), metrics=["accuracy"]) for times in (1, 9))
    assert often["value"].tolist() == pytest.approx(once["value"].tolist())
    for group in ("f", "m"):
        assert width(often, group) > 0.85 * width(once, group)
    data = rows_of_persons(9)
    as_rows = group_metrics(data.test[TARGET], data.predictions["prediction"], data.groups, metrics=["accuracy"])
    assert width(as_rows, "f") < 0.5 * width(often, "f")


def test_a_gap_is_judged_by_persons_too() -> None:
    gaps = []
    for times in (1, 9):
        data = rows_of_persons(times)
        groups = metrics_by_slice(data, metrics=["accuracy"])
        gaps.append(disparities_by_column(data, groups, metrics=["accuracy"]).iloc[0])
    once, often = gaps
    assert often["difference"] == pytest.approx(once["difference"])
    assert often["difference_high"] - often["difference_low"] > 0.7 * (once["difference_high"] - once["difference_low"])
    assert often["p_value"] > 0.3 * once["p_value"]


def test_whose_rows_they_are_is_said() -> None:
    assert "120 different person" in repr(rows_of_persons(9).note)
    assert "different" not in repr(rows_of_persons(1).note)


def test_texts_of_a_slice_are_shown_by_their_beginning_where_the_answer_is_wrong() -> None:
    words = ["free <b>prize</b> " + "now " * 80, "see you at eight", "free money", "lunch?"]
    rows = pd.DataFrame({ROW: range(4), "text": words, TARGET: [1, 0, 1, 0]})
    found = rows[[ROW, TARGET]].assign(prediction=[0, 0, 0, 1], score=0.5)
    columns = Columns(("text",), text=("text",))
    target = Target("binary", "kind", ("ham", "spam"), "spam")
    data = GroupedRows(target, columns, Grouping.fit(rows, []), rows, rows, found, found, (), "accuracy")
    features = SliceFeatures(*[pd.DataFrame({"cluster": ["1", "1", "1", "2"]})] * 2)
    worst = pd.DataFrame({"slice": ["cluster = 1"], "columns": [{"cluster": "1"}]})
    shown = slice_examples(data, features, worst)
    assert isinstance(shown, Table)
    assert shown.frame["text"].str.len().max() <= 160
    assert shown.frame[["is", "answer"]].to_numpy().tolist() == [["spam", "ham"], ["spam", "ham"]]
    assert "<b>prize" not in shown._repr_html_()
