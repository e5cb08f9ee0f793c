"""Calibration by group: by hand, from a tally, and by simulation of calibrated models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlopskit.errors import MetricError
from mlopskit.evaluate import calibration_by_group, tally_calibration
from mlopskit.tally import Tally, block_of


def _calibrated(rng, rows):
    p = 1 / (1 + np.exp(-rng.normal(-0.5, 1.2, rows)))
    return (rng.random(rows) < p) * 1, p


def test_figures_are_those_worked_out_by_hand():
    """Bins 0.1–0.2 (10 rows at 0.15, 3 positive) and 0.8–0.9 (10 rows at 0.85, 6 positive): ECE = (0.15 + 0.25) / 2."""
    y, p = [1] * 3 + [0] * 7 + [1] * 6 + [0] * 4, [0.15] * 10 + [0.85] * 10
    row = calibration_by_group(y, p, pd.DataFrame({"g": ["a"] * 20})).iloc[1]
    assert (row["observed"], row["predicted"]) == (pytest.approx(0.45), pytest.approx(0.5))
    assert row["difference"] == pytest.approx(-0.05)
    assert row["ece"] == pytest.approx(0.2)
    assert (row["n"], row["positives"], row["status"]) == (20, 9, "estimated")


def test_a_guess_is_off_by_the_distance_of_the_groups_share_from_that_of_all():
    """4 of 10 and 10 of 10 are positive, 14 of 20 in all: giving everybody 0.7 is off by 0.3 in either group."""
    y, groups = [1] * 4 + [0] * 6 + [1] * 10, pd.DataFrame({"g": ["a"] * 10 + ["b"] * 10})
    found = calibration_by_group(y, [0.5] * 20, groups)
    assert found["majority"].tolist() == pytest.approx([0, 0.3, 0.3])
    assert found["majority"].tolist() == pytest.approx(calibration_by_group(y, [0.7] * 20, groups)["ece"].tolist())


def test_overall_comes_first_and_small_groups_are_not_judged():
    y, p = _calibrated(np.random.default_rng(0), 109)
    table = calibration_by_group(y, p, pd.DataFrame({"g": ["a"] * 100 + ["tiny"] * 9}))
    assert table["group"].tolist() == ["overall", "a", "tiny"]
    assert table["status"].tolist() == ["estimated", "estimated", "cannot-be-estimated"]
    assert table.iloc[2][["low", "high", "p_value"]].isna().all()


@pytest.mark.parametrize("n", [10, 20, 50, 200])
def test_calibrated_models_look_calibrated(n):
    rng = np.random.default_rng(n)
    y, p = _calibrated(rng, 1000 * n)
    groups = pd.DataFrame({"g": np.repeat(np.arange(1000), n)})
    table = calibration_by_group(y, p, groups, replicates=99).iloc[1:]
    assert 0.93 <= ((table["low"] <= 0) & (table["high"] >= 0)).mean() <= 0.99
    assert (table["p_value"] <= 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert table["ece"].mean() == pytest.approx(table["chance_mean"].mean(), rel=0.03)


def test_a_model_that_is_off_in_one_group_is_found():
    y, p = _calibrated(np.random.default_rng(1), 4000)
    off = np.r_[p[:2000], np.clip(p[2000:] + 0.1, 0, 1)]
    table = calibration_by_group(y, off, pd.DataFrame({"g": ["fine"] * 2000 + ["off"] * 2000})).set_index("group")
    assert table.loc["off", "high"] < -0.05
    assert table.loc["off", "p_value"] < 0.01
    assert table.loc["fine", "low"] < 0 < table.loc["fine", "high"]


def test_a_tally_gives_the_same_but_for_its_bins():
    y, p = _calibrated(np.random.default_rng(2), 3000)
    rows = pd.DataFrame(
        {"_target": y, "prediction": y, "score": p, "g": np.arange(3000) % 3, "who": np.arange(3000) // 3}
    )
    for unit in (None, "who"):
        direct = calibration_by_group(y, p, rows[["g"]], unit=None if unit is None else rows[unit])
        counted = tally_calibration(Tally.from_table(rows, ["g"], unit=unit))
        numbers = ["observed", "predicted", "difference", "low", "high"]
        np.testing.assert_allclose(counted[numbers], direct[numbers], atol=1e-4)
        np.testing.assert_allclose(counted["ece"], direct["ece"], atol=5e-3)
        assert counted["method"].tolist() == direct["method"].tolist()


def test_persons_make_the_interval_wider_than_rows():
    rng = np.random.default_rng(3)
    mood, who = rng.normal(size=100), np.repeat(np.arange(100), 20)
    p = np.full(2000, 0.5)
    y = (rng.random(2000) < 1 / (1 + np.exp(-2 * mood[who]))) * 1
    groups = pd.DataFrame({"g": ["a"] * 2000})
    plain, by_person = (calibration_by_group(y, p, groups, unit=unit).iloc[1] for unit in (None, who))
    assert by_person["high"] - by_person["low"] > 2 * (plain["high"] - plain["low"])
    assert by_person["method"].startswith("jackknife, 51 blocks, effective n ")
    effective = float(by_person["method"].split()[-1])
    # so many independent rows as have the same standard error, at most half a sample off
    half = (by_person["high"] - by_person["low"]) / 2 / stats.t.ppf(0.975, 50)
    assert effective == pytest.approx(np.var(y - p) / half**2, abs=0.5)
    assert 100 < effective < 1000


def test_fewer_than_ten_persons_have_no_calibration_unless_fewer_will_do():
    y, p, who = [0, 1] * 40, [0.4, 0.6] * 40, np.repeat(np.arange(8), 10)
    groups = pd.DataFrame({"g": ["a"] * 80})
    few = calibration_by_group(y, p, groups, unit=who)
    assert set(few["status"]) == {"cannot-be-estimated"}
    assert set(few["method"]) == {"fewer than 10 clusters"}
    enough = len(np.unique(block_of(pd.Series(who))))
    assert set(calibration_by_group(y, p, groups, unit=who, clusters=enough)["status"]) == {"estimated"}


def test_what_is_no_probability_is_refused():
    with pytest.raises(MetricError, match="must be probabilities"):
        calibration_by_group([0, 1], [0.2, 1.7], pd.DataFrame({"g": ["a", "b"]}))
    with pytest.raises(MetricError, match="has no scores"):
        tally_calibration(Tally.from_table(pd.DataFrame({"_target": [0, 1], "prediction": [0, 1]})))
