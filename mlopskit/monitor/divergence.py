"""How far apart two distributions are, and how far apart chance alone puts them.

All take shares or counts of the same bins. The population stability index (PSI) here is the scorecard one: bins are
quantiles of the *reference*, not of the combined sample. A fixed threshold on it means nothing without the sample
sizes: with no drift at all PSI is about ``(1/n + 1/m)`` times a chi-squared variable with ``bins − 1`` degrees of
freedom (Yurdakul 2018), so its mean and 95th percentile under "nothing has changed" stand beside every value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

FLOOR = 1e-4
"""Share that an empty bin is given in PSI, where a logarithm of nothing would be infinite."""

Counts = Any  # an array-like of non-negative numbers, one a bin


def shares(counts: Counts) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return counts as shares that sum to 1; all zero when there is nothing to share."""
    values = np.asarray(counts, dtype=float)
    total = values.sum()
    return values / total if total > 0 else values


def psi(reference: Counts, current: Counts, *, floors: tuple[float, float] = (FLOOR, FLOOR)) -> float:
    """Population stability index ``Σ (q − p) ln(q / p)`` of two sets of counts or shares.

    Parameters
    ----------
    reference, current : array_like, shape (n_bins,)
        Counts or shares of the same bins; a bin that is empty in both is left out.
    floors : pair of float
        Least share of a bin in each. The customary 1e-4 makes one empty bin of a small window weigh as much as real
        drift, so `drift_table` uses half a row instead.

    Examples
    --------
    >>> round(psi([0.25, 0.25, 0.25, 0.25], [0.10, 0.20, 0.30, 0.40]), 10)
    0.2282174096
    """
    p, q = shares(reference), shares(current)
    used = (p > 0) | (q > 0)
    p, q = np.maximum(p[used], floors[0]), np.maximum(q[used], floors[1])
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(reference: Counts, current: Counts, *, base: float = np.e) -> float:
    """Jensen–Shannon distance: the root of the Jensen–Shannon divergence, in nats unless `base` says otherwise.

    Examples
    --------
    >>> round(jensen_shannon([1, 1, 1, 1], [1, 2, 3, 4]), 10)
    0.1669299657
    """
    p, q = shares(reference), shares(current)
    middle = (p + q) / 2
    return float(np.sqrt(max(0.0, (_kl(p, middle) + _kl(q, middle)) / 2) / np.log(base)))


def _kl(p: Any, q: Any) -> float:
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / q[used])))


def total_variation(reference: Counts, current: Counts) -> float:
    """Total variation: half the sum of absolute differences of the shares, between 0 and 1."""
    return float(np.abs(shares(reference) - shares(current)).sum() / 2)


def hellinger(reference: Counts, current: Counts) -> float:
    """Hellinger distance ``sqrt(½ Σ (√p − √q)²)``, between 0 and 1."""
    gap = np.sqrt(shares(reference)) - np.sqrt(shares(current))
    return float(np.sqrt(np.sum(gap**2) / 2))


@dataclass(frozen=True)
class Chance:
    """What a statistic shows when nothing has drifted.

    Attributes
    ----------
    mean, high : float
        Its expectation and its 95th percentile (or the level asked for).
    """

    mean: float
    high: float


def psi_chance(n: int, m: int, bins: int, *, level: float = 0.95) -> Chance:
    """Mean and upper percentile of PSI without drift, for samples of `n` and `m` rows in `bins` non-empty bins.

    Examples
    --------
    >>> round(psi_chance(200, 200, 10).mean, 2)
    0.09
    """
    from scipy.stats import chi2

    if n <= 0 or m <= 0 or bins < 2:
        return Chance(float("nan"), float("nan"))
    scale = 1 / n + 1 / m
    return Chance(scale * (bins - 1), float(scale * chi2.ppf(level, bins - 1)))


def jensen_shannon_chance(n: int, m: int, bins: int, *, level: float = 0.95) -> Chance:
    """The same for the Jensen–Shannon distance in nats: to second order its divergence is an eighth of PSI.

    The mean is that of the root of a chi-squared variable, i.e. of a chi distribution.
    """
    from scipy.stats import chi

    if n <= 0 or m <= 0 or bins < 2:
        return Chance(float("nan"), float("nan"))
    scale = np.sqrt((1 / n + 1 / m) / 8)
    return Chance(float(scale * chi.mean(bins - 1)), float(scale * chi.ppf(level, bins - 1)))
