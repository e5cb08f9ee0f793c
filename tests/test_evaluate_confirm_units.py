"""Tests of slices where persons have several rows: the claim holds by simulation, and rows alone would break it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlopskit.errors import DataError
from mlopskit.evaluate import confirm_slices
from mlopskit.evaluate.slices.confirm import FISHER, WELCH
from mlopskit.evaluate.slices.units import JACKKNIFE, unit_codes, unit_jackknife

SLICE = pd.DataFrame({"slice": [{"x": "b"}], "level": 1, "n": 50, "error": 0.5, "score": 1.0})
HOME = np.repeat(np.arange(200), 10)


def noise(rng, *, whole_persons):
    """200 persons of 10 rows; how often a row is wrong depends on the person, not on the slice."""
    wrong = rng.random(2000) < rng.beta(0.4, 1.6, 200)[HOME]
    chosen = (rng.random(200) < 0.25)[HOME] if whole_persons else rng.random(2000) < 0.25
    return pd.DataFrame({"x": np.where(chosen, "b", "a")}), wrong


@pytest.mark.parametrize("whole_persons", [True, False])
def test_of_pure_noise_by_200_persons_of_10_rows_one_in_twenty_is_confirmed(whole_persons):
    rng = np.random.default_rng(5)
    rows = [noise(rng, whole_persons=whole_persons) for _ in range(200)]
    found = [confirm_slices(SLICE, *part, unit=pd.Series(HOME))["confirmed"].iloc[0] for part in rows]
    assert 1 <= sum(found) <= 17  # binomial with 0.05: 17 or fewer in 98 of 100 such simulations
    by_rows = sum(confirm_slices(SLICE, *part)["confirmed"].iloc[0] for part in rows)
    assert by_rows > 25 if whole_persons else by_rows < 25


def test_a_slice_of_persons_that_is_worse_is_confirmed_all_the_same():
    rng = np.random.default_rng(2)
    worse = (np.arange(200) < 50)[HOME]
    wrong = rng.random(2000) < np.where(worse, 0.5, 0.15)
    table = confirm_slices(SLICE, pd.DataFrame({"x": np.where(worse, "b", "a")}), wrong, unit=pd.Series(HOME))
    assert table.loc[0, "status"] == "confirmed"
    assert table.loc[0, "method"] == JACKKNIFE
    assert table.loc[0, "power"] > 0.9


def test_the_table_names_the_test():
    features, wrong = noise(np.random.default_rng(0), whole_persons=False)
    assert confirm_slices(SLICE, features, wrong)["method"].tolist() == [FISHER]
    assert confirm_slices(SLICE, features, wrong * 0.5)["method"].tolist() == [WELCH]
    own = confirm_slices(SLICE, features, wrong, unit=pd.Series(range(2000)))
    assert own["method"].tolist() == [FISHER]  # nobody has two rows


def test_the_jackknife_is_that_of_leaving_out_each_person_in_turn():
    rng = np.random.default_rng(4)
    home, inside, values = rng.integers(0, 12, 60), rng.random(60) < 0.4, rng.random(60)
    home = np.unique(home, return_inverse=True)[1]
    difference, error, fewer = unit_jackknife(values, inside, home)
    units = int(home.max()) + 1
    left = [values[inside & (home != u)].mean() - values[~inside & (home != u)].mean() for u in range(units)]
    assert difference == pytest.approx(values[inside].mean() - values[~inside].mean())
    assert error == pytest.approx(np.sqrt((units - 1) / units * ((left - np.mean(left)) ** 2).sum()))
    assert fewer == min(len(set(home[inside])), len(set(home[~inside])))


def test_fewer_than_ten_persons_cannot_be_tested():
    worse = (np.arange(200) < 9)[HOME]
    table = confirm_slices(SLICE, pd.DataFrame({"x": np.where(worse, "b", "a")}), worse * 1.0, unit=pd.Series(HOME))
    assert table.loc[0, "status"] == "could not test"


def test_units_of_other_rows_are_refused():
    with pytest.raises(DataError, match="one for each row"):
        unit_codes(pd.Series([1, 1]), 3)
