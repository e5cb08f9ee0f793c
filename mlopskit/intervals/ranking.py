"""Areas under the ROC curve and average precision of many groups at once, from rows, distinct scores or score bins.

An *entry* is one or more rows of one group, one class and one score: a single row, all rows with the same score, or a
score bin. One sort by group and score gives the value of every group and each entry's influence on it; the squares of
the influences, summed by row or by block of rows, give the variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from mlopskit.intervals.draws import Floats
from mlopskit.intervals.resampling import BLOCKS
from mlopskit.intervals.roc import auc_interval, welch_freedom

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """What a ranking is judged by.

    Attributes
    ----------
    group : ndarray of int, shape (entries,)
        Which group.
    positive : ndarray of bool, shape (entries,)
        The actual class.
    score : ndarray of float, shape (entries,)
        Anything whose order is that of the scores; equal scores are ties.
    rows : ndarray of float, shape (entries,)
        How many rows an entry stands for.
    weight : ndarray of float, shape (entries,)
        Their weights in sum; the same as `rows` where there are none.
    block : ndarray of int, shape (entries,), or None
        What belongs together; None where each row stands for itself.
    groups : int
    """

    group: Ints
    positive: npt.NDArray[np.bool_]
    score: Floats
    rows: Floats
    weight: Floats
    block: Ints | None
    groups: int

    @classmethod
    def of_rows(
        cls, group: Any, positive: Any, score: Any, *, groups: int, weight: Any = None, block: Any = None
    ) -> Entries:
        """Each row an entry."""
        rows = np.ones(len(group))
        return cls(
            np.asarray(group, dtype=np.int64), np.asarray(positive, dtype=bool), np.asarray(score, dtype=float),
            rows, rows if weight is None else np.asarray(weight, dtype=float), block, groups,
        )  # fmt: skip

    @classmethod
    def of_bins(cls, negative: npt.ArrayLike, positive: npt.ArrayLike) -> Entries:
        """Each occupied score bin an entry; counts of shape (groups, bins)."""
        counts = np.stack([np.asarray(negative), np.asarray(positive)])
        actual, group, place = np.nonzero(counts)
        rows = counts[actual, group, place].astype(float)
        return cls(group.astype(np.int64), actual == 1, place.astype(float), rows, rows, None, counts.shape[1])

    def take(self, keep: Any) -> Entries:
        """Some of the entries; groups keep their numbers."""
        block = None if self.block is None else self.block[keep]
        positive, score, rows = self.positive[keep], self.score[keep], self.rows[keep]
        return Entries(self.group[keep], positive, score, rows, self.weight[keep], block, self.groups)

    def class_rows(self) -> Floats:
        """Rows by group and class, (groups, 2)."""
        return self._by_class(self.rows)

    def _by_class(self, amount: Floats) -> Floats:
        found = np.bincount(self.group * 2 + self.positive, weights=amount, minlength=self.groups * 2)
        return np.asarray(found.reshape(self.groups, 2))


@dataclass(frozen=True)
class Ranked:
    """One figure of each group with its interval.

    Attributes
    ----------
    value, low, high : ndarray, shape (groups,)
        NaN where a class is absent.
    blocks : ndarray of int, shape (groups,)
        Blocks that the variance comes from; 0 where it comes from single rows.
    deviations : ndarray, shape (groups, blocks), or None
        What each block moves the value by, for joint draws.
    effective : ndarray, shape (groups,)
        How many independent rows would have the same variance; all of them where it comes from single rows.
    bound : ndarray, shape (groups,)
        The most that the value can be off where equal scores are bins, not true ties.
    """

    value: Floats
    low: Floats
    high: Floats
    blocks: Ints
    deviations: Floats | None
    effective: Floats
    bound: Floats


@dataclass(frozen=True)
class _Sorted:
    """Entries in order of group and score, with sums up to each."""

    entries: Entries
    total: Floats
    below: Floats
    tied: Floats

    @classmethod
    def of(cls, entries: Entries) -> _Sorted:
        """Sort; `below` and `tied` hold the weight of (negative, positive) entries of the same group, (entries, 2)."""
        entries = entries.take(np.flatnonzero(entries.weight > 0))  # what weighs nothing says nothing
        entries = entries.take(np.lexsort((entries.score, entries.group)))
        weight = np.stack([entries.weight * ~entries.positive, entries.weight * entries.positive], axis=1)
        sums = np.vstack([np.zeros((1, 2)), np.cumsum(weight, axis=0)])
        size = len(entries.group)
        new = np.ones(size, dtype=bool)
        new[1:] = (entries.group[1:] != entries.group[:-1]) | (entries.score[1:] != entries.score[:-1])
        firsts = np.flatnonzero(new)
        run = np.cumsum(new) - 1
        lasts = np.append(firsts[1:], size)
        start = np.searchsorted(entries.group, np.arange(entries.groups))
        below = sums[firsts[run]] - sums[start[entries.group]] if size else np.zeros((0, 2))
        tied = sums[lasts[run]] - sums[firsts[run]] if size else np.zeros((0, 2))
        return cls(entries, entries._by_class(entries.weight), below, tied)


def areas(entries: Entries, *, confidence: float = 0.95) -> Ranked:
    """Area under the ROC curve of each group.

    Single rows get DeLong's interval on the logit scale with t (`delong`), exact at 0 and 1. Where rows belong to
    blocks, or are weighted, the variance is that of the delete-a-block jackknife in its first-order form, the sum of
    the squares of the blocks' influences, with Student's t.

    References
    ----------
    Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics 53, 567-578.

    Examples
    --------
    >>> rows = Entries.of_rows([0, 0, 0, 0], [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], groups=1)
    >>> float(areas(rows).value[0])
    0.75
    """
    found = _Sorted.of(entries)
    entries, total = found.entries, found.total
    own = total[entries.group]
    with np.errstate(invalid="ignore", divide="ignore"):
        beaten = (found.below[:, 0] + found.tied[:, 0] / 2) / own[:, 0]
        outranked = (own[:, 1] - found.below[:, 1] - found.tied[:, 1] / 2) / own[:, 1]
        placed = np.where(entries.positive, beaten, outranked)
        value = _sum(entries, np.where(entries.positive, entries.weight * beaten, 0.0)) / total[:, 1]
        value = np.where(total[:, 0] > 0, value, np.nan)
        centred = placed - value[entries.group]
        bound = _sum(entries, np.where(entries.positive, entries.weight * found.tied[:, 0], 0.0)) / (
            2 * total.prod(axis=1)
        )
    class_weight = np.where(entries.positive, own[:, 1], own[:, 0])
    if entries.block is None:
        divisor = class_weight * np.maximum(class_weight - 1, 1)
        parts = entries._by_class(entries.rows * centred**2 / divisor)
        freedom = welch_freedom(parts, entries.class_rows())
        return _from_rows(entries, value, parts.sum(axis=1), bound, confidence, freedom)
    class_rows = np.take_along_axis(entries.class_rows()[entries.group], entries.positive[:, None] * 1, axis=1)[:, 0]
    alone = _sum(entries, entries.rows * (centred / class_rows) ** 2)
    return _from_blocks(entries, value, entries.weight * centred / class_weight, (bound, alone), confidence)


def average_precisions(entries: Entries, *, bins: bool = False, confidence: float = 0.95) -> Ranked:
    """Average precision of each group, as scikit-learn has it: equal scores are one threshold.

    With `bins` equal scores are score bins, no true ties: the value is then the middle between the best and the worst
    order within the bins, and the bound half their distance. The variance is the infinitesimal jackknife's: each row's
    influence squared, with Student's t for the rows of the smaller class, or each block's.

    Examples
    --------
    >>> rows = Entries.of_rows([0, 0, 0, 0], [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], groups=1)
    >>> round(float(average_precisions(rows).value[0]), 4)
    0.8333
    """
    found = _Sorted.of(entries)
    entries, total = found.entries, found.total
    own = total[entries.group]
    called = own.sum(axis=1) - found.below.sum(axis=1)
    hits = own[:, 1] - found.below[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = hits / called
        gain = np.where(entries.positive, entries.weight / called, 0.0)
        value = _sum(entries, gain * hits) / total[:, 1]
        value = np.where(total[:, 0] > 0, value, np.nan)
        lift, loss = (_up_to(entries, part) for part in (gain, gain * precision))
        influence = (entries.positive * (precision - value[entries.group] + lift) - loss) / own[:, 1]
    best, worst = (_sum(entries, order) / np.maximum(total[:, 1], 1e-300) for order in _orders(found))
    bound = np.where(np.isnan(value), np.nan, (best - worst) / 2)
    value = np.where(np.isnan(value), np.nan, (best + worst) / 2) if bins else value
    if entries.block is None:
        rows = entries.class_rows()
        n, few = rows.sum(axis=1), rows.min(axis=1)
        variance = _sum(entries, entries.rows * influence**2) * n / np.maximum(n - 1, 1)
        variance *= (
            stats.t.ppf(0.5 + confidence / 2, np.maximum(few - 1, 1)) / special.ndtri(0.5 + confidence / 2)
        ) ** 2
        return _from_rows(entries, value, variance, bound, confidence)
    a_row = (total.sum(axis=1) / np.maximum(entries.class_rows().sum(axis=1), 1))[entries.group]
    alone = _sum(entries, entries.rows * (influence * a_row) ** 2)
    return _from_blocks(entries, value, entries.weight * influence, (bound, alone), confidence)


def _sum(entries: Entries, amount: Floats) -> Floats:
    return np.asarray(np.bincount(entries.group, weights=amount, minlength=entries.groups))


def _up_to(entries: Entries, amount: Floats) -> Floats:
    """Sum over the entries of the group with the same or a lower score."""
    sums = np.append(0.0, np.cumsum(amount))
    start = np.searchsorted(entries.group, np.arange(entries.groups))
    last = np.ones(len(amount), dtype=bool)
    last[:-1] = (entries.group[1:] != entries.group[:-1]) | (entries.score[1:] != entries.score[:-1])
    ends = np.flatnonzero(last)
    end = ends[np.searchsorted(ends, np.arange(len(amount)))] + 1
    return np.asarray(sums[end] - sums[start[entries.group]])


def _orders(found: _Sorted) -> tuple[Floats, Floats]:
    """What each run of ties adds were all its positives first, or last; given to its first positive entry."""
    entries, own = found.entries, found.total[found.entries.group]
    hits = own[:, 1] - found.below[:, 1] - found.tied[:, 1]
    wrong = own[:, 0] - found.below[:, 0] - found.tied[:, 0]
    share = np.where(entries.positive, entries.weight, 0.0) / np.maximum(found.tied[:, 1], 1e-300)

    def climb(mistakes: Floats) -> Floats:
        """Σ (hits + k) / (hits + k + mistakes) for k from 1 to the positives of the run."""
        seen, more = hits + mistakes, found.tied[:, 1]
        with np.errstate(invalid="ignore"):
            lost = mistakes * (special.digamma(seen + more + 1) - special.digamma(seen + 1))
        return np.where(more > 0, more - np.nan_to_num(lost), 0.0)

    return share * climb(wrong), share * climb(wrong + found.tied[:, 0])


def _from_rows(
    entries: Entries, value: Floats, variance: Floats, bound: Floats, confidence: float, freedom: Any = np.inf
) -> Ranked:
    pairs = entries.class_rows().min(axis=1)
    low, high = _intervals(value, variance, pairs, confidence, freedom)
    rows = entries.class_rows().sum(axis=1)
    return Ranked(value, low, high, np.zeros(entries.groups, dtype=np.int64), None, rows, bound)


def _from_blocks(
    entries: Entries, value: Floats, influence: Floats, others: tuple[Floats, Floats], confidence: float
) -> Ranked:
    """Sum influences by block; `others` are the bound and the variance were all rows independent and alike."""
    assert entries.block is not None  # noqa: S101
    bound, alone = others
    size = entries.groups * BLOCKS
    place = entries.group * BLOCKS + entries.block
    moved = np.bincount(place, weights=influence, minlength=size).reshape(entries.groups, BLOCKS)
    occupied = (np.bincount(place, minlength=size) > 0).reshape(entries.groups, BLOCKS)
    blocks = occupied.sum(axis=1)
    scale = np.sqrt(blocks / np.maximum(blocks - 1, 1))
    deviations = moved * scale[:, None]
    by_class = np.bincount(place * 2 + entries.positive, minlength=size * 2).reshape(entries.groups, BLOCKS, 2) > 0
    widen = stats.t.ppf(0.5 + confidence / 2, np.maximum(blocks - 1, 1)) / special.ndtri(0.5 + confidence / 2)
    variance = (deviations**2).sum(axis=1)
    pairs = np.minimum(by_class.sum(axis=1), _alike(entries, place, size)).min(axis=1)
    low, high = _intervals(value, variance * widen**2, pairs, confidence)
    rows = entries.class_rows().sum(axis=1)
    effective = rows * np.minimum(alone / np.where(variance > 0, variance, np.inf), 1.0)
    return Ranked(value, low, high, blocks, deviations, effective, bound)


def _alike(entries: Entries, place: Ints, size: int) -> Floats:
    """Kish's number of equally heavy blocks, by group and class; without limit where no row is weighted."""
    if np.array_equal(entries.weight, entries.rows):
        return np.full((entries.groups, 2), np.inf)
    heavy = np.bincount(place * 2 + entries.positive, weights=entries.weight, minlength=size * 2)
    heavy = heavy.reshape(entries.groups, BLOCKS, 2)
    squares = (heavy**2).sum(axis=1)
    return np.asarray(heavy.sum(axis=1) ** 2 / np.where(squares > 0, squares, 1.0))


def _intervals(
    value: Floats, variance: Floats, pairs: Any, confidence: float, freedom: Any = np.inf
) -> tuple[Floats, Floats]:
    ends = [
        auc_interval(float(a), float(v), pairs=max(int(k), 1), confidence=confidence, freedom=float(f))
        for a, v, k, f in zip(value, variance, pairs, np.broadcast_to(freedom, len(value)), strict=True)
    ]
    low, high = np.array(ends, dtype=float).reshape(-1, 2).T
    return low, high
