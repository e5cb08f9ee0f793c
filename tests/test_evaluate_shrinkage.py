"""Shrunken rates: nearer to the common rate the fewer rows a group has, and nearer to the truth on average."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlopskit.errors import MetricError
from mlopskit.evaluate import group_metrics, shrunken_rates
from mlopskit.evaluate.groups.shrinkage import _posterior


def _table(rates, sizes, rng):
    group = np.repeat(np.arange(len(sizes)), sizes)
    found = (rng.random(group.size) < rates[group]) * 1
    return group_metrics(np.ones(group.size, int), found, pd.DataFrame({"g": group}), metrics=["recall"], task="binary")


@pytest.mark.parametrize(("groups", "most"), [(20, 200), (3, 12), (5, 500)])
def test_shrunken_rates_are_the_integral_over_scipys_likelihood(groups, most):
    """On an even grid of the mean (uniform) and of the share that a group of median size is shrunk by (uniform)."""
    rng = np.random.default_rng(groups)
    n = rng.integers(5, most, groups)
    k = rng.binomial(n, rng.beta(6, 14, groups))
    found, low, high, _ = _posterior(k.astype(float), n.astype(float), 0.95)
    mean, share = (part.ravel() for part in np.meshgrid(np.linspace(0.002, 0.998, 499), np.linspace(0.005, 0.995, 100)))
    strength = np.median(n) * share / (1 - share)
    a, b = mean * strength, (1 - mean) * strength
    likelihood = sum(stats.betabinom.logpmf(k[i], n[i], a, b) for i in range(groups))
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    for i in range(min(groups, 3)):
        assert found[i] == pytest.approx(((k[i] + a) / (n[i] + strength)) @ weight, abs=0.003)
        for end, tail in ((low[i], 0.025), (high[i], 0.975)):
            reached = stats.beta.cdf(end, k[i] + a, n[i] - k[i] + b) @ weight
            assert reached == pytest.approx(tail, abs=0.02)


@given(st.lists(st.tuples(st.integers(1, 10**7), st.floats(0, 1)), min_size=3, max_size=8))
@settings(max_examples=60)
def test_shrunken_rates_lie_in_their_intervals_whatever_the_counts(groups):
    n = np.array([total for total, _ in groups], dtype=float)
    k = np.round(n * [share for _, share in groups])
    found, low, high, prior = _posterior(k, n, 0.95)
    assert ((low >= 0) & (low <= found) & (found <= high) & (high <= 1)).all()
    assert (prior > 0).all()


@pytest.mark.parametrize("n", [10, 20, 50, 200])
def test_shrunken_intervals_cover_rates_of_many_groups_and_of_few(n):
    """Mean over rates that differ much (8, 12), little (40, 60) and are low (2, 8), among 40 groups and among 4."""
    rng, shares = np.random.default_rng(n), []
    for a, b in ((8, 12), (40, 60), (2, 8)):
        for groups, runs in ((40, 12), (4, 120)):
            rates = rng.beta(a, b, (runs, groups))
            found = [(rates[run], _posterior(rng.binomial(n, rates[run]) * 1.0, np.full(groups, n * 1.0), 0.95))
                     for run in range(runs)]  # fmt: skip
            shares.append(np.mean([(low <= true) & (true <= high) for true, (_, low, high, _) in found]))
    assert 0.93 <= np.mean(shares) <= 0.99
    assert min(shares) >= 0.89


def test_shrunken_rates_lie_nearer_to_the_truth():
    rng = np.random.default_rng(1)
    rates, sizes = rng.beta(8, 12, 60), rng.integers(5, 150, 60)
    table = shrunken_rates(_table(rates, sizes, rng)).iloc[1:]
    raw, shrunken = (((table[name] - rates) ** 2).mean() for name in ("value", "shrunken"))
    assert shrunken < 0.8 * raw
    covered = (table["shrunken_low"] <= rates) & (rates <= table["shrunken_high"])
    assert covered.mean() >= 0.9


def test_small_groups_are_drawn_further_and_never_past_the_common_rate():
    rng = np.random.default_rng(2)
    table = shrunken_rates(_table(rng.beta(8, 12, 40), np.tile([8, 200], 20), rng)).iloc[1:]
    moved = (table["value"] - table["shrunken"]).abs()
    assert moved[table["n"] == 8].mean() > 3 * moved[table["n"] == 200].mean()
    common = table["value"].mean()
    far = (table["value"] - common).abs() > 0.1
    between = np.sort(np.stack([table["value"], np.full(len(table), common)]), axis=0)
    assert far.sum() > 10
    assert ((between[0] < table["shrunken"]) & (table["shrunken"] < between[1]))[far].all()
    assert table["prior_rows"].max() == table["prior_rows"].min()


def test_groups_that_differ_by_chance_alone_share_one_rate():
    rng = np.random.default_rng(3)
    table = shrunken_rates(_table(np.full(20, 0.4), np.full(20, 50), rng)).iloc[1:]
    assert np.ptp(table["value"]) > 0.15
    assert np.ptp(table["shrunken"]) < 0.4 * np.ptp(table["value"])


def test_only_shares_of_independent_rows_are_shrunk():
    rng = np.random.default_rng(4)
    y, p = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    groups = pd.DataFrame({"g": np.arange(400) % 4})
    table = shrunken_rates(group_metrics(y, p, groups, metrics=["recall", "balanced_accuracy"]))
    assert table.groupby("metric")["shrunken"].count().to_dict() == {"balanced_accuracy": 0, "recall": 4}
    by_person = group_metrics(y, p, groups, metrics=["recall"], unit=np.arange(400) // 8)
    assert shrunken_rates(by_person)["shrunken"].isna().all()
    with pytest.raises(MetricError, match="no table of group_metrics"):
        shrunken_rates(pd.DataFrame({"x": [1]}))
