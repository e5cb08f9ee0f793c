"""Intervals by group hold the truth as often as they say, by simulation, with and without rows that belong together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlopskit.evaluate import group_metrics
from mlopskit.evaluate.groups.gaps import from_rates, gap
from mlopskit.intervals import multinomial_draws, newcombe, percentile

TRUTHS = [(base, hit, alarm) for base in (0.3, 0.5) for hit, alarm in ((0.8, 0.2), (0.7, 0.4), (0.9, 0.1))]
"""Share of positives, recall and false positive rate of the simulated models."""


def _true(base, hit, alarm):
    called = base * hit + (1 - base) * alarm
    return {"accuracy": base * hit + (1 - base) * (1 - alarm), "recall": hit, "selection_rate": called,
            "precision": base * hit / called, "f1": 2 * base * hit / (called + base),
            "balanced_accuracy": (hit + 1 - alarm) / 2}  # fmt: skip


def _draw(rng, rows, base, hit, alarm):
    y = rng.random(rows) < base
    return y * 1, (rng.random(rows) < np.where(y, hit, alarm)) * 1


def _covered(table, truth):
    """Of the estimated rows of groups, whether each interval holds the truth."""
    rows = table[(table["group"] != "overall") & (table["status"] == "estimated")]
    expected = rows["metric"].map(truth)
    return ((rows["low"] <= expected) & (expected <= rows["high"])).groupby(rows["metric"]).agg(["sum", "size"])


@pytest.mark.parametrize("n", [10, 20, 50, 200])
def test_what_is_estimated_is_covered(n):
    """Mean over six models, each 300 groups of n rows; only metrics that are estimated often enough to tell."""
    rng, found = np.random.default_rng(n), []
    for seed, model in enumerate(TRUTHS):
        groups = pd.DataFrame({"g": np.repeat(np.arange(300), n)})
        table = group_metrics(
            *_draw(rng, 300 * n, *model), groups, metrics=list(_true(*model)), task="binary", seed=seed
        )
        found.append(_covered(table, _true(*model)))
    total = sum(part.reindex(_true(*TRUTHS[0]), fill_value=0) for part in found)
    often = total[total["size"] >= 600]
    assert len(often) >= {10: 2, 20: 4}.get(n, 6)
    assert (often["sum"] / often["size"]).between(0.93, 0.99).all()


@pytest.mark.parametrize(("base", "hit", "alarm"), [(0.4, 0.8, 0.2), (0.2, 0.95, 0.05)])
def test_200_persons_of_10_rows_each_are_covered(base, hit, alarm):
    """Each person is answered rightly with a chance of their own, so that ten rows say little more than three."""
    rng, groups = np.random.default_rng(0), 60
    person = np.repeat(np.arange(groups * 200), 10)
    y = (rng.random(person.size) < base) * 1
    right = rng.random(person.size) < rng.beta(hit, 1 - hit, groups * 200)[person]
    table = group_metrics(y, np.where(right, y, 1 - y), pd.DataFrame({"g": person // 200}), unit=person,
                          metrics=["accuracy", "recall", "precision"], task="binary")  # fmt: skip
    truth = _true(base, hit, 1 - hit)
    found = _covered(table, truth)
    assert found["size"].sum() == 180
    assert found["sum"].sum() / 180 >= 0.92
    naive = _covered(group_metrics(y, np.where(right, y, 1 - y), pd.DataFrame({"g": person // 200}),
                                   metrics=["accuracy", "recall"], task="binary"), truth)  # fmt: skip
    assert naive["sum"].sum() / 120 < 0.85


def test_percentiles_of_ten_rows_cover_as_little_as_known_where_wilson_and_newcombe_cover():
    """KNOWN_ANSWERS, by enumeration of counts at a rate of 0.05: 0.40 against 0.91; ten rows less 200: 0.39, 0.95."""
    k, j, p = np.arange(11), np.arange(31), 0.05
    groups, found = pd.DataFrame({"g": np.repeat(k, 10)}), (np.tile(np.arange(10), 11) < np.repeat(k, 10)) * 1
    given = {"metrics": ["recall"], "task": "binary"}
    forced, auto = (
        group_metrics(np.ones(110), found, groups, method=method, **given).iloc[1:] for method in ("bootstrap", "auto")
    )
    assert (forced["low"].iloc[0], forced["high"].iloc[0]) == (0, 0)
    chance = stats.binom.pmf(k, 10, p)
    for table, known in ((forced, 0.40), (auto, 0.91)):
        assert chance[(table["low"] <= p) & (p <= table["high"])].sum() == pytest.approx(known, abs=0.005)
    both = chance[:, None] * stats.binom.pmf(j, 200, p)
    drawn = [[multinomial_draws([k, n - k], replicates=1000, seed=n + k)[:, 0] / n for k in counts]
             for counts, n in ((k, 10), (j, 200))]  # fmt: skip
    by_percentiles = percentile(np.array(drawn[0])[:, None] - np.array(drawn[1])[None], axis=2)
    by_newcombe = newcombe(k[:, None], 10, j[None], 200)
    for (low, high), known in ((by_percentiles, 0.39), (by_newcombe, 0.95)):
        assert both[(low <= 0) & (high >= 0)].sum() == pytest.approx(known, abs=0.02)


def test_percentiles_of_the_largest_of_twenty_equal_gaps_exclude_0_in_every_run():
    """KNOWN_ANSWERS: the mean largest gap of 20 equal groups of 200 is 0.121."""
    rng, largest = np.random.default_rng(0), []
    for run in range(100):
        events = rng.binomial(200, 0.3, 20)
        drawn = np.array([multinomial_draws([k, 200 - k], replicates=400, seed=100 * run + k)[:, 0] for k in events])
        assert percentile(np.ptp(drawn, axis=0))[0] > 0
        largest.append(np.ptp(events) / 200)
    assert np.mean(largest) == pytest.approx(0.121, abs=0.005)


@pytest.mark.parametrize(("first", "second"), [(20, 12), (18, 15), (29, 22)])
def test_the_permutation_test_of_two_equal_groups_is_fishers(first, second):
    found = gap(from_rates(np.array([first, second]), np.array([30, 30]), replicates=20_000, seed=0), confidence=0.95)
    exact = stats.fisher_exact([[first, 30 - first], [second, 30 - second]]).pvalue
    assert found.p_value == pytest.approx(exact, abs=0.015)
