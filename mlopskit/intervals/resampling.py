"""The jackknife over blocks of rows, and the control of many tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from mlopskit.intervals.draws import Floats

BLOCKS = 64
"""Blocks of the jackknife: enough for t(63) to be close to normal, few enough to be cheap."""


def blocks_of(rows: int, *, seed: int, blocks: int = BLOCKS) -> npt.NDArray[np.int64]:
    """Deal rows at random into equal blocks, at most one a row; shape (rows,), values from 0."""
    return np.random.default_rng(seed).permutation(rows) % max(min(blocks, rows), 1)


def jackknife(
    statistic: Callable[[npt.NDArray[np.bool_]], float], blocks: npt.NDArray[np.int64], *, heavy: bool = False
) -> tuple[float, float]:
    """Standard error of a smooth statistic by leaving out one block of rows at a time.

    Parameters
    ----------
    statistic : callable
        Takes a mask of the rows to keep, shape (n,).
    blocks : ndarray of int, shape (n,)
        The block of each row, as from `blocks_of`.
    heavy : bool
        Whether what single blocks move may have heavy tails, so that the error itself is known less well.

    Returns
    -------
    error : float
        Standard error; NaN when a replicate is undefined.
    freedom : float
        Degrees of freedom of the t distribution that goes with it: blocks − 1; with `heavy` at most that, 2n / (κ −
        (n − 3) / (n − 1)) for n blocks that move the statistic with kurtosis κ.

    References
    ----------
    O'Neill, B. (2014). Some useful moment results in sampling problems. The American Statistician 68, 282-296.
    Shao, J. and Tu, D. (1995). The Jackknife and Bootstrap. Springer, section 2.3.

    Examples
    --------
    With one row a block, the error of a mean is the textbook one:

    >>> y = np.array([1.0, 2.0, 4.0, 7.0])
    >>> error, freedom = jackknife(lambda keep: y[keep].mean(), np.arange(4))
    >>> round(error, 12) == round(float(y.std(ddof=1) / 2), 12), freedom
    (True, 3)

    One row that moves much more than the others says that the next may do so too:

    >>> y = np.array([1.0] * 5 + [2.0] * 5 + [40.0])
    >>> round(jackknife(lambda keep: y[keep].mean(), np.arange(11), heavy=True)[1], 1)
    2.7
    """
    count = int(blocks.max()) + 1 if blocks.size else 0
    left_out = np.array([statistic(blocks != block) for block in range(count)])
    if count < 2 or not np.isfinite(left_out).all():
        return float("nan"), max(count - 1, 1)
    moved = left_out - left_out.mean()
    error = float(np.sqrt((count - 1) / count * np.sum(moved**2)))
    if not heavy or count < 4 or error == 0:
        return error, count - 1
    kurtosis = max(count * np.sum(moved**4) / np.sum(moved**2) ** 2, 3.0)
    return error, float(2 * count / (kurtosis - (count - 3) / (count - 1)))


def adjust(p_values: npt.ArrayLike, *, method: Literal["bh", "by"] = "bh") -> Floats:
    """Adjust p-values for the false discovery rate, by Benjamini and Hochberg or by Benjamini and Yekutieli.

    Parameters
    ----------
    p_values : array_like of float, shape (m,)
        NaN (not tested) stays NaN and does not count as a test.
    method : str
        ``bh`` for independent or positively dependent tests, ``by`` for any dependence.

    Examples
    --------
    >>> adjust([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p[tested], method=method)
    return adjusted
