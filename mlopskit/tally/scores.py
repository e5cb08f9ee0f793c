"""Scores in bins: what a ranking metric needs to know of a million probabilities.

A score is a probability of the positive class. 4,096 bins of equal width on the logit scale keep the order of scores
where it matters, near 0 and 1 as well as in the middle, and bins of two tables can be added. From the counts of
positive and negative rows by bin follow the ROC curve, its area with DeLong's variance, and every threshold. Rows of
different class in one bin count as ties, which moves the area by at most Σ P_b·N_b / 2PN; `auc_from_bins` tells it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from mlopskit.intervals import auc_interval, welch_freedom

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoreBins:
    """Bins of equal width on the logit scale; the outermost take everything beyond.

    Attributes
    ----------
    bins : int
        Number of bins.
    limit : float
        The edges reach from −limit to +limit on the logit scale; 12 is a probability of 6e-6.
    """

    bins: int = 4096
    limit: float = 12.0

    def codes(self, scores: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the bin of each score, (n,) int64; scores are probabilities.

        Examples
        --------
        >>> ScoreBins(bins=4, limit=2.0).codes([0.0, 0.2, 0.5, 0.9, 1.0]).tolist()
        [0, 0, 2, 3, 3]
        """
        with np.errstate(divide="ignore"):
            inside = np.clip(np.asarray(scores, dtype=float), 0.0, 1.0)  # what is beyond keeps its order
            place = (special.logit(inside) + self.limit) * (self.bins / (2 * self.limit))
        return np.asarray(np.clip(np.nan_to_num(place, nan=0.0), 0, self.bins - 1), dtype=np.int64)

    def edges(self) -> Floats:
        """Return the inner edges as probabilities, (bins − 1,)."""
        return np.asarray(special.expit(np.linspace(-self.limit, self.limit, self.bins + 1)[1:-1]))


def auc_from_bins(negative: npt.ArrayLike, positive: npt.ArrayLike, *, confidence: float = 0.95) -> dict[str, Floats]:
    """Area under the ROC curve of each group with DeLong's interval on the logit scale, with t.

    Parameters
    ----------
    negative, positive : array_like, shape (groups, bins)
        Counts by score bin.

    Returns
    -------
    dict of ndarray of shape (groups,)
        ``value``, ``low``, ``high`` and ``bound``, the most that binning can have moved the value; NaN without both
        classes.

    Examples
    --------
    >>> found = auc_from_bins([[2, 1, 0]], [[0, 1, 2]])
    >>> round(float(found["value"][0]), 4)
    0.9444
    """
    n_b, p_b = np.asarray(negative, dtype=float), np.asarray(positive, dtype=float)
    n, p = n_b.sum(axis=1), p_b.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        beaten = (np.cumsum(n_b, axis=1) - n_b / 2) / n[:, None]
        outranked = 1 - (np.cumsum(p_b, axis=1) - p_b / 2) / p[:, None]
        auc = (p_b * beaten).sum(axis=1) / p
        parts = np.stack([_spread(p_b, beaten, auc, p), _spread(n_b, outranked, auc, n)], axis=1)
        bound = (p_b * n_b).sum(axis=1) / (2 * p * n)
    freedom = welch_freedom(parts, np.stack([p, n], axis=1))
    ends = [
        auc_interval(float(a), float(v), pairs=int(min(k, m)), confidence=confidence, freedom=float(f))
        for a, v, k, m, f in zip(auc, parts.sum(axis=1), p, n, freedom, strict=True)
    ]
    low, high = np.array(ends, dtype=float).reshape(-1, 2).T
    return {"value": auc, "low": low, "high": high, "bound": bound}


def _spread(counts: Floats, placements: Floats, auc: Floats, total: Floats) -> Floats:
    squares = (counts * (placements - auc[:, None]) ** 2).sum(axis=1)
    return np.asarray(squares / (total * np.maximum(total - 1, 1)))
