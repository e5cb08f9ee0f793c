"""What a grouping is learnt from: the distinct values of one column with their counts, portion by portion.

A column of numbers with more than 2²⁰ distinct values is thinned while it is read: neighbours share one value. Each
thinning moves a quantile by at most one part in 2²⁰ of the rows; the smallest and the largest value stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError

Floats = npt.NDArray[np.float64]
MOST = 1 << 20


class Numbers:
    """Distinct finite numbers in order, and how many rows have each."""

    def __init__(self, *, most: int = MOST) -> None:
        self.most = most
        self.distinct: Floats = np.zeros(0)
        self.counts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def add(self, values: Floats) -> None:
        """Add one portion."""
        distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        if self.distinct.size:
            both = np.concatenate([self.distinct, distinct])
            distinct, place = np.unique(both, return_inverse=True)
            weights = np.concatenate([self.counts, counts]).astype(float)
            counts = np.bincount(place, weights=weights, minlength=len(distinct)).astype(np.int64)
        self.distinct, self.counts = distinct, counts
        while len(self.distinct) > self.most:
            self._thin()

    def _thin(self) -> None:
        """Give every second value's rows to the one above it; the ends stay."""
        keep = np.ones(len(self.distinct), dtype=bool)
        keep[1:-1:2] = False
        starts = np.append(0, np.flatnonzero(keep)[:-1] + 1)
        self.counts = np.add.reduceat(self.counts, starts)
        self.distinct = self.distinct[keep]


class Words:
    """Distinct values in words, and how many rows have each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: dict[str, int] = {}

    def add(self, values: pd.Series[Any]) -> None:
        """Add one portion; missing values are no category."""
        try:
            codes, uniques = _factorised(values)
        except TypeError:
            raise DataError(
                f"Column {self.name!r} holds lists or objects, which are no groups; derive a number or a word from it."
            ) from None
        for value, n in zip(uniques, np.bincount(codes[codes >= 0], minlength=len(uniques)), strict=True):
            if n:
                self.counts[str(value)] = self.counts.get(str(value), 0) + int(n)

    def largest(self, most: int) -> tuple[str, ...]:
        """The commonest in order, all of them or one less than `most`, to leave room for the rest."""
        ordered = sorted(self.counts, key=lambda label: (-self.counts[label], label))
        return tuple(ordered if len(ordered) <= most else ordered[: max(1, most - 1)])


def _factorised(values: pd.Series[Any]) -> tuple[Any, Sequence[Any]]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(np.int64), list(values.cat.categories)
    codes, uniques = pd.factorize(values)
    return codes, list(uniques)


def summarise(
    portions: Iterable[pd.DataFrame],
    names: Sequence[str],
    column: Callable[[pd.DataFrame, str], pd.Series[Any]],
    kind: Callable[[pd.Series[Any]], str],
    numbers: Callable[[pd.Series[Any]], Floats],
) -> dict[str, tuple[str, Numbers | Words]]:
    """Read each column once; return its kind, told from the first portion, and what was found."""
    found: dict[str, tuple[str, Numbers | Words]] = {}
    for frame in portions:
        for name in names:
            values = column(frame, name)
            if name not in found:
                what = kind(values)
                found[name] = (what, Words(name) if what == "categorical" else Numbers())
            summary = found[name][1]
            if isinstance(summary, Words):
                summary.add(values)
            else:
                missing = values.isna().to_numpy(dtype=bool)
                summary.add(numbers(values)[~missing])
    return found
