"""Confirmation: what was planted is confirmed, what was noise is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlopskit.errors import DataError, MlopskitError
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


def test_of_200_runs_on_pure_noise_at_most_20_claim_a_slice():
    rng = np.random.default_rng(1)
    claims = 0
    for _ in range(200):
        halves = [(pd.DataFrame(rng.integers(0, 4, (600, 3))), rng.random(600) < 0.2) for _ in range(2)]
        found = find_slices(*halves[0], alpha=0.99, min_support=20)
        claims += bool(confirm_slices(found, *halves[1])["confirmed"].any())
    assert claims <= 20


def test_unusually_good_slices_are_confirmed_from_the_other_side():
    rng = np.random.default_rng(8)
    halves = []
    for _ in range(2):
        features = _features(rng)
        halves.append((features, rng.random(3000) < np.where(features["y"] == "d", 0.1, 0.4)))
    found = find_slices(*halves[0], k=1, direction="better")
    better, worse = (confirm_slices(found, *halves[1], direction=side).iloc[0] for side in ("better", "worse"))
    assert (better["slice"], better["status"], worse["status"]) == ({"y": "d"}, "confirmed", "not confirmed")
    wrong, inside = halves[1][1], (halves[1][0]["y"] == "d").to_numpy()
    table = [[(wrong & inside).sum(), (~wrong & inside).sum()], [(wrong & ~inside).sum(), (~wrong & ~inside).sum()]]
    assert better["p_value"] == pytest.approx(stats.fisher_exact(table, alternative="less").pvalue)
    assert better["power"] > 0.95
    assert worse["power"] < 0.01


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


def test_benjamini_yekutieli_is_stricter_by_the_harmonic_sum():
    rng = np.random.default_rng(3)
    features = _features(rng, 400)
    chosen, wrong = _slices({"x": "a"}, {"y": "b"}, {"z": "c"}), rng.random(400) < 0.3
    found = confirm_slices(chosen, features, wrong, method="by")
    np.testing.assert_allclose(found["adjusted"], stats.false_discovery_control(found["p_value"], method="by"))


def test_power_is_how_often_the_test_succeeds():
    rng = np.random.default_rng(4)
    features = pd.DataFrame({"x": ["a"] * 60 + ["b"] * 540})
    inside = np.arange(600) < 60
    slices, rates = _slices({"x": "a"}).assign(error=0.35), np.where(inside, 0.35, 0.2)
    found = [confirm_slices(slices, features, rng.random(600) < rates) for _ in range(200)]
    hits = np.mean([table["p_value"][0] <= 0.05 for table in found])
    assert np.mean([table["power"][0] for table in found]) == pytest.approx(hits, abs=0.1)


def test_lengths_must_agree():
    with pytest.raises(DataError, match="3 rows of features"):
        confirm_slices(_slices({"x": 1}), pd.DataFrame({"x": [1, 2, 3]}), [0, 1])


def test_columns_that_are_not_there_and_unknown_directions_are_refused():
    rows = pd.DataFrame({"x": [1, 2, 3]})
    with pytest.raises(DataError, match="speak of town, which these rows do not have; they have x"):
        confirm_slices(_slices({"town": 1}), rows, [0, 1, 0])
    with pytest.raises(MlopskitError, match="choose worse or better"):
        confirm_slices(_slices({"x": 1}), rows, [0, 1, 0], direction="up")
