"""What guessing the commonest class, or the mean, scores in each group: the figure that stands beside every other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.evaluate.groups.grouped import Grouped
from mlopskit.evaluate.groups.regression import jackknife_sums
from mlopskit.intervals import BLOCKS
from mlopskit.metrics import ESTIMATED, Metric
from mlopskit.tally.reader import regression_sums


def majority_by_group(grouped: Grouped, truth: Any, metrics: Sequence[Metric]) -> npt.NDArray[np.float64]:
    """Return what guessing the commonest class of all rows (their mean) scores, (groups, metrics).

    NaN where it is undefined: precision when nothing is called positive, and figures of scores other than areas.
    """
    found = np.full((len(grouped.names), len(metrics)), np.nan)
    if grouped.task == "regression":
        code = np.zeros(len(truth), dtype=np.int64) if grouped.code is None else grouped.code
        guess = np.full(len(truth), truth.mean())
        sums = regression_sums(truth, guess, code * BLOCKS, len(grouped.names) * BLOCKS)
        return np.stack([jackknife_sums(sums, metric)[0] for metric in metrics], axis=1)
    actual = grouped.confusion.sum(axis=2)
    confusion = np.zeros_like(grouped.confusion)
    confusion[:, :, int(actual.sum(axis=0).argmax())] = actual
    for place, metric in enumerate(metrics):
        if metric.parts is not None:
            found[:, place] = metric.from_counts(confusion)
        elif metric.name in ("roc_auc", "roc_auc_ovr"):
            found[:, place] = np.where((actual > 0).all(axis=1), 0.5, np.nan)
    return found


def majority_gaps(
    metrics: Iterable[str], rows: pd.DataFrame, *, kind: Literal["difference", "ratio"] = "difference"
) -> list[float]:
    """Return the largest difference between groups of what the guess scores, a metric each; NaN with fewer than two.

    Parameters
    ----------
    metrics : iterable of str
        ``equalized_odds`` is the larger of the two of recall and false positive rate.
    rows : DataFrame
        Of one column: metric, status and majority, as from `metrics_by_slice`.
    kind : str
        ``ratio`` gives the smallest over the largest instead, NaN as `disparities` has it: where nobody is called
        positive 0 / 0.

    Examples
    --------
    >>> rows = pd.DataFrame({"metric": "accuracy", "status": "estimated", "majority": [0.6, 0.9]})
    >>> [round(gap, 2) for gap in majority_gaps(["accuracy"], rows)]
    [0.3]
    """
    known = rows[(rows["status"] == ESTIMATED) & rows["majority"].notna()]
    gap = np.ptp if kind == "difference" else _ratio
    found = known.groupby("metric")["majority"].agg(lambda guessed: gap(guessed) if len(guessed) > 1 else np.nan)
    gaps = {str(name): float(gap) for name, gap in found.items()}
    both = [gaps[name] for name in ("recall", "false_positive_rate") if name in gaps]
    larger = np.max if kind == "difference" else np.fmin.reduce
    gaps["equalized_odds"] = float(larger(both)) if len(both) == 2 else np.nan
    return [gaps.get(name, np.nan) for name in metrics]


def _ratio(guessed: pd.Series[float]) -> float:
    return float(guessed.min() / guessed.max()) if guessed.min() >= 0 and guessed.max() > 0 else np.nan
