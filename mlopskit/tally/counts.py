"""Tally: one pass over rows gives counts that can be added.

A *cell* is one combination of groups. For each cell a `Tally` keeps, for classification, how many rows of each actual
class were predicted as each class, and for scores of a binary task how many fall into each `ScoreBins` bin, by actual
class; for regression the sums behind MAE, RMSE, bias and R². Two tallies of different rows add up to the tally of all
rows, so one code serves a table, the chunks of a file and the windows of a request log, and a thousand bootstrap
replicates cost a multinomial draw on the counts instead of a thousand passes.

Each row belongs to one of 64 blocks by a hash of its unit (a person, or the row itself); regression sums, and the
counts where a unit is named, are kept by block, so that intervals can respect what belongs together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError, listing
from mlopskit.tally.grouping import Grouping
from mlopskit.tally.scores import ScoreBins

SUMS = ("n", "absolute", "error", "squared", "mean", "spread")
"""Regression, by cell and block: rows, Σ|e|, Σe, Σe², mean of y, Σ(y − mean)²; e is prediction minus actual."""
SCORE_COLUMNS = ["cell", "block", "actual", "bin", "n", "score_sum"]


@dataclass(frozen=True, eq=False)
class Tally:
    """Mergeable counts per cell of chosen columns.

    Attributes
    ----------
    task : str
        ``binary``, ``multiclass`` or ``regression``.
    classes : int
        Number of classes; 0 for regression.
    cells : DataFrame of str
        One row a cell, one column a grouped column; with no columns there is one cell, all rows.
    counts : ndarray of int64, shape (cells, blocks, classes, classes)
        Classification: rows by actual and predicted class; blocks is 1 unless a unit was named.
    sums : ndarray of float64, shape (cells, 64, 6)
        Regression: what `SUMS` names.
    scores : DataFrame
        Binary with scores: cell, block, actual, bin, n, score_sum, only where n > 0.
    score_bins : ScoreBins
    grouping : Grouping or None
        What made the cells, when it was a `Grouping`.

    Examples
    --------
    >>> rows = pd.DataFrame({"sex": list("ffmm"), "_target": [0, 1, 1, 1], "prediction": [0, 1, 0, 1]})
    >>> first, second = (Tally.from_table(part, ["sex"]) for part in (rows.head(3), rows.tail(1)))
    >>> (first + second).confusion().tolist()
    [[[1, 0], [0, 1]], [[0, 0], [1, 1]]]
    """

    task: str
    classes: int
    cells: pd.DataFrame
    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]
    scores: pd.DataFrame
    score_bins: ScoreBins = field(default_factory=ScoreBins)
    grouping: Grouping | None = None

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame | Any,
        columns: Sequence[str] = (),
        *,
        task: str = "binary",
        classes: int | None = None,
        grouping: Grouping | None = None,
        y_true: str = "_target",
        y_pred: str = "prediction",
        y_score: str = "score",
        unit: str | None = None,
        score_bins: ScoreBins = ScoreBins(),  # noqa: B008  frozen, so sharing it is safe
    ) -> Tally:
        """Count the rows of a table once.

        Parameters
        ----------
        table : DataFrame, pyarrow.Table, or path of a Parquet file
            A file is read in batches, so it may be larger than memory.
        columns : sequence of str
            Columns whose combinations are the cells.
        task : str
            ``binary``, ``multiclass`` or ``regression``.
        classes : int, optional
            Number of classes; 2 for binary, else the highest class index found plus one (name it when tables are to
            be added).
        grouping : Grouping, optional
            How values become groups; without it each value is a group and missing values are the group ``missing``.
        y_true, y_pred, y_score : str
            Column names: class indices 0…K−1 or numbers; the score column is used if it is there and the task is
            binary.
        unit : str, optional
            Column of what belongs together (a person); counts are then kept by block of units.

        Raises
        ------
        DataError
            When a column is absent, or a class index is not below `classes`.
        """
        from mlopskit.tally.reader import Reader, frames

        reader = Reader(task, classes, tuple(columns), grouping, (y_true, y_pred, y_score), unit, score_bins)
        parts = (reader.count(part) for part in frames(table))
        total = next(parts)
        for part in parts:
            total = total + part
        return total

    @property
    def columns(self) -> list[str]:
        """The grouped columns."""
        return [str(name) for name in self.cells.columns]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Rows per cell, (cells,)."""
        if self.task == "regression":
            return np.asarray(self.sums[:, :, 0].sum(axis=1).astype(np.int64))
        return np.asarray(self.counts.sum(axis=(1, 2, 3)))

    def confusion(self) -> npt.NDArray[np.int64]:
        """Return counts by cell, actual and predicted class, (cells, classes, classes)."""
        return np.asarray(self.counts.sum(axis=1))

    def histogram(self) -> npt.NDArray[np.int64]:
        """Return counts by cell, actual class and score bin, (cells, 2, bins); all 0 without scores."""
        full = np.zeros((len(self.cells), 2, self.score_bins.bins), dtype=np.int64)
        at = tuple(self.scores[name].to_numpy(np.int64) for name in ("cell", "actual", "bin"))
        np.add.at(full, at, self.scores["n"].to_numpy(np.int64))
        return full

    def marginal(self, columns: Sequence[str] = ()) -> Tally:
        """Return the tally by some of its columns only: cells that agree in them are added; none of them: all rows."""
        unknown = [name for name in columns if name not in self.columns]
        if unknown:
            raise DataError(f"This tally does not count by {listing(unknown)}; it counts by {listing(self.columns)}.")
        keys = self.cells[list(columns)]
        return _regroup(self, keys, list(columns))

    def __add__(self, other: Tally) -> Tally:
        _refuse_different(self, other)
        if self.classes != other.classes:
            raise DataError(
                f"Tallies of {self.classes} and {other.classes} classes cannot be added; name `classes` for both."
            )
        offset = len(self.cells)
        stacked = replace(
            self,
            cells=pd.concat([self.cells, other.cells], ignore_index=True),
            counts=np.concatenate([self.counts, other.counts]),
            sums=np.concatenate([self.sums, other.sums]),
            scores=pd.concat([self.scores, other.scores.assign(cell=other.scores["cell"] + offset)], ignore_index=True),
        )
        return _regroup(stacked, stacked.cells, self.columns)

    def save(self, path: str | Path) -> None:
        """Write one Parquet file that `load` and any other reader understands (`mlopskit.tally.store` says how)."""
        from mlopskit.tally.store import save

        save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Tally:
        """Read a tally written by `save`."""
        from mlopskit.tally.store import load

        return load(Path(path))


def _refuse_different(left: Tally, right: Tally) -> None:
    for what, a, b in (
        ("tasks", left.task, right.task),
        ("columns", left.columns, right.columns),
        ("score bin edges", left.score_bins, right.score_bins),
        ("bin edges or categories", left.grouping, right.grouping),
        ("numbers of blocks", left.counts.shape[1], right.counts.shape[1]),
    ):
        if a != b:
            raise DataError(
                f"These tallies have different {what}, so their counts cannot be added; "
                "make both with one Grouping and the same settings."
            )


def _regroup(tally: Tally, keys: pd.DataFrame, columns: list[str]) -> Tally:
    """Add up the cells whose keys agree; the result is sorted by key."""
    if columns:
        place: Any = keys.groupby(columns, sort=True, observed=True).ngroup().to_numpy(np.int64)
        cells = keys.drop_duplicates().sort_values(columns).reset_index(drop=True)
    else:
        place = np.zeros(len(keys), dtype=np.int64)
        cells = pd.DataFrame(index=range(1))
    regression = tally.task == "regression"
    counts = np.zeros((0 if regression else len(cells), *tally.counts.shape[1:]), dtype=np.int64)
    np.add.at(counts, place[: len(tally.counts)], tally.counts)
    scores = tally.scores.assign(cell=place[tally.scores["cell"].to_numpy()])
    return replace(
        tally,
        cells=cells,
        counts=counts,
        sums=_add_sums(tally.sums, place[: len(tally.sums)], len(cells) if regression else 0),
        scores=scores.groupby(SCORE_COLUMNS[:4], as_index=False, sort=True)[SCORE_COLUMNS[4:]].sum(),
    )


def _add_sums(sums: npt.NDArray[np.float64], place: npt.NDArray[np.int64], cells: int) -> npt.NDArray[np.float64]:
    """Add sums; means and spreads by Chan's update, so that large means cost no digits."""
    total = np.zeros((cells, *sums.shape[1:]))
    np.add.at(total[:, :, :4], place, sums[:, :, :4])
    np.add.at(total[:, :, 4], place, sums[:, :, 0] * sums[:, :, 4])
    total[:, :, 4] /= np.maximum(total[:, :, 0], 1)
    shift = sums[:, :, 4] - total[place, :, 4]
    np.add.at(total[:, :, 5], place, sums[:, :, 5] + sums[:, :, 0] * shift**2)
    return total
