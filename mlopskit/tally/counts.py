"""Tally: one pass over rows gives counts that can be added.

A *cell* is one combination of groups. For each cell a `Tally` keeps, for classification, how many rows of each actual
class were predicted as each class, and for scores of a binary task how many fall into each `ScoreBins` bin, by actual
class; for regression the sums behind MAE, RMSE, bias and R². Two tallies of different rows add up to the tally of all
rows, so one code serves a table, the chunks of a file and the windows of a request log, and a thousand bootstrap
replicates cost a multinomial draw on the counts instead of a thousand passes.

Each row belongs to one of 64 blocks by a hash of its unit (a person, or the row itself); regression sums, and the
counts where a unit is named or rows are weighted, are kept by block, so that intervals can respect what belongs
together. Weighted rows have Σw and Σw² beside their counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError, listing, nearest
from mlopskit.tally.entries import EXACT_COLUMNS, SCORE_COLUMNS, add_up, empty, merged_exact, thinned
from mlopskit.tally.grouping import Grouping
from mlopskit.tally.scores import ScoreBins

TASKS = ("binary", "multiclass", "regression")
SUMS = ("n", "absolute", "error", "squared", "mean", "spread")
"""Regression, by cell and block: rows, Σ|e|, Σe, Σe², mean of y, Σ(y − mean)²; e is prediction minus actual."""
WEIGHTED_SUMS = (*SUMS, "rows", "squares")
"""The same with weights: n is Σw, the others are weighted; and rows and Σw²."""


def _no_weights() -> npt.NDArray[np.float64]:
    return np.zeros((0, 1, 0, 0, 2))


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
        Classification: rows by actual and predicted class; blocks is 1 unless a unit was named or rows are weighted.
    weights : ndarray of float64, shape (cells, blocks, classes, classes, 2)
        Classification with weights: Σw and Σw² beside `counts`.
    sums : ndarray of float64, shape (cells, 64, 6) or (cells, 64, 8)
        Regression: what `SUMS` names, or `WEIGHTED_SUMS`.
    scores : DataFrame
        Binary with scores: cell, block, actual, bin, n, score_sum, only where n > 0; weight and squares (Σw²) with
        weights.
    score_bins : ScoreBins
    grouping : Grouping or None
        What made the cells, when it was a `Grouping`.
    weighted : bool
    exact : DataFrame
        The scores themselves (cell, block, actual, score, n) of the cells where bins are too coarse or hardly shorter.

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
    weights: npt.NDArray[np.float64] = field(default_factory=_no_weights)
    sums: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 64, len(SUMS))))
    scores: pd.DataFrame = field(default_factory=lambda: empty(SCORE_COLUMNS))
    score_bins: ScoreBins = field(default_factory=ScoreBins)
    grouping: Grouping | None = None
    weighted: bool = False
    exact: pd.DataFrame = field(default_factory=lambda: empty(EXACT_COLUMNS))

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
        weight: str | None = None,
        score_bins: ScoreBins = ScoreBins(),  # noqa: B008  frozen, so sharing it is safe
    ) -> Tally:
        """Count the rows of a table once.

        Parameters
        ----------
        table : DataFrame, path of a Parquet file, Arrow table or stream, or any engine that narwhals speaks
            A file is read in portions, so it may be larger than memory; see `mlopskit.tally.sources`.
        columns : sequence of str, or str
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
            Column of what belongs together (a person); counts are then kept by block of units. Without it a column
            ``_row`` whose ids repeat brings a warning.
        weight : str, optional
            Column of weights, at least 0.

        Raises
        ------
        DataError
            When the task is unknown, a column is absent, a class is no index from 0 below `classes`, a label or score
            is missing, or a weight is no number from 0.
        """
        from mlopskit.tally.reader import Reader, read

        if task not in TASKS:
            raise DataError(f"Unknown task {task!r}{nearest(str(task), TASKS)}; there are {listing(TASKS)}.")
        columns = (columns,) if isinstance(columns, str) else columns
        names = (y_true, y_pred, y_score)
        return read(Reader(task, classes, tuple(columns), grouping, names, unit, weight, score_bins), table)

    @property
    def columns(self) -> list[str]:
        """The grouped columns."""
        return [str(name) for name in self.cells.columns]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Rows per cell, (cells,)."""
        if self.task == "regression":
            rows = self.sums[:, :, WEIGHTED_SUMS.index("rows") if self.weighted else 0]
            return np.asarray(rows.sum(axis=1).astype(np.int64))
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
        if not isinstance(other, Tally):
            return NotImplemented
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
            weights=np.concatenate([self.weights, other.weights]),
            sums=np.concatenate([self.sums, other.sums]),
            scores=_stacked(self.scores, other.scores, offset),
            exact=_stacked(self.exact, other.exact, offset),
        )
        return _regroup(stacked, stacked.cells, self.columns)

    def save(self, path: str | Path) -> None:
        """Write one Parquet file that `load` and any other reader understands (`mlopskit.tally.store` says how)."""
        from mlopskit.tally.store import save

        save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Tally:
        """Read a tally written by `save`.

        Raises
        ------
        DataError
            When there is no such file, or it is no tally.
        """
        from mlopskit.tally.store import load

        return load(Path(path))


def _refuse_different(left: Tally, right: Tally) -> None:
    for what, a, b in (
        ("tasks", left.task, right.task),
        ("columns", left.columns, right.columns),
        ("score bin edges", left.score_bins, right.score_bins),
        ("bin edges or categories", left.grouping, right.grouping),
        ("numbers of blocks", left.counts.shape[1], right.counts.shape[1]),
        ("kinds of rows (weighted or not)", left.weighted, right.weighted),
        ("kinds of rows (with scores or without)", _scored(left, right), _scored(right, left)),
    ):
        if a != b:
            raise DataError(
                f"These tallies have different {what}, so their counts cannot be added; "
                "make both with one Grouping and the same settings."
            )


def _scored(tally: Tally, other: Tally) -> bool:
    """Whether rows have scores; none have those that the other's have."""
    return len(tally.scores) > 0 or (not tally.sizes.any() and len(other.scores) > 0)


def _stacked(first: pd.DataFrame, second: pd.DataFrame, offset: int) -> pd.DataFrame:
    parts = [part for part in (first, second.assign(cell=second["cell"] + offset)) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else first


def _regroup(tally: Tally, keys: pd.DataFrame, columns: list[str]) -> Tally:
    """Add up the cells whose keys agree; the result is sorted by key."""
    if columns:
        place: Any = keys.groupby(columns, sort=True, observed=True).ngroup().to_numpy(np.int64)
        cells = keys.drop_duplicates().sort_values(columns).reset_index(drop=True)
    else:
        place = np.zeros(len(keys), dtype=np.int64)
        cells = pd.DataFrame(index=range(1))
    size = len(cells)
    added = replace(
        tally,
        cells=cells,
        counts=_added(tally.counts, place, 0 if tally.task == "regression" else size),
        weights=_added(tally.weights, place, size if tally.weighted and tally.task != "regression" else 0),
        sums=_add_sums(tally.sums, place[: len(tally.sums)], size if tally.task == "regression" else 0),
        scores=add_up(tally.scores.assign(cell=place[tally.scores["cell"].to_numpy(np.int64)]), "bin"),
        exact=merged_exact(tally, place, size),
    )
    return thinned(added)


def _added(values: npt.NDArray[Any], place: npt.NDArray[np.int64], cells: int) -> npt.NDArray[Any]:
    """Add along the first axis; what a task has not stays empty."""
    total = np.zeros((cells, *values.shape[1:]), dtype=values.dtype)
    np.add.at(total, place[: len(values)], values)
    return total


def _add_sums(sums: npt.NDArray[np.float64], place: npt.NDArray[np.int64], cells: int) -> npt.NDArray[np.float64]:
    """Add sums; means and spreads by Chan's update, so that large means cost no digits."""
    total = np.zeros((cells, *sums.shape[1:]))
    plain = [0, 1, 2, 3, *range(len(SUMS), sums.shape[2])]
    for column in plain:
        np.add.at(total[:, :, column], place, sums[:, :, column])
    np.add.at(total[:, :, 4], place, sums[:, :, 0] * sums[:, :, 4])
    total[:, :, 4] /= np.where(total[:, :, 0] > 0, total[:, :, 0], 1.0)
    shift = sums[:, :, 4] - total[place, :, 4]
    np.add.at(total[:, :, 5], place, sums[:, :, 5] + sums[:, :, 0] * shift**2)
    return total
