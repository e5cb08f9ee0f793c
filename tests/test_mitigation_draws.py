"""Chance that follows from the row: the same alone and among others, spread as chance is, on any machine."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse, stats

from mlopskit.mitigation import row_draws

tables = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.floats(-1e6, 1e6, width=32)
)


@given(tables, st.integers(0, 2**64 - 1))
def test_a_row_gets_the_same_number_alone_and_among_others(X: np.ndarray, seed: int) -> None:
    together = row_draws(X, seed=seed)
    assert ((together >= 0) & (together < 1)).all()
    np.testing.assert_array_equal([row_draws(row[None], seed=seed)[0] for row in X], together)
    np.testing.assert_array_equal(row_draws(X[::-1], seed=seed), together[::-1])
    np.testing.assert_array_equal(row_draws(sparse.csr_array(X), seed=seed), together)


def test_the_numbers_are_spread_evenly_and_those_of_two_seeds_have_nothing_to_do_with_each_other() -> None:
    X = np.random.default_rng(0).normal(size=(20_000, 3))
    first, second = row_draws(X, seed=0), row_draws(X, seed=1)
    assert stats.kstest(first, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first, X[:, 0])[0, 1]) < 0.03


def test_the_last_bit_of_a_number_and_the_sign_of_zero_do_not_decide() -> None:
    X = np.array([[0.1, 0.0, np.nan]])
    for same in ([[np.nextafter(0.1, 1), -0.0, -np.nan]], [[0.1 + 1e-9, 1e-12, np.nan]]):
        assert row_draws(same, seed=3) == row_draws(X, seed=3)
    assert row_draws([[0.1001, 0.0, np.nan]], seed=3) != row_draws(X, seed=3)
