"""Drift: published values, chance by simulation, and tables that call drift only when it is there."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from mlopskit.monitor import (
    Profile,
    cut_windows,
    drift_table,
    hellinger,
    jensen_shannon,
    jensen_shannon_chance,
    profile_feature,
    psi,
    psi_chance,
    total_variation,
    worst_drift,
)

P, Q = (0.25, 0.25, 0.25, 0.25), (0.10, 0.20, 0.30, 0.40)
COUNTS = st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(sum)


@pytest.mark.parametrize(
    ("function", "expected"),
    [(psi, 0.2282174096), (jensen_shannon, 0.1669299657), (total_variation, 0.20), (hellinger, 0.1678995964)],
)
def test_divergences_give_the_worked_example(function, expected):  # KNOWN_ANSWERS, Drift
    assert function(P, Q) == pytest.approx(expected, abs=5e-11)


def test_jensen_shannon_distance_in_bits_gives_the_worked_example():
    assert jensen_shannon(P, Q, base=2) == pytest.approx(0.2005033225, abs=5e-11)
    assert jensen_shannon(P, Q) ** 2 == pytest.approx(0.0278656135, abs=5e-11)


@given(p=COUNTS, q=COUNTS)
def test_divergences_are_symmetric_zero_for_equals_and_agree_with_scipy(p, q):
    for function in (psi, jensen_shannon, total_variation, hellinger):
        assert function(p, q) == pytest.approx(function(q, p))
        assert function(p, [3 * n for n in p]) == pytest.approx(0, abs=1e-7)
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q), abs=1e-7)


def test_psi_without_drift_is_what_the_published_figures_say():  # KNOWN_ANSWERS: mean 0.09, 35.0 % above 0.1
    from scipy.stats import chi2

    chance = psi_chance(200, 200, 10)
    assert chance.mean == pytest.approx(0.09)
    assert chi2.sf(0.1 / (1 / 200 + 1 / 200), 9) == pytest.approx(0.350, abs=5e-4)
    assert chance.high == pytest.approx(0.01 * 16.918978, abs=1e-6)  # 95th percentile of chi-squared, 9 degrees


def test_chance_levels_hold_in_simulation():
    rng = np.random.default_rng(0)
    p, q = rng.multinomial(2000, [0.1] * 10, 2000), rng.multinomial(500, [0.1] * 10, 2000)
    for function, chance in ((psi, psi_chance(500, 2000, 10)), (jensen_shannon, jensen_shannon_chance(500, 2000, 10))):
        values = np.array([function(a, b) for a, b in zip(p, q, strict=True)])
        assert values.mean() == pytest.approx(chance.mean, rel=0.03)
        assert (values > chance.high).mean() == pytest.approx(0.05, abs=0.015)


def make(frame, *, bins=10):
    return Profile(tuple(profile_feature(frame[name], bins=bins) for name in frame.columns), len(frame))


def test_a_shifted_column_drifts_and_an_unchanged_one_does_not():
    rng = np.random.default_rng(1)
    reference = pd.DataFrame({"a": rng.normal(size=3000), "b": rng.choice(["x", "y"], 3000)})
    current = pd.DataFrame({"a": rng.normal(1, 1, 1000), "b": rng.choice(["x", "y"], 1000)})
    windows = cut_windows(None, n_rows=1000, width=500)
    table = drift_table(make(reference), current, windows, reference=reference, thresholds={"*": 0.2})
    psi_rows = table[table["statistic"] == "psi"].set_index(["feature", "window"])["status"]
    assert set(psi_rows["a"]) == {"drift"}
    assert set(psi_rows["b"]) == {"within chance"}
    tests = table[table["statistic"].isin(["ks", "chi_squared"])]
    assert set(tests.loc[tests["feature"] == "a", "status"]) == {"drift"}
    assert (tests["adjusted"] >= tests["p_value"]).all()


def test_a_psi_above_the_threshold_but_within_chance_is_no_drift():
    rng = np.random.default_rng(2)
    reference, current = rng.normal(size=200), rng.normal(size=40)
    profile = make(pd.DataFrame({"a": reference}))
    table = drift_table(
        profile, pd.DataFrame({"a": current}), cut_windows(None, n_rows=40, width=40), thresholds={"a": 0.02}
    )
    row = table[table["statistic"] == "psi"].iloc[0]
    assert row["value"] > row["threshold"]
    assert row["status"] == "within chance"


def test_false_alarms_are_as_rare_as_the_level_says():
    rng = np.random.default_rng(3)
    reference = pd.DataFrame({"a": rng.normal(size=20_000)})
    current = pd.DataFrame({"a": rng.normal(size=60_000)})
    table = drift_table(make(reference), current, cut_windows(None, n_rows=60_000, width=300), thresholds={"*": 0.0})
    assert (table.loc[table["statistic"] == "psi", "status"] == "drift").mean() < 0.09


def test_the_test_statistic_is_scipys():
    rng = np.random.default_rng(4)
    reference, current = pd.DataFrame({"a": rng.normal(size=400)}), pd.DataFrame({"a": rng.normal(0.2, 1, 300)})
    table = drift_table(make(reference), current, cut_windows(None, n_rows=300, width=300), reference=reference)
    row = table[table["statistic"] == "ks"].iloc[0]
    expected = ks_2samp(reference["a"], current["a"], method="asymp")
    assert (row["value"], row["p_value"]) == pytest.approx((expected.statistic, expected.pvalue))


def test_what_cannot_be_checked_is_not_called_well():
    profile = make(pd.DataFrame({"a": np.arange(100.0), "gone": np.arange(100.0)}))
    windows = cut_windows(pd.Series([1] * 50 + [3] * 5), width=1)
    table = drift_table(profile, pd.DataFrame({"a": np.arange(55.0)}), windows)
    status = table[table["statistic"] == "psi"].set_index(["feature", "window"])["status"]
    assert status["gone"].tolist() == ["could not check"] * 3
    assert status["a"].tolist()[1:] == ["empty", "could not check"]


def test_worst_drift_has_one_line_a_column():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.normal(size=300), "<b>": rng.choice(["x", "y"], 300)})
    table = worst_drift(drift_table(make(frame), frame, cut_windows(None, n_rows=300, width=100), reference=frame))
    assert sorted(table["feature"]) == ["<b>", "a"]
    assert table["value"].is_monotonic_decreasing
