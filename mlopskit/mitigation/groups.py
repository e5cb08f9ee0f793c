"""The groups that fairlearn is given: those of one column, where small ones share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import ModelError, listing

FEWEST_FITTED = 20
"""A group with fewer rows of either class shares its rule with other such groups."""
FEW = "few rows"

_INSTEAD = 'Name another column as `mitigate` below [model], or set mitigation = "none"'


def pooled(groups: npt.ArrayLike, labels: npt.ArrayLike, *, fewest: int = FEWEST_FITTED) -> npt.NDArray[Any]:
    """Let groups with fewer than `fewest` rows of either class share one; if that is too small, join the largest.

    Parameters
    ----------
    groups : array_like of str, shape (n,)
    labels : array_like of int, shape (n,)
        0 and 1.

    Raises
    ------
    ModelError
        When fewer than two groups remain.

    Examples
    --------
    >>> list(pooled(["a", "a", "b", "b", "c", "d"], [0, 1, 0, 1, 0, 1], fewest=1))
    ['a', 'a', 'b', 'b', 'few rows', 'few rows']
    """
    names, y = np.asarray(groups, dtype=object), np.asarray(labels)
    counts = pd.crosstab(names, y).reindex(columns=[0, 1], fill_value=0)
    small = counts.index[counts.min(axis=1) < fewest]
    large = counts.drop(index=small)
    if len(large) + bool(len(small)) < 2 or large.empty:
        raise ModelError(
            f"Fewer than two groups have {fewest} rows of each class; the groups are {listing(counts.index)}. "
            f"{_INSTEAD}."
        )
    rest = FEW
    if len(small) and counts.loc[small].sum().min() < fewest:
        rest = str(large.sum(axis=1).idxmax())
    found = np.where(np.isin(names, small.to_numpy()), rest, names)
    if len(set(found)) < 2:
        raise ModelError(f"Fewer than two groups have {fewest} rows of each class: only {rest!r} does. {_INSTEAD}.")
    return found


def halves(strata: npt.NDArray[Any], *, seed: int) -> npt.NDArray[np.int64]:
    """Deal rows to halves 0 and 1 at random, evenly within each stratum."""
    codes, order = pd.factorize(strata)[0], np.random.default_rng(seed).permutation(len(strata))
    order = order[np.argsort(codes[order], kind="stable")]
    half = np.empty(len(strata), dtype=np.int64)
    half[order] = np.arange(len(strata)) % 2
    return half
