"""Predictions as a table, in the one form that every later phase reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import ROW, TARGET, Target
from mlopskit.errors import ModelError
from mlopskit.model.threads import predict_in_one_thread


def predict_table(model: Any, rows: pd.DataFrame, *, target: Target, threshold: float | None) -> pd.DataFrame:
    """Score rows of a split table.

    Parameters
    ----------
    model : estimator
        Fitted; takes the split table as it is.
    rows : DataFrame
        n rows; ``_row`` and ``_target`` are carried over where they exist.
    target : Target
        What is predicted.
    threshold : float, optional
        Binary: at or above this score the positive class is predicted; with None the model's own decision stands.

    Returns
    -------
    DataFrame
        ``_row``, ``_target``, ``prediction`` (class index, or a quantity) and ``score``, the probability of the
        positive class (binary), or ``score_0`` … ``score_{K-1}`` (multiclass); regression has no scores.

    Raises
    ------
    ModelError
        When a threshold is given for a model that decides otherwise (see `mlopskit.mitigation`).
    """
    if threshold is not None and decides_itself(model):
        raise ModelError(
            f"{type(model).__name__} decides by a mitigation, not by one threshold, so {threshold:.3g} cannot take its "
            "place; give threshold=None. If a notebook is older than the mitigation in mlops.toml, put it back with "
            "`mlopskit new --here --notebooks-only`."
        )
    with predict_in_one_thread():
        return _predict_table(model, rows, target, threshold)


def decides_itself(model: Any) -> bool:
    """Tell whether a model's decisions are not those of a threshold on its score."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return bool(getattr(last, "decides_itself", False))


def _predict_table(model: Any, rows: pd.DataFrame, target: Target, threshold: float | None) -> pd.DataFrame:
    table = rows[[name for name in (ROW, TARGET) if name in rows.columns]].reset_index(drop=True)
    if target.task == "regression":
        return table.assign(prediction=np.asarray(model.predict(rows), dtype=np.float64))
    scores = class_scores(model, rows, n_classes=len(target.classes))
    binary = target.task == "binary"
    decided = scores[:, 1] >= threshold if binary and threshold is not None else model.predict(rows)
    columns = {"score": scores[:, 1]} if binary else {f"score_{index}": scores[:, index] for index in target.labels}
    return table.assign(prediction=np.asarray(decided, dtype=np.int64), **columns)


def class_scores(model: Any, rows: Any, *, n_classes: int) -> npt.NDArray[np.float64]:
    """Return probabilities of shape (n, n_classes); a class that the model never saw gets 0."""
    scores = np.asarray(model.predict_proba(rows), dtype=np.float64)
    seen = np.asarray(getattr(model, "classes_", np.arange(scores.shape[1])), dtype=np.int64)
    if scores.shape[1] == n_classes:
        return scores
    whole = np.zeros((len(scores), n_classes))
    whole[:, seen] = scores
    return whole
