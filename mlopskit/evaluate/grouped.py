"""Rows or a tally brought into one form: counts, sums and scores by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import MetricError, listing
from mlopskit.intervals import BLOCKS, blocks_of
from mlopskit.tally import ScoreBins, Tally
from mlopskit.tally.reader import regression_sums

OVERALL = "overall"
_FEW_LABELS = 20


@dataclass(frozen=True)
class Scores:
    """Actual classes and scores of single rows, with each row's group."""

    group: npt.NDArray[np.int64]
    actual: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grouped:
    """What metrics by group are computed from.

    Attributes
    ----------
    names : list of str
        The groups, (groups,).
    task : str
    confusion : ndarray of int, shape (groups, K, K), or None
        Classification.
    sums : ndarray of float, shape (groups, 64, 6), or None
        Regression, as in `mlopskit.tally.counts.SUMS`.
    scores : Scores or None
        Rows with scores, where there are any.
    histogram : ndarray of int, shape (groups, 2, bins), or None
        Score bins of a tally.
    whole : Grouped or None
        All rows as one group, where that is not the sum of the groups.
    code : ndarray of int, shape (n,), or None
        The group of each row, where there are rows.
    """

    names: list[str]
    task: str
    confusion: Any = None
    sums: Any = None
    scores: Scores | None = None
    histogram: Any = None
    whole: Grouped | None = None
    code: Any = None

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Rows per group."""
        if self.sums is not None:
            return np.asarray(self.sums[:, :, 0].sum(axis=1)).astype(np.int64)
        return np.asarray(self.confusion.sum(axis=(1, 2)), dtype=np.int64)

    @property
    def total(self) -> Grouped:
        """All rows as one group, named ``overall``."""
        if self.whole is not None:
            return self.whole
        scores = self.scores and replace(self.scores, group=np.zeros_like(self.scores.group))
        parts = [None if part is None else part.sum(axis=0, keepdims=True) for part in (self.confusion, self.histogram)]
        return Grouped([OVERALL], self.task, parts[0], None, scores, parts[1])


def from_rows(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, groups: pd.DataFrame, y_score: Any, task: str | None, seed: int
) -> Grouped:
    """Bring rows into the form; the task is told from the labels unless it is named."""
    actual, predicted = np.asarray(y_true), np.asarray(y_pred)
    sizes = {len(actual), len(predicted), len(groups), *([] if y_score is None else [len(y_score)])}
    if len(sizes) > 1:
        raise MetricError(f"y_true, y_pred, groups and y_score have different lengths: {listing(sorted(sizes))} rows.")
    names, code = _encode_groups(groups)
    task = task or _task_of(actual, predicted)
    if task == "regression":
        return _regression(actual.astype(float), predicted.astype(float), names, code, seed)
    actual, predicted, classes = _encode_labels(actual, predicted, task, y_score)
    counted = np.bincount((code * classes + actual) * classes + predicted, minlength=len(names) * classes**2)
    confusion = counted.reshape(len(names), classes, classes)
    scores = None if y_score is None else Scores(code, actual, predicted, np.asarray(y_score, dtype=float))
    return Grouped(names, task, confusion, scores=scores, code=code)


def from_tally(tally: Tally) -> Grouped:
    """Bring a tally into the form: its cells are the groups."""
    names = [" and ".join(map(str, row)) for row in tally.cells.itertuples(index=False, name=None)]
    if tally.task == "regression":
        return Grouped(
            names, tally.task, sums=tally.sums, whole=Grouped([OVERALL], tally.task, sums=tally.marginal().sums)
        )
    histogram = tally.histogram() if len(tally.scores) else None
    return Grouped(names, tally.task, tally.confusion(), histogram=histogram)


def binned(scores: Scores, groups: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return counts of negative and positive rows by group and score bin, each (groups, bins)."""
    bins = ScoreBins()
    place = (scores.group * 2 + scores.actual) * bins.bins + bins.codes(scores.score)
    counted = np.bincount(place, minlength=groups * 2 * bins.bins).reshape(groups, 2, bins.bins)
    return counted[:, 0], counted[:, 1]


def _regression(y: Any, p: Any, names: list[str], code: npt.NDArray[np.int64], seed: int) -> Grouped:
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise MetricError("y_true or y_pred holds missing or infinite values; leave those rows out.")
    deal = np.random.default_rng(seed).permutation(len(y))
    order = deal[np.argsort(code[deal], kind="stable")]
    starts = np.searchsorted(code[order], np.arange(len(names)))
    block = np.empty(len(y), dtype=np.int64)
    block[order] = (np.arange(len(y)) - starts[code[order]]) % BLOCKS
    sums = regression_sums(y, p, code * BLOCKS + block, len(names) * BLOCKS)
    whole = regression_sums(y, p, blocks_of(len(y), seed=seed), BLOCKS)
    total = Grouped([OVERALL], "regression", sums=whole)
    return Grouped(names, "regression", sums=sums, whole=total, code=code)


def _encode_groups(groups: pd.DataFrame) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Name each combination of values that occurs, and number the rows by it; categories keep their order."""
    code = np.zeros(len(groups), dtype=np.int64)
    names = [""]
    for position in range(groups.shape[1]):
        labels, column = _encode_column(groups.iloc[:, position])
        code = code * len(labels) + column
        names = [f"{first} and {second}" if first else second for first in names for second in labels]
        present, code = np.unique(code, return_inverse=True)
        names = [names[place] for place in present]
    return names, code.astype(np.int64)


def _encode_column(values: pd.Series[Any]) -> tuple[list[str], npt.NDArray[np.int64]]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, labels = values.cat.codes.to_numpy(np.int64), [str(label) for label in values.cat.categories]
    else:
        codes, uniques = pd.factorize(values)
        order = np.array(sorted(range(len(uniques)), key=lambda place: _sort_key(uniques[place])), dtype=np.int64)
        rank = np.empty(len(uniques) + 1, dtype=np.int64)
        rank[order], rank[-1] = np.arange(len(uniques)), -1
        codes, labels = rank[codes], [str(uniques[place]) for place in order]
    if (codes < 0).any():
        home = labels.index("missing") if "missing" in labels else len(labels)
        labels = labels if "missing" in labels else [*labels, "missing"]
        codes = np.where(codes < 0, home, codes)
    return labels, codes.astype(np.int64)


def _sort_key(value: Any) -> tuple[int, float, str]:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return (0, float(value), "") if number else (1, 0.0, str(value))


def _task_of(actual: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> str:
    labels = np.unique(np.concatenate([np.unique(actual), np.unique(predicted)]))
    whole = labels.dtype.kind not in "fc" or bool(np.all(labels == np.round(labels)))
    if not whole or (labels.dtype.kind in "iuf" and len(labels) > _FEW_LABELS):
        return "regression"
    return "binary" if len(labels) <= 2 else "multiclass"


def _encode_labels(
    actual: npt.NDArray[Any], predicted: npt.NDArray[Any], task: str, y_score: Any
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Number the labels in their sorted order; 0, 1, 2 … (and False, True) stay what they are."""
    labels, codes = np.unique(np.concatenate([actual, predicted]), return_inverse=True)
    if labels.dtype.kind in "biuf" and len(labels) and labels[0] >= 0 and np.all(labels == np.round(labels)):
        known = 2 if task == "binary" else (np.shape(y_score)[1] if y_score is not None else int(labels[-1]) + 1)
        if labels[-1] < known:
            labels, codes = np.arange(known), np.concatenate([actual, predicted]).astype(np.int64)
    if task == "binary" and len(labels) > 2:
        raise MetricError(f"A binary task has two labels; there are {listing(labels)}.")
    codes = codes.reshape(2, -1).astype(np.int64)
    return codes[0], codes[1], max(len(labels), 2)


def column_names(groups: pd.DataFrame | pd.Series[Any] | Sequence[Any]) -> pd.DataFrame:
    """Return groups as a DataFrame, whatever they were given as."""
    if isinstance(groups, pd.DataFrame):
        return groups
    return pd.DataFrame(
        {"group": np.asarray(groups) if not isinstance(groups, pd.Series) else groups.reset_index(drop=True)}
    )
