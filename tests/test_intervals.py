"""Intervals against published examples, other implementations and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.metrics import average_precision_score, roc_auc_score

from mlopskit.intervals import (
    Entries,
    adjust,
    areas,
    auc_influence,
    average_precisions,
    blocks_of,
    delong,
    dirichlet_draws,
    jackknife,
    multinomial_draws,
    newcombe,
    percentile,
    square_and_add,
    welch_freedom,
    wilson,
)


@given(total=st.integers(1, 500), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
def test_wilson_agrees_with_scipy(total, share, confidence):
    successes = round(total * share)
    expected = stats.binomtest(successes, total).proportion_ci(confidence, method="wilson")
    assert wilson(successes, total, confidence=confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_takes_arrays_and_says_nothing_of_nothing():
    low, high = wilson([0, 5, 10], [0, 10, 10])
    assert (low[0], high[0]) == (0, 1)
    assert low[1] < 0.5 < high[1]
    assert high[2] == 1


@pytest.mark.parametrize(
    ("counts", "expected"),
    # Newcombe 1998, Table II, method 10, examples (a) to (f) and (h)
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombe_gives_the_published_examples(counts, expected):
    assert newcombe(*counts) == pytest.approx(expected, abs=5e-5)


def test_newcombe_of_an_empty_group_says_nothing():
    assert newcombe(0, 0, 5, 10) == (-1, 1)


def test_perfect_correlation_leaves_no_width_to_a_symmetric_difference():
    low, high = square_and_add((0.5, 0.4, 0.6), (0.3, 0.2, 0.4), correlation=1.0)
    assert (low, high) == pytest.approx((0.2, 0.2))


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6).filter(any))
def test_multinomial_draws_keep_the_number_of_rows_and_empty_cells_empty(counts):
    draws = multinomial_draws(counts, replicates=20, seed=1)
    assert (draws.sum(axis=1) == sum(counts)).all()
    assert (draws[:, np.array(counts) == 0] == 0).all()


def test_multinomial_draws_are_a_row_bootstrap():
    rows = np.repeat([0, 1, 2], [20, 30, 50])
    rng = np.random.default_rng(0)
    by_rows = np.array([np.bincount(rng.choice(rows, 100), minlength=3) for _ in range(4000)])
    by_counts = multinomial_draws([20, 30, 50], replicates=4000, seed=0)
    assert np.allclose(by_rows.mean(axis=0), by_counts.mean(axis=0), atol=0.4)
    assert np.allclose(np.cov(by_rows.T), np.cov(by_counts.T), atol=1.5)


def test_dirichlet_draws_have_the_mean_of_counts_plus_a_half():
    draws = dirichlet_draws([8, 0, 2], replicates=20_000, seed=0)
    assert np.allclose(draws.sum(axis=1), 1)
    assert draws.mean(axis=0) == pytest.approx([8.5 / 11.5, 0.5 / 11.5, 2.5 / 11.5], abs=0.003)


def test_draws_depend_on_the_seed_alone():
    one, same, other = (dirichlet_draws([3, 4], replicates=9, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_percentile_leaves_undefined_draws_out():
    low, high = percentile([[0.0, np.nan], [1.0, np.nan], [np.nan, np.nan]], confidence=0.5)
    assert (low[0], high[0]) == (0.25, 0.75)
    assert np.isnan(low[1])
    assert np.isnan(high[1])


def test_percentile_takes_a_confidence_a_column():
    draws = np.random.default_rng(0).normal(size=(101, 3))
    draws[5:, 2] = np.nan
    low, high = percentile(draws, confidence=[0.5, 0.9, 0.95])
    for column, confidence in enumerate((0.5, 0.9, 0.95)):
        expected = percentile(draws[:, column], confidence=confidence)
        assert (low[column], high[column]) == pytest.approx(expected)


def brute_force_delong(y, score):
    """AUC and DeLong's variance from every pair of rows, as in the paper."""
    positive, negative = score[y == 1], score[y == 0]
    kernel = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return kernel.mean(), kernel.mean(1).var(ddof=1) / len(positive) + kernel.mean(0).var(ddof=1) / len(negative)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40)
def test_influence_gives_the_area_and_variance_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    y = np.array([0, 0, 1, 1, *rng.integers(0, 2, 30)])
    score = rng.integers(0, 6, y.size).astype(float)
    auc, influence = auc_influence(y, score)
    expected, variance = brute_force_delong(y, score)
    assert auc == pytest.approx(expected)
    assert auc == pytest.approx(roc_auc_score(y, score))
    assert influence @ influence == pytest.approx(variance)


@pytest.mark.parametrize("seed", range(4))
def test_delongs_t_is_that_of_brunner_and_munzels_test(seed):
    rng = np.random.default_rng(seed)
    y, score = np.repeat([0, 1], [12, 30]), np.r_[rng.normal(size=12), rng.normal(0.8, 2, 30)]
    auc, influence = auc_influence(y, score)
    parts, p_value = np.bincount(y, weights=influence**2), stats.brunnermunzel(score[y == 0], score[y == 1]).pvalue
    freedom = welch_freedom(parts, [12, 30])
    assert 2 * stats.t.sf(abs(auc - 0.5) / np.sqrt(parts.sum()), freedom) == pytest.approx(p_value)
    _, low, high = delong(y, score)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(parts.sum()) / (auc * (1 - auc))
    assert special.logit([low, high]) == pytest.approx(special.logit(auc) + np.array([-half, half]))


def test_delong_at_a_perfect_ranking_is_exact():
    y = np.repeat([0, 1], [50, 20])
    auc, low, high = delong(y, y.astype(float))
    assert (auc, high) == (1, 1)
    assert low**20 == pytest.approx(0.025)
    assert delong(1 - y, y.astype(float))[:2] == (0, 0)


def test_delong_of_one_class_is_undefined():
    assert np.isnan(delong([1, 1], [0.2, 0.3])).all()


def test_delong_covers_the_true_area():
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(1.5 / np.sqrt(2))
    hits = 0
    for _ in range(400):
        score = np.concatenate([rng.normal(0, 1, 40), rng.normal(1.5, 1, 25)])
        _, low, high = delong(np.repeat([0, 1], [40, 25]), score)
        hits += low <= truth <= high
    assert 0.92 <= hits / 400 <= 0.985


@pytest.mark.parametrize(("n", "least"), [(10, 0.89), (20, 0.91), (50, 0.927), (100, 0.927), (200, 0.927)])
def test_wilson_covers_by_exact_enumeration(n, least):
    """On average over 901 rates from 0.05 to 0.95, and at the worst of them as its docstring says."""
    k = np.arange(n + 1)
    low, high = wilson(k, np.full(n + 1, n))
    rates = np.linspace(0.05, 0.95, 901)
    covered = [stats.binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum() for p in rates]
    assert 0.93 <= np.mean(covered) <= 0.99
    assert least <= min(covered)
    assert max(covered) <= 0.99


def _ranking(seed, n=400, groups=3):
    rng = np.random.default_rng(seed)
    y, group = rng.integers(0, 2, n), rng.integers(0, groups, n)
    return rng, y, group, np.round(rng.normal(size=n) + y, 1)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_rankings_of_many_groups_are_scikit_learns(seed):
    rng, y, group, score = _ranking(seed)
    weight = rng.random(len(y)) + 0.1
    entries = Entries.of_rows(group, y, score, groups=3, weight=weight, block=rng.integers(0, 64, len(y)))
    for place in range(3):
        inside = group == place
        given = (y[inside], score[inside])
        assert areas(entries).value[place] == pytest.approx(roc_auc_score(*given, sample_weight=weight[inside]))
        expected = average_precision_score(*given, sample_weight=weight[inside])
        assert average_precisions(entries).value[place] == pytest.approx(expected)


def test_areas_of_rows_have_delongs_intervals():
    _, y, group, score = _ranking(0)
    found = areas(Entries.of_rows(group, y, score, groups=3))
    for place in range(3):
        expected = delong(y[group == place], score[group == place])
        assert (found.value[place], found.low[place], found.high[place]) == pytest.approx(expected)


def test_rows_alone_in_their_blocks_have_the_same_error_as_rows():
    _, y, _, score = _ranking(1, n=64)
    alone = areas(Entries.of_rows(np.zeros(64), y, score, groups=1, block=np.arange(64)))
    error = np.sqrt((alone.deviations**2).sum())
    _, influence = auc_influence(y, score)
    assert error == pytest.approx(np.sqrt(influence @ influence), rel=0.02)
    assert alone.blocks[0] == 64


def test_rows_that_stand_ten_times_count_once():
    _, y, _, score = _ranking(3, n=300)
    ten, block = np.repeat(np.arange(300), 10), np.arange(300) % 64
    for ranking in (areas, average_precisions):
        found = ranking(Entries.of_rows(np.zeros(3000), y[ten], score[ten], groups=1, block=block[ten]))
        once = ranking(Entries.of_rows(np.zeros(300), y, score, groups=1, block=block))
        assert (found.low[0], found.high[0]) == pytest.approx((once.low[0], once.high[0]))
        assert found.effective[0] == pytest.approx(300, rel=0.4)


def test_average_precisions_interval_has_the_width_of_a_bootstrap():
    rng, y, _, score = _ranking(2, n=600)
    found = average_precisions(Entries.of_rows(np.zeros(600), y, score, groups=1))
    picks = rng.integers(0, 600, (300, 600))
    drawn = [average_precision_score(y[pick], score[pick]) for pick in picks]
    assert found.high[0] - found.low[0] == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.15)


def test_a_group_without_both_classes_has_no_area():
    found = areas(Entries.of_rows([0, 0, 1], [1, 1, 0], [0.1, 0.2, 0.3], groups=3))
    assert np.isnan(found.value).all()
    assert np.isnan(found.low).all()


@given(rows=st.integers(1, 500), seed=st.integers(0, 99))
def test_blocks_are_equal_and_none_is_empty(rows, seed):
    sizes = np.bincount(blocks_of(rows, seed=seed))
    assert sizes.sum() == rows
    assert sizes.size == min(rows, 64)
    assert sizes.max() - sizes.min() <= 1


def test_jackknife_error_of_a_mean_is_close_to_the_textbook():
    y = np.random.default_rng(0).normal(size=6400)
    error, freedom = jackknife(lambda keep: y[keep].mean(), blocks_of(6400, seed=0))
    assert freedom == 63
    assert error == pytest.approx(y.std() / 80, rel=0.25)


def test_jackknife_of_an_undefined_statistic_is_undefined():
    assert np.isnan(jackknife(lambda keep: float("nan"), np.arange(5))[0])


def test_adjusted_p_values_are_those_worked_out_by_hand():
    # m = 4: sorted 0.005, 0.01, 0.03, 0.04 times 4/1, 4/2, 4/3, 4/4, then the minimum from the right
    assert adjust([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    # Benjamini-Yekutieli multiplies by 1 + 1/2 + 1/3 + 1/4
    assert adjust([0.01, 0.04, 0.03, 0.005], method="by") == pytest.approx(np.array([0.02, 0.04, 0.04, 0.02]) * 25 / 12)


def test_what_was_not_tested_stays_untested_and_uncounted():
    adjusted = adjust([0.01, np.nan, 0.04])
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "uniform"])
def test_a_jackknife_of_heavy_tails_has_the_freedom_that_their_kurtosis_leaves(draw):
    """O'Neill 2014; light tails are taken as normal ones, so nothing becomes surer."""
    y = getattr(np.random.default_rng(0), draw)(size=40)
    error, freedom = jackknife(lambda keep: y[keep].mean(), np.arange(40), heavy=True)
    kurtosis = max(stats.kurtosis(y, fisher=False), 3)
    assert error == pytest.approx(stats.sem(y))
    assert freedom == pytest.approx(80 / (kurtosis - 37 / 39))
    assert freedom <= 39 + 1e-9
    assert jackknife(lambda keep: y[keep].mean(), np.arange(40))[1] == 39


def test_rows_that_move_nothing_leave_no_freedom_to_work_out():
    assert jackknife(lambda keep: 1.0, np.arange(10), heavy=True) == (0.0, 9)
