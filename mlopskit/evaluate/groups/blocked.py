"""Metrics of counts where rows are weighted or belong together: one block of rows left out at a time.

The delete-a-block jackknife gives a standard error; how many independent rows would have the same is the *effective
sample size*, which is shown. The interval is Wilson's at that size with Student's t in place of the normal quantile,
so that it stays within 0 and 1 and has a width at both. Where no block moves the value (0 of n), the effective size is
the number of blocks that have such rows, or Kish's (Σw)² / Σw² where rows are only weighted.

References
----------
Korn, E. L. and Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of positive
counts estimated from survey data. Survey Methodology 24, 193-201; Franco, C. et al. (2019). Comparative study of
confidence intervals for proportions in complex sample surveys. J. Survey Statistics and Methodology 7, 334-364.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlopskit import intervals
from mlopskit.evaluate.groups.grouped import Blocked
from mlopskit.evaluate.groups.parts import Part, part_of
from mlopskit.metrics import Metric
from mlopskit.metrics.scales import t_confidence

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LeftOut:
    """What leaving out one block does to a metric of each group.

    Attributes
    ----------
    value, error : ndarray, shape (groups,)
        The estimate and its standard error; NaN where a block takes a whole denominator away.
    blocks : ndarray of int, shape (groups,)
        Blocks that have rows of the (smallest) denominator.
    deviations : ndarray, shape (groups, 64)
        What each block moves the value by, scaled so that the sum of squares is the variance.
    """

    value: Floats
    error: Floats
    blocks: npt.NDArray[np.int64]
    deviations: Floats


def leave_out(weight: Floats, metric: Metric) -> LeftOut:
    """Leave out one block at a time; `weight` has shape (groups, 64, K, K)."""
    assert metric.parts is not None  # noqa: S101
    total = weight.sum(axis=1)
    rest = total[:, None] - weight
    rest[rest < 1e-9 * total.sum(axis=(1, 2))[:, None, None, None]] = 0.0  # what rounding leaves of nothing
    occupied = weight.sum(axis=(2, 3)) > 0
    left_out = np.where(occupied, metric.from_counts(rest), np.nan)
    broken = (np.isnan(left_out) & occupied).any(axis=1)
    count = occupied.sum(axis=1)
    mean = np.nansum(left_out, axis=1) / np.maximum(count, 1)
    scale = np.sqrt(np.maximum(count - 1, 0) / np.maximum(count, 1))
    deviations = np.nan_to_num((left_out - mean[:, None]) * scale[:, None])
    error = np.where(broken | (count < 2), np.nan, np.sqrt((deviations**2).sum(axis=1)))
    blocks = (metric.parts(weight)[1] > 0).sum(axis=1).min(axis=1)
    return LeftOut(np.asarray(metric.from_counts(total)), error, blocks, deviations)


def blocked_part(confusion: Any, blocked: Blocked, metric: Metric, *, confidence: float, clusters: int) -> Part:
    """Return value, interval and effective sample size of one metric of every group."""
    assert metric.parts is not None  # noqa: S101
    found = leave_out(blocked.weight, metric)
    totals = metric.parts(confusion)[1]
    denominator = totals.min(axis=1)
    effective = _effective(found, blocked, metric, np.minimum(totals.sum(axis=1), confusion.sum(axis=(1, 2))))
    level = t_confidence(confidence, found.blocks - 1)
    low, high = intervals.wilson(found.value * effective, effective, confidence=level)
    method = [
        f"jackknife, {count} blocks, effective n {size:,.0f}" if size > 0 else "jackknife"
        for count, size in zip(found.blocks, effective, strict=True)
    ]
    few = np.where(found.blocks < clusters, f"fewer than {clusters} clusters in the denominator", "")
    withheld = np.where(np.isnan(found.error) & (few == ""), "undefined without one of its blocks", few)
    return part_of(denominator, found.value, low, high, method, withheld=withheld)


def _effective(found: LeftOut, blocked: Blocked, metric: Metric, rows: Any) -> Floats:
    """Independent rows that would have the same standard error; never more than there are."""
    value, variance = found.value, found.error**2
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.asarray(value * (1 - value) / variance)
    size = np.where(np.isfinite(size) & (variance > 0), size, _cautious(found, blocked, metric))
    return np.asarray(np.minimum(np.where(np.isfinite(size), size, 0.0), rows), dtype=float)


def _cautious(found: LeftOut, blocked: Blocked, metric: Metric) -> Floats:
    if blocked.squares is None:
        return found.blocks.astype(float)
    assert metric.parts is not None  # noqa: S101
    weight, squares = (metric.parts(part)[1].astype(float) for part in (blocked.weight.sum(axis=1), blocked.squares))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nanmin(np.where(squares > 0, weight**2 / squares, np.inf), axis=1))
