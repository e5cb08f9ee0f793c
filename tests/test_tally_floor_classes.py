"""The privacy floor of several classes, whose counts add up: attacks by linear programs over everything shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from mlopskit.data import Target
from mlopskit.evaluate.curves import calibration_table, confusion_table, precision_recall_curve, roc_curve
from mlopskit.tally.floor.confusions import shown_confusions
from mlopskit.tally.floor.scores import class_cells, top_cuts
from tests.class_attack import Attack

FLOOR = 5
LABELS = ["bus", "car", "rail"]
TARGET = Target("multiclass", "y", tuple(LABELS))


def predictions(seed: int, n: int, sure: float) -> pd.DataFrame:
    """Rows of three classes, the last of which is rare; the larger `sure`, the fewer mistakes."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.5, 0.35, 0.15])
    raw = np.exp(rng.normal(size=(n, 3)) + sure * np.eye(3)[truth])
    score = raw / raw.sum(axis=1, keepdims=True)
    columns = {f"score_{i}": score[:, i] for i in range(3)}
    return pd.DataFrame({"_target": truth, "prediction": score.argmax(axis=1), **columns})


def shown(rows: pd.DataFrame, floor: int) -> dict[str, pd.DataFrame]:
    curves = {"roc": roc_curve, "precision_recall": precision_recall_curve, "confusion": confusion_table}
    return {name: curve(rows, TARGET, floor=floor) for name, curve in curves.items()}


@settings(max_examples=12)
@given(seed=st.integers(0, 1000), n=st.integers(60, 240), sure=st.sampled_from([1.0, 2.0, 3.0]))
def test_nothing_can_be_told_of_few_rows_from_the_curves_of_all_classes_together(seed, n, sure):
    rows = predictions(seed, n, sure)
    attack = Attack(rows, shown(rows, FLOOR), LABELS)
    assert list(attack.leaks(FLOOR)) == []


def test_the_attack_finds_few_rows_where_each_class_is_cut_for_itself():
    rows = predictions(3, 200, 2.0)
    tables = shown(rows, 0)
    tables["roc"] = tables["roc"][np.arange(len(tables["roc"])) % 20 == 7]
    tables["precision_recall"] = tables["precision_recall"][:0]
    assert next(Attack(rows, tables, LABELS).leaks(FLOOR), None) is not None


def test_curves_of_several_classes_keep_their_ends_and_are_whole_without_a_floor():
    rows = predictions(3, 900, 2.0)
    few, whole = (roc_curve(rows, TARGET, floor=floor, points=2000) for floor in (10, 0))
    for name in ("bus", "car"):
        part = few[few["class"] == name]
        assert part[["false_positive_rate", "true_positive_rate"]].iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
        assert 2 < len(part) < (whole["class"] == name).sum()
    assert calibration_table(rows, TARGET, floor=10).groupby("class")["n"].sum().tolist() == [900] * 3


@settings(max_examples=100)
@given(seed=st.integers(0, 10_000), n=st.integers(5, 200), sure=st.sampled_from([0.5, 2.0, 4.0]))
def test_cells_of_a_class_hold_none_or_enough_of_each_kind_and_so_does_what_is_below_them(seed, n, sure):
    rows = predictions(seed, n, sure)
    for index in range(3):
        positive, called = rows["_target"] == index, rows["prediction"] == index
        score = rows[f"score_{index}"].to_numpy()
        cut = top_cuts(positive, score, called, floor=FLOOR)
        cell = np.searchsorted(np.sort(cut), score, side="right")
        assert called[cell > 1].all()
        for kind in (positive & called, ~positive & called):
            counts = np.bincount(cell[kind])
            assert ((counts == 0) | (counts >= FLOOR) | (counts == kind.sum())).all()


def test_rows_of_one_cell_are_predicted_alike_and_lie_between_two_cuts():
    rows = predictions(3, 240, 2.0)
    scores = rows[[f"score_{i}" for i in range(3)]].to_numpy()
    cells = class_cells(rows["prediction"], rows["_target"], scores, floor=FLOOR)
    assert len(rows.groupby([cells, "prediction"])) == len(set(cells))
    roc = shown(rows, FLOOR)["roc"]
    for index, name in enumerate(LABELS):
        for threshold in roc.loc[roc["class"] == name, "threshold"]:
            above = (rows["prediction"] == index) & (scores[:, index] >= threshold)
            assert above.groupby(cells).nunique().max() == 1
    assert class_cells(rows["prediction"], rows["_target"], scores, floor=len(rows)) is None


def most_mistakes(counts, shown_cells):
    """The most that each mistake can be, given sizes, answers, right answers and the cells that are shown."""
    wrong = ~np.eye(len(counts), dtype=bool)
    actual, predicted = np.nonzero(wrong)
    lines = [*(actual == i for i in range(len(counts))), *(predicted == i for i in range(len(counts)))]
    lines += [*np.eye(len(actual), dtype=bool)[shown_cells[wrong]]]
    matrix, right = np.array(lines, dtype=float), np.array(lines, dtype=float) @ counts[wrong]
    most = np.zeros(counts.shape)
    for place, cell in enumerate(zip(actual, predicted, strict=True)):
        found = linprog(-np.eye(len(actual))[place], A_eq=matrix, b_eq=right, method="highs")
        most[cell] = round(-found.fun, 6)
    return most


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), size=st.integers(3, 5), mean=st.sampled_from([1.0, 4.0, 15.0]))
def test_a_withheld_mistake_could_be_as_many_as_the_floor_or_as_rates_by_class_allow(seed, size, mean):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(mean, (size, size)) + np.diag(rng.integers(0, 60, size))
    cells = shown_confusions(counts, floor=FLOOR)
    wrong = ~np.eye(size, dtype=bool)
    assert not (cells & (counts > 0) & (counts < FLOOR)).any()
    known, before = most_mistakes(counts, cells), most_mistakes(counts, np.zeros((size, size), bool))
    hidden = wrong & ~cells
    assert (known[hidden] >= np.minimum(before, FLOOR)[hidden] - 1e-5).all()


def test_mistakes_with_a_class_that_has_few_of_them_are_withheld_together():
    cells = shown_confusions([[63, 10, 9], [1, 37, 15], [0, 16, 52]], floor=FLOOR)
    assert not cells[1:, 0].any()  # one row is taken for the first class, and by which is not told
    assert shown_confusions([[63, 10, 9], [9, 37, 15], [10, 16, 52]], floor=FLOOR).all()
