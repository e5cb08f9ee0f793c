"""Calibration by group: whether what happened is as frequent as the scores say, in every group.

The **difference** mean(y) − mean(p) is above 0 where positives are more frequent than predicted. The **expected
calibration error** (ECE) is the mean distance between the two over ten equally wide score bins, weighted by rows. It
is never below 0 and in small groups never near it, so beside it stands what a *perfectly calibrated* model would show
at the same scores and the same n: the mean, the 95th percentile and the share of draws that reach the ECE found.

References
----------
Bröcker, J. and Smith, L. A. (2007). Increasing the reliability of reliability diagrams. Weather and Forecasting 22,
651-661; Vaicenavicius, J. et al. (2019). Evaluating model calibration in classification. AISTATS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlopskit import intervals
from mlopskit.errors import MetricError
from mlopskit.evaluate.given import check_draws, check_least, groups_frame, plain_array
from mlopskit.evaluate.groups.grouped import CLUSTERS, OVERALL, Scores, from_rows, group_names
from mlopskit.intervals import BLOCKS
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED
from mlopskit.metrics.estimates import FEWEST
from mlopskit.tally import Tally

Floats = npt.NDArray[np.float64]
COLUMNS = [
    "group", "n", "positives", "observed", "predicted", "difference", "low", "high", "method", "status", "ece",
    "chance_mean", "chance_high", "p_value", "majority",
]  # fmt: skip
_BINS = 10
_FINE = 10
"""Each bin is drawn from in ten parts, within which scores hardly differ."""
_EVENTS = 10
_AT_ONCE = 1_000_000
"""Numbers drawn in one piece: 8 MB."""


def calibration_by_group(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    groups: pd.DataFrame,
    *,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    minimum: int = FEWEST,
    clusters: int = CLUSTERS,
    unit: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Compare predicted probabilities with what happened, by group.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        Two labels; the second in sorted order is positive.
    y_score : array_like of float, shape (n,)
        Probability of the positive class.
    groups : DataFrame, shape (n, columns)
        As for `group_metrics`.
    replicates, confidence, seed : int, float, int
        Of the draws of a calibrated model, and of the intervals.
    minimum : int
        Groups with fewer rows cannot be estimated.
    clusters : int
        The same for units, as for `group_metrics`.
    unit : array_like, shape (n,), optional
        What belongs together; the interval is then a jackknife's over 64 blocks of units.

    Returns
    -------
    DataFrame
        One row a group, ``overall`` first: group, n, positives, observed (mean of y), predicted (mean of p),
        difference, low, high, method, status, ece, chance_mean, chance_high (95th percentile), p_value, majority (the
        error of giving everybody the share of positives of all rows as score).

    Raises
    ------
    MetricError
        When a score is no probability, or lengths differ.

    Examples
    --------
    >>> people = pd.DataFrame({"sex": ["f"] * 40 + ["m"] * 40})
    >>> table = calibration_by_group([0, 1] * 40, [0.5] * 40 + [0.9] * 40, people)
    >>> table[["group", "difference", "ece"]].round(2).values.tolist()
    [['overall', -0.2, 0.2], ['f', 0.0, 0.0], ['m', -0.4, 0.4]]
    """
    check_draws(replicates=replicates, confidence=confidence, seed=seed)
    check_least(minimum=minimum, clusters=clusters)
    truth = plain_array(y_true)
    grouped = from_rows(truth, truth, groups_frame(groups), y_score, "binary", seed, unit=unit)
    scores = grouped.scores
    assert scores is not None  # noqa: S101
    if not ((scores.score >= 0) & (scores.score <= 1)).all():
        raise MetricError("y_score must be probabilities between 0 and 1 to be compared with what happened.")
    options: dict[str, Any] = {"confidence": confidence, "minimum": minimum, "clusters": clusters}
    return _table(_of_rows(scores, len(grouped.names)), grouped.names, replicates, seed, options)


def tally_calibration(
    tally: Tally,
    *,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    minimum: int = FEWEST,
    clusters: int = CLUSTERS,
) -> pd.DataFrame:
    """Compute the same table from the score bins of a tally, whose cells are the groups.

    Raises
    ------
    MetricError
        When the tally has no scores.
    """
    if not len(tally.scores):
        raise MetricError("This tally has no scores; make it from a binary task with a score column.")
    names = group_names(tally.cells.itertuples(index=False, name=None))
    options: dict[str, Any] = {"confidence": confidence, "minimum": minimum, "clusters": clusters}
    return _table(_of_tally(tally), names, replicates, seed, options)


@dataclass(frozen=True)
class _Sums:
    """By group and fine score bin (the parts of the ten bins): rows, Σw, Σwy, Σwp; and by group and block the last."""

    rows: Floats
    weight: Floats
    positive: Floats
    score: Floats
    squares: Floats
    blocks: Floats | None

    @property
    def whole(self) -> _Sums:
        """All groups as one."""
        added: Any = {
            key: None if part is None else part.sum(axis=0, keepdims=True) for key, part in vars(self).items()
        }
        return _Sums(**added)


def _of_rows(scores: Scores, groups: int) -> _Sums:
    ones = np.ones(len(scores.score))
    return _sum(groups, scores.group, scores.actual == 1, scores.score, (ones, ones, scores.score), scores.block)


def _of_tally(tally: Tally) -> _Sums:
    table = tally.scores
    rows, score = table["n"].to_numpy(float), table["score_sum"].to_numpy(float)
    weight = table["weight"].to_numpy(float) if tally.weighted else rows
    mean = score / np.where(weight > 0, weight, 1.0)
    block = table["block"].to_numpy(np.int64) if tally.counts.shape[1] > 1 else None
    cell, positive = table["cell"].to_numpy(np.int64), table["actual"].to_numpy() == 1
    return _sum(len(tally.cells), cell, positive, mean, (rows, weight, score), block)


def _sum(groups: int, group: Any, positive: Any, mean: Any, amounts: tuple[Any, Any, Any], block: Any) -> _Sums:
    rows, weight, score = amounts
    fine = np.minimum((mean * _BINS * _FINE).astype(np.int64), _BINS * _FINE - 1)
    place, size = group * _BINS * _FINE + fine, groups * _BINS * _FINE
    hits = np.where(positive, weight, 0.0)
    found: dict[str, Any] = {
        key: np.bincount(place, weights=values, minlength=size).reshape(groups, -1)
        for key, values in (("rows", rows), ("weight", weight), ("positive", hits), ("score", score))
    }
    squares: Any = np.bincount(group, weights=weight * (positive - mean) ** 2, minlength=groups)
    blocks = None if block is None else _by_block(groups, group, block, weight, hits, score)
    return _Sums(**found, squares=squares, blocks=blocks)


def _by_block(groups: int, group: Any, block: Any, weight: Any, hits: Any, score: Any) -> Floats:
    """Σw and Σw(y − p), (groups, 64, 2)."""
    place, size = group * BLOCKS + block, groups * BLOCKS
    both = [np.bincount(place, weights=values, minlength=size) for values in (weight, hits - score)]
    return np.asarray(np.stack(both, axis=1).reshape(groups, BLOCKS, 2), dtype=float)


def _table(sums: _Sums, names: list[str], replicates: int, seed: int, options: dict[str, Any]) -> pd.DataFrame:
    errors = _errors(sums, replicates, seed, options["minimum"])
    parts = []
    for part, labels, place in ((sums.whole, [OVERALL], slice(0, 1)), (sums, names, slice(1, None))):
        columns = {"group": np.array(labels, dtype=object), **_differences(part, **options)}
        parts.append(pd.DataFrame({**columns, **{name: values[place] for name, values in errors.items()}}))
    table = pd.concat(parts, ignore_index=True)
    table["majority"] = (table["observed"] - table["observed"].iloc[0]).abs()
    table = table[COLUMNS]
    return table.astype({"group": "str", "method": "str", "status": "str"})


def _differences(sums: _Sums, *, confidence: float, minimum: int, clusters: int) -> dict[str, Any]:
    n, weight, positive, score = (part.sum(axis=1) for part in (sums.rows, sums.weight, sums.positive, sums.score))
    total = np.where(weight > 0, weight, np.nan)
    observed, predicted = positive / total, score / total
    difference = observed - predicted
    if sums.blocks is not None:
        alone = np.maximum(sums.squares / total - difference**2, 0.0)  # the variance of y − p of single rows
        low, high, method, count = _jackknifed(sums.blocks, difference, alone, n, confidence)
        enough = count >= clusters
    else:
        low, high, method = _independent(sums, n, positive, difference, predicted, confidence)
        enough = np.ones(len(n), dtype=bool)
    known = (n >= minimum) & enough & np.isfinite(low)
    reason = np.where(n < minimum, f"fewer than {minimum} rows", f"fewer than {clusters} clusters")
    return {
        "n": n.astype(np.int64), "positives": positive, "observed": observed, "predicted": predicted,
        "difference": difference, "low": np.where(known, low, np.nan), "high": np.where(known, high, np.nan),
        "method": np.where(known, method, reason), "status": np.where(known, ESTIMATED, NOT_ESTIMATED),
    }  # fmt: skip


def _independent(
    sums: _Sums, n: Floats, positive: Floats, difference: Floats, predicted: Floats, confidence: float
) -> tuple[Floats, Floats, Any]:
    """Student's t for the mean of y − p; Wilson's interval of mean(y), shifted, where an outcome is rare."""
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(sums.squares / n - difference**2, 0.0) / np.maximum(n - 1, 1)
    half = stats.t.ppf(0.5 + confidence / 2, np.maximum(n - 1, 1)) * np.sqrt(variance)
    many = (positive >= _EVENTS) & (n - positive >= _EVENTS)
    low, high = intervals.wilson(positive, n, confidence=confidence)
    method = np.where(many, "t", "Wilson, shifted by the mean score").astype(object)
    return (
        np.where(many, difference - half, low - predicted),
        np.where(many, difference + half, high - predicted),
        method,
    )


def _jackknifed(
    blocks: Floats, difference: Floats, alone: Floats, n: Floats, confidence: float
) -> tuple[Floats, Floats, Any, Any]:
    weight, gap = blocks[:, :, 0], blocks[:, :, 1]
    occupied = weight > 0
    count = occupied.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = weight.sum(axis=1, keepdims=True) - weight
        left_out = np.where(occupied, (gap.sum(axis=1, keepdims=True) - gap) / rest, np.nan)
        mean = np.nansum(left_out, axis=1) / count
        error = np.sqrt((count - 1) / count * np.nansum((left_out - mean[:, None]) ** 2, axis=1))
    half = stats.t.ppf(0.5 + confidence / 2, np.maximum(count - 1, 1)) * error
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = np.minimum(np.nan_to_num(alone / error**2, nan=0.0, posinf=np.inf), n)
    words = [f"jackknife, {b} blocks, effective n {size:,.0f}" for b, size in zip(count, effective, strict=True)]
    return difference - half, difference + half, np.array(words, dtype=object), count


def _errors(sums: _Sums, replicates: int, seed: int, minimum: int) -> dict[str, Any]:
    """ECE of all rows and of each group, and what they are for draws of y from the scores themselves."""
    rows, weight = (np.concatenate([part.sum(axis=0, keepdims=True), part]) for part in (sums.rows, sums.weight))
    gaps = sums.positive - sums.score
    found = _ece(np.concatenate([gaps.sum(axis=0, keepdims=True), gaps]), weight.sum(axis=1))
    group, place = np.nonzero(sums.rows)  # ordered by group, and within it by score
    n, total = sums.rows[group, place], sums.weight[group, place]
    mean, a_row = np.clip(sums.score[group, place] / total, 0.0, 1.0), total / n
    coarse = group * _BINS + place // _FINE
    starts = np.flatnonzero(np.diff(coarse, prepend=-1))
    rng = np.random.default_rng(seed)
    chance = np.empty((replicates, len(weight)))
    step = max(1, _AT_ONCE // max(len(n), 1))
    for first in range(0, replicates, step):
        part = chance[first : first + step]
        bins = np.zeros((len(part), len(sums.rows) * _BINS))
        happened = rng.binomial(n.astype(np.int64), mean, (len(part), len(n))) * a_row
        bins[:, coarse[starts]] = np.add.reduceat(happened - mean * total, starts, axis=1)
        by_group = bins.reshape(len(part), len(sums.rows), _BINS)
        part[:, 0] = np.abs(by_group.sum(axis=1)).sum(axis=1)
        part[:, 1:] = np.abs(by_group).sum(axis=2)
    of_all = weight.sum(axis=1)
    chance /= np.where(of_all > 0, of_all, np.nan)
    reached = (chance >= found * (1 - 1e-9)).sum(axis=0)
    known = rows.sum(axis=1) >= minimum
    return {
        "ece": found, "chance_mean": np.where(known, chance.mean(axis=0), np.nan),
        "chance_high": np.where(known, np.quantile(chance, 0.95, axis=0), np.nan),
        "p_value": np.where(known, (1 + reached) / (1 + replicates), np.nan),
    }  # fmt: skip


def _ece(gaps: Floats, weight: Floats) -> Floats:
    bins = gaps.reshape(len(gaps), _BINS, _FINE).sum(axis=2)
    return np.asarray(np.abs(bins).sum(axis=1) / np.where(weight > 0, weight, np.nan))
