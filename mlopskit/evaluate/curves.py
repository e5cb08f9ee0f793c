"""What one threshold hides: the confusion table, the curves over all thresholds, calibration, and residuals.

Every function takes a table of predictions and returns a tidy table; where the task has no such thing (a confusion
table of a regression) the table is empty and keeps its columns, so that a notebook runs the same for every task.
Several classes are taken one against the rest, named in ``class``. Curves keep at most 200 points, always the same
ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import TARGET, Target
from mlopskit.evaluate.privacy.scores import cell_of, cuts, hide_confusions, top_cuts
from mlopskit.intervals import wilson
from mlopskit.metrics import score_array
from mlopskit.metrics.functions import confusion
from mlopskit.tally.floor.tables import folded

POINTS = 200
"""Points that are kept of a curve: more than a figure of report width can show."""

CONFUSION = ["actual", "predicted", "n", "share_of_actual", "low", "high"]
ROC = ["class", "threshold", "false_positive_rate", "true_positive_rate"]
PRECISION_RECALL = ["class", "threshold", "recall", "precision"]
CALIBRATION = ["class", "bin", "n", "score", "observed", "low", "high"]
CALIBRATION_ERROR = ["class", "n", "error", "perfect", "perfect_high", "mean_gap", "status"]
RESIDUALS = ["bin", "n", "predicted", "actual", "low", "high", "q05", "q25", "q50", "q75", "q95"]


def confusion_table(predictions: pd.DataFrame, target: Target, *, floor: int = 0) -> pd.DataFrame:
    """Count rows by actual and predicted class.

    Parameters
    ----------
    predictions : DataFrame
        ``_target`` and ``prediction``, class indices.
    target : Target
        With the labels.
    floor : int
        Privacy floor: of three classes or more, smaller cells are withheld, with what would give them away.

    Returns
    -------
    DataFrame
        actual, predicted (labels), n, share_of_actual with its Wilson interval (low, high); a row a pair of classes,
        also those that never occur. Empty for regression.
    """
    if not target.is_classification:
        return pd.DataFrame(columns=CONFUSION)
    size = len(target.classes)
    counts = confusion(predictions[TARGET].to_numpy(), predictions["prediction"].to_numpy(), classes=size)
    total = np.repeat(counts.sum(axis=1), size)
    low, high = wilson(counts.ravel(), total)
    shares = np.divide(counts.ravel(), total, out=np.full(size * size, np.nan), where=total > 0)
    labels = np.array(target.classes, dtype=object)
    columns = (np.repeat(labels, size), np.tile(labels, size), counts.ravel(), shares, low, high)
    table = pd.DataFrame(dict(zip(CONFUSION, columns, strict=True)))
    return hide_confusions(table, floor=floor)


def one_against_rest(predictions: pd.DataFrame, target: Target) -> Iterator[tuple[str, Any, Any]]:
    """Yield (label, whether the row is of that class, its score): the positive class, or each of several.

    Classes of which there are no rows, or nothing but rows, are left out: no curve can be drawn for them. A table
    without scores, or of a regression, yields nothing.
    """
    scores = score_array(predictions) if target.is_classification else None
    if scores is None:
        return
    actual = predictions[TARGET].to_numpy()
    indices = [1] if target.task == "binary" else target.labels
    for index in indices:
        positive = actual == index
        if 0 < positive.sum() < positive.size:
            yield str(target.classes[index]), positive, scores if scores.ndim == 1 else scores[:, index]


def _steps(positive: Any, score: Any) -> tuple[Any, Any, Any]:
    """Distinct thresholds in descending order, with true and false positives at or above each."""
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
    return score[order][last], found[last], last + 1 - found[last]


def _thin(values: Any, points: int) -> Any:
    """Indices of at most `points` entries, evenly spread along `values` (ascending), first and last among them."""
    if values.size <= points:
        return np.arange(values.size)
    wanted = np.linspace(values[0], values[-1], points)
    chosen = np.clip(np.searchsorted(values, wanted), 0, values.size - 1)
    return np.unique(np.concatenate([[0], chosen[1:-1], [values.size - 1]]))


def _cuts(predictions: pd.DataFrame, target: Target, label: str, score: Any, floor: int) -> Any:
    """Where the privacy floor allows the scores of one class to be cut."""
    index = 1 if target.task == "binary" else [str(name) for name in target.classes].index(label)
    positive, called = ((predictions[name] == index).to_numpy() for name in (TARGET, "prediction"))
    return (cuts if target.task == "binary" else top_cuts)(positive, score, called, floor=floor)


def _may(predictions: pd.DataFrame, target: Target, label: str, score: Any, steps: Any, floor: int) -> Any:
    """Which steps of a curve the privacy floor allows to be shown."""
    return np.isin(steps, _cuts(predictions, target, label, score, floor)) if floor > 1 else np.ones(len(steps), bool)


def _thin_shown(values: Any, points: int, shown: Any) -> Any:
    """As `_thin`, of those that are shown."""
    places = np.flatnonzero(shown)
    return places[_thin(values[places], points)]


def roc_curve(predictions: pd.DataFrame, target: Target, *, points: int = POINTS, floor: int = 0) -> pd.DataFrame:
    """True against false positive rate at every threshold.

    Returns
    -------
    DataFrame
        class, threshold (infinite at the origin: nothing is called positive), false_positive_rate,
        true_positive_rate; at most `points` rows a class, spread evenly along the curve. With a privacy floor, only
        thresholds between which lie no rows of a class or at least as many; of several classes, only thresholds above
        every row that another class was predicted for.
    """
    frames = []
    for label, positive, score in one_against_rest(predictions, target):
        threshold, found, wrong = _steps(positive, score)
        x = np.concatenate([[0.0], wrong / max(int((~positive).sum()), 1)])
        y = np.concatenate([[0.0], found / int(positive.sum())])
        may = np.append(True, _may(predictions, target, label, score, threshold, floor))  # the origin always
        keep = _thin_shown(x + y, points, may)
        columns = (label, np.concatenate([[np.inf], threshold])[keep], x[keep], y[keep])
        frames.append(pd.DataFrame(dict(zip(ROC, columns, strict=True))))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=ROC)


def precision_recall_curve(
    predictions: pd.DataFrame, target: Target, *, points: int = POINTS, floor: int = 0
) -> pd.DataFrame:
    """Precision against recall at every threshold.

    Returns
    -------
    DataFrame
        class, threshold, recall, precision; at most `points` rows a class, spread evenly along recall. With a privacy
        floor, at the thresholds of `roc_curve`.
    """
    frames = []
    for label, positive, score in one_against_rest(predictions, target):
        threshold, found, wrong = _steps(positive, score)
        recall = found / int(positive.sum())
        keep = _thin_shown(recall, points, _may(predictions, target, label, score, threshold, floor))
        columns = (label, threshold[keep], recall[keep], (found / (found + wrong))[keep])
        frames.append(pd.DataFrame(dict(zip(PRECISION_RECALL, columns, strict=True))))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=PRECISION_RECALL)


def quantile_bins(values: Any, bins: int) -> Any:
    """Number each value's bin from 0, at most `bins` of about equal size; equal values share one; shape (n,)."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    found = np.searchsorted(edges, values, side="left")
    return np.unique(found, return_inverse=True)[1]


def calibration_table(predictions: pd.DataFrame, target: Target, *, bins: int = 10, floor: int = 0) -> pd.DataFrame:
    """How often rows with about the same score are positive.

    Returns
    -------
    DataFrame
        class, bin (from 1, lowest scores first, about equal numbers of rows), n, score (mean), observed (share of
        positive rows) with its Wilson interval (low, high). Empty without scores. With a privacy floor, bins are joined
        until each class has no row in them or at least as many.
    """
    frames = []
    for label, positive, score in one_against_rest(predictions, target):
        number = quantile_bins(score, bins)
        if floor > 1:
            number = quantile_bins(cell_of(score, _cuts(predictions, target, label, score, floor)), bins)
        n = np.bincount(number)
        hits = np.bincount(number, weights=positive)
        low, high = wilson(hits, n)
        mean = np.bincount(number, weights=score) / n
        columns = (label, np.arange(1, n.size + 1), n, mean, hits / n, low, high)
        frames.append(pd.DataFrame(dict(zip(CALIBRATION, columns, strict=True))))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=CALIBRATION)


def calibration_error(
    predictions: pd.DataFrame, target: Target, *, bins: int = 10, replicates: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Expected calibration error, beside what a perfectly calibrated model would show on as many rows.

    The error is the mean over rows of the distance between their bin's mean score and its share of positive rows. It
    is above 0 even when every score is the true probability, because shares vary by chance; so outcomes are drawn
    from the scores themselves to see how large it is then.

    Returns
    -------
    DataFrame
        class, n, error, perfect (its mean were the scores right), perfect_high (what it stays below then with 95 %
        confidence for all classes together), mean_gap (mean score minus share of positive rows), status (``consistent``
        with perfect calibration or ``miscalibrated``); the most suspicious class first.

    References
    ----------
    Vaicenavicius, J. et al. (2019). Evaluating model calibration in classification. AISTATS (consistency resampling).
    """
    rows = []
    cases = list(one_against_rest(predictions, target))
    for label, positive, score in cases:
        number = quantile_bins(score, bins)
        expected = np.bincount(number, weights=score)
        error = float(np.abs(np.bincount(number, weights=positive) - expected).sum() / score.size)
        drawn = _perfect_errors(score, number, expected, replicates=replicates, seed=seed)
        limit = float(np.quantile(drawn, 1 - 0.05 / len(cases)))
        status = "consistent" if error <= limit else "miscalibrated"
        rows.append((label, score.size, error, float(drawn.mean()), limit, float(np.mean(score - positive)), status))
    table = pd.DataFrame(rows, columns=CALIBRATION_ERROR)
    excess = (table["error"] / table["perfect_high"]).astype(float)
    return table.iloc[np.argsort(-excess, kind="stable")].reset_index(drop=True)


def _perfect_errors(score: Any, number: Any, expected: Any, *, replicates: int, seed: int) -> Any:
    """Calibration errors of outcomes drawn from the scores; a bin at a time bounds the memory."""
    rng = np.random.default_rng(seed)
    total = np.zeros(replicates)
    for index, mean in enumerate(expected):
        inside = score[number == index]
        step = max(1, 2_000_000 // inside.size)
        sums = [
            (rng.random((min(step, replicates - start), inside.size)) < inside).sum(axis=1)
            for start in range(0, replicates, step)
        ]
        total += np.abs(np.concatenate(sums) - mean)
    return total / score.size


def residual_table(predictions: pd.DataFrame, target: Target, *, bins: int = 10, floor: int = 0) -> pd.DataFrame:
    """Predicted against actual for regression, and the spread of what is left over.

    Returns
    -------
    DataFrame
        bin (from 1, lowest predictions first, about equal numbers of rows), n, predicted and actual (means), low and
        high (95 % interval of the mean actual value, Student's t), q05 … q95 (quantiles of actual minus predicted).
        Empty for classification. With a privacy floor, bins are joined until each has as many rows.
    """
    if target.is_classification or predictions.empty:
        return pd.DataFrame(columns=RESIDUALS)
    predicted, actual = predictions["prediction"].to_numpy(dtype=float), predictions[TARGET].to_numpy(dtype=float)
    number = quantile_bins(predicted, bins)
    number = folded(np.bincount(number)[:, None], floor)[number] if floor > 1 else number
    rows = []
    for index in range(int(number.max()) + 1):
        inside = number == index
        spread = np.quantile(actual[inside] - predicted[inside], [0.05, 0.25, 0.5, 0.75, 0.95])
        low, high = _mean_interval(actual[inside])
        centre = (float(predicted[inside].mean()), float(actual[inside].mean()))
        rows.append((index + 1, int(inside.sum()), *centre, low, high, *map(float, spread)))
    return pd.DataFrame(rows, columns=RESIDUALS)


def _mean_interval(values: Any) -> tuple[float, float]:
    from scipy import stats

    if values.size < 2:
        return float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size))
    return float(values.mean()) - half, float(values.mean()) + half
