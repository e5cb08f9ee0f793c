"""What a model has to beat: something simple, something human, something older.

Each baseline that predicts is an estimator over the split table itself, so that later phases measure it on their own
rows. A score without a baseline says nothing: on data with 70 % negatives a model that always says no is right in 70 %.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from mlopskit.errors import ModelError
from mlopskit.model.rules import evaluate_rule

Floats = npt.NDArray[np.float64]


class MajorityBaseline(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Predict the commonest class with the classes' shares as probabilities, or the mean of a quantity.

    Parameters
    ----------
    n_classes : int
        Number of classes; 0 for regression.

    Attributes
    ----------
    shares_ : ndarray of shape (n_classes,)
        Share of each class in the training rows; for regression the mean alone.
    """

    def __init__(self, n_classes: int = 2) -> None:
        self.n_classes = n_classes

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:  # noqa: ARG002
        """Learn the shares, or the mean, of `y`; the rows themselves are not looked at."""
        self.shares_ = _shares(y, self.n_classes) if self.n_classes else np.array([np.asarray(y, dtype=float).mean()])
        return self

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the same prediction for each of n rows."""
        return np.full(len(X), np.argmax(self.shares_) if self.n_classes else self.shares_[0])

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the training shares for each row, shape (n, n_classes)."""
        return np.tile(self.shares_, (len(X), 1))


class RuleBaseline(BaseEstimator):  # type: ignore[misc]
    """Say positive where a rule over the columns holds (see `mlopskit.model.rules`).

    Parameters
    ----------
    rule : str
        A boolean expression over the columns.

    Attributes
    ----------
    rates_ : ndarray of shape (2,)
        Share of positives among the training rows where the rule does not hold, and where it does: its probabilities.
    """

    def __init__(self, rule: str = "") -> None:
        self.rule = rule

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Learn how often the rule is right on either side; with one side empty, its rate is that of all rows."""
        holds, positives = evaluate_rule(self.rule, X), np.asarray(y, dtype=float)
        sides = [positives[~holds], positives[holds]]
        self.rates_ = np.array([side.mean() if len(side) else positives.mean() for side in sides])
        return self

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Return 1 where the rule holds, else 0."""
        return evaluate_rule(self.rule, X).astype(np.int64)

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the share of positives on the row's side of the rule, shape (n, 2)."""
        positive = self.rates_[self.predict(X)]
        return np.column_stack([1 - positive, positive])


class LinearBaseline(BaseEstimator):  # type: ignore[misc]
    """A fitted linear pipeline with its own threshold.

    Parameters
    ----------
    pipeline : estimator
        Preparation and linear model, fitted.
    threshold : float, optional
        At or above this probability the positive class is predicted (binary only).
    """

    def __init__(self, pipeline: Any = None, threshold: float | None = None) -> None:
        self.pipeline = pipeline
        self.threshold = threshold

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Fit the pipeline again."""
        self.pipeline.fit(X, y)
        return self

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Return class indices, or quantities."""
        if self.threshold is None:
            return np.asarray(self.pipeline.predict(X))
        return (self.predict_proba(X)[:, 1] >= self.threshold).astype(np.int64)

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the pipeline's probabilities, shape (n, n_classes)."""
        return np.asarray(self.pipeline.predict_proba(X))


class ColumnBaseline(BaseEstimator):  # type: ignore[misc]
    """Take decisions or scores from a column of the table: what people, or the system before, decided.

    Class labels are decisions; numbers that are no labels are scores (binary: rescaled to 0..1 by their range in the
    training rows; regression: predictions in the target's unit). A row without an entry gets the majority class, or
    the mean.

    Parameters
    ----------
    column : str
        Where the decisions or scores stand.
    kind : str
        ``human`` or ``previous``, for the sentence of an error.
    classes : tuple of str
        The target's class labels in order; empty for regression.
    threshold : float, optional
        At or above this rescaled score the positive class is predicted; 0.5 where none is given.

    Attributes
    ----------
    holds_ : str
        ``labels`` or ``scores``.
    """

    def __init__(
        self, column: str = "", kind: str = "previous", classes: tuple[str, ...] = (), threshold: float | None = None
    ) -> None:
        self.column = column
        self.kind = kind
        self.classes = classes
        self.threshold = threshold

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Learn what the column holds, its range, and how reliable its labels are."""
        values = self._values(X)
        present = values.dropna()
        if present.empty:
            raise self._refusal("is empty", X)
        self.shares_ = _shares(y, len(self.classes)) if self.classes else np.array([np.asarray(y, dtype=float).mean()])
        self.holds_ = "labels" if self.classes and set(map(_label, present)) <= set(self.classes) else "scores"
        if self.holds_ == "labels":
            self.rates_ = self._reliability(values, np.asarray(y))
        elif present.dtype.kind not in "iufb" or len(self.classes) > 2:
            raise self._refusal("holds neither the target's labels nor numbers", X)
        else:
            self.low_, self.high_ = float(present.min()), float(present.max())
        return self

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Return class indices, or quantities."""
        if not self.classes:
            return self._values(X).astype(float).fillna(self.shares_[0]).to_numpy()
        if self.holds_ == "labels":
            known = self._indices(self._values(X))
            return np.where(known >= 0, known, np.argmax(self.shares_))
        threshold = 0.5 if self.threshold is None else self.threshold
        return (self.predict_proba(X)[:, 1] >= threshold).astype(np.int64)

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return rescaled scores, or for labels how often each class was true where the label was given."""
        if self.holds_ == "labels":
            return np.asarray(self.rates_[self._indices(self._values(X))])  # index -1, no entry, is the last row
        width = (self.high_ - self.low_) or 1.0
        score = ((self._values(X).astype(float) - self.low_) / width).clip(0, 1).fillna(self.shares_[-1]).to_numpy()
        return np.column_stack([1 - score, score])

    def missing(self, X: pd.DataFrame) -> int:
        """Return how many rows have no entry."""
        return int(self._values(X).isna().sum())

    def _values(self, X: pd.DataFrame) -> pd.Series[Any]:
        if self.column not in X.columns:
            raise self._refusal("is not in the table", X)
        return X[self.column]

    def _refusal(self, why: str, X: pd.DataFrame) -> ModelError:
        existing = [str(name) for name in X.columns if not str(name).startswith("_")]
        return ModelError.from_baseline_column(self.kind, self.column, why, existing)

    def _indices(self, values: pd.Series[Any]) -> npt.NDArray[np.int64]:
        positions = {label: index for index, label in enumerate(self.classes)}
        found = [-1 if pd.isna(value) else positions.get(_label(value), -1) for value in values]
        return np.array(found, dtype=np.int64)

    def _reliability(self, values: pd.Series[Any], y: npt.NDArray[Any]) -> Floats:
        """Share of each true class by label given, one pseudo-row per class added; the last row is for no entry."""
        given, size = self._indices(values), len(self.classes)
        counts = np.ones((size, size))
        np.add.at(counts, (given[given >= 0], y[given >= 0]), 1)
        return np.vstack([counts / counts.sum(axis=1, keepdims=True), self.shares_])


def _shares(y: npt.ArrayLike, n_classes: int) -> Floats:
    counts = np.bincount(np.asarray(y, dtype=np.int64), minlength=n_classes)
    return np.asarray(counts / max(counts.sum(), 1))


def _label(value: Any) -> str:
    """Write a label as the target's classes are written: whole numbers without a decimal point."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
