"""Joint draws of the cells of a table, and the interval that draws of a figure give."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def percentile(draws: npt.ArrayLike, *, confidence: npt.ArrayLike = 0.95, axis: int = 0) -> tuple[Any, Any]:
    """Central interval of draws along `axis`; draws that are NaN (undefined in that replicate) are left out.

    Parameters
    ----------
    draws : array_like of float
    confidence : float, or array_like of float
        One for all, or one for each column of draws (of their shape without `axis`).
    axis : int

    Returns
    -------
    low, high : ndarray of float
        NaN where no draw is defined.

    Examples
    --------
    >>> low, high = percentile([0.0, 1.0, 2.0, 3.0, 4.0], confidence=0.5)
    >>> float(low), float(high)
    (1.0, 3.0)
    """
    values = np.asarray(draws, dtype=float)
    tail = (1 - np.asarray(confidence, dtype=float)) / 2
    if tail.ndim:
        return _by_column(np.moveaxis(values, axis, 0), tail)
    undefined = np.isnan(values)
    if not undefined.any():
        low, high = np.quantile(values, [tail, 1 - tail], axis=axis)
        return low, high
    nothing = undefined.all(axis=axis, keepdims=True)
    low, high = np.nanquantile(np.where(nothing, 0.0, values), [tail, 1 - tail], axis=axis)
    empty = nothing.squeeze(axis=axis)
    return np.where(empty, np.nan, low)[()], np.where(empty, np.nan, high)[()]


def _by_column(values: Floats, tail: Floats) -> tuple[Any, Any]:
    """Quantiles `tail` and 1 − `tail` of each column, as NumPy interpolates them."""
    ordered = np.sort(values, axis=0)  # NaN last
    last = np.maximum(np.count_nonzero(~np.isnan(values), axis=0) - 1, 0)
    ends = []
    for share in (tail, 1 - tail):
        place = share * last
        below = np.floor(place).astype(np.int64)
        both = np.take_along_axis(ordered, np.stack([below, np.minimum(below + 1, last)]), axis=0)
        ends.append(both[0] + (place - below) * (both[1] - both[0]))
    return ends[0], ends[1]


def dirichlet_draws(counts: npt.ArrayLike, *, replicates: int, seed: int, prior: float = 0.5) -> Floats:
    """Draw cell probabilities from Dirichlet(counts + prior), jointly over all cells.

    Parameters
    ----------
    counts : array_like of any shape
        The cells of one table.
    replicates : int
        Number of draws.
    seed : int
        Of the draws.
    prior : float
        Added to each cell; ½ is Jeffreys' choice.

    Returns
    -------
    ndarray of shape (replicates, *counts.shape)
        Each draw sums to 1.

    Examples
    --------
    >>> draws = dirichlet_draws([[8, 2], [1, 9]], replicates=100, seed=0)
    >>> draws.shape, bool(np.allclose(draws.sum(axis=(1, 2)), 1))
    ((100, 2, 2), True)
    """
    cells = np.asarray(counts, dtype=float)
    gamma = np.random.default_rng(seed).standard_gamma(cells.ravel() + prior, size=(replicates, cells.size))
    shares: Floats = gamma / gamma.sum(axis=1, keepdims=True)
    return shares.reshape(replicates, *cells.shape)


def multinomial_draws(counts: npt.ArrayLike, *, replicates: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw tables of counts as a bootstrap of the rows would: the same distribution, at the cost of the cells alone.

    Returns
    -------
    ndarray of int, shape (replicates, *counts.shape)
        Each draw sums to the number of rows.

    Examples
    --------
    >>> draws = multinomial_draws([30, 70], replicates=5, seed=0)
    >>> draws.sum(axis=1).tolist()
    [100, 100, 100, 100, 100]
    """
    cells = np.asarray(counts, dtype=np.int64)
    total = int(cells.sum())
    shares = cells.ravel() / total if total else np.full(cells.size, 1 / max(cells.size, 1))
    drawn = np.random.default_rng(seed).multinomial(total, shares, size=replicates)
    return drawn.reshape(replicates, *cells.shape).astype(np.int64)
