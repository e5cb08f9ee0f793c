"""Intervals by group hold the truth as often as they say, by simulation, with and without rows that belong together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlopskit.evaluate import group_metrics

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
