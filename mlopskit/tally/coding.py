"""Values turned into small whole numbers: one pass, whatever they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.tally.grouping import MISSING

Ints = npt.NDArray[np.int64]
_DENSE = 1 << 22


def words(values: pd.Series[Any]) -> tuple[list[str], Ints]:
    """Return the distinct values in words, sorted, and each row's place among them; missing ones are ``missing``.

    Examples
    --------
    >>> words(pd.Series(["b", None, "a", "b"]))
    (['a', 'b', 'missing'], array([1, 2, 0, 1]))
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, uniques = values.cat.codes.to_numpy(), pd.Series(values.cat.categories)
    else:
        codes, index = pd.factorize(values)
        uniques = pd.Series(index)
    spelt = [*_in_words(uniques), MISSING]
    seen = np.bincount(codes.astype(np.int64) + 1, minlength=len(spelt))
    present = [spelt[-1 if place == 0 else place - 1] for place in np.flatnonzero(seen)]
    labels = sorted(set(present))
    place = {label: position for position, label in enumerate(labels)}
    lookup = np.array([place.get(label, 0) for label in (spelt[-1], *spelt[:-1])], dtype=np.int64)
    return labels, lookup[codes.astype(np.int64) + 1]


def _in_words(values: pd.Series[Any]) -> list[str]:
    """Each value by itself: pandas writes the time of a day at midnight or not as the others of a column have one."""
    if not pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values.astype("str").tolist()
    return [str(value).removesuffix(" 00:00:00") for value in values]


def combine(parts: Sequence[tuple[Sequence[str], Ints]], rows: int) -> tuple[Ints, list[Ints]]:
    """Number the combinations that occur.

    Parameters
    ----------
    parts : sequence of (labels, codes)
        One a column.
    rows : int
        Number of rows.

    Returns
    -------
    code : ndarray of int, shape (rows,)
        Each row's combination, in the order of the labels, the first column first.
    places : list of ndarray of int, shape (combinations,)
        The label of each combination, one array a column.

    Examples
    --------
    >>> code, places = combine([(["f", "m"], np.array([0, 1, 1])), (["x", "y"], np.array([1, 0, 0]))], 3)
    >>> code.tolist(), [place.tolist() for place in places]
    ([0, 1, 1], [[0, 1], [1, 0]])
    """
    code = np.zeros(rows, dtype=np.int64)
    places: list[Ints] = []
    for labels, column in parts:
        code = code * len(labels) + column if places else column
        present, code = _renumber(code, len(labels) * (len(places[0]) if places else 1))
        places = [place[present // len(labels)] for place in places] + [present % len(labels)]
    return code, places


def _renumber(code: Ints, size: int) -> tuple[Ints, Ints]:
    """The distinct numbers in order, and each row's place among them."""
    if size > _DENSE:
        present, found = np.unique(code, return_inverse=True)
        return present, found.astype(np.int64)
    present = np.flatnonzero(np.bincount(code, minlength=size))
    if len(present) == size:
        return present, code
    place = np.zeros(size, dtype=np.int64)
    place[present] = np.arange(len(present))
    return present, place[code]
