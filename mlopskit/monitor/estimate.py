"""Performance without labels: what the model would score if its probabilities still hold.

Labels arrive late or never. If the probabilities p are calibrated, and still are in production, the labels can be
averaged over: a decision for the positive class is right with probability p, one against it with 1 − p. So the
expected accuracy is the mean of those, the expected number of true positives is the sum of p where the decision is
positive, and every metric of the confusion table follows. Intervals come from drawing labels ``y ~ Bernoulli(p)``.
The assumption is the weak point: under concept drift p no longer holds and neither does the estimate, so it is
compared with what came true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlopskit import intervals

Array = np.ndarray[Any, np.dtype[np.float64]]

ASSUMPTION = (
    "Assumes that probabilities calibrated on validation data are still calibrated in production: the inputs may "
    "drift, but P(y|x) has not; the interval covers chance in the labels, not a broken assumption."
)


@dataclass(frozen=True)
class Calibrator:
    """Logistic recalibration of scores (Platt 1999): ``logit(p) = intercept + slope · logit(score)``.

    Attributes
    ----------
    intercept, slope : float
        Fitted by maximum likelihood on validation data; 0 and 1 change nothing.
    """

    intercept: float = 0.0
    slope: float = 1.0

    @classmethod
    def fit(cls, y_true: Array, y_score: Array) -> Calibrator:
        """Fit on labels 0/1 and scores in [0, 1]; a single class or a constant score leaves the scores as they are."""
        from sklearn.linear_model import LogisticRegression

        x = _logit(y_score).reshape(-1, 1)
        if len(np.unique(y_true)) < 2 or np.ptp(x) == 0:
            return cls()
        fitted = LogisticRegression(C=1e6).fit(x, y_true)
        return cls(float(fitted.intercept_[0]), float(fitted.coef_[0, 0]))

    def __call__(self, y_score: Array) -> Array:
        """Return calibrated probabilities, shape (n,)."""
        return np.asarray(1 / (1 + np.exp(-(self.intercept + self.slope * _logit(y_score)))))


def _logit(score: Array) -> Array:
    clipped = np.clip(np.asarray(score, dtype=float), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))


@dataclass(frozen=True)
class Estimate:
    """An expected metric with its interval.

    Attributes
    ----------
    metric : str
        Its name.
    value, low, high : float
        Expectation (of the metric, or the metric of the expected counts) and interval of what may come true.
    """

    metric: str
    value: float
    low: float
    high: float


def expected_confusion(probability: Array, prediction: Array) -> dict[str, float]:
    """Return expected tp, fp, fn, tn of binary decisions.

    Examples
    --------
    >>> expected_confusion(np.array([0.9, 0.2]), np.array([1, 0]))
    {'tp': 0.9, 'fp': 0.1, 'fn': 0.2, 'tn': 0.8}
    """
    positive = np.asarray(prediction) == 1
    p = np.asarray(probability, dtype=float)
    tp, fn = float(p[positive].sum()), float(p[~positive].sum())
    cells = {"tp": tp, "fp": float(positive.sum()) - tp, "fn": fn, "tn": float((~positive).sum()) - fn}
    return {name: round(value, 12) for name, value in cells.items()}


def _over(part: Any, whole: Any) -> Any:
    """A ratio that is NaN where it is undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part, dtype=float) / np.asarray(whole, dtype=float)


@dataclass(frozen=True)
class _Cells:
    """A confusion table, or many of them at once."""

    tp: Any
    fp: Any
    fn: Any
    tn: Any

    def rates(self) -> dict[str, Any]:
        """Every metric that follows from the four cells."""
        recall, specificity = _over(self.tp, self.tp + self.fn), _over(self.tn, self.tn + self.fp)
        return {
            "accuracy": _over(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn),
            "precision": _over(self.tp, self.tp + self.fp),
            "recall": recall,
            "specificity": specificity,
            "false_positive_rate": 1 - specificity,
            "false_negative_rate": 1 - recall,
            "f1": _over(2 * self.tp, 2 * self.tp + self.fp + self.fn),
            "balanced_accuracy": (recall + specificity) / 2,
        }


_RATES = tuple(_Cells(1, 1, 1, 1).rates())

ESTIMABLE = (*_RATES, "brier_score", "roc_auc")
"""Metrics of a binary task that can be expected from calibrated probabilities; a multiclass task has accuracy."""


def estimate_binary(
    probability: Array,
    prediction: Array,
    metrics: Sequence[str],
    *,
    score: Array | None = None,
    draws: int = 400,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Estimate]:
    """Expect metrics of binary decisions from calibrated probabilities.

    Parameters
    ----------
    probability, prediction : ndarray, shape (n,)
        Calibrated P(positive), and the decision 0/1.
    metrics : sequence of str
        Those not in `ESTIMABLE` are left out.
    score : ndarray, optional
        What the model gave out, for the Brier score; `probability` when left out.
    draws : int
        Label vectors drawn for the intervals.
    """
    if len(probability) == 0:
        return []
    p, positive = np.asarray(probability, dtype=float), np.asarray(prediction) == 1
    labels = np.random.default_rng(seed).random((draws, len(p))) < p
    tp, total = labels[:, positive].sum(axis=1), labels.sum(axis=1)
    drawn_rates = _Cells(tp, positive.sum() - tp, total - tp, (~positive).sum() - (total - tp)).rates()
    expected = _Cells(**expected_confusion(p, prediction)).rates()
    shown = p if score is None else np.asarray(score, dtype=float)
    made = []
    for name in [name for name in dict.fromkeys(metrics) if name in ESTIMABLE]:
        if name in _RATES:
            value, drawn = expected[name], drawn_rates[name]
        else:
            drawn = _brier(labels, shown) if name == "brier_score" else _areas(labels, shown)
            value = np.nanmean(drawn) if np.isfinite(drawn).any() else np.nan
        low, high = intervals.percentile(drawn, confidence=confidence)
        made.append(Estimate(name, float(value), float(low), float(high)))
    return made


def _brier(labels: Any, score: Array) -> Array:
    """Mean squared error of each row of drawn labels: linear in the labels, so no copy of them is made."""
    return np.asarray(np.mean(score**2) + labels @ (1 - 2 * score) / len(score))


def _areas(labels: Any, score: Array) -> Array:
    """Area under the ROC curve for each row of drawn labels, from the ranks of the scores."""
    from scipy.stats import rankdata

    ranks = rankdata(score)
    positives = labels.sum(axis=1).astype(float)
    negatives = len(score) - positives
    return np.asarray(_over(labels @ ranks - positives * (positives + 1) / 2, positives * negatives))


def estimate_accuracy(
    confidence_in_prediction: Array, *, draws: int = 400, confidence: float = 0.95, seed: int = 0
) -> list[Estimate]:
    """Expect the accuracy from the probability that each decision is right, shape (n,); for any number of classes."""
    p = np.asarray(confidence_in_prediction, dtype=float)
    if len(p) == 0:
        return []
    drawn = (np.random.default_rng(seed).random((draws, len(p))) < p).mean(axis=1)
    low, high = intervals.percentile(drawn, confidence=confidence)
    return [Estimate("accuracy", float(p.mean()), float(low), float(high))]
