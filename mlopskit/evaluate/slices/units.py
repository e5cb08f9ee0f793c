"""Tests of slices where a person has several rows: persons count, not rows.

Ten rows of one person tell hardly more than one of them, and a test that took them for ten would confirm chance. So the
difference between the mean errors inside and outside a slice is computed anew without each person in turn; how far it
moves is what is known of it (the delete-a-unit jackknife). Slices may divide a person's rows.

Efron, B. and Stein, C. (1981). The jackknife estimate of variance. Annals of Statistics 9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError

JACKKNIFE = "jackknife over persons, one-sided t"
"""A person is whatever ``[data] group`` names."""


def unit_codes(unit: pd.Series[Any] | npt.ArrayLike | None, rows: int) -> npt.NDArray[np.int64] | None:
    """Number the units from 0; None where nobody has two rows. Rows without a unit are one unit.

    Raises
    ------
    DataError
        When there are not as many units as rows.

    Examples
    --------
    >>> unit_codes(pd.Series(["b", "a", "b"]), 3).tolist()
    [0, 1, 0]
    """
    if unit is None:
        return None
    unit = pd.Series(np.asarray(unit)) if not isinstance(unit, pd.Series) else unit
    if len(unit) != rows:
        raise DataError(f"There are {len(unit):,} units for {rows:,} rows; give one for each row.")
    codes = pd.factorize(unit, use_na_sentinel=False)[0].astype(np.int64)
    return codes if len(codes) and int(codes.max()) + 1 < rows else None


def unit_jackknife(
    values: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_], home: npt.NDArray[np.int64]
) -> tuple[float, float, int]:
    """Return the difference of two means, its jackknife standard error, and the fewer units of the two sides.

    Parameters
    ----------
    values : ndarray, shape (n,)
    inside : ndarray of bool, shape (n,)
    home : ndarray of int, shape (n,)
        As from `unit_codes`.

    Examples
    --------
    >>> difference, error, units = unit_jackknife(np.array([1.0, 0, 0, 0]), np.array([True, True, False, False]),
    ...     np.arange(4))
    >>> difference, units
    (0.5, 2)
    """
    size = int(home.max()) + 1
    means, without, present = [], [], []
    for side in (inside, ~inside):
        n = np.bincount(home[side], minlength=size)
        total = np.bincount(home[side], weights=values[side], minlength=size)
        means.append(total.sum() / n.sum())
        left = n.sum() - n
        without.append(np.divide(total.sum() - total, left, out=np.full(size, means[-1]), where=left > 0))
        present.append(int((n > 0).sum()))
    moved = without[0] - without[1]
    error = float(np.sqrt((size - 1) / size * ((moved - moved.mean()) ** 2).sum()))
    return float(means[0] - means[1]), error, min(present)
