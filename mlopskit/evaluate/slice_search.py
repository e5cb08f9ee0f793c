"""The engine of slice search: exact top-K over conjunctions, level by level, pruned by bounds.

A slice is a set of *items* (feature = value), at most one of each feature. Level L is counted from the survivors of
level L − 1: two that share all but their last item are joined, and the join is counted only if every parent survived
and no slice within those parents could reach the K-th best score. Rows are sorted by error, largest first, so that
the first row of a value is its largest error and rows without error lie at the end; no row-by-candidate matrix is
ever built: one `numpy.bincount` over the rows of a parent counts all of its children at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mlopskit.evaluate.slice_score import Best, Score

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CHUNK = 1 << 21  # candidate pairs that are held in memory at once


@dataclass(frozen=True)
class Level:
    """The surviving slices of one level, sorted by prefix and last item.

    Attributes
    ----------
    prefix : ndarray of int, shape (slices,)
        Position in the level before of the slice without its last item.
    item : ndarray of int, shape (slices,)
        The last item.
    sizes, errors, maxima : ndarray of float, shape (slices,)
        Rows, sum of errors, largest error.
    """

    prefix: Ints
    item: Ints
    sizes: Floats
    errors: Floats
    maxima: Floats

    def take(self, chosen: Any) -> Level:
        """Return some of the slices."""
        parts = (self.prefix, self.item, self.sizes, self.errors, self.maxima)
        return Level(*(part[chosen] for part in parts))


class Search:
    """One search: integer codes and errors in, the best slices out.

    Parameters
    ----------
    codes : ndarray of int, shape (features, n)
        Items: the values of all features numbered through, so that each item belongs to one feature.
    feature_of : ndarray of int, shape (items,)
        The feature of each item, ascending; items of a feature in the order of their names.
    errors : ndarray of float, shape (n,)
    score : Score
    k, max_level : int
    """

    def __init__(self, codes: Any, feature_of: Ints, errors: Floats, *, score: Score, k: int, max_level: int) -> None:
        order = np.argsort(-errors, kind="stable")
        self.codes, self.errors = codes[:, order], errors[order]
        self.positive = int(np.count_nonzero(self.errors))
        self.binary = bool(np.all((self.errors == 0) | (self.errors == 1)))
        self.feature_of, self.score, self.max_level = feature_of, score, max_level
        self.best = Best(k)
        self.levels: list[Level] = []
        self.visited: list[int] = []

    def run(self) -> Best:
        """Search all levels."""
        self._first_level()
        while len(self.levels) < min(self.max_level, len(self.codes)) and len(self.levels[-1].item) > 1:
            self._next_level()
        return self.best

    def items_of(self, level: int, position: int) -> tuple[int, ...]:
        """Return the items of a slice of a level (counted from 0), ascending."""
        found: list[int] = []
        for depth in range(level, -1, -1):
            found.append(int(self.levels[depth].item[position]))
            position = int(self.levels[depth].prefix[position])
        return tuple(reversed(found))

    def _first_level(self) -> None:
        sizes, errors, maxima = self._count(self.codes, self.errors)
        item = np.arange(len(self.feature_of))
        self.visited.append(int(np.count_nonzero(sizes)))
        enough = np.flatnonzero(sizes >= self.score.support)
        level = Level(np.zeros_like(item), item, sizes, errors, maxima).take(enough)
        self.best.offer(
            self.score.of(level.sizes, level.errors), level.sizes, level.errors, lambda i: (int(level.item[i]),)
        )
        self.levels.append(level.take(self._promising(level)))

    def _promising(self, level: Level) -> Any:
        bound = self.score.bound(level.sizes[None], level.errors[None], level.maxima[None])
        return np.flatnonzero((bound > 0) & (bound >= self.best.least))

    def _next_level(self) -> None:
        """Count the children of the last level's survivors, most promising families first: the bar rises early."""
        last = self.levels[-1]
        deepest = len(self.levels) + 1 >= min(self.max_level, len(self.codes))
        bound = self.score.bound(last.sizes[None], last.errors[None], last.maxima[None])
        starts = np.flatnonzero(np.r_[True, np.diff(last.prefix) != 0])
        families = list(zip(starts, np.r_[starts[1:], len(last.item)], strict=True))
        families.sort(key=lambda family: -float(bound[family[0] : family[1]].max()))
        self.visited.append(0)
        found = [part for family in families for part in self._family(last, int(family[0]), int(family[1]), deepest)]
        if not found:
            self.levels.append(last.take(np.empty(0, dtype=np.int64)))
            return
        level = Level(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))
        level = level.take(np.lexsort((level.item, level.prefix)))
        self.levels.append(level.take(self._promising(level)))

    def _family(self, last: Level, start: int, stop: int, deepest: bool) -> Iterator[tuple[Any, ...]]:
        """Count the joins of slices ``start … stop`` of the last level, which share all but their last item."""
        rows: tuple[Any, Floats] | None = None
        for left, right, bound in self._candidates(last, start, stop):
            edges = np.flatnonzero(np.r_[True, np.diff(left) != 0, True])
            for a, b in pairwise(edges):
                alive = bound[a:b] >= self.best.least
                if not alive.any():
                    continue
                if rows is None:
                    rows = self._rows_of(len(self.levels) - 2, int(last.prefix[start]))
                counted = self._children(last, int(left[a]), last.item[right[a:b][alive]], rows)
                if counted is not None and not deepest:
                    yield counted

    def _candidates(self, last: Level, start: int, stop: int) -> Iterator[tuple[Ints, Ints, Floats]]:
        """Yield pairs of siblings whose join may matter, with its bound, sorted by the left one."""
        feature = self.feature_of[last.item[start:stop]]
        first = start + np.searchsorted(feature, feature, side="right")
        widths = stop - first
        cut = np.flatnonzero(np.r_[True, np.diff(np.cumsum(widths) // _CHUNK) != 0, True])
        for a, b in pairwise(cut):
            left = np.repeat(np.arange(start + a, start + b), widths[a:b])
            if not left.size:
                continue
            begin = np.repeat(np.cumsum(widths[a:b]) - widths[a:b], widths[a:b])
            right = np.repeat(first[a:b], widths[a:b]) + np.arange(left.size) - begin
            yield self._bounded(last, left, right)

    def _bounded(self, last: Level, left: Ints, right: Ints) -> tuple[Ints, Ints, Floats]:
        parents = [left, right]
        for dropped in range(len(self.levels) - 1):
            parents.append(self._without(dropped, left, last.item[right]))
            alive = parents[-1] >= 0
            parents = [parent[alive] for parent in parents]
            left, right = parents[0], parents[1]
        stacked = np.stack(parents)
        bound = self.score.bound(last.sizes[stacked], last.errors[stacked], last.maxima[stacked])
        alive = (bound > 0) & (bound >= self.best.least)
        return left[alive], right[alive], bound[alive]

    def _without(self, dropped: int, left: Ints, item: Ints) -> Ints:
        """Return where the join of `left` and `item` without its n-th item stands in the last level, −1 if nowhere."""
        depth = len(self.levels)
        columns: list[Ints] = []
        position = left
        for level in range(depth - 1, -1, -1):
            columns.append(self.levels[level].item[position])
            position = self.levels[level].prefix[position]
        columns = [*columns[::-1], item]
        del columns[dropped]
        place = np.zeros_like(left)
        for level, column in enumerate(columns):
            place = self._find(self.levels[level], place, column)
        return place

    def _find(self, level: Level, prefix: Ints, item: Ints) -> Ints:
        width = len(self.feature_of)
        keys, wanted = level.prefix * width + level.item, prefix * width + item
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where((prefix >= 0) & (keys[place] == wanted), place, -1)

    def _rows_of(self, level: int, position: int) -> tuple[Any, Floats]:
        """Return codes and errors of the rows of a slice; level −1 is all rows."""
        if level < 0:
            return self.codes, self.errors
        inside: Any = None
        for item in self.items_of(level, position):
            column = self.codes[self.feature_of[item]]
            inside = np.flatnonzero(column == item) if inside is None else inside[column[inside] == item]
        return self.codes[:, inside], self.errors[inside]

    def _children(
        self, last: Level, parent: int, items: Ints, rows: tuple[Any, Floats]
    ) -> tuple[Ints, Ints, Floats, Floats, Floats] | None:
        """Count the children of one slice by the items given; offer them; return those that may have children."""
        codes, errors = rows
        inside = np.flatnonzero(codes[self.feature_of[last.item[parent]]] == last.item[parent])
        features = np.unique(self.feature_of[items])
        counted = self._count(codes[features[0] : features[-1] + 1][:, inside], errors[inside])
        sizes, sums, maxima = (values[items] for values in counted)
        self.visited[-1] += len(items)
        enough = np.flatnonzero(sizes >= self.score.support)
        if not enough.size:
            return None
        items, sizes, sums, maxima = items[enough], sizes[enough], sums[enough], maxima[enough]
        depth = len(self.levels) - 1
        self.best.offer(
            self.score.of(sizes, sums), sizes, sums, lambda i: (*self.items_of(depth, parent), int(items[i]))
        )
        return np.full_like(items, parent), items, sizes, sums, maxima

    def _count(self, codes: Any, errors: Floats) -> tuple[Any, Any, Any]:
        """Return size, sum and maximum of the errors of each item, over rows sorted by error."""
        width = len(self.feature_of)
        sizes = np.bincount(codes.ravel(), minlength=width).astype(float)
        positive = int(np.searchsorted(-errors, 0.0, side="left"))
        wrong = codes[:, :positive]
        if self.binary:
            sums = np.bincount(wrong.ravel(), minlength=width).astype(float)
            return sizes, sums, (sums > 0).astype(float)
        weights = np.broadcast_to(errors[:positive], wrong.shape)
        sums = np.bincount(wrong.ravel(), weights=weights.ravel(), minlength=width)
        maxima = np.zeros(width)
        maxima[wrong[:, ::-1].ravel()] = weights[:, ::-1].ravel()  # the last assignment, the largest error, stays
        return sizes, sums, maxima
