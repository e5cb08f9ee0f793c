"""Every metric that mlopskit knows, by name, with what it means in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlopskit.errors import MetricError
from mlopskit.metrics import functions as f

if TYPE_CHECKING:
    from mlopskit.intervals import Floats

Function = Callable[[Any, Any, Any], float]
Uses = Literal["prediction", "score"]
Scale = Literal["identity", "log", "logit", "log1m"]


@dataclass(frozen=True)
class Metric:
    """One metric: what it is called, what it means, how it is computed.

    Attributes
    ----------
    name : str
        The key in `METRICS`, as it is written in ``mlops.toml``.
    label : str
        For tables and axes.
    meaning : str
        One sentence for someone who does not know the term.
    tasks : tuple of str
        ``binary``, ``multiclass``, ``regression``.
    uses : str
        ``prediction`` (class index or number) or ``score`` (probability).
    greater_is_better : bool or None
        None when neither direction is better (selection rate, bias).
    function : callable
        ``function(y_true, y_pred, y_score) -> float`` on arrays of n rows; `y_score` may be None if `uses` is
        ``prediction``.
    parts : callable or None
        For what depends on counts alone: confusion tables of shape (..., K, K), actual × predicted → events and
        denominators of shape (..., parts).
    rate : bool
        True for one share of rows whose denominator the model does not influence: Wilson's interval is its method.
    link : callable or None
        Applied to each part's ratio before their mean.
    scale : str
        On which the interval of a figure of single rows is symmetric.
    """

    name: str
    label: str
    meaning: str
    tasks: tuple[str, ...]
    uses: Uses
    greater_is_better: bool | None
    function: Function
    parts: Callable[[Any], f.Parts] | None = None
    rate: bool = False
    link: Callable[[Floats], Floats] | None = None
    scale: Scale = "identity"

    def from_counts(self, counts: Any) -> Any:
        """The metric of confusion tables of shape (..., K, K); shape (...)."""
        assert self.parts is not None  # noqa: S101
        values = f.ratios(self.parts(counts))
        return f.mean_over_parts(self.link(values) if self.link else values)


def _counted(name: str, label: str, meaning: str, parts: Callable[[Any], f.Parts], **options: Any) -> Metric:
    """A metric of the confusion table; its function counts first."""
    link = options.get("link")

    def function(y_true: Any, y_pred: Any, y_score: Any = None) -> float:  # noqa: ARG001
        classes = int(max(np.max(y_true, initial=1), np.max(y_pred, initial=1))) + 1
        values = f.ratios(parts(f.confusion(y_true, y_pred, classes=classes)))
        return float(f.mean_over_parts(link(values) if link else values))

    options = {"tasks": ("binary",), "greater_is_better": True, **options}
    return Metric(name, label, meaning, uses="prediction", function=function, parts=parts, **options)


_CLASSES, _REGRESSION = ("binary", "multiclass"), ("regression",)

_ALL = (
    _counted("accuracy", "Accuracy", "Share of rows with the right answer.", f.accuracy_parts, tasks=_CLASSES,
             rate=True),
    _counted("balanced_accuracy", "Balanced accuracy", "Mean over the classes of the share of each that is recognised; "
             "guessing one class always gives 1 divided by their number.", f.recall_by_class_parts, tasks=_CLASSES),
    _counted("precision", "Precision", "Of the rows called positive, the share that is.", f.precision_parts),
    _counted("recall", "Recall", "Of the positive rows, the share that is found.", f.recall_parts, rate=True),
    _counted("specificity", "Specificity", "Of the negative rows, the share that is left alone.", f.specificity_parts,
             rate=True),
    _counted("f1", "F1", "Harmonic mean of precision and recall: high only if both are.", f.f1_parts, link=f.dice),
    _counted("f1_macro", "F1, mean of classes", "Mean over the classes of the harmonic mean of precision and recall.",
             f.f1_by_class_parts, tasks=("multiclass",), link=f.dice),
    Metric("roc_auc", "ROC AUC", "Chance that a random positive row has a higher score than a random negative one; "
           "0.5 is guessing.", ("binary",), "score", True, f.roc_auc),
    Metric("roc_auc_ovr", "ROC AUC, mean of classes", "Mean over the classes of the chance that a row of the class "
           "scores higher for it than a row of another; 0.5 is guessing.", ("multiclass",), "score", True, f.macro_auc),
    Metric("average_precision", "Average precision", "Precision averaged over all thresholds at which a positive row "
           "is found; guessing gives the share of positive rows.", ("binary",), "score", True, f.average_precision,
           scale="logit"),
    Metric("log_loss", "Log loss", "Mean surprise at what happened, −log of the probability given to it; 0 is perfect.",
           _CLASSES, "score", False, f.log_loss, scale="log"),
    Metric("brier_score", "Brier score", "Mean squared distance between probability and what happened; 0 is perfect.",
           ("binary",), "score", False, f.brier_score, scale="log"),
    _counted("selection_rate", "Selection rate", "Share of rows called positive.", f.selection_parts, rate=True,
             greater_is_better=None),
    _counted("false_positive_rate", "False positive rate", "Of the negative rows, the share called positive.",
             f.false_positive_parts, rate=True, greater_is_better=False),
    _counted("false_negative_rate", "False negative rate", "Of the positive rows, the share that is missed.",
             f.false_negative_parts, rate=True, greater_is_better=False),
    Metric("mae", "Mean absolute error", "How far predictions are from the truth on average, in the target's unit.",
           _REGRESSION, "prediction", False, f.mae, scale="log"),
    Metric("rmse", "Root mean squared error", "Typical distance from the truth, large errors weighing more, in the "
           "target's unit.", _REGRESSION, "prediction", False, f.rmse, scale="log"),
    Metric("r2", "R²", "Share of the target's variance that is explained; 0 is what the mean of the target gets.",
           _REGRESSION, "prediction", True, f.r2, scale="log1m"),
    Metric("bias", "Bias", "Mean of prediction minus truth, in the target's unit: above 0 the model guesses too high.",
           _REGRESSION, "prediction", None, f.bias),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Name → `Metric`."""


def default_metrics(task: str, *, scored: bool = True) -> list[str]:
    """Names of the metrics for a task, in the order in which they are shown; unless `scored` those that need no scores.

    Examples
    --------
    >>> default_metrics("regression")
    ['mae', 'rmse', 'r2', 'bias']
    """
    return [name for name, metric in METRICS.items() if task in metric.tasks and (scored or metric.uses != "score")]


def get_metric(name: str, task: str) -> Metric:
    """Look up a metric that fits the task.

    Raises
    ------
    MetricError
        When there is none of that name for the task; says which there are.

    Examples
    --------
    >>> get_metric("recall", "binary").meaning
    'Of the positive rows, the share that is found.'
    """
    metric = METRICS.get(name)
    if metric is None or task not in metric.tasks:
        raise MetricError.from_unknown(name, default_metrics(task))
    return metric
