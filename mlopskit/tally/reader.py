"""How a table becomes a `Tally`: one pass over its rows, portion by portion."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError, listing, nearest
from mlopskit.intervals import BLOCKS
from mlopskit.tally.coding import combine, words
from mlopskit.tally.counts import SUMS, WEIGHTED_SUMS, Tally
from mlopskit.tally.entries import bin_rows, exact_rows, needs_exact
from mlopskit.tally.grouping import Grouping
from mlopskit.tally.scores import ScoreBins
from mlopskit.tally.sources import column_names, frames, reads_once

Ints = npt.NDArray[np.int64]
ROW = "_row"
_NOBODY = np.iinfo(np.int64).min
"""The unit of rows whose unit, a whole number otherwise, is missing."""


_HELD = 64
"""Of so many ids, a power of two, one is held, to be known again in a later portion."""


def read(reader: Reader, table: Any) -> Tally:
    """Count a table of any kind; scores are kept exactly where bins would move a figure by more than 0.001.

    For that the table is read a second time, unless it is a stream that cannot be.
    """
    total, coded, repeats = None, None, Repeats()
    for frame in frames(table, reader.needed):
        reader.check(frame, table)
        if reader.unit is None and ROW in frame.columns:
            repeats.add(frame[ROW])
        coded = reader.encode(frame)
        part = reader.count(coded)
        total = part if total is None else _sum(total, part)
        alone = total is part
    assert total is not None  # noqa: S101
    repeats.warn()
    coarse = needs_exact(total)
    if not coarse.any() or not coded:
        return total
    if not alone and reads_once(table):
        return total
    parts: Iterator[Coded] = iter([coded]) if alone else map(reader.encode, frames(table, reader.needed))
    return exact_rows(total, parts, coarse)


def _sum(first: Tally, second: Tally) -> Tally:
    """Add portions; where classes were not named, each portion knows those up to its own highest."""
    classes = max(first.classes, second.classes)
    return _grown(first, classes) + _grown(second, classes)


def _grown(tally: Tally, classes: int) -> Tally:
    more = classes - tally.classes
    if not more:
        return tally
    wider = [(0, 0), (0, 0), (0, more), (0, more)]
    weights = np.pad(tally.weights, [*wider, (0, 0)]) if tally.weighted else np.zeros((0, 1, classes, classes, 2))
    return replace(tally, classes=classes, counts=np.pad(tally.counts, wider), weights=weights)


def block_of(units: pd.Series[Any]) -> Ints:
    """Return the block of each unit, (n,) in 0…63: the same for equal units, in every table and on every machine.

    Whole numbers count as such where missing values have made them floats or objects; units that are missing are one
    unit.
    """
    if units.dtype == object and pd.api.types.infer_dtype(units, skipna=True) == "integer":
        units = units.astype("Int64")
    if isinstance(units.dtype, pd.api.extensions.ExtensionDtype) and pd.api.types.is_integer_dtype(units.dtype):
        if units.isna().any():
            units = pd.Series(units.to_numpy(np.int64, na_value=_NOBODY))
    elif pd.api.types.is_float_dtype(units.dtype):
        values = units.to_numpy(float, na_value=np.nan)
        missing = np.isnan(values)
        if np.array_equal(values[~missing], np.round(values[~missing])) and (np.abs(values[~missing]) < 2**53).all():
            units = pd.Series(np.where(missing, _NOBODY, np.nan_to_num(values)).astype(np.int64))
    return np.asarray(pd.util.hash_pandas_object(units, index=False).to_numpy() % np.uint64(BLOCKS)).astype(np.int64)


def regression_sums(y: Any, p: Any, place: Any, size: int, *, weight: Any = None) -> npt.NDArray[np.float64]:
    """Return what `SUMS` names for each cell and block, (cells, 64, 6), or `WEIGHTED_SUMS`, (cells, 64, 8).

    `place` is cell × 64 + block.
    """

    def add(values: Any) -> Any:
        return np.bincount(place, weights=values if weight is None else values * weight, minlength=size)

    n = np.bincount(place, weights=weight, minlength=size).astype(float)
    e = p - y
    totals = [add(values) for values in (np.abs(e), e, e * e, y)]
    mean = totals[3] / np.where(n > 0, n, 1.0)
    parts = [n, *totals[:3], mean, add((y - mean[place]) ** 2)]
    if weight is not None:
        parts += [
            np.bincount(place, minlength=size).astype(float),
            np.bincount(place, weights=weight**2, minlength=size),
        ]
    return np.stack(parts, axis=1).reshape(size // BLOCKS, BLOCKS, len(parts))


@dataclass(frozen=True)
class Coded:
    """One portion of rows in numbers; `cells` names the cells that occur in it."""

    cell: Ints
    cells: pd.DataFrame
    block: Any
    actual: Any
    predicted: Any
    score: Any
    weight: Any


@dataclass(frozen=True)
class Reader:
    """Counts one portion of rows after the other."""

    task: str
    classes: int | None
    columns: tuple[str, ...]
    grouping: Grouping | None
    names: tuple[str, str, str]
    unit: str | None
    weight: str | None
    score_bins: ScoreBins

    @property
    def needed(self) -> list[str]:
        """The columns that are read."""
        extra = [name for name in (self.unit, self.weight, ROW) if name]
        return list(
            dict.fromkeys([*self.columns, *(self.grouping.names if self.grouping else ()), *self.names, *extra])
        )

    @property
    def blocked(self) -> bool:
        """Whether classification counts are kept by block."""
        return self.unit is not None or self.weight is not None

    def check(self, frame: pd.DataFrame, table: Any) -> None:
        """Refuse a portion that lacks a column, saying which ones its table has."""
        needed = [*self.columns, *self.names[:2], *(name for name in (self.unit, self.weight) if name)]
        absent = [name for name in needed if name not in frame.columns]
        if absent:
            known = column_names(table) or [str(name) for name in frame.columns]
            near = nearest(absent[0], known)
            raise DataError(f"The table has no column {listing(absent)}{near}; it has {listing(known)}.")

    def encode(self, frame: pd.DataFrame) -> Coded:
        """Turn one portion into numbers."""
        cell, cells = self._cells(frame)
        actual, predicted = (_labels(_complete(frame[name]), self.task) for name in self.names[:2])
        scored = self.task == "binary" and self.names[2] in frame.columns
        score = _probabilities(_complete(frame[self.names[2]])) if scored else None
        weight = None if self.weight is None else _weights(frame[self.weight])
        block = self._blocks(frame) if self.blocked or self.task == "regression" else None
        return Coded(cell, cells, block, actual, predicted, score, weight)

    def count(self, rows: Coded) -> Tally:
        """Return the tally of one portion, its scores in bins."""
        how: Any = {"score_bins": self.score_bins, "grouping": self.grouping, "weighted": self.weight is not None}
        cells = len(rows.cells)
        if self.task == "regression":
            sums = regression_sums(
                rows.actual, rows.predicted, rows.cell * BLOCKS + rows.block, cells * BLOCKS, weight=rows.weight
            )
            return Tally(self.task, 0, rows.cells, np.zeros((0, 1, 0, 0), dtype=np.int64), sums=sums, **how)
        classes = self._class_count(rows)
        names = SUMS if rows.weight is None else WEIGHTED_SUMS
        tally = Tally(
            self.task, classes, rows.cells, *self._counts(rows, cells, classes),
            sums=np.zeros((0, BLOCKS, len(names))), **how,
        )  # fmt: skip
        return bin_rows(tally, rows) if rows.score is not None else tally

    def _cells(self, frame: pd.DataFrame) -> tuple[Ints, pd.DataFrame]:
        if not self.columns:
            return np.zeros(len(frame), dtype=np.int64), pd.DataFrame(index=range(1))
        parts = [self._words(frame, name) for name in self.columns]
        code, places = combine(parts, len(frame))
        named = {
            name: np.array(labels, dtype=object)[place]
            for name, (labels, _), place in zip(self.columns, parts, places, strict=True)
        }
        return code, pd.DataFrame(named, dtype="str")

    def _words(self, frame: pd.DataFrame, name: str) -> tuple[list[str], Ints]:
        if self.grouping is None or name not in self.grouping.names:
            return words(frame[name])
        levels = self.grouping.levels(name)
        order = sorted(range(len(levels)), key=lambda place: levels[place])
        rank = np.empty(len(levels), dtype=np.int64)
        rank[order] = np.arange(len(levels))
        column = next(column for column in self.grouping.columns if column.name == name)
        return [levels[place] for place in order], rank[column.codes(frame[name])]

    def _class_count(self, rows: Coded) -> int:
        found = [rows.actual, rows.predicted]
        highest = max(int(part.max(initial=0)) for part in found)
        lowest = min(int(part.min(initial=0)) for part in found)
        classes = self.classes or (2 if self.task == "binary" else highest + 1)
        if highest >= classes or lowest < 0:
            wrong = highest if highest >= classes else lowest
            raise DataError(f"Class index {wrong} does not fit {classes} classes (0 to {classes - 1}); name `classes`.")
        return classes

    def _blocks(self, frame: pd.DataFrame) -> Ints:
        if self.unit is not None:
            return block_of(frame[self.unit])
        return block_of(frame[ROW] if ROW in frame.columns else pd.Series(np.asarray(frame.index)))

    def _counts(self, rows: Coded, cells: int, classes: int) -> tuple[Ints, Any]:
        """Counts, and Σw and Σw² where rows are weighted, by cell, block and pair of classes."""
        blocks = BLOCKS if self.blocked else 1
        place = rows.cell * blocks + rows.block if self.blocked else rows.cell
        shape, size = (cells, blocks, classes, classes), cells * blocks * classes**2
        code = (place * classes + rows.actual) * classes + rows.predicted
        counts = np.bincount(code, minlength=size).reshape(shape)
        if rows.weight is None:
            return counts, np.zeros((0, blocks, classes, classes, 2))
        sums = [np.bincount(code, weights=values, minlength=size) for values in (rows.weight, rows.weight**2)]
        return counts, np.stack([part.reshape(shape) for part in sums], axis=-1)


def _complete(values: pd.Series[Any]) -> pd.Series[Any]:
    if values.isna().any():
        raise DataError(f"Column {values.name!r} holds missing values, which cannot be counted; leave those rows out.")
    return values


def _probabilities(values: pd.Series[Any]) -> npt.NDArray[np.float64]:
    found = values.to_numpy(float)
    if found.size and not (found.min() >= 0 and found.max() <= 1):
        raise DataError(f"Column {values.name!r} holds scores below 0 or above 1; a tally counts probabilities.")
    return np.asarray(found)


def _labels(values: pd.Series[Any], task: str) -> npt.NDArray[Any]:
    """Class indices, or the numbers of a regression."""
    kind: Any = float if task == "regression" else np.int64
    try:
        found = values.to_numpy(kind)
        whole = task == "regression" or values.dtype.kind != "f" or bool((found == values.to_numpy()).all())
    except (TypeError, ValueError):
        whole = False
    if not whole:
        needed = "numbers" if task == "regression" else "class indices from 0"
        raise DataError(
            f"Column {values.name!r} holds {listing(values.unique(), limit=3)}; a {task} tally needs {needed}. Map its "
            "values first, or name other columns as y_true and y_pred."
        )
    return np.asarray(found)


def _weights(values: pd.Series[Any]) -> npt.NDArray[np.float64]:
    weight = values.to_numpy(float, na_value=np.nan)
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError(f"Column {values.name!r} holds weights that are missing, infinite or below 0.")
    return np.asarray(weight)


class Repeats:
    """Rows whose id came before: within a portion all, across portions those of one id in 64, so that few are held."""

    def __init__(self) -> None:
        self.times = 0
        self._seen: set[int] = set()

    def add(self, ids: pd.Series[Any]) -> None:
        """Take the ids of one portion."""
        values = ids.to_numpy()
        within = 0 if (values[1:] > values[:-1]).all() else len(ids) - ids.nunique()
        whole = values.dtype.kind in "iu"
        numbers = values if whole else pd.util.hash_pandas_object(ids, index=False).to_numpy()
        some = set(numbers[numbers & numbers.dtype.type(_HELD - 1) == 0].tolist())
        self.times += within + len(some & self._seen)
        self._seen |= some

    def warn(self) -> None:
        """Warn where there were any: nothing says what belongs together."""
        if self.times:
            warnings.warn(
                f"{self.times:,} rows or more repeat the id of another, so they are not independent and intervals are "
                "too narrow; name what belongs together ([data] group, or unit).",
                stacklevel=3,
            )
