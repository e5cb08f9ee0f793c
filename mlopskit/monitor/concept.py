"""Concept drift: a change of P(y|x), the relation between inputs and target, and not only of P(x), the inputs.

When only the inputs drift, a calibrated model stays calibrated: of the rows with probability 0.3, 30 % still turn out
positive. So the evidence for concept drift is taken at equal scores: within bins of the score, what came true minus
what was predicted is compared between a window and the reference. Second evidence is a metric that got worse beyond
the noise; third the drift detection method (DDM) on the stream of errors, which needs no windows. Data drift, change
of the base rate and concept drift lead back to different phases, so `explain` says in words which of them the
evidence supports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import intervals
from mlopskit.data import TARGET, Target
from mlopskit.monitor.drift import FEWEST_ROWS
from mlopskit.monitor.estimate import Calibrator
from mlopskit.monitor.performance import PENDING
from mlopskit.monitor.traffic import Traffic, scores_of

Array = np.ndarray[Any, np.dtype[np.float64]]

_LEAST_ROWS = 10
_LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class Residuals:
    """What came true minus what was predicted, row by row.

    Attributes
    ----------
    predicted : ndarray, shape (n,)
        Calibrated P(positive), the probability of the predicted class, or the predicted number.
    residual : ndarray, shape (n,)
        Observed minus predicted.
    variance : ndarray, shape (n,)
        p(1 − p) where the prediction is a probability; NaN otherwise (then the residuals' own spread is used).
    """

    predicted: Array
    residual: Array
    variance: Array


def residuals_of(
    predictions: pd.DataFrame, labels: Array, *, target: Target, calibrator: Calibrator
) -> Residuals | None:
    """Return the residuals of a prediction table, or None for a classifier without scores.

    Parameters
    ----------
    predictions : DataFrame, shape (n_rows, …)
        With prediction and, for classification, score columns.
    labels : ndarray, shape (n_rows,)
        Class indices or numbers.
    """
    decided = pd.to_numeric(predictions["prediction"]).to_numpy(dtype=float)
    if not target.is_classification:
        return Residuals(decided, labels - decided, np.full(len(labels), np.nan))
    scores = scores_of(predictions)
    if scores is None:
        return None
    if target.task == "binary":
        p, observed = calibrator(scores), (labels == 1).astype(float)
    else:
        p = calibrator(scores[np.arange(len(scores)), decided.astype(int)])
        observed = (labels == decided).astype(float)
    return Residuals(p, observed - p, p * (1 - p))


def concept_table(
    traffic: Traffic,
    validation: pd.DataFrame,
    *,
    target: Target,
    calibrator: Calibrator,
    bins: int = 10,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Test for every window with labels whether, at equal scores, something else comes true than in the reference.

    In at most `bins` bins at quantiles of the reference's scores, merged where a window has too little in one, the mean
    residuals of window and reference are compared; the squared standardised differences add to a chi-squared variable
    (so do those of Hosmer and Lemeshow 1980). P-values are adjusted over the windows
    (Benjamini–Hochberg).

    Returns
    -------
    DataFrame
        window, n, residual, residual_low, residual_high (mean of observed − predicted, less that of the reference),
        shift (mean absolute difference over the bins, weighted by rows), chi_squared, bins, p_value, adjusted, status
        (concept drift, no sign, labels not yet known, could not check)
    """
    reference = residuals_of(validation, validation[TARGET].to_numpy(dtype=float), target=target, calibrator=calibrator)
    rows = []
    for index, label in enumerate(traffic.windows.labels):
        inside = traffic.windows.rows_of(index)
        known = inside[traffic.known[inside]]
        row: dict[str, Any] = {
            "window": label,
            "n": len(known),
            "status": PENDING if len(inside) and not len(known) else "could not check",
        }
        if len(known) >= FEWEST_ROWS and reference is not None:
            current = residuals_of(traffic.log.iloc[known], traffic.labels[known], target=target, calibrator=calibrator)
            assert current is not None  # noqa: S101
            row |= _compared(current, reference, bins)
        rows.append(row)
    names = [
        "window",
        "n",
        "residual",
        "residual_low",
        "residual_high",
        "shift",
        "chi_squared",
        "bins",
        "p_value",
        "status",
    ]
    table = pd.DataFrame(rows, columns=names)
    table.insert(9, "adjusted", intervals.adjust(table["p_value"].to_numpy(dtype=float)))
    tested = table["adjusted"].notna()
    table.loc[tested, "status"] = np.where(table.loc[tested, "adjusted"] < alpha, "concept drift", "no sign")
    return table


def _compared(current: Residuals, reference: Residuals, bins: int) -> dict[str, Any]:
    from scipy.stats import chi2

    edges = _edges(current, reference, bins)
    now, then = _by_bin(current, edges), _by_bin(reference, edges)
    own = np.isnan(reference.variance).any()  # of numbers the reference tells the spread: a window's few rows cannot
    spread = then[2] * then[0] / np.maximum(now[0], 1) if own else now[2]
    used = (now[0] >= _LEAST_ROWS) & (then[0] >= _LEAST_ROWS) & (spread + then[2] > 0)
    gap, error = (now[1] - then[1])[used], (spread + then[2])[used]
    statistic, weight = float(np.sum(gap**2 / error)), now[0][used]
    difference = float(current.residual.mean() - reference.residual.mean())
    half = 1.959964 * np.sqrt(_variance(current) + _variance(reference))
    return {
        "residual": difference, "residual_low": difference - half, "residual_high": difference + half,
        "shift": float(np.sum(np.abs(gap) * weight) / max(weight.sum(), 1)),
        "chi_squared": statistic, "bins": int(used.sum()),
        "p_value": float(chi2.sf(statistic, used.sum())) if used.any() else np.nan,
    }  # fmt: skip


def _edges(current: Residuals, reference: Residuals, bins: int) -> Array:
    """Quantiles of the reference's predictions, without those that leave a bin with too little for a normal mean.

    With numbers that is a matter of rows. With probabilities it is the sum of p(1 − p), as in Cochran's rule for
    expected counts: of thirty rows with probability 0.001 a single positive one would count as proof.
    """
    edges = np.unique(np.quantile(reference.predicted, np.arange(1, bins) / bins))
    numbers = np.isnan(current.variance).any()
    weights, least = (np.ones(len(current.predicted)), _LEAST_ROWS) if numbers else (current.variance, _LEAST_EXPECTED)
    *inside, last = np.bincount(np.searchsorted(edges, current.predicted), weights, minlength=len(edges) + 1)
    kept: list[float] = []
    held = 0.0
    for edge, weight in zip(edges, inside, strict=True):
        held += weight
        if held >= least:
            kept.append(float(edge))
            held = 0.0
    if kept and held + last < least:
        kept.pop()
    return np.array(kept)


def _variance(residuals: Residuals) -> float:
    """Variance of the mean residual."""
    own = np.isnan(residuals.variance).any()
    return float((np.var(residuals.residual) if own else residuals.variance.mean()) / max(len(residuals.residual), 1))


def _by_bin(residuals: Residuals, edges: Any) -> tuple[Any, Any, Any]:
    """Rows, mean residual and its variance in each bin of the prediction; each of shape (n_bins,)."""
    codes = np.searchsorted(edges, residuals.predicted, side="left")
    n = np.bincount(codes, minlength=len(edges) + 1)
    some = np.maximum(n, 1)
    mean = np.bincount(codes, residuals.residual, minlength=len(edges) + 1) / some
    if np.isnan(residuals.variance).any():
        square = np.bincount(codes, residuals.residual**2, minlength=len(edges) + 1) / some
        spread = np.maximum(square - mean**2, 0)
    else:
        spread = np.bincount(codes, residuals.variance, minlength=len(edges) + 1) / some
    return n, mean, spread / some
