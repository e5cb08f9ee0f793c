"""Groups of a phase's test rows: persons who have several rows count as persons, not as rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.display import Table
from mlopskit.evaluate import (
    GroupedRows,
    SliceFeatures,
    disparities_by_column,
    group_metrics,
    judge_by_group,
    metrics_by_slice,
    slice_examples,
)
from mlopskit.scope import Criterion
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


@pytest.mark.parametrize(
    ("task", "metrics"), [("binary", ["accuracy", "f1", "roc_auc"]), ("regression", ["mae", "rmse", "bias", "r2"])]
)
def test_groups_that_share_their_persons_alike_have_no_gap(task: str, metrics: list[str]) -> None:
    """Each person's row once by day and once by night: whatever persons are drawn, the two agree."""
    data = rows_of_persons(2)
    table = data.test.drop(columns="sex").assign(half=np.tile(["day", "night"], len(data.test) // 2))
    columns = Columns(("half",), (), ("half",), sensitive=("half",), group="person")
    target = data.target if task == "binary" else Target("regression", "y")
    data = replace(
        data, target=target, columns=columns, grouping=Grouping.fit(table, ["half"]), validation=table, test=table
    )
    gaps = disparities_by_column(data, metrics_by_slice(data, metrics=metrics), metrics=metrics)
    assert gaps["metric"].tolist() == metrics
    assert gaps[["difference", "difference_high"]].to_numpy() == pytest.approx(0, abs=1e-9)
    assert gaps["method"].str.endswith("joint draws from what each block moves").all()


def test_one_of_five_groups_fails_where_its_interval_at_99_percent_lies_outside_the_bound() -> None:
    """1 − 0.05 / 5; SciPy's Wilson interval of the smallest rate that is undecided and of the one below it."""

    def end(k: int, level: float) -> float:
        return float(stats.binomtest(k, 100).proportion_ci(level, method="wilson").high)

    most = max(k for k in range(100) if end(k, 0.99) < 0.8)
    assert end(most + 1, 0.95) < 0.8 <= end(most + 1, 0.99)
    for right, status in ((most, "not-met"), (most + 1, "undecided")):
        town, place = np.divmod(np.arange(500), 100)
        rows = pd.DataFrame({ROW: np.arange(500), "town": town.astype("str"), TARGET: np.arange(500) % 2})
        answers = np.where(place < np.where(town == 4, right, 95), rows[TARGET], 1 - rows[TARGET])
        found = rows[[ROW, TARGET]].assign(prediction=answers, score=0.5)
        criterion = Criterion(metric="accuracy", at_least=0.8, every_slice_of="town", on_undecided="stop")
        columns, target = (
            Columns(("town",), (), ("town",), slices=("town",)),
            Target("binary", "y", ("no", "yes"), "yes"),
        )
        grouping = Grouping.fit(rows, ["town"])
        data = GroupedRows(target, columns, grouping, rows, rows, found, found, (criterion,), "accuracy")
        row = judge_by_group(data).iloc[0]
        assert (row["status"], row["group"], row["method"]) == (status, "4", "Wilson")
        assert ("rows would decide; there are 100" in row["reason"]) == (status == "undecided")


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
