"""Confirmation: what was planted is confirmed, what was noise is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlopskit.errors import MlopskitError
from mlopskit.evaluate import confirm_slices, find_slices


def _features(rng, n=3000):
    return pd.DataFrame({name: rng.choice(list("abcd"), n) for name in ("x", "y", "z")})


def _slices(*chosen):
    return pd.DataFrame({"slice": list(chosen), "level": 1, "n": 50, "error": 0.5, "score": 1.0})


def test_a_planted_slice_is_confirmed():
    rng = np.random.default_rng(0)
    halves = []
    for _ in range(2):
        features = _features(rng)
        planted = (features["x"] == "b") & (features["z"] == "c")
        halves.append((features, rng.random(3000) < np.where(planted, 0.5, 0.1)))
    found = confirm_slices(find_slices(*halves[0]), *halves[1])
    first = found.iloc[0]
    assert (first["slice"], first["status"]) == ({"x": "b", "z": "c"}, "confirmed")
    assert first["power"] > 0.95


def test_noise_is_hardly_ever_claimed():
    rng = np.random.default_rng(1)
    claims = 0
    for _ in range(60):
        halves = [(_features(rng, 600), rng.random(600) < 0.2) for _ in range(2)]
        found = find_slices(*halves[0], alpha=0.99, min_support=20)
        claims += bool(confirm_slices(found, *halves[1])["confirmed"].any())
    assert claims <= 8


def test_p_values_are_fishers_and_welchs():
    rng = np.random.default_rng(2)
    features = _features(rng, 200)
    inside = (features["x"] == "a").to_numpy()
    wrong = rng.random(200) < 0.3
    table = [[(wrong & inside).sum(), (~wrong & inside).sum()], [(wrong & ~inside).sum(), (~wrong & ~inside).sum()]]
    found = confirm_slices(_slices({"x": "a"}), features, wrong)
    assert found["p_value"][0] == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)
    loss = rng.exponential(size=200)
    found = confirm_slices(_slices({"x": "a"}), features, loss)
    expected = stats.ttest_ind(loss[inside], loss[~inside], equal_var=False, alternative="greater").pvalue
    assert found["p_value"][0] == pytest.approx(expected)


def test_p_values_are_adjusted_over_all_slices_that_could_be_tested():
    rng = np.random.default_rng(3)
    features = _features(rng, 400)
    chosen = [{"x": "a"}, {"y": "b"}, {"z": "c"}, {"x": "no such value"}]
    found = confirm_slices(_slices(*chosen), features, rng.random(400) < 0.3)
    expected = stats.false_discovery_control(found["p_value"].to_numpy()[:3], method="bh")
    np.testing.assert_allclose(found["adjusted"][:3], expected)
    assert found["status"].tolist()[3] == "could not test"
    assert not found["confirmed"][3]


def test_power_is_how_often_the_test_succeeds():
    rng = np.random.default_rng(4)
    features = pd.DataFrame({"x": ["a"] * 60 + ["b"] * 540})
    inside = np.arange(600) < 60
    slices, rates = _slices({"x": "a"}).assign(error=0.35), np.where(inside, 0.35, 0.2)
    found = [confirm_slices(slices, features, rng.random(600) < rates) for _ in range(200)]
    hits = np.mean([table["p_value"][0] <= 0.05 for table in found])
    assert np.mean([table["power"][0] for table in found]) == pytest.approx(hits, abs=0.1)


def test_lengths_must_agree():
    with pytest.raises(MlopskitError, match="3 rows of features"):
        confirm_slices(_slices({"x": 1}), pd.DataFrame({"x": [1, 2, 3]}), [0, 1])
