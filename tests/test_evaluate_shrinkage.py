"""Shrunken rates: nearer to the common rate the fewer rows a group has, and nearer to the truth on average."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlopskit.errors import MetricError
from mlopskit.evaluate import group_metrics, shrunken_rates
from mlopskit.evaluate.groups.shrinkage import fit_beta


def _table(rates, sizes, rng):
    group = np.repeat(np.arange(len(sizes)), sizes)
    found = (rng.random(group.size) < rates[group]) * 1
    return group_metrics(np.ones(group.size, int), found, pd.DataFrame({"g": group}), metrics=["recall"], task="binary")


def test_the_fit_is_the_best_on_a_grid_of_scipys_likelihood():
    rng = np.random.default_rng(0)
    n = rng.integers(5, 200, 30)
    k = rng.binomial(n, rng.beta(6, 14, 30))
    mean, strength = fit_beta(k, n)

    def likelihood(m, s):
        return stats.betabinom.logpmf(k, n, m * s, (1 - m) * s).sum()

    grid = [likelihood(m, s) for m in np.linspace(0.1, 0.6, 41) for s in np.geomspace(1, 1000, 41)]
    assert likelihood(mean, strength) >= max(grid) - 1e-6
    assert mean == pytest.approx(0.3, abs=0.06)


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
    weight = table["n"] / (table["n"] + table["prior_rows"])
    common = (table["shrunken"] - weight * table["value"]) / (1 - weight)
    assert common.max() - common.min() < 1e-9


def test_groups_that_differ_by_chance_alone_share_one_rate():
    rng = np.random.default_rng(3)
    table = shrunken_rates(_table(np.full(20, 0.4), np.full(20, 50), rng)).iloc[1:]
    assert table["shrunken"].max() - table["shrunken"].min() < 0.06
    assert table["value"].max() - table["value"].min() > 0.15


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
