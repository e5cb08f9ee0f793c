"""Every kind of interval that a table shows holds the truth as often as it says, by seeded simulation or enumeration.

Rates and composites of independent rows, and 200 persons of 10 rows, are in `test_evaluate_group_coverage`; calibration
in `test_evaluate_group_calibration`; shrunken rates in `test_evaluate_shrinkage`; changes of gaps in
`test_evaluate_mitigation`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from mlopskit.data import Target
from mlopskit.evaluate import disparities, group_metrics
from mlopskit.evaluate.gains import baseline_gains, metric_table
from mlopskit.evaluate.groups.gaps import from_confusion, from_rates, gap
from mlopskit.intervals import newcombe
from mlopskit.metrics import METRICS, measure, paired_difference
from mlopskit.tally import Tally

SIZES = [10, 20, 50, 200]
SHARES = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])


def _covered(table, truth, at_least=0.5):
    """Share of covered intervals by metric, of those that most groups have."""
    rows = table[table["group"] != "overall"]
    known = rows[rows["status"] == "estimated"]
    expected = known["metric"].map(truth)
    inside = ((known["low"] <= expected) & (expected <= known["high"])).groupby(known["metric"]).mean()
    often = known.groupby("metric").size() >= at_least * rows["group"].nunique()
    return inside[often]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("other", [None, 200])
def test_newcombes_difference_covers_by_exact_enumeration(n, other):
    """On average over pairs of rates; any one pair is covered in 0.90 at 10 rows and in 0.935 from 50."""
    m = other or n
    k, j = np.arange(n + 1)[:, None], np.arange(m + 1)[None]
    low, high = newcombe(k, n, j, m)
    found = []
    for p in SHARES:
        for q in SHARES:
            chance = stats.binom.pmf(k, n, p) * stats.binom.pmf(j, m, q)
            found.append(chance[(low <= p - q + 1e-12) & (p - q <= high + 1e-12)].sum())
    assert 0.93 <= np.mean(found) <= 0.99
    assert min(found) >= (0.935 if n >= 50 else 0.90)


def _scored(seed, rows, apart, base):
    """Normal scores of two classes, `apart` standard deviations apart, and the true probabilities."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < base) * 1
    z = rng.normal(size=rows) + apart * y
    return y, 1 / (1 + np.exp(-(apart * z - apart**2 / 2 + np.log(base / (1 - base)))))


def _between(shares, runs):
    """Whether each share of so many runs lies within 0.93 and 0.99, give or take twice its standard error."""
    low, high = (2 * np.sqrt(bound * (1 - bound) / runs) for bound in (0.93, 0.99))
    return np.all((0.93 - low <= np.asarray(shares)) & (np.asarray(shares) <= 0.99 + high))


MODELS = [(1.0, 0.5), (2.0, 0.5), (1.0, 0.3)]
"""Distance between the classes, and the share of the positive one."""


@pytest.mark.parametrize("n", [20, 50, 200])
@pytest.mark.parametrize("base", [0.2, 0.5])
def test_areas_are_covered_on_the_logit_scale(n, base):
    """Only groups with ten rows of either class have an interval: at 20 rows one in six where the classes are equal."""
    if (n, base) == (20, 0.2):
        return
    shares, runs = [], {(20, 0.5): 2000, (50, 0.2): 1000}.get((n, base), 600)
    for area in (0.6, 0.75, 0.9):
        y, p = _scored(n, runs * n, stats.norm.ppf(area) * np.sqrt(2), base)
        groups = pd.DataFrame({"g": np.repeat(np.arange(runs), n)})
        table = group_metrics(y, p > 0.5, groups, y_score=p, metrics=["roc_auc"], task="binary")
        shares.append(_covered(table, {"roc_auc": area}, at_least=0.15)["roc_auc"])
    assert _between(shares, 350 if n == 20 else 550)


@pytest.mark.parametrize("n", [20, 50, 200])
def test_average_precision_and_losses_are_covered(n):
    runs, found = 80, []
    for apart, base in MODELS:
        y, p = _scored(99, 400_000, apart, base)
        truth = {
            "average_precision": average_precision_score(y, p),
            "log_loss": -np.log(np.where(y, p, 1 - p)).mean(), "brier_score": ((y - p) ** 2).mean(),
        }  # fmt: skip
        y, p = _scored(n, runs * n, apart, base)
        groups = pd.DataFrame({"g": np.repeat(np.arange(runs), n)})
        table = group_metrics(y, p > 0.5, groups, y_score=p, metrics=list(truth), task="binary")
        found.append(_covered(table, truth))
    shares = pd.concat(found, axis=1)
    assert set(shares.index) == (set(truth) if n > 20 else {"log_loss", "brier_score"})
    assert _between(shares.mean(axis=1), 3 * runs)


FORECASTS = {"calibrated": (0, 1, 1), "rare": (-2, 1.5, 1), "sharp": (0, 3, 1), "overconfident": (-1, 1.5, 2),
             "underconfident": (0, 2, 0.5)}  # fmt: skip
"""Mean and spread of the true log-odds, and by what the model multiplies them."""


def _losses(rng, shape, forecast):
    """Log loss and Brier score of single rows."""
    middle, spread, stretch = FORECASTS[forecast]
    odds = middle + spread * rng.normal(size=shape)
    p, y = 1 / (1 + np.exp(-stretch * odds)), rng.random(shape) < 1 / (1 + np.exp(-odds))
    return -np.log(np.where(y, p, 1 - p)), (y - p) ** 2


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("forecast", FORECASTS)
def test_means_of_losses_are_covered_from_ten_rows(n, forecast):
    """By way of MAE, which is the same mean and takes sums (the next test); before the longer arm 0.89 of the rare."""
    runs = 1500
    groups = pd.DataFrame({"g": np.repeat(np.arange(runs), n)})
    made = _losses(np.random.default_rng(n), runs * n, forecast)
    for losses, truth in zip(made, _losses(np.random.default_rng(0), 2_000_000, forecast), strict=True):
        table = group_metrics(np.zeros(runs * n), losses, groups, metrics=["mae"], task="regression")
        assert _between(_covered(table, {"mae": truth.mean()}), runs)


def test_log_loss_has_the_interval_of_the_mean_of_its_losses():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 40), rng.uniform(0.2, 0.8, 40)
    given = -np.log(np.where(y, p, 1 - p))
    for scored, losses in (("log_loss", given), ("brier_score", (y - p) ** 2)):
        own = measure(y, p > 0.5, p, task="binary", metrics=[scored]).iloc[0]
        same = measure(np.zeros(40), losses, task="regression", metrics=["mae"]).iloc[0]
        assert (own["value"], own["low"], own["high"]) == pytest.approx((same["value"], same["low"], same["high"]))


def test_losses_of_persons_lie_above_0_and_brier_scores_below_1():
    rng = np.random.default_rng(3)
    who, few = np.repeat(np.arange(600), 2), np.repeat(np.arange(120), 10)
    p = rng.beta(0.2, 0.2, 1200)
    told = {"y_score": p, "metrics": ["log_loss", "brier_score"], "task": "binary"}
    persons = group_metrics((rng.random(1200) < p) * 1, p > 0.5, pd.DataFrame({"g": who // 15}), unit=who, **told)
    assert (persons["low"].dropna() > 0).all()
    guessed = group_metrics(rng.integers(0, 2, 1200), p > 0.5, pd.DataFrame({"g": few}), **told)
    assert (guessed.loc[guessed["metric"] == "brier_score", "high"] <= 1).all()


ERRORS = {
    "normal": (lambda rng, rows: rng.normal(size=rows), np.sqrt(2 / np.pi)),
    "laplace": (lambda rng, rows: rng.laplace(size=rows) / np.sqrt(2), np.sqrt(0.5)),
    "gamma": (lambda rng, rows: rng.gamma(4, size=rows) / 2 - 2, 256 / 6 * np.exp(-4)),
    "exponential": (lambda rng, rows: rng.exponential(size=rows) - 1, 2 / np.e),
}
"""Errors of mean 0 and variance 1, and their mean absolute value."""


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("error", ERRORS)
def test_jackknives_of_regression_are_covered(n, error):
    """RMSE of exponential errors, whose squares have a skewness of 8, is not from few rows, nor is their bias."""
    runs, rng, (draw, mae) = 1500, np.random.default_rng(n), ERRORS[error]
    y, groups = rng.normal(0, 3, runs * n), pd.DataFrame({"g": np.repeat(np.arange(runs), n)})
    truth = {"mae": mae, "rmse": 1.0, "bias": 0.0, "r2": 1 - 1 / 9}
    shares = _covered(group_metrics(y, y + draw(rng, runs * n), groups, task="regression"), truth)
    assert len(shares) == 4
    skewed = ["rmse", "bias"] if error == "exponential" and n < 200 else []
    assert _between(shares.drop(skewed), runs)
    least = {10: (0.78, 0.89), 20: (0.81, 0.90), 50: (0.87, 0.91)}
    assert not skewed or (shares[skewed] >= list(least[n])).all()


@pytest.mark.parametrize("n", [20, 50, 200])
def test_means_over_three_classes_are_covered(n):
    rng, found = np.random.default_rng(n), []
    groups = pd.DataFrame({"g": np.repeat(np.arange(300), n)})
    for right in (0.6, 0.7, 0.9):
        y = rng.integers(0, 3, 300 * n)
        p = np.where(rng.random(len(y)) < right, y, rng.integers(0, 3, len(y)))
        true = right + (1 - right) / 3
        names = ["accuracy", "balanced_accuracy", "f1_macro"]
        table = group_metrics(y, p, groups, metrics=names, task="multiclass")
        found.append(_covered(table, dict.fromkeys(names, true), at_least=0.8))
    shares = pd.concat(found, axis=1).mean(axis=1)
    assert len(shares) == (1 if n < 50 else 3)
    assert _between(shares, 900)


@pytest.mark.parametrize(
    ("n", "classes"), [(50, (0.4, 0.3, 0.3)), (100, (0.4, 0.25, 0.15, 0.1, 0.1)), (200, (0.35, 0.25, 0.2, 0.1, 0.1))]
)
def test_macro_f1_of_unequal_classes_is_covered(n, classes):
    """With two rows of prior and the normal quantile 0.91 of five classes."""
    k, runs = len(classes), 1500
    rng, groups = np.random.default_rng(n), pd.DataFrame({"g": np.repeat(np.arange(runs), n)})
    cells = np.array(classes)[:, None] * (0.7 * np.eye(k) + 0.3 / (k - 1) * (1 - np.eye(k)))
    y, p = np.divmod(rng.choice(k * k, runs * n, p=cells.ravel()), k)
    table = group_metrics(y, p, groups, metrics=["f1_macro"], task="multiclass", replicates=400)
    truth = np.mean(2 * np.diagonal(cells) / (cells.sum(axis=0) + cells.sum(axis=1)))
    assert _between(_covered(table, {"f1_macro": truth}, at_least=0.8)["f1_macro"], runs)


def test_the_bootstrap_is_covered_where_it_is_chosen():
    """600 rows: every denominator has 200 rows, 10 events and 10 others."""
    rng, found = np.random.default_rng(0), []
    groups = pd.DataFrame({"g": np.repeat(np.arange(1000), 600)})
    for hit, alarm in ((0.8, 0.2), (0.9, 0.3)):
        y = (rng.random(1000 * 600) < 0.5) * 1
        p = (rng.random(len(y)) < np.where(y == 1, hit, alarm)) * 1
        truth = {"precision": hit / (hit + alarm), "f1": 2 * hit / (1 + hit + alarm),
                 "balanced_accuracy": (hit + 1 - alarm) / 2}  # fmt: skip
        table = group_metrics(y, p, groups, metrics=list(truth), replicates=500)
        assert (table["method"] == "multinomial bootstrap").mean() > 0.9
        found.append(_covered(table, truth))
    assert pd.concat(found, axis=1).mean(axis=1).between(0.93, 0.99).all()


@pytest.mark.parametrize("persons", SIZES)
def test_blocks_of_persons_are_covered(persons):
    """Persons of five rows, each answered rightly with a chance of their own; mean over three models."""
    rng, found = np.random.default_rng(persons), []
    for base, right, alike in ((0.4, 0.8, 1.0), (0.5, 0.7, 4.0), (0.5, 0.85, 1.0)):
        who = np.repeat(np.arange(300 * persons), 5)
        y = (rng.random(who.size) < base) * 1
        hit = rng.random(who.size) < rng.beta(right * alike, (1 - right) * alike, 300 * persons)[who]
        truth = {"accuracy": right, "recall": right,
                 "precision": base * right / (base * right + (1 - base) * (1 - right))}  # fmt: skip
        groups = pd.DataFrame({"g": who // persons})
        table = group_metrics(y, np.where(hit, y, 1 - y), groups, unit=who, metrics=list(truth), task="binary")
        found.append(_covered(table, truth, at_least=0.3))
    shares = pd.concat(found, axis=1).mean(axis=1)
    assert len(shares) == 3
    assert shares.between(0.93, 0.99).all()


@pytest.mark.parametrize("n", SIZES)
def test_the_largest_gap_of_equal_groups_is_covered_and_of_unequal_ones_no_less(n):
    """Simultaneous intervals hold for all pairs at once, so of groups that differ they cover more than 0.99."""
    for rates in ((0.3,) * 8, (0.8,) * 4, (0.3, 0.6), (0.2, 0.5, 0.8), (0.1, 0.15, 0.2, 0.3, 0.4, 0.5)):
        rng, true, hits = np.random.default_rng(n), max(rates) - min(rates), 0
        for seed in range(150):
            events, totals = rng.binomial(n, rates), np.full(len(rates), n)
            found = gap(from_rates(events, totals, replicates=400, seed=seed), confidence=0.95)
            hits += found.difference_low <= true <= found.difference_high
        assert hits / 150 >= 0.92
        assert len(set(rates)) > 1 or hits / 150 <= 0.99


@pytest.mark.parametrize("n", [20, 50, 200])
@pytest.mark.parametrize("groups", [2, 5])
def test_the_largest_gap_of_composites_is_covered(n, groups):
    """F1 of equal groups: a normal interval of the draws covered 0.885 of five groups of 20 rows."""
    rng, metric, hits, runs = np.random.default_rng(n), METRICS["f1"], 0, 0
    for seed in range(150):
        counts = rng.multinomial(n, [0.3, 0.2, 0.1, 0.4], size=groups).reshape(-1, 2, 2)
        known = metric.parts(counts)[1].min(axis=1) >= 10
        if known.sum() > 1:
            made = from_confusion(counts[known], metric.from_counts, replicates=400, seed=seed)
            runs, hits = runs + 1, hits + (gap(made, confidence=0.95).difference_low <= 0)
    assert runs > 120
    assert 0.92 <= hits / runs <= 1


@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("metric", ["roc_auc", "mae", "bias", "accuracy of persons"])
def test_the_largest_gap_of_other_figures_is_covered(n, metric):
    """Four equal groups; persons have five rows each and are answered rightly with a chance of their own."""
    group, low = np.repeat(np.arange(4), n), []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = (rng.random(4 * n) < 0.5) * 1
        if metric == "roc_auc":
            score = 1 / (1 + np.exp(-y - rng.normal(size=4 * n)))
            given = group_metrics(y, score > 0.5, group, y_score=score, metrics=["roc_auc"], task="binary")
        elif metric == "accuracy of persons":
            who = np.repeat(np.arange(4 * n), 5)
            right = rng.random(20 * n) < rng.beta(0.8, 0.2, 4 * n)[who]
            rows = {"_target": y[who], "prediction": np.where(right, y[who], 1 - y[who]), "g": group[who], "who": who}
            given = Tally.from_table(pd.DataFrame(rows), ["g"], unit="who")
        else:
            p = rng.normal(0, 3, 4 * n)
            given = group_metrics(p + rng.normal(size=4 * n), p, group, metrics=[metric], task="regression")
        row = disparities(given, metrics=[metric.split(" of ")[0]], replicates=300, seed=seed).iloc[0]
        low += [row["difference_low"]] if row["groups"] == "4 of 4" else []
    assert len(low) == 60 or (metric == "roc_auc" and n == 20)
    assert not low or np.mean(np.array(low) <= 0) >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / len(low))


def _two_models(seed, rows):
    rng = np.random.default_rng(seed)
    y, shared = (rng.random(rows) < 0.4) * 1, rng.normal(size=rows)
    scores = [1 / (1 + np.exp(-(times * (y - 0.5) + 0.7 * shared + 0.7 * rng.normal(size=rows)))) for times in (1.5, 1)]
    return y, *(((score > 0.5) * 1, score) for score in scores)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("metric", ["accuracy", "f1", "roc_auc", "log_loss"])
def test_paired_gains_are_covered(n, metric):
    """Joint counts, DeLong's covariance and the paired jackknife; where fewer than ten rows count there is none."""
    true = paired_difference(*_two_models(7, 300_000), metric=metric, task="binary", replicates=2).value
    made = [paired_difference(*_two_models(seed, n), metric=metric, task="binary", replicates=300, seed=seed)
            for seed in range(150)]  # fmt: skip
    known = [one for one in made if np.isfinite(one.low)]
    assert all(one.method.startswith("cannot be estimated") for one in made if one not in known)
    if len(known) < 75:
        assert n < 50
        return
    share = np.mean([one.low <= true <= one.high for one in known])
    chance = 2 * np.sqrt(0.93 * 0.07 / len(known))  # of so few runs
    assert 0.93 - chance <= share <= 0.99


def _gain_in_recall(seed, n, cells):
    """Of positive rows so many are answered rightly by both models, the first alone, the second alone, neither."""
    rng = np.random.default_rng(seed)
    y, both = (rng.random(n) < 0.4) * 1, rng.choice(4, n, p=cells)
    answers = [(np.where(right, y, 1 - y), None) for right in (both < 2, both % 2 == 0)]
    return paired_difference(y, *answers, metric="recall", task="binary", replicates=400, seed=seed)


@pytest.mark.parametrize(
    ("n", "cells"),
    [(25, (0.6, 0.15, 0.1, 0.15)), (50, (0.85, 0.09, 0.04, 0.02)), (600, (0.79, 0.002, 0.008, 0.2))],
)  # fmt: skip
def test_gains_in_recall_of_few_rows_or_of_models_that_seldom_differ_are_covered(n, cells):
    """With two rows of prior instead of four, and a bootstrap from 200 rows whatever differs in them, 0.86 to 0.91."""
    made = [_gain_in_recall(seed, n, cells) for seed in range(1500)]
    known = [one for one in made if np.isfinite(one.low)]
    assert len(known) > 750
    assert _between(np.mean([one.low <= cells[1] - cells[2] <= one.high for one in known]), len(known))


def test_a_gain_is_bootstrapped_where_enough_rows_of_each_class_are_answered_differently():
    y, alike = np.repeat([0, 1], 300), np.tile([0] * 30 + [1] * 270, 2)
    for apart, method in ((10, "paired multinomial bootstrap"), (9, "paired Dirichlet draws")):
        other = alike.copy()
        other[[*range(40, 50), *range(340, 340 + apart)]] = 0
        first, second = ((np.where(right == 1, y, 1 - y), None) for right in (alike, other))
        assert paired_difference(y, first, second, metric="accuracy", task="binary").method == method


def test_models_with_equal_answers_may_differ_elsewhere_unless_their_scores_are_equal_too():
    y, answers = np.repeat([0, 1], 300), np.tile([0, 1, 1, 1], 150)
    same = paired_difference(y, (answers, None), (answers, None), metric="accuracy", task="binary")
    assert same.low < 0 < same.high
    scored = (answers, answers * 0.5 + 0.2)
    same = paired_difference(y, scored, scored, metric="accuracy", task="binary")
    assert (same.low, same.high) == (0, 0)


def test_gains_in_area_have_delongs_variance_of_all_pairs_and_welchs_t():
    """12 positive rows, 30 negative: how often each positive is ranked above each negative, first model less second."""
    rng, y = np.random.default_rng(0), np.repeat([1, 0], [12, 30])
    scores = [1 / (1 + np.exp(-y - rng.normal(size=42))) for _ in range(2)]
    above = np.subtract(*((score[:12, None] > score[None, 12:]) * 1.0 for score in scores))
    parts = above.mean(axis=1).var(ddof=1) / 12, above.mean(axis=0).var(ddof=1) / 30
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 11 + parts[1] ** 2 / 29)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts))
    found = paired_difference(y, *((y, score) for score in scores), metric="roc_auc", task="binary")
    assert (found.low, found.high) == pytest.approx((above.mean() - half, above.mean() + half))


def test_figures_and_gains_of_200_persons_of_10_rows_are_covered():
    """Both models judge the same persons; as if rows were independent 0.68 of the figures, 0.60 of the gains."""
    runs, target = 120, Target("binary", "y", ("no", "yes"), "yes")
    who, found, gained = np.repeat(np.arange(200), 10), [], []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 2000)
        good, poor = (
            pd.DataFrame({"_row": range(2000), "_target": y, "prediction": np.where(right, y, 1 - y)})
            for right in (rng.random(2000) < rng.beta(mean, 1 - mean, 200)[who] for mean in (0.8, 0.7))
        )
        unit = pd.Series(who)
        found.append(metric_table(good, poor, target=target, metrics=["accuracy"], unit=unit))
        gained.append(baseline_gains(good, {"poor": poor}, target=target, metrics=["accuracy", "f1"], unit=unit))
    figures, gains = pd.concat(found), pd.concat(gained)
    assert figures["method"].str.contains("blocks, effective n").all()
    assert gains["method"].str.startswith("paired jackknife").all()
    for table, truth in ((figures, 0.8), (gains, 0.1)):
        assert ((table["low"] <= truth) & (truth <= table["high"])).mean() >= 0.92


def test_gains_of_fewer_than_ten_persons_cannot_be_estimated():
    y = np.tile([0, 1], 100)
    models = ((y, None), (1 - y, None))
    found = paired_difference(y, *models, metric="accuracy", task="binary", blocks=np.arange(200) % 9)
    assert np.isnan(found.low)
    assert found.method == "cannot be estimated: 9 clusters, fewer than 10"
    assert np.isfinite(paired_difference(y, *models, metric="f1", task="binary", blocks=np.arange(200) % 10).low)
