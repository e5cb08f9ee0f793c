"""What guessing scores, beside every table by group: figures of dummy estimators, gaps and slices by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier, DummyRegressor

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.evaluate import (
    GroupedRows,
    confirmed_slices,
    disparities_by_column,
    judge_by_group,
    metrics_by_slice,
    slice_features,
    worst_slices,
)
from mlopskit.evaluate.groups.grouped import from_rows
from mlopskit.evaluate.groups.majority import majority_by_group, majority_gaps
from mlopskit.evaluate.groups.methods import effective_rows, interval_methods, metric_words
from mlopskit.evaluate.slices.errors import slice_errors
from mlopskit.evaluate.slices.guess import guess_errors, guessed
from mlopskit.metrics import get_metric
from mlopskit.scope import Criterion
from mlopskit.tally import Grouping

BINARY = {
    "accuracy": sk.accuracy_score,
    "recall": lambda y, p: sk.recall_score(y, p, zero_division=np.nan),
    "specificity": lambda y, p: sk.recall_score(y, p, pos_label=0, zero_division=np.nan),
    "precision": lambda y, p: sk.precision_score(y, p, zero_division=np.nan),
    "selection_rate": lambda y, p: np.mean(p),
}
NUMBER = {"mae": sk.mean_absolute_error, "rmse": sk.root_mean_squared_error}


def _guesses(y, g, task):
    """What each group gets by an estimator that has seen all rows and no feature."""
    kind = DummyRegressor() if task == "regression" else DummyClassifier(strategy="most_frequent")
    answer = kind.fit(np.zeros((len(y), 1)), y).predict(np.zeros((len(y), 1)))
    return {name: (y[g == name], answer[g == name]) for name in sorted(set(g))}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), task=st.sampled_from(["binary", "multiclass", "regression"]))
def test_a_guess_scores_what_a_dummy_estimator_does(seed, task):
    rng = np.random.default_rng(seed)
    size, g = 61, rng.choice(list("abc"), 61)
    y = rng.normal(10, 3, size) if task == "regression" else rng.integers(0, 2 if task == "binary" else 4, size)
    names = {"binary": BINARY, "multiclass": {"accuracy": sk.accuracy_score}, "regression": NUMBER}[task]
    grouped = from_rows(y, y, pd.DataFrame({"g": g}), None, task, 0)
    found = majority_by_group(grouped, y, [get_metric(name, task) for name in names])
    whole = majority_by_group(grouped.total, y, [get_metric(name, task) for name in names])[0]
    for row, part in zip(found, _guesses(y, g, task).values(), strict=True):
        assert row.tolist() == pytest.approx([function(*part) for function in names.values()], nan_ok=True)
    everyone = _guesses(y, np.full(size, "all"), task)["all"]
    assert whole.tolist() == pytest.approx([function(*everyone) for function in names.values()], nan_ok=True)


def test_a_guess_ranks_like_a_coin_where_both_classes_occur():
    y, g = np.array([0, 0, 1, 0, 0]), pd.DataFrame({"g": list("aaabb")})
    grouped = from_rows(y, y, g, y * 0.5, "binary", 0)
    found = majority_by_group(grouped, y, [get_metric(name, "binary") for name in ("roc_auc", "log_loss")])
    assert found[:, 0].tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    assert np.isnan(found[:, 1]).all()


def test_gaps_of_the_guess_are_those_worked_out_by_hand():
    rows = pd.DataFrame(
        [("accuracy", "a", 0.6, "estimated"), ("accuracy", "b", 0.9, "estimated"),
         ("accuracy", "tiny", 0.1, "cannot-be-estimated"), ("recall", "a", 1.0, "estimated"),
         ("recall", "b", 1.0, "estimated"), ("false_positive_rate", "a", 0.8, "estimated"),
         ("false_positive_rate", "b", 1.0, "estimated"), ("precision", "a", 0.5, "estimated"),
         ("precision", "b", np.nan, "estimated")], columns=["metric", "group", "majority", "status"])  # fmt: skip
    names = ["accuracy", "equalized_odds", "precision", "f1", "recall"]
    assert majority_gaps(names, rows) == pytest.approx([0.3, 0.2, np.nan, np.nan, 0.0], nan_ok=True)
    ratios = majority_gaps(names, rows, kind="ratio")
    assert ratios == pytest.approx([0.6 / 0.9, 0.8, np.nan, np.nan, 1.0], nan_ok=True)
    nobody = rows[rows["metric"] == "recall"].assign(majority=0.0)
    assert majority_gaps(["recall"], nobody) == [0.0]
    assert np.isnan(majority_gaps(["recall"], nobody, kind="ratio")).all()  # 0 / 0, as in the table of gaps
    without = rows[rows["metric"] != "recall"]
    assert majority_gaps(["equalized_odds"], without) == pytest.approx([np.nan], nan_ok=True)


COLUMNS = Columns(("town", "age"), ("age",), ("town",), sensitive=("town",), slices=("age",))


def _rows(seed, n=3000):
    """Positive rows are common in town b, where the model answers at random."""
    rng = np.random.default_rng(seed)
    town, age = rng.choice(list("abc"), n), rng.choice([30, 70], n)
    truth = (rng.random(n) < np.where(town == "b", 0.7, 0.1)) * 1
    answer = np.where((town == "b") & (rng.random(n) < 0.5), 1 - truth, truth)
    rows = pd.DataFrame({ROW: np.arange(n), "town": town, "age": age, TARGET: truth})
    return rows, rows[[ROW, TARGET]].assign(prediction=answer, score=np.where(answer == 1, 0.8, 0.3))


@pytest.fixture(scope="module")
def data():
    (validation, seen), (test, answers) = _rows(0), _rows(1)
    target = Target("binary", "y", ("no", "yes"), "yes")
    grouping = Grouping.fit(validation, ["town", "age"])
    return GroupedRows(target, COLUMNS, grouping, validation, test, seen, answers, (), "accuracy")


def test_tables_by_group_by_pair_and_of_gaps_have_the_guess_beside_them(data):
    groups = metrics_by_slice(data, replicates=20)
    negatives = 1 - data.test.groupby("town")[TARGET].mean()
    own = groups[(groups["slice"] == "town") & (groups["metric"] == "accuracy")].set_index("group")["majority"]
    assert own.to_dict() == pytest.approx(negatives.to_dict())
    whole = groups[(groups["group"] == "overall") & (groups["metric"] == "accuracy")]["majority"].item()
    assert whole == pytest.approx(1 - data.test[TARGET].mean())
    pairs = metrics_by_slice(data, pairs=True, metrics=["accuracy"], replicates=20).set_index("group")["majority"]
    both = 1 - data.test.groupby(["town", "age"])[TARGET].mean()
    assert pairs["b and 70"] == pytest.approx(both["b", 70])
    gaps = disparities_by_column(data, groups, replicates=20).set_index(["slice", "metric"])["majority"]
    assert gaps["town", "accuracy"] == pytest.approx(np.ptp(negatives))
    assert gaps["town", "selection_rate"] == 0
    assert gaps["town", "equalized_odds"] == 0


CRITERIA = (
    Criterion(metric="accuracy", at_least=0.95, every_slice_of="town"),
    Criterion(metric="accuracy", at_most=0.1, between="town"),
    Criterion(metric="accuracy", at_least=0.8, between="town", **{"as": "ratio"}),
    Criterion(metric="selection_rate", at_most=0.1, between="town"),
    Criterion(metric="selection_rate", at_least=0.8, between="town", **{"as": "ratio"}),
)


def test_a_criterion_on_groups_stands_beside_the_guess_for_its_group_or_its_gap(data):
    found = judge_by_group(replace(data, criteria=CRITERIA), replicates=100)
    negatives = 1 - data.test.groupby("town")[TARGET].mean()
    assert found["group"][0] == "b"
    ratio = negatives.min() / negatives.max()
    expected = [negatives["b"], np.ptp(negatives), ratio, 0, np.nan]  # nobody is called positive: 0 / 0
    assert found["majority"].tolist() == pytest.approx(expected, nan_ok=True)


def test_a_withheld_group_or_gap_shows_no_guess_beside_its_verdict(data):
    few = int((data.test["town"] == "b").sum()) + 1
    found = judge_by_group(replace(data, criteria=CRITERIA[:3], floor=few), replicates=100)
    assert found["value"].isna().all()
    assert found["majority"].isna().all()


def test_a_group_without_test_rows_has_no_guess(data):
    without = data.test["town"] != "c"
    some = replace(data, test=data.test[without], predictions=data.predictions[without])
    row = metrics_by_slice(some, metrics=["accuracy"], replicates=20).query("slice == 'town' and group == 'c'")
    assert row["n"].tolist() == [0]
    assert row["majority"].isna().all()


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("error", lambda truth: (truth == 1) * 1.0),
        ("false_positive_rate", lambda truth: truth[truth == 0] * 0.0),
        ("false_negative_rate", lambda truth: truth[truth == 1] * 1.0),
        ("loss", lambda truth: -np.log(np.where(truth == 1, truth.mean(), 1 - truth.mean()))),
    ],
)
def test_the_guess_errs_where_another_class_is_common(data, by, expected):
    truth = data.test[TARGET].to_numpy()
    errors = guess_errors(data.predictions, data.target, by=by)
    assert errors.each == pytest.approx(expected(truth))
    assert errors.at_risk.tolist() == slice_errors(data.predictions, data.target, by=by).at_risk.tolist()


def test_the_guess_of_several_classes_and_of_numbers_is_the_commonest_and_the_mean():
    several = pd.DataFrame({TARGET: [2, 2, 0, 1], "prediction": 0, "score_0": 1.0, "score_1": 0.0, "score_2": 0.0})
    target = Target("multiclass", "y", ("a", "b", "c"))
    assert guess_errors(several, target).each.tolist() == [0, 0, 1, 1]
    assert guess_errors(several, target, by="loss").each == pytest.approx(-np.log([0.5, 0.5, 0.25, 0.25]))
    assert isinstance(guess_errors(several, target, by="false_positive_rate"), str)
    numbers = pd.DataFrame({TARGET: [1.0, 2.0, 6.0], "prediction": 0.0})
    assert guess_errors(numbers, Target("regression", "y")).each.tolist() == [4, 1, 9]


def test_slices_have_their_own_guess_and_none_where_a_floor_hides_classes(data):
    rows = data.test
    chosen = [{"town": "b"}, {"town": "a", "age": 70}, {"town": "nowhere"}]
    found = guessed(chosen, rows, data.predictions, data, by="error")
    share = rows.groupby("town")[TARGET].mean()
    assert found[:2] == pytest.approx([share["b"], rows.query("town == 'a' and age == 70")[TARGET].mean()])
    assert np.isnan(found[2])
    assert np.isnan(guessed(chosen, rows, data.predictions, replace(data, floor=5), by="error")).all()


def test_slices_found_and_tested_stand_beside_the_guess(data):
    features = slice_features(data, None)
    found = worst_slices(data, features, k=1, max_level=1)
    assert found["slice"][0] == "town = b"
    in_b = data.validation["town"] == "b"
    assert found["majority"][0] == pytest.approx(data.validation.loc[in_b, TARGET].mean())
    tested = confirmed_slices(data, features, found).set_index("slice")["majority"]
    share = data.test.groupby("town")[TARGET].mean()
    assert tested[["town = a", "town = b"]].tolist() == pytest.approx(share[["a", "b"]].tolist())


METHODS = pd.DataFrame(
    [("recall", "Wilson", "estimated"), ("accuracy", "Wilson", "estimated"), ("roc_auc", "undefined", "estimated"),
     ("roc_auc", "DeLong, logit scale", "estimated"), ("f1", "fewer than 10", "cannot-be-estimated"),
     ("mae", "jackknife, 64 blocks, effective n 1,234", "estimated")], columns=["metric", "method", "status"],
)  # fmt: skip


def test_the_methods_of_a_table_are_named_metric_by_metric_in_one_sentence():
    expected = (
        "Intervals: recall, accuracy by Wilson; ROC AUC by DeLong or undefined; mean absolute error by jackknife."
    )
    assert interval_methods(METHODS) == expected
    assert interval_methods(METHODS.assign(confidence=0.9)).startswith("90 % intervals: recall")
    assert interval_methods(METHODS[METHODS["status"] != "estimated"]) == ""


def test_effective_rows_are_read_from_the_method_where_rows_belong_together():
    assert effective_rows(METHODS).tolist() == pytest.approx([np.nan] * 5 + [1234], nan_ok=True)


def test_metrics_are_written_as_they_stand_inside_a_sentence():
    assert [metric_words(name) for name in ("roc_auc", "f1", "recall", "r2", "own")] == [
        "ROC AUC", "F1", "recall", "R²", "own"]  # fmt: skip
