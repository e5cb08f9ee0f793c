"""Intervals of one rate and of the difference of two."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special


def wilson(successes: npt.ArrayLike, total: npt.ArrayLike, *, confidence: float = 0.95) -> tuple[Any, Any]:
    """Wilson's score interval of a rate, elementwise.

    Parameters
    ----------
    successes, total : array_like of counts
        Broadcast against each other; where `total` is 0 the interval is all of [0, 1].
    confidence : float
        Between 0 and 1.

    Returns
    -------
    low, high : ndarray of float
        Of the broadcast shape (NumPy scalars for scalars).

    Notes
    -----
    Counts are whole, so no method covers every rate equally often. At 95 % this one covers rates from 0.05 to 0.95 in
    0.93 to 0.99 of samples on average, at any number of rows from 10; at the single rate that it covers worst in 0.89
    of them at 10 rows, 0.91 at 20 and 0.927 from 50, and no single one in more than 0.99.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22, 209-212.

    Examples
    --------
    >>> low, high = wilson(8, 10)
    >>> round(float(low), 3), round(float(high), 3)
    (0.49, 0.943)
    """
    k, n = np.asarray(successes, dtype=float), np.asarray(total, dtype=float)
    z = special.ndtri(0.5 + confidence / 2)
    safe = np.where(n > 0, n, 1.0)
    p = k / safe
    centre = (p + z * z / (2 * safe)) / (1 + z * z / safe)
    half = z / (1 + z * z / safe) * np.sqrt(p * (1 - p) / safe + z * z / (4 * safe * safe))
    low = np.where((n > 0) & (k > 0), centre - half, 0.0)
    high = np.where((n > 0) & (k < n), centre + half, 1.0)
    return np.clip(low, 0, 1)[()], np.clip(high, 0, 1)[()]


def newcombe(
    successes_1: npt.ArrayLike,
    total_1: npt.ArrayLike,
    successes_2: npt.ArrayLike,
    total_2: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> tuple[Any, Any]:
    """Newcombe's interval of the difference of two independent rates, first minus second, elementwise.

    It joins the two Wilson intervals by squares (method 10 of the paper). On average over pairs of rates from 0.05 to
    0.95 it covers in 0.93 to 0.99 of samples from 10 rows each; any one pair in at least 0.90, and 0.935 from 50 rows.

    References
    ----------
    Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions. Statistics in
    Medicine 17, 873-890.

    Examples
    --------
    The first example of the paper, 56 of 70 against 48 of 80:

    >>> low, high = newcombe(56, 70, 48, 80)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3339)
    """
    k1, n1 = np.asarray(successes_1, dtype=float), np.asarray(total_1, dtype=float)
    k2, n2 = np.asarray(successes_2, dtype=float), np.asarray(total_2, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        p1, p2 = k1 / n1, k2 / n2
    first, second = wilson(k1, n1, confidence=confidence), wilson(k2, n2, confidence=confidence)
    low, high = square_and_add((p1, *first), (p2, *second))
    return np.where(np.isnan(low), -1.0, low)[()], np.where(np.isnan(high), 1.0, high)[()]


def square_and_add(first: tuple[Any, Any, Any], second: tuple[Any, Any, Any], *, correlation: float = 0.0) -> Any:
    """Interval of ``first − second`` from the (value, low, high) of each and the correlation of the two estimates.

    References
    ----------
    Zou, G. Y. and Donner, A. (2008). Construction of confidence limits about effect measures: a general approach.
    Statistics in Medicine 27, 1693-1702.

    Examples
    --------
    A constant has no width, so the other's interval is only shifted:

    >>> low, high = square_and_add((0.8, 0.7, 0.9), (0.5, 0.5, 0.5))
    >>> round(float(low), 3), round(float(high), 3)
    (0.2, 0.4)
    """
    (v1, l1, u1), (v2, l2, u2) = first, second
    down, up = (v1 - l1, u2 - v2), (u1 - v1, v2 - l2)
    low, high = (
        np.sqrt(np.maximum(a * a + b * b - 2 * correlation * a * b, 0.0)) for a, b in (down, up)
    )  # the correlation of a difference enters with a minus
    return v1 - v2 - low, v1 - v2 + high
