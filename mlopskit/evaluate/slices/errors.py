"""What counts as an error of a row, and which rows can make one.

False positives are errors of rows that are negative, and of those alone: sizes, support and errors then refer to actual
negatives. Likewise false negatives and actual positives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import TARGET, Target
from mlopskit.errors import MlopskitError
from mlopskit.metrics import score_array

Floats = npt.NDArray[np.float64]

BY = ("error", "loss", "false_positive_rate", "false_negative_rate")
"""What slices can be searched by."""
_SMALLEST = 1e-15  # a probability below it is taken for it, so that no loss is infinite


@dataclass(frozen=True)
class RowErrors:
    """The error of each row that can make one.

    Attributes
    ----------
    each : ndarray of float, shape (rows at risk,)
    at_risk : ndarray of bool, shape (n,)
        Which rows those are.
    mean_name, rows_name : str
        What their mean is called, and the rows.
    """

    each: Floats
    at_risk: npt.NDArray[np.bool_]
    mean_name: str
    rows_name: str

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows at risk of a table that has all rows."""
        return frame if self.at_risk.all() else frame.loc[self.at_risk]


def row_errors(predictions: pd.DataFrame, *, task: str) -> Floats:
    """Return the error of each row: 1 for wrong and 0 for right, for regression the squared error."""
    truth, answer = predictions[TARGET].to_numpy(), predictions["prediction"].to_numpy()
    return np.asarray((truth - answer) ** 2) if task == "regression" else (truth != answer).astype(float)


def slice_errors(predictions: pd.DataFrame, target: Target, *, by: str = "error") -> RowErrors | str:
    """Return the errors that slices are searched by, or why there are none.

    Parameters
    ----------
    predictions : DataFrame
        ``_target``, ``prediction`` and scores of n rows.
    target : Target
    by : str
        ``error`` (error rate; for regression the squared error), ``loss`` (log loss; for regression the squared
        error), ``false_positive_rate`` or ``false_negative_rate``.

    Raises
    ------
    MlopskitError
        When `by` is none of these.
    """
    if by not in BY:
        raise MlopskitError(f"Slices cannot be searched by {by!r}; choose {', '.join(BY)}.")
    every = np.ones(len(predictions), dtype=bool)
    if target.task == "regression" and by in ("error", "loss"):
        return RowErrors(row_errors(predictions, task=target.task), every, "mean squared error", "rows")
    if by == "error":
        return RowErrors(row_errors(predictions, task=target.task), every, "error rate", "rows")
    if by == "loss":
        scores = score_array(predictions)
        if scores is None:
            return "Not applicable: the model gives no probabilities, so there is no log loss."
        return RowErrors(_log_loss(predictions[TARGET].to_numpy(), scores), every, "mean log loss", "rows")
    if target.task != "binary":
        return f"Not applicable: a {by.replace('_', ' ')} exists for two classes only."
    return _wrong_among(predictions, by)


def _wrong_among(predictions: pd.DataFrame, by: str) -> RowErrors:
    actual, words = (0, "negative rows") if by == "false_positive_rate" else (1, "positive rows")
    at_risk = predictions[TARGET].to_numpy() == actual
    wrong = predictions["prediction"].to_numpy()[at_risk] != actual
    return RowErrors(wrong.astype(float), at_risk, by.replace("_", " "), words)


def _log_loss(truth: Any, scores: Any) -> Floats:
    if scores.ndim == 1:
        scores = np.column_stack([1 - scores, scores])
    chosen = scores[np.arange(len(truth)), truth.astype(np.int64)]
    return np.asarray(-np.log(np.clip(chosen, _SMALLEST, 1.0)))
