"""The engine of slice search: exact top-K over conjunctions, level by level, pruned by bounds.

A slice is a set of *items* (column = value), at most one of each column. Level L is made from the survivors of level
L − 1: two that share all but their last item are joined, and the join is counted only if every parent survived and no
slice within those parents could reach the K-th best score. Where most rows have no error, errors are counted first,
over the few rows that have any, and the sizes only of the joins that their true error leaves in the race; where most
rows have one, it is the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mlopskit.evaluate.slices.codes import Coded
from mlopskit.evaluate.slices.counts import Counter
from mlopskit.evaluate.slices.levels import Joins, Level, Places
from mlopskit.evaluate.slices.score import Best, Score

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CHUNK = 1 << 17  # joins that are held in memory at once
_BATCH = 1 << 10  # joins that are worth a pass of their own


class Search:
    """One search: codes and errors in, the best slices out.

    Parameters
    ----------
    coded : Coded
        Rows by error, largest first. Its codes are overwritten.
    errors : ndarray of float, shape (n,)
        Descending.
    score : Score
    k, max_level : int
    """

    def __init__(self, coded: Coded, errors: Floats, *, score: Score, k: int, max_level: int) -> None:
        self.score, self.max_level = score, max_level
        self.best = Best(k)
        self.levels: list[Level] = []
        self.places: list[Places] = []
        self.visited: list[int] = []
        self.counter, self.item_of = self._first_level(coded, errors)

    def run(self) -> Best:
        """Search the remaining levels."""
        columns = len(np.unique(self.counter.feature_of))
        while len(self.levels) < min(self.max_level, columns) and len(self.levels[-1].item) > 1:
            self._next_level(deepest=len(self.levels) + 1 >= min(self.max_level, columns))
        return self.best

    def items_of(self, level: int, position: int) -> tuple[int, ...]:
        """Return the items of a slice of a level (counted from 0), ascending; level −1 has none."""
        found: list[int] = []
        for depth in range(level, -1, -1):
            found.append(int(self.levels[depth].item[position]))
            position = int(self.levels[depth].prefix[position])
        return tuple(reversed(found))

    def _first_level(self, coded: Coded, errors: Floats) -> tuple[Counter, Ints]:
        """Count single items, offer them, and number anew those that may be part of something better."""
        widths = np.diff(coded.starts)
        counted = [_count_items(column, errors, width) for column, width in zip(coded.codes, widths, strict=True)]
        sizes, sums, maxima = (np.concatenate(parts) for parts in zip(*counted, strict=True))
        self.visited.append(len(sizes))
        enough = np.flatnonzero(sizes >= self.score.support)
        score = self.score.of(sizes[enough], sums[enough])
        self.best.offer(score, sizes[enough], sums[enough], lambda i: (int(enough[i]),))
        kept = np.flatnonzero(self._alive(self.score.bound(sizes[None], sums[None], maxima[None])))
        self._append(
            Level(np.zeros_like(kept), np.arange(len(kept)), sizes[kept], sums[kept], maxima[kept]), 1, len(kept)
        )
        number = np.full(len(sizes), len(kept), dtype=coded.codes.dtype)
        number[kept] = np.arange(len(kept))
        for column, start, stop in zip(coded.codes, coded.starts, coded.starts[1:], strict=False):
            column[:] = number[start:stop][column]
        feature_of = np.repeat(np.arange(len(widths)), widths)[kept]
        return Counter(coded.codes, feature_of, errors), kept

    def _alive(self, bound: Floats) -> Any:
        return (bound > 0) & (bound >= self.best.least)

    def _append(self, level: Level, prefixes: int, width: int) -> None:
        self.levels.append(level)
        self.places.append(Places(level, prefixes, width))

    def _next_level(self, *, deepest: bool) -> None:
        """Count the joins of the last level's survivors, most promising families first: the bar rises early."""
        last = self.levels[-1]
        bound = self.score.bound(last.sizes[None], last.errors[None], last.maxima[None])
        starts = np.flatnonzero(np.r_[True, np.diff(last.prefix) != 0])
        best = np.maximum.reduceat(bound, starts)
        families = list(zip(starts.tolist(), [*starts[1:].tolist(), len(last.item)], strict=True))
        self.visited.append(0)
        found = [last.take(np.empty(0, dtype=np.int64))]
        for number in np.argsort(-best, kind="stable"):
            if self._alive(best[number]):
                found.extend(self._family(*families[number], deepest=deepest))
        parts = [(part.prefix, part.item, part.sizes, part.errors, part.maxima) for part in found]
        level = Level(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        level = level.take(np.lexsort((level.item, level.prefix)))
        bound = self.score.bound(level.sizes[None], level.errors[None], level.maxima[None])
        self._append(level.take(self._alive(bound)), len(last.item), len(self.item_of))

    def _family(self, start: int, stop: int, *, deepest: bool) -> Iterator[Level]:
        """Count the joins of slices ``start … stop`` of the last level, which share all but their last item."""
        path = self.items_of(len(self.levels) - 2, int(self.levels[-1].prefix[start]))
        for joins in self._joins(path, start, stop):
            if self.counter.positive < len(self.counter.codes[0]) / 2:
                yield from self._errors_first(path, joins, deepest=deepest)
            else:
                yield from self._sizes_first(path, joins, deepest=deepest)

    def _joins(self, path: tuple[int, ...], start: int, stop: int) -> Iterator[Joins]:
        """Yield pairs of siblings whose join may matter, sorted by the left one."""
        column = self.counter.feature_of[self.levels[-1].item[start:stop]]
        first = start + np.searchsorted(column, column, side="right")
        widths = stop - first
        cut = np.flatnonzero(np.r_[True, np.diff(np.cumsum(widths) // _CHUNK) != 0, True])
        for a, b in pairwise(cut):
            left = np.repeat(np.arange(start + a, start + b), widths[a:b])
            begin = np.repeat(np.cumsum(widths[a:b]) - widths[a:b], widths[a:b])
            right = np.repeat(first[a:b], widths[a:b]) + np.arange(left.size) - begin
            joins = self._bounded(path, left, right)
            if joins.left.size:
                yield joins

    def _bounded(self, path: tuple[int, ...], left: Ints, right: Ints) -> Joins:
        """Keep the joins all of whose parents survived and that may hold something better than what is known."""
        last = self.levels[-1]
        parents = [left, right]
        for dropped in range(len(path)):
            if not left.size:
                break
            parents.append(self._without(path, dropped, left, last.item[right]))
            alive = parents[-1] >= 0
            parents = [parent[alive] for parent in parents]
            left, right = parents[0], parents[1]
        sizes, errors, maxima = (
            np.stack([part[p] for p in parents]) for part in (last.sizes, last.errors, last.maxima)
        )
        bound = self.score.bound(sizes, errors, maxima)
        joins = Joins(left, right, sizes.min(axis=0), errors.min(axis=0), maxima.min(axis=0), bound)
        return joins.take(self._alive(bound))

    def _without(self, path: tuple[int, ...], dropped: int, left: Ints, item: Ints) -> Ints:
        """Return where the join stands in the last level without the n-th item of its path, −1 if nowhere."""
        place: Any = np.zeros(1, dtype=np.int64)
        for depth, kept in enumerate([*path[:dropped], *path[dropped + 1 :]]):
            place = self.places[depth].find(place, np.array([kept]))
        siblings, which = left[0], left - left[0]
        depth = len(path) - 1
        items = self.levels[-1].item[siblings : left[-1] + 1]
        return np.asarray(self.places[depth + 1].find(self.places[depth].find(place, items)[which], item))

    def _errors_first(self, path: tuple[int, ...], joins: Joins, *, deepest: bool) -> Iterator[Level]:
        """Count errors over the rows that have any; sizes only where the true error leaves the join in the race."""
        left, right = self._items(joins)
        self.visited[-1] += len(left)
        sums = self.counter.errors_of(path, left, right)
        alive = self._alive(self._with_error(joins, sums, deepest=deepest))
        joins, sums = joins.take(alive), sums[alive]
        for a, b in self._batches(joins):
            part, errors = joins.take(slice(a, b)), sums[a:b]
            alive = self._alive(self._with_error(part, errors, deepest=deepest))
            part, errors = part.take(alive), errors[alive]
            left, right = self._items(part)
            wrong = errors if self.counter.binary else self.counter.wrong_of(path, left, right)
            yield from self._settle(
                path, part, wrong + self.counter.right_of(path, left, right), errors, deepest=deepest
            )

    def _sizes_first(self, path: tuple[int, ...], joins: Joins, *, deepest: bool) -> Iterator[Level]:
        for a, b in self._batches(joins):
            part = joins.take(slice(a, b))
            part = part.take(self._alive(part.bound))
            left, right = self._items(part)
            self.visited[-1] += len(left)
            sizes = self.counter.wrong_of(path, left, right) + self.counter.right_of(path, left, right)
            alive = sizes >= self.score.support
            if not self.score.better:
                alive &= self._alive(self.score.bound(sizes[None], part.error[None], part.largest[None]))
            part, sizes = part.take(alive), sizes[alive]
            yield from self._settle(
                path, part, sizes, self.counter.errors_of(path, *self._items(part)), deepest=deepest
            )

    def _with_error(self, joins: Joins, sums: Floats, *, deepest: bool) -> Floats:
        """Return the bound of a join, or of the slices within it, now that its error is known and its size is not."""
        if deepest and self.score.better:
            return self.score.of(joins.most, sums)
        return self.score.bound(joins.most[None], sums[None], joins.largest[None])

    def _settle(
        self, path: tuple[int, ...], joins: Joins, sizes: Floats, sums: Floats, *, deepest: bool
    ) -> Iterator[Level]:
        """Offer joins whose size and error are known; yield those that may have children."""
        enough = sizes >= self.score.support
        joins, sizes, sums = joins.take(enough), sizes[enough], sums[enough]
        left, right = self._items(joins)
        known = tuple(int(self.item_of[item]) for item in path)
        self.best.offer(
            self.score.of(sizes, sums), sizes, sums,
            lambda i: (*known, int(self.item_of[left[i]]), int(self.item_of[right[i]])),
        )  # fmt: skip
        if not deepest and len(left):
            maxima = np.minimum(joins.largest, sums)
            level = Level(joins.left, right, sizes, sums, maxima)
            yield level.take(self._alive(self.score.bound(sizes[None], sums[None], maxima[None])))

    def _items(self, joins: Joins) -> tuple[Ints, Ints]:
        item = self.levels[-1].item
        return item[joins.left], item[joins.right]

    def _batches(self, joins: Joins) -> Iterator[tuple[int, int]]:
        """Cut joins where the column of the left item changes, into stretches worth one pass: the bar rises between."""
        column = self.counter.feature_of[self.levels[-1].item[joins.left]]
        start = 0
        for stop in [*(np.flatnonzero(np.diff(column)) + 1).tolist(), len(column)]:
            if stop - start >= _BATCH or (stop == len(column) and stop > start):
                yield start, stop
                start = stop


def _count_items(column: Any, errors: Floats, width: int) -> tuple[Any, Any, Any]:
    """Return size, sum and maximum of the errors of each value; rows are sorted by error."""
    positive = int(np.searchsorted(-errors, 0.0, side="left"))
    sizes = np.bincount(column, minlength=width).astype(float)
    sums = np.bincount(column[:positive], weights=errors[:positive], minlength=width)
    maxima = np.zeros(width)
    maxima[column[:positive][::-1]] = errors[:positive][::-1]  # the last assignment, the largest error, stays
    return sizes, sums, maxima
