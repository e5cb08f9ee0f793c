"""Metrics agree with scikit-learn; their intervals keep their promise; what cannot be said is not said."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlopskit.errors import MetricError
from mlopskit.evaluate import group_metrics
from mlopskit.metrics import (
    ESTIMATED,
    METRICS,
    NOT_ESTIMATED,
    criterion_problems,
    default_metrics,
    get_metric,
    measure,
    paired_difference,
    score_array,
)
from mlopskit.scope import Scope

BINARY = {
    "accuracy": lambda y, p, s: sk.accuracy_score(y, p),
    "balanced_accuracy": lambda y, p, s: sk.balanced_accuracy_score(y, p),
    "precision": lambda y, p, s: sk.precision_score(y, p),
    "recall": lambda y, p, s: sk.recall_score(y, p),
    "specificity": lambda y, p, s: sk.recall_score(y, p, pos_label=0),
    "f1": lambda y, p, s: sk.f1_score(y, p),
    "roc_auc": lambda y, p, s: sk.roc_auc_score(y, s),
    "average_precision": lambda y, p, s: sk.average_precision_score(y, s),
    "log_loss": lambda y, p, s: sk.log_loss(y, s),
    "brier_score": lambda y, p, s: sk.brier_score_loss(y, s),
    "selection_rate": lambda y, p, s: p.mean(),
    "false_positive_rate": lambda y, p, s: 1 - sk.recall_score(y, p, pos_label=0),
    "false_negative_rate": lambda y, p, s: 1 - sk.recall_score(y, p),
}
SEVERAL = {
    "accuracy": lambda y, p, s: sk.accuracy_score(y, p),
    "balanced_accuracy": lambda y, p, s: sk.balanced_accuracy_score(y, p),
    "f1_macro": lambda y, p, s: sk.f1_score(y, p, average="macro"),
    "log_loss": lambda y, p, s: sk.log_loss(y, s, labels=range(s.shape[1])),
    "roc_auc_ovr": lambda y, p, s: sk.roc_auc_score(y, s, multi_class="ovr"),
}
NUMBER = {
    "mae": lambda y, p, s: sk.mean_absolute_error(y, p),
    "rmse": lambda y, p, s: sk.root_mean_squared_error(y, p),
    "r2": lambda y, p, s: sk.r2_score(y, p),
    "bias": lambda y, p, s: np.mean(p) - np.mean(y),
}


def binary_rows(seed, n=60, signal=1.0):
    rng = np.random.default_rng(seed)
    y = np.array([0, 1] * 12 + list(rng.integers(0, 2, n - 24)))
    score = 1 / (1 + np.exp(-signal * (y - 0.5) - rng.normal(size=n)))
    return y, (score > 0.5).astype(int), np.round(score, 2)


def several_rows(seed, n=90, k=3):
    rng = np.random.default_rng(seed)
    y = np.array(list(range(k)) * 12 + list(rng.integers(0, k, n - 12 * k)))
    raw = rng.random((n, k)) + np.eye(k)[y] * rng.random()
    score = raw / raw.sum(axis=1, keepdims=True)
    return y, score.argmax(axis=1), score


def number_rows(seed, n=50):
    rng = np.random.default_rng(seed)
    y = rng.normal(10, 3, n)
    return y, y + rng.normal(0.5, 1, n), None


EXPECTED = [("binary", BINARY, binary_rows), ("multiclass", SEVERAL, several_rows), ("regression", NUMBER, number_rows)]


@pytest.mark.parametrize(("task", "expected", "rows"), EXPECTED)
@given(seed=st.integers(0, 100_000))
@settings(max_examples=25)
def test_every_metric_agrees_with_scikit_learn(task, expected, rows, seed):
    y, p, s = rows(seed)
    assert set(expected) == set(default_metrics(task))
    for name, reference in expected.items():
        assert METRICS[name].function(y, p, s) == pytest.approx(reference(y, p, s)), name


@pytest.mark.parametrize(("task", "expected", "rows"), EXPECTED)
@given(seed=st.integers(0, 100_000), names=st.lists(st.sampled_from("abc"), min_size=60, max_size=60))
@settings(max_examples=10)
def test_every_metric_by_group_agrees_with_scikit_learn(task, expected, rows, seed, names):
    """Where a figure is defined: for means over classes where all classes occur."""
    y, p, s = (part if part is None else part[:60] for part in rows(seed, n=60))
    groups = np.array(names)[: len(y)]
    table = group_metrics(y, p, {"g": groups}, y_score=s, metrics=list(expected), task=task, replicates=2, minimum=1)
    for row in table.to_dict("records"):
        inside = slice(None) if row["group"] == "overall" else groups == row["group"]
        part = (y[inside], p[inside], None if s is None else s[inside])
        defined = task == "regression" or len(np.unique(part[0])) == len(np.unique(y))
        if defined and np.isfinite(row["value"]):
            assert row["value"] == pytest.approx(expected[row["metric"]](*part), abs=1e-9), row["metric"]
        elif defined and np.ptp(part[0]) > 0:
            assert row["metric"] == "precision", "all else is defined where all classes occur"


@pytest.mark.parametrize(("task", "expected", "rows"), EXPECTED)
def test_measured_values_are_the_metric_and_lie_in_their_interval(task, expected, rows):
    y, p, s = rows(1)
    table = measure(y, p, s, task=task)
    for row in table.to_dict("records"):
        if row["status"] == ESTIMATED:
            assert row["value"] == pytest.approx(expected[row["metric"]](y, p, s))
            assert row["low"] <= row["value"] <= row["high"]
    assert (table["status"] == ESTIMATED).sum() >= len(expected) - 2
    assert (table["n"] == len(y)).all()


def test_each_metric_says_in_one_sentence_what_it_means():
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.meaning.endswith(".")
        assert set(metric.tasks) <= {"binary", "multiclass", "regression"}


def test_methods_follow_the_metric_and_the_number_of_rows():
    few = measure(*binary_rows(0, n=80), task="binary").set_index("metric")["method"]
    many = measure(*binary_rows(0, n=3000), task="binary").set_index("metric")["method"]
    assert few["recall"] == many["recall"] == "Wilson"
    assert (few["f1"], many["f1"]) == ("Dirichlet draws", "multinomial bootstrap")
    assert few["roc_auc"] == "DeLong, logit scale"
    assert many["log_loss"] == "jackknife, 64 blocks"


@pytest.mark.parametrize(
    ("right", "wrong", "method"),
    [(190, 10, "multinomial bootstrap"), (189, 10, "Dirichlet draws"), (191, 9, "Dirichlet draws"),
     (10, 190, "multinomial bootstrap"), (9, 191, "Dirichlet draws")],
)  # fmt: skip
def test_the_bootstrap_takes_200_rows_10_events_and_10_others(right, wrong, method):
    y, p = np.r_[np.ones(right), np.zeros(wrong), np.zeros(300)], np.r_[np.ones(right + wrong), np.zeros(300)]
    assert measure(y, p, task="binary", metrics=["precision"])["method"].tolist() == [method]
    table = group_metrics(y, p, ["a"] * len(y), metrics=["precision", "recall"], replicates=200)
    assert table["method"].tolist()[2:] == [method, "Wilson" if right >= 10 else "fewer than 10 in the denominator"]
    forced = group_metrics(y, p, ["a"] * len(y), metrics=["precision", "accuracy"], method="bootstrap", replicates=200)
    assert set(forced["method"]) == {"multinomial bootstrap"}


def test_a_denominator_below_ten_cannot_be_estimated_and_says_why():
    y, p = [1] * 9 + [0] * 91, [1] * 9 + [0] * 91
    table = measure(y, p, np.array(p, dtype=float), task="binary").set_index("metric")
    for name in ("recall", "precision", "roc_auc", "average_precision", "balanced_accuracy", "f1"):
        assert table.loc[name, "status"] == NOT_ESTIMATED
        assert np.isnan(table.loc[name, "value"])
    assert "9 in its smallest denominator" in table.loc["recall", "method"]
    assert table.loc["specificity", "status"] == ESTIMATED


@pytest.mark.parametrize("n", [0, 1, 9])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_almost_no_rows_are_no_crash(n, task):
    score = {"binary": np.full(n, 0.5), "multiclass": np.full((n, 3), 1 / 3)}.get(task)
    assert (measure([1] * n, [1] * n, score, task=task)["status"] == NOT_ESTIMATED).all()


def test_a_constant_target_has_no_explained_variance():
    table = measure([5.0] * 20, np.linspace(4, 6, 20), task="regression").set_index("metric")
    assert table.loc["r2", "status"] == NOT_ESTIMATED
    assert table.loc["mae", "status"] == ESTIMATED


def test_an_absent_class_leaves_the_mean_over_classes_unestimated():
    y, p, s = several_rows(0)
    table = measure(np.minimum(y, 1), np.minimum(p, 1), s, task="multiclass").set_index("metric")
    assert table.loc["roc_auc_ovr", "status"] == NOT_ESTIMATED
    assert table.loc["accuracy", "status"] == ESTIMATED


def test_perfect_answers_are_not_claimed_to_be_certain():
    y = np.array([0, 1] * 15)
    table = measure(y, y, y.astype(float), task="binary").set_index("metric")
    for name in ("accuracy", "f1", "balanced_accuracy", "precision", "roc_auc", "average_precision"):
        assert table.loc[name, "value"] == table.loc[name, "high"] == 1
        assert 0.7 < table.loc[name, "low"] < 0.97
    assert 0 < table.loc["brier_score", "high"] < 0.2


def test_without_scores_only_what_needs_them_is_left_out():
    y, p, _ = binary_rows(0)
    assert "roc_auc" not in set(measure(y, p, task="binary")["metric"])
    asked = measure(y, p, task="binary", metrics=["roc_auc"])
    assert asked["method"].tolist() == ["there are no scores"]


def test_the_same_seed_gives_the_same_table():
    rows = binary_rows(3)
    pd.testing.assert_frame_equal(measure(*rows, task="binary", seed=4), measure(*rows, task="binary", seed=4))


def test_more_confidence_is_wider():
    rows = binary_rows(0)
    narrow, wide = (measure(*rows, task="binary", confidence=c) for c in (0.8, 0.99))
    assert ((wide["high"] - wide["low"]) > (narrow["high"] - narrow["low"])).all()


@pytest.mark.parametrize("name", ["f1", "precision", "balanced_accuracy"])
@pytest.mark.parametrize("n", [30, 1500])
def test_intervals_of_composite_metrics_cover(name, n):
    rng = np.random.default_rng(7)
    cells = np.array([0.5, 0.1, 0.12, 0.28])
    truth = float(METRICS[name].from_counts(cells.reshape(2, 2)))
    hits, told = 0, 0
    for _ in range(250):
        y, p = np.divmod(rng.choice(4, n, p=cells), 2)
        row = measure(y, p, task="binary", metrics=[name], replicates=400).iloc[0]
        told += row["status"] == ESTIMATED
        hits += row["low"] <= truth <= row["high"]
    assert told > 60
    assert 0.9 <= hits / told <= 0.99


@pytest.mark.parametrize("k", [3, 10])
def test_intervals_over_many_sparse_classes_cover(k):
    rng = np.random.default_rng(1)
    truth, hits = 0.95, 0
    for _ in range(150):
        y = np.repeat(np.arange(k), 30)
        p = np.where(rng.random(y.size) < truth, y, (y + rng.integers(1, k, y.size)) % k)
        row = measure(y, p, task="multiclass", metrics=["balanced_accuracy"], replicates=300).iloc[0]
        hits += row["low"] <= truth <= row["high"]
    assert 0.9 <= hits / 150 <= 1


@pytest.mark.parametrize(("name", "truth"), [("rmse", 1.0), ("mae", np.sqrt(2 / np.pi)), ("r2", 0.9), ("bias", 0.0)])
@pytest.mark.parametrize("n", [20, 300])
def test_intervals_of_regression_metrics_cover(name, truth, n):
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        predicted = rng.normal(0, 3, n)
        row = measure(predicted + rng.normal(0, 1, n), predicted, task="regression", metrics=[name]).iloc[0]
        hits += row["low"] <= truth <= row["high"]
    assert 0.9 <= hits / 200 <= 0.99


def test_areas_near_one_stay_in_their_range():
    y, p, s = several_rows(0, n=300)
    row = measure(y, p, np.eye(3)[y] * 0.9 + s * 0.1, task="multiclass", metrics=["roc_auc_ovr"]).iloc[0]
    assert (row["value"], row["high"]) == (1, 1)
    assert 0.9 < row["low"] < 1


@pytest.mark.parametrize(("task", "expected", "rows"), EXPECTED)
def test_paired_differences_are_differences_of_the_metric(task, expected, rows):
    y, p, s = rows(2)
    q = np.roll(p, 5)
    t = None if s is None else np.roll(s, 5, axis=0)
    for name in expected:
        found = paired_difference(y, (p, s), (q, t), metric=name, task=task)
        metric = METRICS[name]
        assert found.value == pytest.approx(metric.function(y, p, s) - metric.function(y, q, t)), name
        assert found.low <= found.value <= found.high
        swapped = paired_difference(y, (q, t), (p, s), metric=name, task=task)
        assert swapped.value == pytest.approx(-found.value)


def test_a_model_does_not_differ_from_itself():
    y, p, s = binary_rows(0, n=3000)
    for name in ("roc_auc", "log_loss", "accuracy", "f1"):
        found = paired_difference(y, (p, s), (p, s), metric=name, task="binary")
        assert (found.value, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_pairing_makes_the_difference_of_like_models_sharper_than_either():
    y, p, s = binary_rows(0, n=2000)
    other = np.clip(s + np.random.default_rng(0).normal(0, 0.02, s.size), 0, 1)
    for name in ("roc_auc", "accuracy", "log_loss"):
        own = measure(y, p, s, task="binary", metrics=[name]).iloc[0]
        found = paired_difference(y, (p, s), ((other > 0.5).astype(int), other), metric=name, task="binary")
        assert found.high - found.low < (own["high"] - own["low"]) / 2


@pytest.mark.parametrize("n", [60, 2000])
def test_paired_intervals_of_counts_cover(n):
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        y = rng.integers(0, 2, n)
        a = np.where(rng.random(n) < 0.85, y, 1 - y)
        b = np.where(rng.random(n) < 0.75, a, 1 - a)
        truth = 0.85 - (0.85 * 0.75 + 0.15 * 0.25)
        found = paired_difference(y, (a, None), (b, None), metric="accuracy", task="binary", replicates=400)
        hits += found.low <= truth <= found.high
    assert 0.9 <= hits / 200 <= 0.99


def test_a_constant_score_only_shifts_the_interval():
    y, p, s = binary_rows(0, n=400)
    own = measure(y, p, s, task="binary", metrics=["roc_auc"]).iloc[0]
    found = paired_difference(y, (p, s), (p, np.full(400, 0.3)), metric="roc_auc", task="binary")
    assert (found.low, found.high) == pytest.approx((own["low"] - 0.5, own["high"] - 0.5))


def test_many_classes_are_drawn_by_the_cells_that_occur():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 40, 4000)
    a, b = (np.where(rng.random(4000) < share, y, rng.integers(0, 40, 4000)) for share in (0.9, 0.6))
    found = paired_difference(y, (a, None), (b, None), metric="f1_macro", task="multiclass", replicates=50)
    expected = sk.f1_score(y, a, average="macro") - sk.f1_score(y, b, average="macro")
    assert found.value == pytest.approx(expected)
    assert found.low < expected < found.high


def test_a_difference_that_cannot_be_estimated_says_so():
    found = paired_difference([0, 1] * 20, ([0] * 40, None), ([0, 1] * 20, None), metric="precision", task="binary")
    assert np.isnan(found.value)
    assert found.method.startswith("cannot be estimated: 0 in a denominator")


@pytest.mark.parametrize(
    ("arrays", "task", "match"),
    [
        (([0, 1], [0], None), "binary", "Lengths differ"),
        (([0, 2], [0, 1], None), "binary", "whole numbers from 0 to 1"),
        (([0, -1], [0, 1], None), "multiclass", "whole numbers from 0"),
        (([0, 1], [0, 1], [0.5, np.nan]), "binary", "missing, infinite or no numbers"),
        (([0, 1], [0, 1], [[0.5, 0.5]] * 2), "binary", "need one column"),
        (([0, 1], [0, 1], [0.5, 0.5]), "multiclass", "need a column a class"),
        ((["a", "b"], [0, 1], None), "binary", "no numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, task, match):
    with pytest.raises(MetricError, match=match):
        measure(*arrays, task=task)


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(MetricError, match=r"'recal' \(did you mean recall\?\)"):
        get_metric("recal", "binary")
    with pytest.raises(MetricError, match="for this task there are mae, rmse, r2, bias"):
        get_metric("recall", "regression")


def test_score_columns_are_found_in_numeric_order():
    columns = {f"score_{k}": [float(k)] for k in (10, 2, 0, 1, *range(3, 10))}
    assert score_array(pd.DataFrame(columns)).tolist() == [[float(k) for k in range(11)]]
    assert score_array(pd.DataFrame({"prediction": [1]})) is None


SCOPE = """
[project]
name = "x"
[data]
source = "x.csv"
task = "binary"
target = "y"
positive = "yes"
exclude = ["sex"]
"""


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ('[[criterion]]\nmetric = "recal"\nat_least = 1', "did you mean recall"),
        ('[[criterion]]\nmetric = "mae"\nat_most = 1', "Unknown metric 'mae'"),
        ('[model]\nmetric = "selection_rate"', "no better direction"),
        ('[model]\nmetric = "roc"', r"\[model\] Unknown metric 'roc'"),
        (
            '[[baseline]]\nkind = "majority"\n[[criterion]]\nmetric = "recall"\nat_least = 0\ngain_over = "majorty"',
            r"did you mean majority\?\); declared: majority",
        ),
        (
            '[[baseline]]\nkind = "literature"\nmetric = "f1"\nvalue = 0.5\nsource = "paper"\n'
            '[[criterion]]\nmetric = "recall"\nat_least = 0\ngain_over = "literature"',
            "gives a figure for f1, not for recall",
        ),
        ('[[criterion]]\nmetric = "recall"\nat_least = 0.5\nevery_slice_of = "sex"', "keeps out of the tables"),
    ],
)
def test_problems_of_the_scope_are_told_before_anything_runs(tables, match):
    problems = criterion_problems(Scope.parse(SCOPE + tables))
    assert len(problems) == 1
    with pytest.raises(MetricError, match=match):
        raise MetricError(problems[0])


def test_a_second_baseline_of_a_kind_goes_by_its_number():
    rules = '[[baseline]]\nkind = "rule"\nrule = "a > 1"\n' * 2
    criterion = '[[criterion]]\nmetric = "recall"\nat_least = 0\ngain_over = "rule_2"'
    assert criterion_problems(Scope.parse(SCOPE + rules + criterion)) == []


def test_nothing_here_warns_where_a_metric_is_undefined():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(METRICS["precision"].function(np.array([0, 1]), np.array([0, 0]), None))
        assert np.isnan(METRICS["roc_auc"].function(np.array([1, 1]), None, np.array([0.1, 0.2])))
