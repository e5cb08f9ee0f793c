"""How much a mitigation changes the largest gap between groups, on the same rows, and how sure that is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit import intervals
from mlopskit.metrics.estimates import FEWEST, MANY, MANY_EVENTS

PARTS = {
    "selection_rate": ("selection_rate",),
    "recall": ("recall",),
    "false_positive_rate": ("false_positive_rate",),
    "equalized_odds": ("recall", "false_positive_rate"),
}
"""What is compared → the rates whose gaps it is the larger of."""


def gap_change(
    y: npt.ArrayLike, before: npt.ArrayLike, after: npt.ArrayLike, groups: npt.ArrayLike, *, gap: str,
    replicates: int = 1000, confidence: float = 0.95, seed: int = 0, blocks: npt.NDArray[np.int64] | None = None,
) -> tuple[float, float, float, str]:  # fmt: skip
    """How much wider the largest gap between groups is after than before, with its interval, on the same rows.

    Rows are drawn together with both answers, so that what both have in common does not widen the interval: Dirichlet
    draws of the joint counts, or a multinomial bootstrap where every denominator has 200 rows with 10 events and 10
    non-events. Groups with fewer than ten rows in a denominator are left out of both gaps.

    Parameters
    ----------
    y, before, after : array_like of int, shape (n,)
        Actual classes and two sets of decisions, 0 and 1.
    groups : array_like, shape (n,)
    blocks : ndarray of int, shape (n,), optional
        Blocks of rows that belong together, as from `mlopskit.tally.block_of`; these are then drawn instead of rows.
    gap : str
        ``selection_rate``, ``recall``, ``false_positive_rate`` or ``equalized_odds``, the larger of the last two.

    Returns
    -------
    tuple of three floats and str
        Change, low, high and the method of the interval; below 0 the gap has become smaller.

    Examples
    --------
    >>> y, groups = [1] * 40, ["a"] * 20 + ["b"] * 20
    >>> change, low, high, method = gap_change(y, [1] * 20 + [0] * 20, [1] * 40, groups, gap="recall")
    >>> change, high <= 0, method
    (-1.0, True, 'paired Dirichlet draws')
    """
    codes, labels = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    cell = ((codes * 2 + np.asarray(y)) * 2 + np.asarray(before)) * 2 + np.asarray(after)
    counts = np.bincount(cell, minlength=len(labels) * 8).reshape(len(labels), 2, 2, 2)
    sizes = [_denominators(counts, part) for part in PARTS[gap]]
    kept = [size >= FEWEST for size in sizes]
    if any(known.sum() < 2 for known in kept):
        return np.nan, np.nan, np.nan, "fewer than two groups can be estimated"
    large = all(
        _are_many(called[known], size[known])
        for part, size, known in zip(PARTS[gap], sizes, kept, strict=True)
        for called in (_called(counts.sum(axis=axis), part) for axis in (3, 2))
    )

    def change(tables: Any) -> Any:
        parts = zip(PARTS[gap], kept, strict=True)
        both = [[_spread(tables.sum(axis=axis)[:, known], part) for axis in (4, 3)] for part, known in parts]
        before_gap, after_gap = (np.fmax.reduce([pair[place] for pair in both]) for place in (0, 1))
        return after_gap - before_gap

    value = float(change(counts[None])[0])
    if blocks is not None:
        drawn = change(_drawn_blocks(cell, blocks, counts.shape, replicates=replicates, seed=seed))
    elif large:
        drawn = change(intervals.multinomial_draws(counts, replicates=replicates, seed=seed))
    else:  # two rows a group beforehand, over its eight cells
        drawn = change(intervals.dirichlet_draws(counts, replicates=replicates, seed=seed, prior=0.25))
    low, high = intervals.percentile(drawn[np.isfinite(drawn)], confidence=confidence)
    how = "multinomial bootstrap" if large else "Dirichlet draws"
    method = f"paired {'bootstrap of blocks' if blocks is not None else how}"
    return value, min(float(low), value), max(float(high), value), method


def _drawn_blocks(
    cell: npt.NDArray[np.int64], blocks: npt.NDArray[np.int64], shape: tuple[int, ...], *, replicates: int, seed: int
) -> npt.NDArray[np.float64]:
    """Draw whole blocks with replacement: their joint counts, (replicates, *shape)."""
    found, place = np.unique(blocks, return_inverse=True)
    size = int(np.prod(shape))
    each = np.bincount(place * size + cell, minlength=len(found) * size).reshape(len(found), size)
    times = np.random.default_rng(seed).multinomial(len(found), np.full(len(found), 1 / len(found)), size=replicates)
    return np.asarray((times @ each).reshape(replicates, *shape), dtype=np.float64)


def _denominators(counts: Any, part: str) -> Any:
    rows = counts.sum(axis=(2, 3))
    denominator = {"selection_rate": rows.sum(axis=1), "recall": rows[:, 1], "false_positive_rate": rows[:, 0]}
    return denominator[part]


def _are_many(called: Any, size: Any) -> bool:
    return bool(((size >= MANY) & (called >= MANY_EVENTS) & (size - called >= MANY_EVENTS)).all())


def _called(confusion: Any, part: str) -> Any:
    """Rows called positive among those that a rate is a share of, of confusion tables (..., 2, 2)."""
    if part == "selection_rate":
        return confusion[..., 1].sum(axis=-1)
    return confusion[..., 1 if part == "recall" else 0, 1]


def _spread(confusion: Any, part: str) -> Any:
    """Largest minus smallest rate of confusion tables (..., groups, 2, 2), actual × decided."""
    rows = confusion.sum(axis=-1)
    total = rows.sum(axis=-1) if part == "selection_rate" else rows[..., 1 if part == "recall" else 0]
    with np.errstate(invalid="ignore"):
        rates = _called(confusion, part) / total
    return np.fmax.reduce(rates, axis=-1) - np.fmin.reduce(rates, axis=-1)
