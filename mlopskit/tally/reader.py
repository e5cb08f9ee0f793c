"""How a table becomes a `Tally`: one pass over its rows, batch by batch when it is a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError, listing
from mlopskit.intervals import BLOCKS
from mlopskit.tally.counts import SCORE_COLUMNS, SUMS, Tally
from mlopskit.tally.grouping import Grouping
from mlopskit.tally.scores import ScoreBins


def frames(table: Any) -> Iterator[pd.DataFrame]:
    """Yield the table in DataFrames; a Parquet file in batches of a million rows."""
    if isinstance(table, pd.DataFrame):
        yield table
    elif isinstance(table, str | Path):
        import pyarrow.parquet as pq

        with pq.ParquetFile(table) as file:
            batches = [file.schema_arrow.empty_table()] if not file.metadata.num_rows else file.iter_batches(1 << 20)
            yield from (batch.to_pandas() for batch in batches)
    else:
        yield table.to_pandas()


def block_of(units: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """Return the block of each unit, (n,) in 0…63: the same for equal units, in every table and on every machine."""
    return np.asarray(pd.util.hash_pandas_object(units, index=False).to_numpy() % np.uint64(BLOCKS)).astype(np.int64)


def regression_sums(y: Any, p: Any, place: Any, size: int) -> npt.NDArray[np.float64]:
    """Return what `SUMS` names for each cell and block, (cells, 64, 6); `place` is cell × 64 + block."""
    n = np.bincount(place, minlength=size).astype(float)
    e = p - y
    totals = [np.bincount(place, weights=values, minlength=size) for values in (np.abs(e), e, e * e, y)]
    mean = totals[3] / np.maximum(n, 1)
    spread = np.bincount(place, weights=(y - mean[place]) ** 2, minlength=size)
    return np.stack([n, *totals[:3], mean, spread], axis=1).reshape(size // BLOCKS, BLOCKS, len(SUMS))


@dataclass(frozen=True)
class Reader:
    """Counts one DataFrame."""

    task: str
    classes: int | None
    columns: tuple[str, ...]
    grouping: Grouping | None
    names: tuple[str, str, str]
    unit: str | None
    score_bins: ScoreBins

    def count(self, frame: pd.DataFrame) -> Tally:
        """Return the tally of one DataFrame."""
        needed = [*self.columns, *self.names[:2], *([self.unit] if self.unit else [])]
        absent = [name for name in needed if name not in frame.columns]
        if absent:
            raise DataError(f"The table has no column {listing(absent)}; it has {listing(map(str, frame.columns))}.")
        cell, cells = self._cells(frame)
        empty = pd.DataFrame({name: pd.Series(dtype=np.int64) for name in SCORE_COLUMNS})
        if self.task == "regression":
            counts = np.zeros((0, 1, 0, 0), dtype=np.int64)
            return Tally(self.task, 0, cells, counts, self._sums(frame, cell, len(cells)), empty, *self._how())
        classes = self._class_count(frame)
        counts = self._counts(frame, cell, len(cells), classes)
        scored = self.task == "binary" and self.names[2] in frame.columns
        scores = self._scores(frame, cell) if scored else empty
        return Tally(self.task, classes, cells, counts, np.zeros((0, BLOCKS, len(SUMS))), scores, *self._how())

    def _how(self) -> tuple[ScoreBins, Grouping | None]:
        return self.score_bins, self.grouping

    def _cells(self, frame: pd.DataFrame) -> tuple[npt.NDArray[np.int64], pd.DataFrame]:
        if not self.columns:
            return np.zeros(len(frame), dtype=np.int64), pd.DataFrame(index=range(1))
        if self.grouping is not None:
            words = self.grouping.transform(frame[self.grouping.names])[list(self.columns)]
        else:
            words = as_words(frame[list(self.columns)])
        groups = words.groupby(list(self.columns), sort=True, observed=True)
        cells = words.drop_duplicates().sort_values(list(self.columns)).reset_index(drop=True)
        return groups.ngroup().to_numpy().astype(np.int64), cells

    def _class_count(self, frame: pd.DataFrame) -> int:
        highest = int(max(frame[self.names[0]].max(), frame[self.names[1]].max(), 0)) if len(frame) else 0
        classes = self.classes or (2 if self.task == "binary" else highest + 1)
        if highest >= classes:
            raise DataError(
                f"Class index {highest} does not fit {classes} classes (0 to {classes - 1}); name `classes`."
            )
        return classes

    def _blocks(self, frame: pd.DataFrame) -> npt.NDArray[np.int64]:
        if self.unit is not None:
            return block_of(frame[self.unit])
        rows = frame["_row"] if "_row" in frame.columns else pd.Series(np.arange(len(frame)))
        return block_of(rows)

    def _counts(self, frame: pd.DataFrame, cell: Any, cells: int, classes: int) -> npt.NDArray[np.int64]:
        blocks = BLOCKS if self.unit else 1
        block = self._blocks(frame) if self.unit else 0
        actual, predicted = (frame[name].to_numpy(np.int64) for name in self.names[:2])
        code = ((cell * blocks + block) * classes + actual) * classes + predicted
        found = np.bincount(code, minlength=cells * blocks * classes**2)
        return found.reshape(cells, blocks, classes, classes)

    def _sums(self, frame: pd.DataFrame, cell: Any, cells: int) -> npt.NDArray[np.float64]:
        y, p = (frame[name].to_numpy(float) for name in self.names[:2])
        return regression_sums(y, p, cell * BLOCKS + self._blocks(frame), cells * BLOCKS)

    def _scores(self, frame: pd.DataFrame, cell: Any) -> pd.DataFrame:
        score = frame[self.names[2]].to_numpy(float)
        rows: Mapping[str, Any] = {
            "cell": cell,
            "block": self._blocks(frame) if self.unit else np.zeros(len(frame), dtype=np.int64),
            "actual": frame[self.names[0]].to_numpy(np.int64),
            "bin": self.score_bins.codes(score),
            "n": np.ones(len(frame), dtype=np.int64),
            "score_sum": score,
        }
        return pd.DataFrame(rows).groupby(SCORE_COLUMNS[:4], as_index=False, sort=True)[SCORE_COLUMNS[4:]].sum()


def as_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Return every value as a word, missing ones as ``missing``."""
    return pd.DataFrame(
        {name: frame[name].astype("str").where(frame[name].notna(), "missing") for name in frame.columns}, dtype="str"
    )
