"""A metric with its interval, by the method that suits the metric and the number of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mlopskit import intervals
from mlopskit.errors import MetricError
from mlopskit.metrics import functions as f
from mlopskit.metrics.registry import Metric, default_metrics, get_metric
from mlopskit.metrics.scales import SCALES, cell_prior, draws_confidence, way_back
from mlopskit.results import Results

ESTIMATED, NOT_ESTIMATED = "estimated", "cannot-be-estimated"
FEWEST = 10
"""Below so many rows in a denominator nothing is claimed."""
MANY, MANY_EVENTS = 200, 10
"""From so many rows in every denominator, with so many events and non-events, percentiles of a bootstrap may be
trusted."""
ROUNDING = 1e-12
"""A relative standard error below this is that of floating-point numbers: no spread was seen."""
NO_SPREAD = "no interval: too few rows err to see a spread"
_CELLS = 4_000_000
"""Cells of replicate tables that are held in memory at a time (32 MB)."""


@dataclass(frozen=True)
class Rows:
    """What a metric is computed from: n actual values, predictions and, where there are any, scores."""

    y_true: Any
    y_pred: Any
    y_score: Any
    task: str
    classes: int

    @classmethod
    def check(cls, y_true: Any, y_pred: Any, y_score: Any, *, task: str) -> Rows:
        """Check lengths, shapes and gaps.

        Raises
        ------
        MetricError
            When lengths differ, a value is missing, or the scores have not the shape that the task needs.
        """
        kind = np.float64 if task == "regression" else np.int64
        arrays = {"y_true": y_true, "y_pred": y_pred, "y_score": y_score}
        found = {name: np.asarray(value) for name, value in arrays.items() if value is not None}
        sizes = {name: len(value) for name, value in found.items()}
        if len(set(sizes.values())) > 1:
            raise MetricError(f"Lengths differ: {sizes}. Give one prediction and one score a row, in the same order.")
        for name, value in found.items():
            if value.dtype.kind not in "biuf" or not np.isfinite(value).all():
                raise MetricError(
                    f"{name} holds values that are missing, infinite or no numbers; leave those rows out."
                )
        score = found.get("y_score")
        if score is not None and score.ndim != (2 if task == "multiclass" else 1):
            raise MetricError(
                f"Scores of a {task} task need {'a column a class' if task == 'multiclass' else 'one column'}."
            )
        truth, guess = found["y_true"].astype(kind), found["y_pred"].astype(kind)
        classes = 0 if task == "regression" else _classes(truth, guess, score, task)
        return cls(truth, guess, None if score is None else score.astype(np.float64), task, classes)

    @property
    def counts(self) -> Any:
        """The confusion table, actual × predicted."""
        return f.confusion(self.y_true, self.y_pred, classes=self.classes)

    def take(self, keep: Any) -> tuple[Any, Any, Any]:
        """The three arrays at the rows that a mask or an index names."""
        return self.y_true[keep], self.y_pred[keep], None if self.y_score is None else self.y_score[keep]

    def class_sizes(self) -> Any:
        """Rows of each actual class."""
        return np.bincount(self.y_true, minlength=self.classes)


def _classes(truth: Any, guess: Any, score: Any, task: str) -> int:
    low = min(np.min(truth, initial=0), np.min(guess, initial=0))
    seen = int(max(np.max(truth, initial=1), np.max(guess, initial=1))) + 1
    known = 2 if task == "binary" else seen if score is None else score.shape[1]
    if low < 0 or seen > known:
        raise MetricError(f"Classes are whole numbers from 0 to {known - 1} here; found {low} to {seen - 1}.")
    return known


@dataclass(frozen=True)
class Estimate:
    """One figure, its interval and how both came about; NaN with status ``cannot-be-estimated`` when there is none."""

    value: float
    low: float
    high: float
    method: str
    denominator: int
    status: str = ESTIMATED

    @classmethod
    def none(cls, why: str, denominator: int = 0) -> Estimate:
        """Nothing can be said, and why."""
        return cls(np.nan, np.nan, np.nan, why, denominator, NOT_ESTIMATED)


def measure(
    y_true: Any,
    y_pred: Any,
    y_score: Any = None,
    *,
    task: str,
    metrics: Sequence[str] | None = None,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Compute metrics with intervals, each by the method that suits it.

    Rates get Wilson's interval; precision, F1 and balanced accuracy joint draws (a multinomial bootstrap where every
    denominator has at least 200 rows with 10 events and 10 non-events, else Dirichlet); areas under the ROC curve
    DeLong's on the logit scale with Student's t; everything else a jackknife over up to 64 random blocks of rows with
    Student's t, whose upper end goes farther for losses (`mlopskit.metrics.scales` says how far, and how often each
    metric is covered from 10 rows).

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,)
        Class indices from 0 (binary: 1 is positive), or numbers for regression.
    y_score : array_like, shape (n,) or (n, classes), optional
        Probability of the positive class, or of each class.
    task : str
        ``binary``, ``multiclass`` or ``regression``.
    metrics : sequence of str, optional
        Names; all of the task when left out (without scores: those that need none).
    replicates, confidence, seed : int, float, int
        Of the draws and of the intervals.

    Returns
    -------
    DataFrame
        One row a metric: metric, value, low, high, method, n (rows), status (``estimated`` or ``cannot be
        estimated``: a denominator below 10 or undefined; then value is NaN and `method` says why), denominator (the
        smallest).

    Raises
    ------
    MetricError
        When a metric is unknown or the arrays do not fit together.

    Examples
    --------
    >>> table = measure([0, 1] * 20, [0, 1] * 18 + [1, 0] * 2, task="binary", metrics=["accuracy"])
    >>> table["method"].tolist(), float(table["value"][0])
    (['Wilson'], 0.9)
    """
    rows = Rows.check(y_true, y_pred, y_score, task=task)
    names = metrics if metrics is not None else default_metrics(task, scored=y_score is not None)
    found = [
        (name, estimate(get_metric(name, task), rows, replicates=replicates, confidence=confidence, seed=seed))
        for name in names
    ]
    return Results(
        [(name, e.value, e.low, e.high, e.method, len(rows.y_true), e.status, e.denominator) for name, e in found],
        columns=["metric", "value", "low", "high", "method", "n", "status", "denominator"],
    )


def estimate(
    metric: Metric, rows: Rows, *, replicates: int, confidence: float, seed: int, minimum: int = FEWEST
) -> Estimate:
    """One metric of one set of rows with its interval; none with fewer than `minimum` rows in a denominator."""
    smallest = denominator(metric, rows)
    if metric.uses == "score" and rows.y_score is None:
        return Estimate.none("there are no scores", smallest)
    if smallest < minimum:
        return Estimate.none(f"{smallest} in its smallest denominator, fewer than {minimum}", smallest)
    if metric.rate:
        return _rate(metric, rows, smallest, confidence)
    if metric.parts is not None:
        return _counted(metric, rows, smallest, replicates=replicates, confidence=confidence, seed=seed)
    if metric.name in {"roc_auc", "roc_auc_ovr"}:
        return _area(rows, smallest, confidence)
    return _jackknifed(metric, rows, smallest, confidence=confidence, seed=seed)


def denominator(metric: Metric, rows: Rows) -> int:
    """The smallest number of rows that any part of the metric is a share of."""
    if metric.parts is not None:
        return int(metric.parts(rows.counts)[1].min())
    if metric.name in {"roc_auc", "roc_auc_ovr", "average_precision"}:
        return int(rows.class_sizes().min())
    return len(rows.y_true)


def _rate(metric: Metric, rows: Rows, smallest: int, confidence: float) -> Estimate:
    assert metric.parts is not None  # noqa: S101
    events, total = (float(part[0]) for part in metric.parts(rows.counts))
    low, high = intervals.wilson(events, total, confidence=confidence)
    return Estimate(events / total, float(low), float(high), "Wilson", smallest)


def _counted(metric: Metric, rows: Rows, smallest: int, *, replicates: int, confidence: float, seed: int) -> Estimate:
    counts = rows.counts
    large = is_large(metric, counts)
    method, tables = draws(counts, large=large, classes=rows.classes, replicates=replicates, seed=seed)
    value = float(metric.from_counts(counts))
    level = confidence if large else float(draws_confidence(rows.classes, smallest, confidence))
    low, high = intervals.percentile(tables(metric.from_counts), confidence=level)
    return Estimate(value, min(float(low), value), max(float(high), value), method, smallest)


def is_large(metric: Metric, counts: Any) -> bool:
    """Whether every part has the rows, events and non-events from which a percentile bootstrap keeps its promise."""
    assert metric.parts is not None  # noqa: S101
    events, total = metric.parts(counts)
    return bool(((total >= MANY) & (events >= MANY_EVENTS) & (total - events >= MANY_EVENTS)).all())


def draws(
    counts: Any, *, large: bool, classes: int, replicates: int, seed: int
) -> tuple[str, Callable[[Callable[[Any], Any]], Any]]:
    """Name the method, and return what applies a function to replicate tables, a bounded number of cells at a time.

    The prior of the Dirichlet is ½ a cell for two classes, as Jeffreys has it, and weighs one row in all for more
    (`cell_prior`), so that a large empty table does not outweigh the data.
    """
    prior = cell_prior(classes, counts.size)
    step = max(1, min(replicates, _CELLS // counts.size))
    sizes = [min(step, replicates - start) for start in range(0, replicates, step)]

    def tables(index: int, size: int) -> Any:
        if large:
            return intervals.multinomial_draws(counts, replicates=size, seed=seed + index)
        return intervals.dirichlet_draws(counts, replicates=size, seed=seed + index, prior=prior)

    name = "multinomial bootstrap" if large else "Dirichlet draws"
    return name, lambda of: np.concatenate([of(tables(index, size)) for index, size in enumerate(sizes)])


def area(rows: Rows) -> tuple[float, Any]:
    """Area under the ROC curve (mean over the classes for several) and the influence of each row."""
    if rows.task == "binary":
        return intervals.auc_influence(rows.y_true == 1, rows.y_score)
    return f.macro_auc_influence(rows.y_true, rows.y_score)


def area_with_interval(rows: Rows, *, confidence: float) -> tuple[float, float, float, Any]:
    """Value, low, high and influences of the area under the ROC curve."""
    value, influence = area(rows)
    sizes = rows.class_sizes()
    pairs = int(np.minimum(sizes, len(rows.y_true) - sizes).min())
    parts = np.bincount(rows.y_true, weights=influence**2, minlength=rows.classes)
    how: dict[str, Any] = {"pairs": pairs, "freedom": float(intervals.welch_freedom(parts, sizes))}
    low, high = intervals.auc_interval(value, float(parts.sum()), confidence=confidence, **how)
    return value, low, high, influence


def _area(rows: Rows, smallest: int, confidence: float) -> Estimate:
    value, low, high, _ = area_with_interval(rows, confidence=confidence)
    method = "DeLong, logit scale" if 0 < value < 1 else "exact bound for a perfect ranking"
    return Estimate(value, low, high, method, smallest)


def _jackknifed(metric: Metric, rows: Rows, smallest: int, *, confidence: float, seed: int) -> Estimate:
    value = metric.function(*rows.take(slice(None)))
    if not np.isfinite(value):
        return Estimate.none("undefined for these rows", smallest)
    there, _ = SCALES[metric.scale]
    blocks = intervals.blocks_of(len(rows.y_true), seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = float(there(value))
        error, freedom = intervals.jackknife(lambda keep: float(there(metric.function(*rows.take(keep)))), blocks)
    if not np.isfinite(centre) or not np.isfinite(error) or error <= ROUNDING * max(1.0, abs(centre)):
        return _no_error_seen(metric, value, smallest, confidence)
    half, back = stats.t.ppf(0.5 + confidence / 2, freedom) * error, way_back(metric, centre, error)
    low, high = sorted((float(back(centre - half)), float(back(centre + half))))
    return Estimate(value, low, high, f"jackknife, {freedom + 1} blocks", smallest)


def _no_error_seen(metric: Metric, value: float, smallest: int, confidence: float) -> Estimate:
    """A perfect value shows no spread; for what lies in [0, 1] none of n independent trials failing bounds it still."""
    edge = 1 - ((1 - confidence) / 2) ** (1 / smallest)
    if metric.name in {"average_precision", "brier_score"} and value in {0.0, 1.0}:
        low, high = (0.0, edge) if value == 0 else (1 - edge, 1.0)
        return Estimate(value, low, high, "exact bound for no error", smallest)
    return Estimate(value, np.nan, np.nan, NO_SPREAD, smallest)
