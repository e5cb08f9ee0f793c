"""Rates by threshold against scikit-learn; heat maps of pairs and calibration by group say what their tables hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import recall_score

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.display import Chart
from mlopskit.evaluate import (
    GroupedRows,
    calibration_by_column,
    calibration_by_group,
    group_calibration_chart,
    metrics_by_slice,
    pairs_heatmap,
    show_group_calibration,
    threshold_rates,
    threshold_rates_chart,
)
from mlopskit.intervals import wilson
from mlopskit.tally import Grouping

BINARY = Target("binary", "y", ("no", "yes"), "yes")
COLUMNS = Columns(("x",), ("x",), sensitive=("sex", "town and <b>"))
CHOSEN = 0.4


def grouped(seed=0, n=3000, *, floor=0, apart=1.5):
    """Recall is far lower for women of b and and c; the group `rare` has a handful of rows."""
    rng = np.random.default_rng(seed)
    sex, town = rng.choice(np.array(["f", "m"], dtype=object), n), rng.choice(["a", "b and c", "$d$"], n)
    sex[:6] = "rare"
    truth = rng.integers(0, 2, n)
    hard = (sex == "f") & (town == "b and c")
    score = 1 / (1 + np.exp(-(rng.normal(0, 1, n) + np.where(hard, -0.5, apart) * (2 * truth - 1))))
    rows = pd.DataFrame({ROW: np.arange(n), "x": score, "sex": sex, "town and <b>": town, TARGET: truth})
    answers = rows[[ROW, TARGET]].assign(prediction=(score >= CHOSEN) * 1, score=score)
    grouping = Grouping.fit(rows, ["sex", "town and <b>"])
    return GroupedRows(BINARY, COLUMNS, grouping, rows, rows, answers, answers, (), "accuracy", floor)


@pytest.fixture(scope="module")
def data():
    return grouped()


@pytest.fixture(scope="module")
def rates(data):
    return threshold_rates(data, CHOSEN)


def test_rates_are_those_of_scikit_learn_and_wilson(data, rates):
    inside = (data.test["sex"] == "f").to_numpy()
    truth, score = data.test[TARGET].to_numpy()[inside], data.predictions["score"].to_numpy()[inside]
    own = rates[(rates["group"] == "f") & (rates["metric"] == "recall")]
    for row in own.iloc[::7].to_dict("records"):
        called = (score >= row["threshold"]) * 1
        assert row["value"] == pytest.approx(recall_score(truth, called))
        assert row["denominator"] == truth.sum()
        low, high = wilson((called * truth).sum(), truth.sum())
        assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))


def test_at_most_sixty_thresholds_the_chosen_one_among_them(rates):
    assert rates["threshold"].nunique() <= 60
    assert CHOSEN in set(rates["threshold"])
    assert rates["group"].iloc[0] == "overall"
    assert set(rates["metric"]) == {"selection_rate", "recall", "false_positive_rate"}
    for _, part in rates.groupby(["slice", "group", "metric"]):
        assert part["threshold"].is_monotonic_increasing
        assert (np.diff(part["value"]) <= 1e-12).all()


def test_every_declared_column_has_its_rates_unless_two_could_be_subtracted(data, rates):
    assert list(rates["slice"].unique()) == ["sex", "town and <b>"]
    alone = threshold_rates(data, CHOSEN, column="town and <b>")
    pd.testing.assert_frame_equal(rates[rates["slice"] == "town and <b>"].reset_index(drop=True), alone)
    assert list(threshold_rates(grouped(floor=2), CHOSEN)["slice"].unique()) == ["sex"]
    assert threshold_rates(data, CHOSEN, column="age").empty


def test_too_small_groups_are_not_estimated(rates):
    few = rates[rates["group"] == "rare"]
    assert set(few["status"]) == {"cannot-be-estimated"}
    assert few["low"].isna().all()


def test_the_chart_names_the_groups_with_their_rates_at_the_chosen_threshold(data, rates):
    chart = threshold_rates_chart(rates, CHOSEN)
    at = rates[(rates["threshold"] == CHOSEN) & (rates["metric"] == "recall")].set_index("group")["value"]
    for name in ("f", "m"):
        assert f"{name} {at[name]:.2f}" in chart.alt
        assert f"{name} {at[name]:.2f}" in chart.svg
    assert "rare" not in chart.alt
    assert "in the middle of the scale" in threshold_rates_chart(rates, metric="selection_rate").alt


@pytest.mark.parametrize("common", [0, 1])
def test_the_guess_has_the_same_rates_in_each_group_whatever_the_threshold(data, common):
    truth = data.test[TARGET].where(data.test.index % 4 != 0, common)
    assert truth.mode()[0] == common
    rows = replace(data, predictions=data.predictions.assign(**{TARGET: truth}))
    table = threshold_rates(rows, CHOSEN)
    guess = DummyClassifier(strategy="most_frequent").fit(truth.to_frame(), truth).predict(truth.to_frame())
    for (column, group), part in table[table["group"] != "overall"].groupby(["slice", "group"]):
        inside = (data.groups[column] == group).to_numpy()
        told = part.groupby("metric")["majority"].unique()
        assert told["selection_rate"].tolist() == [guess[inside].mean()]
        for metric, which in (("recall", 1), ("false_positive_rate", 0)):
            right = recall_score(truth[inside] == which, guess[inside] == 1, zero_division=np.nan)
            assert told[metric].tolist() == pytest.approx([right], nan_ok=True)
    chart = threshold_rates_chart(table, CHOSEN)
    assert f"majority guess: {common} in every group, whatever the threshold" in chart.svg
    assert chart.alt.endswith(f"A majority guess: {common} in every group, whatever the threshold.")


def test_without_scores_or_groups_it_says_so(data):
    without = replace(data, predictions=data.predictions.drop(columns="score"))
    several = replace(data, target=Target("multiclass", "y", ("a", "b", "c")))
    undeclared = replace(data, grouping=Grouping.fit(data.test, []), columns=Columns(("x",), ("x",)))
    for other in (without, several, undeclared):
        table = threshold_rates(other, CHOSEN)
        assert table.empty
        assert "Not applicable" in threshold_rates_chart(table, CHOSEN).text
        assert calibration_by_column(other).empty
        assert "Not applicable" in group_calibration_chart(calibration_by_column(other)).text
        assert "Not applicable" in show_group_calibration(calibration_by_column(other)).text
    assert threshold_rates(data, column="nowhere").empty


def safe(counts, chosen, floor):
    """No two differ by less than the floor, but for the chosen one from none or all, which stand elsewhere."""
    gaps = np.abs(counts[:, None] - counts)
    known = np.zeros_like(gaps, dtype=bool)
    known[chosen + 1, [0, -1]] = known[[0, -1], chosen + 1] = True
    return bool((known | (gaps == 0) | (gaps >= floor)).all())


@pytest.mark.parametrize("seed", range(3))
def test_no_two_thresholds_give_away_a_count_below_the_floor(seed):
    table = threshold_rates(grouped(seed, floor=15, apart=0.4), CHOSEN, column="town and <b>")
    chosen = int(np.searchsorted(table["threshold"].unique(), CHOSEN))
    assert 5 < table["threshold"].nunique() < 60
    counts = {}
    for (group, metric), part in table[table["metric"] != "selection_rate"].groupby(["group", "metric"]):
        total = int(part["denominator"].iloc[0])
        counts[group, metric] = np.r_[total, np.rint(part["value"] * total), 0]
        assert safe(counts[group, metric], chosen, 15)
    for metric in ("recall", "false_positive_rate"):  # what is left of all rows when the groups shown are taken away
        rest = 2 * counts["overall", metric] - sum(own for (_, other), own in counts.items() if other == metric)
        assert safe(rest, chosen, 15)


def test_with_a_floor_other_answers_than_those_published_are_not_counted():
    data = grouped(floor=15)
    assert threshold_rates(data, 0.6).empty
    assert threshold_rates(data).empty
    hidden = threshold_rates(data, CHOSEN)
    assert "rare" not in set(hidden["group"])


def test_a_heat_map_writes_the_cells_of_the_pair_that_holds_the_worst(data):
    pairs = metrics_by_slice(data, pairs=True, metrics=["recall", "accuracy"], replicates=100)
    chart = pairs_heatmap(pairs, data, metric="recall")
    row = pairs[(pairs["metric"] == "recall") & (pairs["group"] == "f and b and c")].iloc[0]
    assert f"the worst is f and b and c with {row['value']:.3f} (n = {row['n']:,})" in chart.alt
    for value in pairs.loc[(pairs["metric"] == "recall") & (pairs["status"] == "estimated"), "value"].iloc[1:]:
        assert f">{value:.3f}<" in chart.svg
    assert "too few" in chart.svg
    assert "town and &lt;b&gt;" in chart.svg


def test_what_has_no_pairs_or_nothing_to_show_is_said(data):
    one = replace(data, grouping=Grouping.fit(data.test, ["sex"]))
    assert "two declared columns" in pairs_heatmap(metrics_by_slice(one, pairs=True), one, metric="recall").text
    pairs = metrics_by_slice(data, pairs=True, metrics=["recall"], replicates=100)
    none = pairs.assign(status="cannot-be-estimated")
    assert "has enough rows" in pairs_heatmap(none, data, metric="recall").text


def test_hidden_pairs_keep_their_figures_out_of_the_map():
    data = grouped(n=600, floor=20)
    pairs = metrics_by_slice(data, pairs=True, metrics=["recall"], replicates=100)
    found = pairs_heatmap(pairs, data, metric="recall")
    hidden = pairs[(pairs["status"] == "hidden")]
    assert len(hidden)
    assert "hidden" in (found.svg if isinstance(found, Chart) else found.text.replace("withholds", "hidden"))


def test_calibration_is_that_of_each_column_overall_once(data):
    table = calibration_by_column(data, replicates=50)
    assert (table["group"] == "overall").sum() == 1
    own = calibration_by_group(data.test[TARGET], data.predictions["score"], data.groups[["sex"]], replicates=50)
    pd.testing.assert_frame_equal(
        table[table["slice"] == "sex"].drop(columns="slice").reset_index(drop=True),
        own[own["group"] != "overall"].reset_index(drop=True),
    )


def test_the_calibration_chart_puts_the_group_that_is_surely_off_first():
    n = 1000
    truth, score = np.tile([0, 1], n), np.full(2 * n, 0.5)
    sex = np.repeat(["fine", "off"], n)
    score[n:] = 0.7
    rows = pd.DataFrame({ROW: np.arange(2 * n), "x": score, "sex": sex, TARGET: truth})
    answers = rows[[ROW, TARGET]].assign(prediction=1, score=score)
    columns = Columns(("x",), ("x",), sensitive=("sex",))
    data = GroupedRows(BINARY, columns, Grouping.fit(rows, ["sex"]), rows, rows, answers, answers, (), "accuracy")
    table = calibration_by_column(data, replicates=50)
    chart = group_calibration_chart(table)
    assert "the interval of 1 leaves out 0" in chart.alt
    assert "sex: off with -0.200" in chart.alt
    assert "sex: off, n = 1,000" in chart.svg
    caption = show_group_calibration(table).caption
    assert "1 of 2 groups" in caption
    assert "sex = off (too high by 0.200" in caption


def test_withheld_groups_have_no_calibration():
    data = grouped(floor=20)
    table = calibration_by_column(data, replicates=20)
    hidden = table[table["status"] == "hidden"]
    assert "rare" in set(hidden["group"])
    assert hidden[["positives", "observed", "difference", "ece"]].isna().all(axis=None)
    chart = group_calibration_chart(table)
    assert "rare" not in chart.svg
    assert f"groups not drawn: {len(hidden)} (artefact calibration)" in chart.svg
