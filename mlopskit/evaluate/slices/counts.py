"""Counting many slices at once: what a join of two slices has in common, without a row-by-join matrix.

Rows are sorted by error, largest first, so that those without error lie at the end and can be left out where only
errors are summed. Where rows are only counted, each item becomes a string of bits, a row each, and a join is the number
of bits that both of its items have set. Where errors are summed, or where few pairs of columns have very many values,
each row of a block becomes one small number, left item × width + right item, that `numpy.bincount` adds up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BLOCK = 1 << 17  # numbers counted in one call: few enough to stay in the processor's cache

_BITS = 1 << 23  # bits of all items that are held at once, for the same reason


@dataclass(frozen=True)
class Rows:
    """The rows of one slice: the columns that are asked for, and the errors.

    Attributes
    ----------
    codes : ndarray, shape (columns, n)
    place : ndarray of int, shape (all columns,)
        Where a column stands in `codes`.
    errors : ndarray of float, shape (n,), or None
        None where rows are only counted.
    """

    codes: Any
    place: Ints
    errors: Floats | None

    def take(self, features: Ints, chosen: Any) -> Rows:
        """Return some columns of some rows."""
        place = np.zeros_like(self.place)
        place[features] = np.arange(len(features))
        codes = np.empty((len(features), len(chosen)), dtype=self.codes.dtype)
        for number, feature in enumerate(features):
            np.take(self.codes[self.place[feature]], chosen, out=codes[number])
        return Rows(codes, place, None if self.errors is None else self.errors[chosen])


class Counter:
    """Counts joins of slices over the rows with errors, or those without.

    Parameters
    ----------
    codes : ndarray of unsigned int, shape (columns, n)
        The item of each row, all columns numbered through; ``len(feature_of)`` stands for any value not searched.
    feature_of : ndarray of int, shape (items,)
        The column of each item, ascending.
    errors : ndarray of float, shape (n,)
        Descending.
    """

    def __init__(self, codes: Any, feature_of: Ints, errors: Floats) -> None:
        self.codes, self.feature_of = codes, feature_of
        self.positive = int(np.searchsorted(-errors, 0.0, side="left"))
        self.errors = errors[: self.positive]
        self.binary = bool(np.all(self.errors == 1.0))
        self._inside: dict[int, tuple[tuple[int, ...], Any]] = {}

    def errors_of(self, path: tuple[int, ...], left: Ints, right: Ints) -> Floats:
        """Return the sum of the errors of each join: the rows of `path` that also have the items left and right."""
        return self._count(path, left, right, slice(0, self.positive), None if self.binary else self.errors)

    def wrong_of(self, path: tuple[int, ...], left: Ints, right: Ints) -> Floats:
        """Return how many rows of each join have an error."""
        return self._count(path, left, right, slice(0, self.positive), None)

    def right_of(self, path: tuple[int, ...], left: Ints, right: Ints) -> Floats:
        """Return how many rows of each join have none."""
        return self._count(path, left, right, slice(self.positive, None), None)

    def _count(self, path: tuple[int, ...], left: Ints, right: Ints, part: slice, errors: Floats | None) -> Floats:
        """Count joins, sorted by the column of the left item."""
        if not left.size:
            return np.empty(0)
        owner = self.feature_of[left]
        rows = self._rows_of(path, part, np.union1d(owner, self.feature_of[right]), errors)
        if errors is None and self._bits_pay(left, right):
            return _by_bits(rows, self.feature_of, left, right)
        edges = np.flatnonzero(np.r_[True, np.diff(owner) != 0, True])
        return np.concatenate([self._of_column(rows, left[a:b], right[a:b]) for a, b in pairwise(edges)])

    def _bits_pay(self, left: Ints, right: Ints) -> bool:
        """Whether bits cost less than adding up, by the time that each takes a row (measured, in nanoseconds)."""
        pairs = np.unique(self.feature_of[left] * len(self.codes) + self.feature_of[right])
        items = np.count_nonzero(np.bincount(left)) + np.count_nonzero(np.bincount(right))
        return bool(0.8 * items + 0.04 * len(left) < 4 * len(pairs))

    def _rows_of(self, path: tuple[int, ...], part: slice, features: Ints, errors: Floats | None) -> Rows:
        whole = Rows(self.codes[:, part], np.arange(len(self.codes)), errors)
        return whole.take(features, self._within(path, part)) if path else whole

    def _within(self, path: tuple[int, ...], part: slice) -> Any:
        """Return which rows of a part belong to a slice; the last answer is kept, since it is asked for again."""
        asked, inside = self._inside.get(part.start, ((), None))
        if asked != path:
            inside = None
            for item in path:
                column = self.codes[self.feature_of[item], part]
                inside = np.flatnonzero(column == item) if inside is None else inside[column[inside] == item]
            self._inside[part.start] = path, inside
        return inside

    def _of_column(self, rows: Rows, left: Ints, right: Ints) -> Floats:
        """Count joins whose left items belong to one column, in as few passes as the room for counters allows."""
        lefts, rank = np.unique(left, return_inverse=True)
        features = np.unique(self.feature_of[right])
        first = int(np.searchsorted(self.feature_of, features[0]))
        width = len(self.feature_of) + 1 - first
        column = rows.codes[rows.place[self.feature_of[left[0]]]]
        step = min(max(1, max(1 << 16, len(column) * len(features)) // width), 2**16 - 1)
        counts = np.empty((len(lefts), width))
        for start in range(0, len(lefts), step):
            some = lefts[start : start + step]
            counts[start : start + step] = self._table(rows, column, some, features, first, width)
        return np.asarray(counts[rank, right - first])

    def _table(self, rows: Rows, column: Any, lefts: Ints, features: Ints, first: int, width: int) -> Floats:
        """Return the counts of `lefts` (of one column) with every item from `first` on, shape (lefts, width)."""
        number = np.full(len(self.feature_of) + 1, len(lefts), dtype=np.uint16)
        number[lefts] = np.arange(len(lefts))
        numbers = number[column]
        chosen = np.flatnonzero(numbers < len(lefts))
        if len(chosen) < 0.75 * len(column):
            rows, numbers = rows.take(features, chosen), numbers[chosen]
        bins = (len(lefts) + 1) * width
        base = numbers.astype(np.uint16 if bins + first < 2**16 else np.int64) * width
        counts = np.zeros(bins)
        place, block = rows.place[features], max(1, _BLOCK // len(features))
        for start in range(0, len(base), block):
            stop = start + block
            keys = rows.codes[place, start:stop] + base[start:stop]
            weights = None
            if rows.errors is not None:
                weights = np.broadcast_to(rows.errors[start:stop], keys.shape).ravel()
            found = np.bincount(keys.ravel(), weights=weights, minlength=bins + first)
            counts += found[first : bins + first]
        return counts.reshape(-1, width)[:-1]


def _by_bits(rows: Rows, feature_of: Ints, left: Ints, right: Ints) -> Floats:
    """Count the rows that have both items of each join."""
    items, rank = np.unique(np.concatenate([left, right]), return_inverse=True)
    counts = np.zeros(len(left))
    block = max(1 << 12, _BITS // len(items) // 64 * 64)
    for start in range(0, rows.codes.shape[1], block):
        codes = rows.codes[:, start : start + block]
        bits = np.zeros((len(items), -(-codes.shape[1] // 64) * 8), dtype=np.uint8)
        for number, item in enumerate(items):
            packed = np.packbits(codes[rows.place[feature_of[item]]] == item)
            bits[number, : len(packed)] = packed
        counts += _common(bits.view(np.uint64), rank[: len(left)], rank[len(left) :])
    return counts


def _common(bits: Any, left: Ints, right: Ints) -> Floats:
    """Return how many bits are set in both of two lines, for each pair of lines, in buffers that fit the cache."""
    step = max(1, (1 << 16) // bits.shape[1])
    ones, others = (np.empty((step, bits.shape[1]), dtype=np.uint64) for _ in range(2))
    set_bits = np.empty(ones.shape, dtype=np.uint8)
    counts = np.empty(len(left))
    for start in range(0, len(left), step):
        some = slice(start, start + step)
        n = len(left[some])
        np.take(bits, left[some], axis=0, out=ones[:n], mode="clip")
        np.take(bits, right[some], axis=0, out=others[:n], mode="clip")
        np.bitwise_and(ones[:n], others[:n], out=ones[:n])
        np.bitwise_count(ones[:n], out=set_bits[:n])
        counts[some] = set_bits[:n].sum(axis=1, dtype=np.uint32)
    return counts
