"""Labels of any kind as class indices, and the task told from them, without sorting the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import MetricError, listing

Ints = npt.NDArray[np.int64]
_FEW = 20
_SPAN = 1 << 16


def task_of(actual: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> str:
    """Tell ``binary``, ``multiclass`` or ``regression``: numbers that are not whole, or many, are a regression's."""
    for values in (actual, predicted):
        if values.dtype.kind == "c" or (values.dtype.kind == "f" and not _whole(values)):
            return "regression"
    labels, _ = distinct([actual, predicted])
    if labels.dtype.kind in "iuf" and len(labels) > _FEW:
        return "regression"
    return "binary" if len(labels) <= 2 else "multiclass"


def _whole(values: npt.NDArray[Any]) -> bool:
    """Whether all are whole; a few rows usually tell."""
    return bool(np.all(values[:1000] == np.round(values[:1000])) and np.all(values == np.round(values)))


def distinct(parts: list[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], list[Ints]]:
    """Return the labels that occur, sorted, and each row's place among them, one array a part."""
    narrow = [_integers(part) for part in parts]
    if all(part is not None for part in narrow) and parts[0].size:
        found = _counted([part for part in narrow if part is not None])
        if found is not None:
            kind = np.result_type(*parts)
            return found[0].astype(kind), found[1]
    joined = np.concatenate(parts)
    if joined.dtype.kind not in "biuf":
        codes, uniques = pd.factorize(joined)
        order = np.argsort(np.asarray(uniques), kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return np.asarray(uniques)[order], np.split(rank[codes], [len(parts[0])])
    labels, codes = np.unique(joined, return_inverse=True)
    return labels, np.split(codes.astype(np.int64), [len(parts[0])])


def _integers(values: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    if values.dtype.kind == "b":
        return values.astype(np.int8)
    if values.dtype.kind in "iu":
        return values
    return values.astype(np.int64) if values.dtype.kind == "f" and _whole(values) else None


def _counted(parts: list[npt.NDArray[Any]]) -> tuple[Ints, list[Ints]] | None:
    """The same by counting, where the numbers lie close together."""
    low, high = min(int(part.min()) for part in parts), max(int(part.max()) for part in parts)
    if high - low >= _SPAN:
        return None
    shifted = [part.astype(np.int64) if low == 0 else part.astype(np.int64) - low for part in parts]
    seen = sum(np.bincount(part, minlength=high - low + 1) for part in shifted)
    present = np.flatnonzero(seen)
    if len(present) == high - low + 1:
        return present + low, shifted
    place = np.zeros(high - low + 1, dtype=np.int64)
    place[present] = np.arange(len(present))
    return present + low, [place[part] for part in shifted]


def encode_labels(
    actual: npt.NDArray[Any], predicted: npt.NDArray[Any], task: str, y_score: Any
) -> tuple[Ints, Ints, int]:
    """Number the labels in their sorted order; 0, 1, 2 … (and False, True) stay what they are.

    Raises
    ------
    MetricError
        When a label is missing, a binary task has more than two, or one alone that is not 0 or 1, or there is not a
        column of scores for each.
    """
    for values in (actual, predicted):
        if values.dtype.kind in "fO" and pd.isna(values).any():
            raise MetricError("y_true or y_pred holds missing values; leave those rows out.")
    labels, (first, second) = distinct([actual, predicted])
    if labels.dtype.kind in "biuf" and len(labels) and labels[0] >= 0 and np.all(labels == np.round(labels)):
        known = 2 if task == "binary" else (np.shape(y_score)[1] if y_score is not None else len(labels))
        if labels[-1] < known:
            place = labels.astype(np.int64)
            if len(place) == known:
                return first, second, known
            return place[first], place[second], known
    if task == "binary" and len(labels) > 2:
        raise MetricError(f"A binary task has two labels; there are {listing(labels)}.")
    if task == "binary" and len(labels) == 1:
        raise MetricError(f"{labels[0]} is the only label, so it cannot be told whether it is positive; give 0 and 1.")
    if np.ndim(y_score) == 2 and np.shape(y_score)[1] != len(labels):
        raise MetricError(
            f"y_score has {np.shape(y_score)[1]} columns and there are {len(labels)} labels: {listing(labels)}. Give a "
            "column a class; where some do not occur, give class indices from 0."
        )
    return first, second, max(len(labels), 2)
