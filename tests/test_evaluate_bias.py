"""Disparities: fairlearn's figures, and honesty about what chance makes of the largest of many gaps."""

from __future__ import annotations

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.errors import MetricError
from mlopskit.evaluate import (
    GroupedRows,
    disparities,
    disparities_by_column,
    fairness_note,
    group_metrics,
    incompatibilities,
    metrics_by_slice,
)
from mlopskit.evaluate.groups.bias import MEASURES
from mlopskit.tally import Grouping, Tally

METRICS = ["selection_rate", "recall", "false_positive_rate", "precision", "accuracy"]


def _tally(y, p, g):
    return Tally.from_table(pd.DataFrame({"_target": y, "prediction": p, "g": g}), ["g"])


def _row(table, metric):
    return table[table["metric"] == metric].iloc[0]


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), groups=st.integers(2, 4))
def test_differences_and_ratios_are_fairlearns(seed, groups):
    rng = np.random.default_rng(seed)
    y, p, g = rng.integers(0, 2, 80), rng.integers(0, 2, 80), rng.choice(list("abcd")[:groups], 80)
    counts = pd.crosstab(g, [y, p])
    assume(counts.shape == (groups, 4) and (counts > 0).all(axis=None))
    found = disparities(_tally(y, p, g), metrics=METRICS, minimum=1, replicates=20)
    frame = fl.MetricFrame(metrics=fl.selection_rate, y_true=y, y_pred=p, sensitive_features=g)
    assert _row(found, "selection_rate")["difference"] == pytest.approx(frame.difference(method="between_groups"))
    assert _row(found, "selection_rate")["ratio"] == pytest.approx(frame.ratio(method="between_groups"))
    odds = _row(found, "equalized_odds")
    assert odds["difference"] == pytest.approx(fl.equalized_odds_difference(y, p, sensitive_features=g))
    assert odds["ratio"] == pytest.approx(fl.equalized_odds_ratio(y, p, sensitive_features=g))
    parity = fl.demographic_parity_difference(y, p, sensitive_features=g)
    assert _row(found, "selection_rate")["difference"] == pytest.approx(parity)


def test_a_table_of_rates_gives_the_same_as_its_tally():
    rng = np.random.default_rng(0)
    y, p, g = rng.integers(0, 2, 500), rng.integers(0, 2, 500), rng.choice(list("abc"), 500)
    from_table = disparities(group_metrics(y, p, pd.DataFrame({"g": g}), metrics=METRICS))
    pd.testing.assert_frame_equal(from_table, disparities(_tally(y, p, g), metrics=METRICS))


def test_the_gap_of_two_compas_groups_is_newcombes():
    """False positive rates 805 of 1,795 and 349 of 1,488 (ProPublica 2016); Newcombe's method 10 by hand."""
    y = np.zeros(1795 + 1488, dtype=int)
    p = np.r_[np.ones(805), np.zeros(990), np.ones(349), np.zeros(1139)].astype(int)
    row = _row(
        disparities(_tally(y, p, ["A"] * 1795 + ["C"] * 1488), metrics=["false_positive_rate"]), "false_positive_rate"
    )
    assert row["difference"] == pytest.approx(805 / 1795 - 349 / 1488)
    a, b = (0.448468 - 0.425595, 0.471561 - 0.448468), (0.234543 - 0.213715, 0.256738 - 0.234543)
    assert row["difference_low"] == pytest.approx(row["difference"] - np.hypot(a[0], b[1]), abs=1e-4)
    assert row["difference_high"] == pytest.approx(row["difference"] + np.hypot(a[1], b[0]), abs=1e-4)
    assert (row["smallest"], row["largest"], row["p_value"] < 0.01) == ("C", "A", True)


def test_the_largest_of_twenty_equal_groups_is_large_by_chance_and_says_so():
    """The mean largest gap of 20 groups of 200 at a rate p is 3.735 standard errors (range of 20 normal variates)."""
    rng = np.random.default_rng(5)
    groups, runs = np.repeat(np.arange(20), 200), []
    for seed in range(40):
        calls = (rng.random(4000) < 0.3).astype(int)
        runs.append(_row(disparities(_tally(calls * 0 + 1, calls, groups), metrics=["selection_rate"], seed=seed,
                                     replicates=400), "selection_rate"))  # fmt: skip
    table = pd.DataFrame(runs)
    assert table["chance_mean"].mean() == pytest.approx(3.735 * np.sqrt(0.3 * 0.7 / 200), rel=0.03)
    assert (table["difference_low"] > 0).mean() <= 0.15
    assert 0.3 < table["p_value"].mean() < 0.7


@pytest.mark.parametrize("rates", [(0.3,) * 8, (0.1, 0.15, 0.2, 0.3, 0.4, 0.4, 0.5, 0.55)])
def test_the_simultaneous_interval_of_the_largest_gap_covers_it(rates):
    rng, groups, covered = np.random.default_rng(0), np.repeat(np.arange(8), 60), 0
    for seed in range(100):
        calls = (rng.random(480) < np.repeat(rates, 60)) * 1
        row = _row(disparities(_tally(calls * 0 + 1, calls, groups), metrics=["selection_rate"], seed=seed,
                               replicates=300), "selection_rate")  # fmt: skip
        covered += row["difference_low"] <= max(rates) - min(rates) <= row["difference_high"]
    assert covered >= 92


def test_rows_dealt_at_random_keep_both_margins():
    from mlopskit.evaluate.groups.gaps import _deal

    table = np.array([[3, 4, 0, 5], [7, 1, 2, 2]])
    dealt = _deal(table, 200, np.random.default_rng(0))
    assert (dealt.sum(axis=1) == table.sum(axis=0)).all()
    assert (dealt.sum(axis=2) == table.sum(axis=1)).all()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    np.testing.assert_allclose(dealt.mean(axis=0), expected, atol=0.4)


def test_groups_too_small_are_left_out_and_counted():
    y, p, g = [1] * 63, [1] * 30 + [0] * 33, ["a"] * 30 + ["b"] * 30 + ["tiny"] * 3
    row = _row(disparities(_tally(y, p, g), metrics=["recall"]), "recall")
    assert (row["groups"], row["smallest"], row["status"]) == ("2 of 3", "b", "estimated")
    alone = _row(
        disparities(_tally([1] * 33, p[:30] + [0] * 3, ["a"] * 30 + ["tiny"] * 3), metrics=["recall"]), "recall"
    )
    assert alone["status"] == "cannot-be-estimated"
    assert np.isnan(alone["difference"])


def test_what_cannot_hold_together_is_said_only_where_base_rates_differ():
    rng = np.random.default_rng(0)
    g = np.repeat(["a", "b"], 500)
    p = rng.integers(0, 2, 1000)
    assert incompatibilities(_tally(np.tile([0, 1], 500), p, g)) == []
    y = np.r_[[1] * 100, [0] * 400, [1] * 400, [0] * 100]
    sentences = incompatibilities(_tally(y, p, g))
    assert sentences[0].startswith("The share of positive rows runs from 0.200 to 0.800")
    assert "precision must differ unless no negative row is called positive" in sentences[1]
    at_hand = f"they are {p[y == 1].mean():.3f} and {p[y == 0].mean():.3f} overall."
    assert sentences[2].endswith(f"need recall and false positive rate to be equal; {at_hand}")


def test_each_kind_of_fairness_is_named_and_explained_in_one_sentence():
    rows = pd.DataFrame({ROW: range(400), "sex": ["f", "m"] * 200, TARGET: [0, 0, 1, 1] * 100})
    found = rows[[ROW, TARGET]].assign(prediction=[0, 1, 1, 1] * 100, score=0.5)
    columns = Columns(("sex",), (), ("sex",), sensitive=("sex",))
    target, grouping = Target("binary", "y", ("no", "yes"), "yes"), Grouping.fit(rows, ["sex"])
    data = GroupedRows(target, columns, grouping, rows, rows, found, found, (), "accuracy")
    note = fairness_note(disparities_by_column(data, metrics_by_slice(data, replicates=20), replicates=20), data)
    for name in ("Demographic parity", "Equal opportunity", "Equalized odds", "Predictive parity",
                 "Calibration within groups"):  # fmt: skip
        meaning = MEASURES[{told[0]: metric for metric, told in MEASURES.items()}[name.lower()]][1]
        assert f"{name}: {meaning}" in note.text
        assert meaning.count(".") == meaning.endswith(".") == 1
    assert "no kind of fairness excludes another" in note.text  # half of either group is positive


def test_areas_and_errors_of_regression_are_compared_too():
    rng = np.random.default_rng(1)
    y, g = rng.normal(size=400), pd.DataFrame({"g": np.repeat(["a", "b"], 200)})
    p = y + np.r_[rng.normal(0, 1, 200), rng.normal(0, 3, 200)]
    row = _row(disparities(group_metrics(y, p, g, metrics=["mae"])), "mae")
    assert row["largest"] == "b"
    assert 0 < row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["p_value"] < 0.01


def test_other_tables_are_refused():
    with pytest.raises(MetricError, match="lacks group, n, metric"):
        disparities(pd.DataFrame({"x": [1]}))


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), size=st.integers(6, 60))
def test_gaps_are_fairlearns_over_the_groups_that_have_the_rate(seed, size):
    """Between groups, and the worst case of two rates, on the rows of the groups whose denominators are above 0."""
    rng = np.random.default_rng(seed)
    y, p, g = rng.integers(0, 2, size), rng.integers(0, 2, size), rng.choice(list("abc"), size)
    found = disparities(_tally(y, p, g), metrics=["recall", "false_positive_rate"], minimum=1, replicates=20)
    gaps = []
    for metric, actual, function in (
        ("recall", 1, fl.true_positive_rate),
        ("false_positive_rate", 0, fl.false_positive_rate),
    ):
        having = [name for name in sorted(set(g)) if (y[g == name] == actual).any()]
        row, inside = _row(found, metric), np.isin(g, having)
        assert row["groups"] == f"{len(having)} of {len(set(g))}"
        if len(having) < 2:
            return
        frame = fl.MetricFrame(metrics=function, y_true=y[inside], y_pred=p[inside], sensitive_features=g[inside])
        gaps.append(frame.difference(method="between_groups"))
        assert row["difference"] == pytest.approx(gaps[-1])
        if frame.group_max() > 0:
            assert row["ratio"] == pytest.approx(frame.ratio(method="between_groups"))
    assert _row(found, "equalized_odds")["difference"] == pytest.approx(max(gaps))
    if (pd.crosstab(g, y) > 0).all(axis=None):
        theirs = fl.equalized_odds_difference(y, p, sensitive_features=g, agg="worst_case")
        assert max(gaps) == pytest.approx(theirs)


def test_an_undefined_rate_is_left_out_where_fairlearn_calls_it_0():
    """Group c has no positive row: fairlearn's recall of it is 0 and the difference 0.9; ours is over 2 of 3 groups."""
    y = [1] * 20 + [1] * 20 + [0] * 20
    p = [1] * 18 + [0] * 2 + [1] * 14 + [0] * 6 + [1] * 10 + [0] * 10
    g = ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    row = _row(disparities(_tally(y, p, g), metrics=["recall"]), "recall")
    assert (row["groups"], row["difference"], row["smallest"]) == ("2 of 3", pytest.approx(0.2), "b")
    theirs = fl.MetricFrame(metrics=fl.true_positive_rate, y_true=y, y_pred=p, sensitive_features=g)
    assert theirs.difference(method="between_groups") == pytest.approx(0.9)


def _shared_persons(seed, persons=150):
    """Two groups in which the same persons occur (the day and the night, say), each right or wrong throughout."""
    rng = np.random.default_rng(seed)
    right = rng.random(persons) < 0.7
    who = np.repeat(np.arange(persons), 6)
    y = rng.integers(0, 2, who.size)
    group = np.tile(["day", "night"], who.size // 2)
    return pd.DataFrame({"_target": y, "prediction": np.where(right[who], y, 1 - y), "g": group, "who": who})


def test_groups_that_share_persons_vary_together():
    rows = _shared_persons(0)
    joint = _row(disparities(Tally.from_table(rows, ["g"], unit="who"), metrics=["accuracy"]), "accuracy")
    apart = _row(disparities(Tally.from_table(rows, ["g"]), metrics=["accuracy"]), "accuracy")
    assert joint["difference"] == pytest.approx(0, abs=1e-12)
    assert joint["difference_high"] < 0.01 < apart["difference_high"]
    assert "joint draws from what each block moves" in joint["method"]


@pytest.mark.parametrize("metric", ["accuracy", "precision", "roc_auc"])
def test_gaps_of_repeated_persons_are_found_by_chance_as_often_as_said(metric):
    """Four equal groups of 100 persons with 5 rows each: p-values are about even, the gap's interval keeps 0."""
    runs = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        who = np.repeat(np.arange(400), 5)
        y = rng.integers(0, 2, who.size)
        score = 1 / (1 + np.exp(-(y - 0.5 + rng.normal(size=400)[who] * (2 * y - 1) + rng.normal(size=who.size))))
        rows = pd.DataFrame(
            {"_target": y, "prediction": (score > 0.5) * 1, "score": score, "g": who // 100, "who": who}
        )
        tally = Tally.from_table(rows, ["g"], unit="who")
        runs.append(_row(disparities(tally, metrics=[metric], seed=seed, replicates=300), metric))
    table = pd.DataFrame(runs)
    assert (table["difference_low"] > 0).mean() <= 0.15
    assert 0.3 < table["p_value"].mean() < 0.7


def test_regression_is_compared_from_a_tally():
    rng = np.random.default_rng(1)
    y, g = rng.normal(size=400), np.repeat(["a", "b"], 200)
    p = y + np.r_[rng.normal(0, 1, 200), rng.normal(0, 3, 200)]
    rows = pd.DataFrame({"_row": range(400), "_target": y, "prediction": p, "g": g})
    row = _row(disparities(Tally.from_table(rows, ["g"], task="regression"), metrics=["mae"]), "mae")
    assert (row["largest"], row["p_value"] < 0.01) == ("b", True)
    assert 0 < row["difference_low"] < row["difference"] < row["difference_high"]


def test_base_rates_of_few_persons_do_not_differ_for_sure():
    """12 persons of 50 equal rows each in either group: 600 rows tell of a difference, 12 persons do not."""
    who = np.repeat(np.arange(24), 50)
    y = np.isin(who, [0, 1, 2, 3, 4, 5, 12, 13, 14, 15]) * 1
    rows = pd.DataFrame({"_target": y, "prediction": y, "g": np.repeat(["a", "b"], 600), "who": who})
    assert incompatibilities(Tally.from_table(rows, ["g"])) != []
    assert incompatibilities(Tally.from_table(rows, ["g"], unit="who")) == []
