"""Rows or a tally brought into one form: counts, sums and scores by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import MetricError
from mlopskit.evaluate.given import check_rows, checked_numbers, checked_scores, plain_array
from mlopskit.evaluate.groups.labels import encode_labels, task_of
from mlopskit.intervals import BLOCKS, Entries, blocks_of
from mlopskit.tally import Tally, block_of
from mlopskit.tally.coding import combine
from mlopskit.tally.entries import entries_of
from mlopskit.tally.reader import regression_sums

OVERALL = "overall"
CLUSTERS = 10
"""Fewer clusters than this in a denominator, and nothing is claimed where rows belong together."""
_PORTION = 1 << 17


@dataclass(frozen=True)
class Scores:
    """Actual classes and scores of single rows, with each row's group, and its block and weight where there are any."""

    group: npt.NDArray[np.int64]
    actual: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    block: Any = None
    weight: Any = None


@dataclass(frozen=True)
class Blocked:
    """Counts by block, for rows that are weighted or belong together.

    Attributes
    ----------
    weight : ndarray of float, shape (groups, 64, K, K)
        Σw, or rows where there are no weights.
    squares : ndarray of float, shape (groups, K, K), or None
        Σw², where rows are weighted and nothing is known to belong together.
    """

    weight: npt.NDArray[np.float64]
    squares: Any = None


@dataclass(frozen=True)
class Grouped:
    """What metrics by group are computed from.

    Attributes
    ----------
    names : list of str
        The groups, (groups,).
    task : str
    confusion : ndarray of int, shape (groups, K, K), or None
        Classification: rows.
    sums : ndarray of float, shape (groups, 64, 6 or 8), or None
        Regression, as in `mlopskit.tally.counts.SUMS` or, with weights, `WEIGHTED_SUMS`.
    scores : Scores or None
        Rows with scores, where there are any.
    entries : Entries or None
        Scores of a tally, exact where it keeps them.
    exact : ndarray of bool, shape (groups,), or None
        Whose entries are exact.
    whole : Grouped or None
        All rows as one group, where that is not the sum of the groups.
    code : ndarray of int, shape (n,), or None
        The group of each row, where there are rows.
    blocked : Blocked or None
        Classification with weights or units.
    clustered : bool
        Whether rows were said to belong together, or are weighted.
    """

    names: list[str]
    task: str
    confusion: Any = None
    sums: Any = None
    scores: Scores | None = None
    entries: Entries | None = None
    exact: Any = None
    whole: Grouped | None = None
    code: Any = None
    blocked: Blocked | None = None
    clustered: bool = False

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Rows per group."""
        if self.sums is not None:
            rows = self.sums[:, :, 6 if self.sums.shape[2] > 6 else 0]
            return np.asarray(rows.sum(axis=1)).astype(np.int64)
        return np.asarray(self.confusion.sum(axis=(1, 2)), dtype=np.int64)

    @property
    def total(self) -> Grouped:
        """All rows as one group, named ``overall``."""
        if self.whole is not None:
            return self.whole
        scores = self.scores and replace(self.scores, group=np.zeros_like(self.scores.group))
        blocked = None
        if self.blocked is not None:
            squares = self.blocked.squares
            blocked = Blocked(
                self.blocked.weight.sum(axis=0, keepdims=True),
                None if squares is None else squares.sum(axis=0, keepdims=True),
            )
        counts = self.confusion.sum(axis=0, keepdims=True)
        return Grouped([OVERALL], self.task, counts, scores=scores, blocked=blocked, clustered=self.clustered)


def from_rows(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    groups: pd.DataFrame,
    y_score: Any,
    task: str | None,
    seed: int,
    *,
    sample_weight: Any = None,
    unit: Any = None,
) -> Grouped:
    """Bring rows into the form; the task is told from the labels unless it is named."""
    actual, predicted = plain_array(y_true), plain_array(y_pred)
    given = {"y_true": actual, "y_pred": predicted, "groups": groups, "y_score": y_score}
    check_rows({**given, "sample_weight": sample_weight, "unit": unit})
    names, code = _encode_groups(groups)
    refuse_overall(names)
    task = task or task_of(actual, predicted)
    weight = None if sample_weight is None else _checked_weights(sample_weight)
    block = None
    if unit is not None or weight is not None:
        block = block_of(pd.Series(np.asarray(unit))) if unit is not None else _dealt(code, len(names), seed)
    if task == "regression":
        y, p = checked_numbers(actual, "y_true"), checked_numbers(predicted, "y_pred")
        return _regression(y, p, names, code, seed, weight, block)
    y_score = None if y_score is None else checked_scores(y_score, task)
    actual, predicted, classes = encode_labels(actual, predicted, task, y_score)
    confusion = _count(code, actual, predicted, len(names), classes)
    scores = None
    if y_score is not None:
        scores = Scores(code, actual, predicted, y_score, block, weight)
    found = Grouped(names, task, confusion, scores=scores, code=code)
    if block is None:
        return found
    blocked = _block_counts((code, block, actual, predicted), weight, (len(names), classes), unit is not None)
    return replace(found, blocked=blocked, clustered=True)


def _count(code: Any, actual: Any, predicted: Any, groups: int, classes: int) -> npt.NDArray[np.int64]:
    """Count rows by group and pair of classes, some at a time so that what is between stays in the cache."""
    size = groups * classes**2
    total = np.zeros(size, dtype=np.int64)
    for start in range(0, len(code), _PORTION):
        part = slice(start, start + _PORTION)
        total += np.bincount((code[part] * classes + actual[part]) * classes + predicted[part], minlength=size)
    return total.reshape(groups, classes, classes)


def _block_counts(codes: Any, weight: Any, shape: tuple[int, int], units: bool) -> Blocked:
    group, block, actual, predicted = codes
    groups, classes = shape
    place = ((group * BLOCKS + block) * classes + actual) * classes + predicted
    full = (groups, BLOCKS, classes, classes)
    size = groups * BLOCKS * classes**2
    by_block = np.bincount(place, weights=weight, minlength=size).astype(float).reshape(full)
    if weight is None or units:
        return Blocked(by_block)
    return Blocked(by_block, np.bincount(place, weights=weight**2, minlength=size).reshape(full).sum(axis=1))


def from_tally(tally: Tally) -> Grouped:
    """Bring a tally into the form: its cells are the groups."""
    names = group_names(tally.cells.itertuples(index=False, name=None))
    refuse_overall(names)
    found = _tally_form(tally, names)
    return replace(found, whole=_tally_form(tally.marginal(), [OVERALL]))


def _tally_form(tally: Tally, names: list[str]) -> Grouped:
    if tally.task == "regression":
        return Grouped(names, tally.task, sums=tally.sums, clustered=tally.weighted)
    entries, exact = entries_of(tally) if len(tally.scores) else (None, None)
    clustered = tally.counts.shape[1] > 1
    blocked = None
    if clustered:
        blocked = Blocked(tally.weights[..., 0]) if tally.weighted else Blocked(tally.counts.astype(float))
    return Grouped(
        names, tally.task, tally.confusion(), entries=entries, exact=exact, blocked=blocked, clustered=clustered
    )


def _checked_weights(weight: Any) -> npt.NDArray[np.float64]:
    found = checked_numbers(weight, "sample_weight")
    if not np.isfinite(found).all() or (found < 0).any():
        raise MetricError("sample_weight holds values that are missing, infinite or below 0.")
    if not found.sum():
        raise MetricError("sample_weight is 0 for every row, so nothing is weighed; leave it out.")
    return found


def refuse_overall(names: Sequence[str]) -> None:
    """Refuse a group that bears the name of all rows: in the table it could not be told from them.

    Raises
    ------
    MetricError
    """
    if OVERALL in names:
        raise MetricError(f"A group is called {OVERALL!r}, which is the name of all rows in the table; rename it.")


def _dealt(code: npt.NDArray[np.int64], groups: int, seed: int) -> npt.NDArray[np.int64]:
    """Deal the rows of each group to the blocks in turn, in random order."""
    deal = np.random.default_rng(seed).permutation(len(code))
    order = deal[np.argsort(code[deal], kind="stable")]
    starts = np.searchsorted(code[order], np.arange(groups))
    block = np.empty(len(code), dtype=np.int64)
    block[order] = (np.arange(len(code)) - starts[code[order]]) % BLOCKS
    return block


def _regression(
    y: Any, p: Any, names: list[str], code: npt.NDArray[np.int64], seed: int, weight: Any, block: Any
) -> Grouped:
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise MetricError("y_true or y_pred holds missing or infinite values; leave those rows out.")
    clustered = block is not None
    home = _dealt(code, len(names), seed) if block is None else block
    sums = regression_sums(y, p, code * BLOCKS + home, len(names) * BLOCKS, weight=weight)
    together = blocks_of(len(y), seed=seed) if block is None else block
    whole = regression_sums(y, p, together, BLOCKS, weight=weight)
    total = Grouped([OVERALL], "regression", sums=whole, clustered=clustered)
    return Grouped(names, "regression", sums=sums, whole=total, code=code, clustered=clustered)


def group_names(cells: Iterable[Sequence[Any]]) -> list[str]:
    """Name each combination of values; in quotes where two would have one name, as values hold the word themselves.

    Examples
    --------
    >>> group_names([("f", "old"), ("x and y", "z"), ("x", "y and z")])
    ['f and old', '"x and y" and "z"', '"x" and "y and z"']
    """
    words = [[str(value) for value in cell] for cell in cells]
    names = [" and ".join(cell) for cell in words]
    times = Counter(names)
    quoted = (" and ".join(f'"{word}"' for word in cell) for cell in words)
    return [quote if times[name] > 1 else name for name, quote in zip(names, quoted, strict=True)]


def _encode_groups(groups: pd.DataFrame) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Name each combination of values that occurs, and number the rows by it; categories keep their order."""
    parts = [_encode_column(groups.iloc[:, position]) for position in range(groups.shape[1])]
    code, places = combine(parts, len(groups))
    words = [np.array(labels, dtype=object)[place] for (labels, _), place in zip(parts, places, strict=True)]
    return group_names(zip(*words, strict=True)) or [""], code


def _encode_column(values: pd.Series[Any]) -> tuple[list[str], npt.NDArray[np.int64]]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, labels = values.cat.codes.to_numpy(np.int64), [str(label) for label in values.cat.categories]
        missing = bool((codes < 0).any())
    else:
        try:
            codes, uniques = pd.factorize(values)
        except TypeError:
            raise MetricError(f"Column {values.name!r} holds lists; a group is one word or number a row.") from None
        order = np.array(sorted(range(len(uniques)), key=lambda place: _sort_key(uniques[place])), dtype=np.int64)
        rank = np.empty(len(uniques) + 1, dtype=np.int64)
        rank[order], rank[-1] = np.arange(len(uniques)), -1
        missing = bool((codes < 0).any())
        codes, labels = rank[codes], [str(uniques[place]) for place in order]
    if missing:
        home = labels.index("missing") if "missing" in labels else len(labels)
        labels = labels if "missing" in labels else [*labels, "missing"]
        codes = np.where(codes < 0, home, codes)
    first = {label: place for place, label in reversed(list(enumerate(labels)))}
    if len(first) < len(labels):  # 1 and "1" are one group, as in a tally
        codes = np.array([first[label] for label in labels])[codes]
    return labels, codes.astype(np.int64, copy=False)


def _sort_key(value: Any) -> tuple[int, float, str]:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return (0, float(value), "") if number else (1, 0.0, str(value))
