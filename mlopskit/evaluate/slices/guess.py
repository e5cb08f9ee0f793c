"""What guessing would err in each slice: the figure that a slice's own error stands beside.

A slice with many errors may only be hard to guess: one guess for all rows, their commonest class or their mean, errs
more where another class is common. A model that errs more than this guess has learnt nothing for that slice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import TARGET, Target
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.slices.errors import RowErrors, slice_errors
from mlopskit.evaluate.slices.find import slice_mask


def guess_errors(predictions: pd.DataFrame, target: Target, *, by: str = "error") -> RowErrors | str:
    """Return the errors of guessing the commonest class of these rows for each of them, or their mean.

    For the log loss the guess is the share of each class. The rows at risk are the same, since the truth decides.
    """
    truth = predictions[TARGET].to_numpy()
    if target.task == "regression":
        mean = float(truth.mean()) if len(truth) else np.nan
        return slice_errors(predictions.assign(prediction=mean), target, by=by)
    shares = np.bincount(truth.astype(np.int64), minlength=len(target.classes)) / max(len(truth), 1)
    scores = {"score": shares[-1]} | {f"score_{place}": share for place, share in enumerate(shares)}
    known = {name: score for name, score in scores.items() if name in predictions}
    return slice_errors(predictions.assign(prediction=int(shares.argmax()), **known), target, by=by)


def guessed(
    slices: Sequence[Mapping[str, Any]], rows: pd.DataFrame, predictions: pd.DataFrame, data: GroupedRows, *, by: str
) -> list[float]:
    """Return the mean error of the guess in each slice.

    Parameters
    ----------
    slices : sequence of mapping
        Column → value.
    rows : DataFrame
        Those at risk, as words.
    predictions : DataFrame
        All rows, as `slice_errors` takes them.

    Returns
    -------
    list of float
        NaN where a slice has no rows, and everywhere with a privacy floor: it tells how many rows of a slice are of
        which class.
    """
    errors = guess_errors(predictions, data.target, by=by)
    masks = [slice_mask(rows, chosen) for chosen in slices]
    if isinstance(errors, str) or data.floor > 1:
        return [np.nan] * len(masks)
    return [float(errors.each[mask].mean()) if mask.any() else np.nan for mask in masks]
