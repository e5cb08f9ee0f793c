"""Metrics by group: published counts, reference libraries, and honesty about small groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fl
from fairlearn.metrics import MetricFrame, selection_rate
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlopskit.errors import MetricError
from mlopskit.evaluate import group_metrics, tally_metrics
from mlopskit.metrics import measure
from mlopskit.tally import Tally

COMPAS = {"African-American": (990, 805, 532, 1369), "Caucasian": (1139, 349, 461, 505), "others": (552, 128, 223, 161)}
"""TN, FP, FN, TP at a decile of 5 or more; ProPublica, Machine Bias, 2016. The others are all 7,214 less these two."""


def _rows(tables):
    cells = [(group, actual, called, n) for group, t in tables.items()
             for (actual, called), n in zip(((0, 0), (0, 1), (1, 0), (1, 1)), t, strict=True)]  # fmt: skip
    group, y, p = (np.repeat([cell[i] for cell in cells], [cell[3] for cell in cells]) for i in range(3))
    return y, p, pd.DataFrame({"race": group})


def _value(table, group, metric):
    return table.loc[(table["group"] == group) & (table["metric"] == metric), "value"].item()


@pytest.mark.parametrize(
    ("group", "fpr", "fnr"),
    [("overall", 32.35, 37.40), ("African-American", 44.85, 27.99), ("Caucasian", 23.45, 47.72)],
)
def test_compas_error_rates_are_those_that_propublica_published(group, fpr, fnr):
    table = group_metrics(*_rows(COMPAS), metrics=["false_positive_rate", "false_negative_rate"])
    assert 100 * _value(table, group, "false_positive_rate") == pytest.approx(fpr, abs=0.005)
    assert 100 * _value(table, group, "false_negative_rate") == pytest.approx(fnr, abs=0.005)


@pytest.mark.parametrize(
    ("group", "table"), [("African-American", (1511, 284, 1160, 741)), ("Caucasian", (1407, 81, 771, 195))]
)
def test_compas_at_a_higher_decile_has_other_rates_over_the_same_denominators(group, table):
    """From decile 8 on is high (the same table of ProPublica): only what is called changes, not who is positive."""
    found = group_metrics(*_rows({group: table}), metrics=["false_positive_rate", "false_negative_rate"])
    tn, fp, fn, tp = COMPAS[group]
    assert found["denominator"].tolist() == [tn + fp, fn + tp] * 2
    assert found["value"].tolist() == pytest.approx([table[1] / (tn + fp), table[2] / (fn + tp)] * 2)


def test_two_and_four_women_of_an_intersection_cannot_be_estimated_and_are_not_dropped():
    """The smallest intersections of COMPAS; what they show is kept without an interval."""
    sizes = {("Asian", "Female"): 2, ("Native American", "Female"): 4, ("Asian", "Male"): 29}
    people = pd.DataFrame([key for key, n in sizes.items() for _ in range(n)], columns=["race", "sex"])
    found = group_metrics([1] * 35, [1] * 35, people, metrics=["recall"]).iloc[1:].set_index("group")
    assert found["n"].to_dict() == {f"{race} and {sex}": n for (race, sex), n in sizes.items()}
    assert found["status"].to_dict() == {"Asian and Female": "cannot-be-estimated", "Asian and Male": "estimated",
                                         "Native American and Female": "cannot-be-estimated"}  # fmt: skip
    assert found["value"].tolist() == [1, 1, 1]


def test_selection_rates_are_those_of_fairlearns_guide():
    groups = pd.DataFrame({"g": ["a"] * 7 + ["b"] * 11})
    calls = [1] * 5 + [0] * 2 + [1] * 5 + [0] * 6
    table = group_metrics([0, 1] * 9, calls, groups, metrics=["selection_rate"])
    assert table["value"].tolist() == pytest.approx([0.555556, 0.714286, 0.454545], abs=1e-6)
    assert table["status"].tolist() == ["estimated", "cannot-be-estimated", "estimated"]


def test_overall_comes_first_and_every_group_has_every_metric():
    table = group_metrics(*_rows(COMPAS), metrics=["recall", "f1"])
    assert list(table.columns) == ["group", "n", "metric", "denominator", "value", "low", "high", "method", "status"]
    assert table["group"].tolist() == [name for name in ("overall", *COMPAS) for _ in range(2)]
    assert table["metric"].tolist() == ["recall", "f1"] * 4
    assert table.loc[table["metric"] == "recall", "denominator"].tolist() == [3251, 1901, 966, 384]


@settings(max_examples=40)
@given(st.data())
def test_values_agree_with_fairlearn_where_denominators_are_above_0(data):
    rows = data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from("abc")), min_size=3))
    y, p, g = map(np.array, zip(*rows, strict=True))
    functions = {"accuracy": sk.accuracy_score, "selection_rate": selection_rate}
    frame = MetricFrame(metrics=functions, y_true=y, y_pred=p, sensitive_features=g).by_group
    table = group_metrics(y, p, pd.DataFrame({"g": g}), metrics=list(functions), task="binary", replicates=2)
    for group, row in frame.iterrows():
        for metric in functions:
            assert _value(table, group, metric) == pytest.approx(row[metric])


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), size=st.integers(3, 60))
def test_rates_agree_with_fairlearn_in_groups_that_have_them(seed, size):
    rng = np.random.default_rng(seed)
    y, p, g = rng.integers(0, 2, size), rng.integers(0, 2, size), rng.choice(list("abc"), size)
    functions = {"recall": fl.true_positive_rate, "false_positive_rate": fl.false_positive_rate,
                 "specificity": fl.true_negative_rate, "false_negative_rate": fl.false_negative_rate}  # fmt: skip
    frame = fl.MetricFrame(metrics=functions, y_true=y, y_pred=p, sensitive_features=g).by_group
    table = group_metrics(y, p, pd.DataFrame({"g": g}), metrics=list(functions), task="binary")
    for row in table[table["group"] != "overall"].itertuples():
        theirs = frame.loc[row.group, row.metric]
        assert row.value == pytest.approx(theirs) if row.denominator else (np.isnan(row.value) and theirs == 0)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_weighted_values_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    y, p, w = rng.integers(0, 2, 200), rng.integers(0, 2, 200), rng.exponential(size=200)
    functions = {"accuracy": sk.accuracy_score, "precision": sk.precision_score, "recall": sk.recall_score,
                 "balanced_accuracy": sk.balanced_accuracy_score, "f1": sk.f1_score}  # fmt: skip
    table = group_metrics(y, p, pd.DataFrame({"g": ["a"] * 200}), metrics=list(functions), sample_weight=w)
    for name, function in functions.items():
        assert _value(table, "a", name) == pytest.approx(function(y, p, sample_weight=w))
    assert table["method"].str.contains("effective n").all()


def test_weighted_regression_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    y, w = rng.normal(1e4, 3, 300), rng.exponential(size=300)
    p = y + rng.normal(size=300)
    table = group_metrics(y, p, pd.DataFrame({"g": ["a"] * 300}), sample_weight=w)
    assert _value(table, "a", "r2") == pytest.approx(sk.r2_score(y, p, sample_weight=w))
    assert _value(table, "a", "mae") == pytest.approx(sk.mean_absolute_error(y, p, sample_weight=w))
    assert table["n"].tolist() == [300] * 8


def test_an_undefined_rate_is_not_0():
    table = group_metrics([0] * 20, [0] * 20, pd.DataFrame({"g": ["a"] * 20}), metrics=["recall"], task="binary")
    assert sk.recall_score([0] * 20, [0] * 20, zero_division=0) == 0
    assert table["value"].isna().all()
    assert set(table["status"]) == {"cannot-be-estimated"}


def test_multiclass_values_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    y, p, g = rng.integers(0, 4, 400), rng.integers(0, 4, 400), rng.choice(["a", "b"], 400)
    table = group_metrics(y, p, pd.DataFrame({"g": g}), metrics=["accuracy", "balanced_accuracy", "f1_macro"])
    for group in "ab":
        part = (y[g == group], p[g == group])
        assert _value(table, group, "balanced_accuracy") == pytest.approx(sk.balanced_accuracy_score(*part))
        assert _value(table, group, "f1_macro") == pytest.approx(sk.f1_score(*part, average="macro"))


def test_regression_values_agree_with_scikit_learn_and_intervals_with_measure():
    rng = np.random.default_rng(2)
    y = rng.normal(1e4, 3, 300)
    p, g = y + rng.normal(0, 1, 300), rng.choice(["a", "b"], 300)
    table = group_metrics(y, p, pd.DataFrame({"g": g}))
    inside = g == "a"
    assert _value(table, "a", "r2") == pytest.approx(sk.r2_score(y[inside], p[inside]))
    assert _value(table, "a", "rmse") == pytest.approx(sk.root_mean_squared_error(y[inside], p[inside]))
    overall, reference = table[table["group"] == "overall"], measure(y, p, task="regression")
    np.testing.assert_allclose(overall[["value", "low", "high"]], reference[["value", "low", "high"]])


def test_areas_by_group_agree_with_scikit_learn_from_rows_and_from_a_tally():
    rng = np.random.default_rng(3)
    y, g = rng.integers(0, 2, 600), rng.choice(["a", "b"], 600)
    score = 1 / (1 + np.exp(-(y + rng.normal(size=600))))
    rows = pd.DataFrame({"_target": y, "prediction": (score > 0.6).astype(int), "score": score, "g": g})
    exact = group_metrics(y, rows["prediction"], rows[["g"]], y_score=score, metrics=["roc_auc"])
    binned = tally_metrics(Tally.from_table(rows, ["g"]), metrics=["roc_auc"])
    for group in "ab":
        expected = sk.roc_auc_score(y[g == group], score[g == group])
        assert _value(exact, group, "roc_auc") == pytest.approx(expected)
        assert _value(binned, group, "roc_auc") == pytest.approx(expected, abs=1e-3)


def test_counts_and_rows_give_the_same_table():
    y, p, g = _rows(COMPAS)
    tally = Tally.from_table(pd.DataFrame({"_target": y, "prediction": p, "race": g["race"]}), ["race"])
    pd.testing.assert_frame_equal(tally_metrics(tally), group_metrics(y, p, g))


def test_the_bootstrap_is_a_bootstrap_of_rows():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 300)
    p = np.where(rng.random(300) < 0.8, y, 1 - y)
    table = group_metrics(y, p, pd.DataFrame({"g": ["a"] * 300}), metrics=["f1"], method="bootstrap", replicates=4000)
    picks = rng.integers(0, 300, (4000, 300))
    tp, wrong = ((y[picks] & p[picks]).sum(axis=1), (y[picks] != p[picks]).sum(axis=1))
    low, high = np.quantile(2 * tp / (2 * tp + wrong), [0.025, 0.975])
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx([low, high], abs=0.01)
    assert table["method"].tolist() == ["multinomial bootstrap"] * 2


def test_fewer_than_ten_persons_cannot_be_estimated():
    person = np.repeat(np.arange(8), 50)
    y = np.tile([0, 1], 200)
    groups = pd.DataFrame({"g": ["a"] * 400})
    table = group_metrics(y, y, groups, metrics=["accuracy", "roc_auc"], y_score=y * 0.9, unit=person)
    assert set(table["status"]) == {"cannot-be-estimated"}
    assert table["method"].str.startswith("fewer than 10 clusters").all()
    some = group_metrics(y, y, groups, metrics=["accuracy"], unit=person, clusters=5)
    assert set(some["status"]) == {"estimated"}


def test_the_smallest_denominator_is_ten_unless_another_is_asked_for_and_said():
    rng = np.random.default_rng(8)
    y, p = np.array([0, 1] * 8), np.array([0, 1, 1, 1] * 4)
    given = {
        "y_score": np.clip(p * 0.5 + rng.random(16) * 0.4, 0.01, 0.99),
        "metrics": ["recall", "f1", "roc_auc", "log_loss"],
    }
    groups = pd.DataFrame({"g": ["a"] * 16})
    usual = group_metrics(y, p, groups, **given).iloc[4:].set_index("metric")
    assert usual["status"].tolist() == ["cannot-be-estimated", "estimated", "cannot-be-estimated", "estimated"]
    assert usual.loc["recall", "method"] == "fewer than 10 in the denominator"
    assert (usual.loc["recall", "value"], usual.loc["recall", "denominator"]) == (1, 8)
    assert set(group_metrics(y, p, groups, minimum=8, **given)["status"]) == {"estimated"}
    stricter = group_metrics(y, p, groups, minimum=17, **given)
    assert set(stricter["method"]) == {"fewer than 17 in the denominator"}
    numbers = group_metrics(y[:7] + 0.5, p[:7] * 1.5, groups.head(7), metrics=["mae"], task="regression", minimum=5)
    assert numbers["status"].tolist() == ["estimated"] * 2


def test_no_error_among_many_rows_of_few_persons_says_as_much_as_the_persons():
    person = np.repeat(np.arange(30), 100)
    table = group_metrics([1] * 3000, [1] * 3000, pd.DataFrame({"g": ["a"] * 3000}), metrics=["recall"], unit=person,
                          task="binary")  # fmt: skip
    assert table["low"].iloc[1] < 0.9
    assert table["high"].iloc[1] == 1


def test_scores_of_units_get_a_jackknife():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 600)
    score = 1 / (1 + np.exp(-(y + rng.normal(size=600))))
    groups, person = pd.DataFrame({"g": ["a"] * 600}), np.arange(600) // 3
    names = ["roc_auc", "average_precision", "log_loss", "brier_score"]
    table = group_metrics(y, y, groups, y_score=score, metrics=names, unit=person)
    assert table["method"].str.startswith("jackknife").all()
    assert table["method"].str.contains(r"blocks, effective n [\d,]+").all()
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()
    with pytest.raises(MetricError, match="log_loss by group takes no weights"):
        group_metrics(y, y, groups, y_score=score, metrics=["log_loss"], sample_weight=score)


def test_a_tally_with_units_gives_the_same_table_as_its_rows():
    rng = np.random.default_rng(6)
    y = rng.integers(0, 2, 2000)
    p = np.where(rng.random(2000) < 0.8, y, 1 - y)
    rows = pd.DataFrame({"_target": y, "prediction": p, "g": rng.choice(["a", "b"], 2000), "who": np.arange(2000) // 4})
    direct = group_metrics(y, p, rows[["g"]], unit=rows["who"])
    pd.testing.assert_frame_equal(tally_metrics(Tally.from_table(rows, ["g"], unit="who")), direct)


def test_many_rows_are_ranked_by_bins_and_by_scores_where_these_are_too_coarse():
    rng = np.random.default_rng(7)
    g, y = np.repeat(["close", "spread"], 30_000), rng.integers(0, 2, 60_000)
    score = 1 / (1 + np.exp(-(y + rng.normal(size=60_000)) * np.where(g == "close", 0.02, 1)))
    names = ["roc_auc", "average_precision"]
    table = group_metrics(y, y, pd.DataFrame({"g": g}), y_score=score, metrics=names)
    for group, tolerance, method in (("close", 1e-12, "logit scale"), ("spread", 1e-3, "score bins")):
        rows = table[table["group"] == group].set_index("metric")
        inside = g == group
        assert rows.loc["roc_auc", "value"] == pytest.approx(sk.roc_auc_score(y[inside], score[inside]), abs=tolerance)
        expected = sk.average_precision_score(y[inside], score[inside])
        assert rows.loc["average_precision", "value"] == pytest.approx(expected, abs=tolerance)
        assert rows["method"].str.endswith(method).all()


def test_labels_of_any_kind_are_told_apart():
    groups = pd.DataFrame({"g": ["a"] * 40})
    for no, yes in ((False, True), ("no", "yes"), (-1, 1), (0.0, 1.0)):
        table = group_metrics([no, yes] * 20, [no] * 20 + [yes] * 20, groups, metrics=["recall"])
        assert table["value"].tolist() == [0.5, 0.5]
    with pytest.raises(MetricError, match="holds missing values"):
        group_metrics([None, "yes"] * 20, ["no", "yes"] * 20, groups, metrics=["recall"], task="binary")


def test_missing_values_and_intersections_are_groups():
    groups = pd.DataFrame({"sex": ["f", "m", None] * 8, "age": pd.Categorical(["old", "young"] * 12, ["young", "old"])})
    table = group_metrics([0, 1] * 12, [0, 1] * 12, groups, metrics=["accuracy"])
    assert table["group"].tolist()[1:] == [f"{s} and {a}" for s in ("f", "m", "missing") for a in ("young", "old")]
    assert table["n"].tolist() == [24] + [4] * 6


def test_wrong_input_is_refused_in_a_sentence():
    groups = pd.DataFrame({"g": ["a", "b"]})
    with pytest.raises(MetricError, match="needs scores"):
        group_metrics([0, 1], [0, 1], groups, metrics=["roc_auc"])
    with pytest.raises(MetricError, match="did you mean recall"):
        group_metrics([0, 1], [0, 1], groups, metrics=["recal"])
    with pytest.raises(MetricError, match="different lengths"):
        group_metrics([0, 1, 1], [0, 1], groups)
    with pytest.raises(MetricError, match="choose auto or bootstrap"):
        group_metrics([0, 1], [0, 1], groups, method="jackknife")
    with pytest.raises(MetricError, match="knows no weights and no units"):
        group_metrics([0, 1], [0, 1], groups, method="bootstrap", unit=[1, 2])
    with pytest.raises(MetricError, match="sample_weight holds values"):
        group_metrics([0, 1], [0, 1], groups, sample_weight=[1, -1])
