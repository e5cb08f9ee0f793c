"""The arithmetic of the metrics: ratios of counts, and figures of single rows.

A metric that depends on the rows only through a confusion table is one or more **parts**, each events out of a
denominator, joined by a mean. Written for tables of any leading shape, the same line gives the estimate and a
thousand replicates. All values agree with scikit-learn where a denominator is above 0, and are NaN, not 0, where it
is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mlopskit.intervals import Floats

Array = npt.NDArray[Any]
Parts = tuple[Array, Array]
"""Events and denominators, each of shape (..., parts)."""


def confusion(y_true: Array, y_pred: Array, *, classes: int) -> npt.NDArray[np.int64]:
    """Count rows by actual class (first axis) and predicted class; shape (classes, classes).

    Examples
    --------
    >>> confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=2).tolist()
    [[1, 0], [1, 1]]
    """
    codes = np.asarray(y_true, dtype=np.int64) * classes + np.asarray(y_pred, dtype=np.int64)
    return np.bincount(codes, minlength=classes * classes).reshape(classes, classes)


def ratios(parts: Parts) -> Floats:
    """Events over denominators; NaN where there is nothing to divide by."""
    events, denominators = parts
    result = np.full(np.shape(denominators), np.nan)
    np.divide(events, denominators, out=result, where=np.asarray(denominators) > 0)
    return result


def mean_over_parts(values: Floats) -> Floats:
    """Mean over the last axis of what is defined; NaN where nothing is."""
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return ratios((total, defined.sum(axis=-1)))


def dice(values: Floats) -> Floats:
    """F1 from the share of true positives among all rows that are positive or called so: 2 j / (1 + j)."""
    return 2 * values / (1 + values)


def accuracy_parts(c: Array) -> Parts:
    """Right answers among all rows."""
    return np.trace(c, axis1=-2, axis2=-1)[..., None], c.sum(axis=(-2, -1))[..., None]


def recall_by_class_parts(c: Array) -> Parts:
    """For each class, the rows found among those that belong to it."""
    return np.diagonal(c, axis1=-2, axis2=-1), c.sum(axis=-1)


def f1_by_class_parts(c: Array) -> Parts:
    """For each class, true positives among all rows that belong to it or were called so."""
    hits = np.diagonal(c, axis1=-2, axis2=-1)
    return hits, c.sum(axis=-1) + c.sum(axis=-2) - hits


def f1_parts(c: Array) -> Parts:
    """True positives among true positives, false positives and false negatives."""
    return c[..., 1, 1, None], (c[..., 1, 1] + c[..., 0, 1] + c[..., 1, 0])[..., None]


def precision_parts(c: Array) -> Parts:
    """True positives among predicted positives."""
    return c[..., 1, 1, None], c[..., :, 1].sum(axis=-1)[..., None]


def recall_parts(c: Array) -> Parts:
    """True positives among actual positives."""
    return c[..., 1, 1, None], c[..., 1, :].sum(axis=-1)[..., None]


def specificity_parts(c: Array) -> Parts:
    """True negatives among actual negatives."""
    return c[..., 0, 0, None], c[..., 0, :].sum(axis=-1)[..., None]


def false_positive_parts(c: Array) -> Parts:
    """False positives among actual negatives."""
    return c[..., 0, 1, None], c[..., 0, :].sum(axis=-1)[..., None]


def false_negative_parts(c: Array) -> Parts:
    """False negatives among actual positives."""
    return c[..., 1, 0, None], c[..., 1, :].sum(axis=-1)[..., None]


def selection_parts(c: Array) -> Parts:
    """Predicted positives among all rows."""
    return c[..., :, 1].sum(axis=-1)[..., None], c.sum(axis=(-2, -1))[..., None]


def roc_auc(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Area under the ROC curve; ties count half."""
    from mlopskit.intervals import auc_influence

    return auc_influence(y_true == 1, y_score)[0]


def macro_auc(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Mean over the classes of the area of each class against the rest; NaN when a class has no rows."""
    return macro_auc_influence(y_true, y_score)[0]


def macro_auc_influence(y_true: Array, y_score: Array) -> tuple[float, Floats]:
    """The mean area and what each row adds to it: influences add as the areas do, so their covariance is kept."""
    from mlopskit.intervals import auc_influence

    each = [auc_influence(y_true == k, y_score[:, k]) for k in range(y_score.shape[1])]
    return float(np.mean([auc for auc, _ in each])), np.mean([influence for _, influence in each], axis=0)


def average_precision(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Mean of the precision at each positive row in descending order of score; tied rows share one step."""
    order = np.argsort(-y_score, kind="stable")
    hits, score = np.cumsum(y_true[order] == 1), y_score[order]
    last = np.append(np.flatnonzero(np.diff(score)), score.size - 1)
    if not score.size or not hits[-1]:
        return float("nan")
    found = hits[last]
    return float(np.sum(np.diff(found, prepend=0) * found / (last + 1)) / hits[-1])


def log_loss(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Mean of −log of the probability given to what happened (natural logarithm)."""
    score = y_score if y_score.ndim == 2 else np.column_stack([1 - y_score, y_score])
    given = score[np.arange(score.shape[0]), y_true.astype(np.int64)] / score.sum(axis=1)
    tiny = np.finfo(np.float64).eps
    return float(-np.log(np.clip(given, tiny, 1 - tiny)).mean()) if given.size else float("nan")


def brier_score(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Mean squared distance of the probability from what happened."""
    return float(np.mean((y_true - y_score) ** 2)) if y_true.size else float("nan")


def mae(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Mean absolute error."""
    return float(np.mean(np.abs(y_pred - y_true))) if y_true.size else float("nan")


def rmse(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Square root of the mean squared error."""
    return float(np.sqrt(np.mean((y_pred - y_true) ** 2))) if y_true.size else float("nan")


def r2(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Share of the target's variance that is explained; NaN when the target is constant."""
    spread = float(np.sum((y_true - y_true.mean()) ** 2)) if y_true.size else 0.0
    return float(1 - np.sum((y_true - y_pred) ** 2) / spread) if spread > 0 else float("nan")


def bias(y_true: Array, y_pred: Array, y_score: Array) -> float:  # noqa: ARG001
    """Mean of prediction minus actual."""
    return float(np.mean(y_pred - y_true)) if y_true.size else float("nan")
