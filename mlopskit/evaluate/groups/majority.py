"""What guessing the commonest class, or the mean, scores in each group: the figure that stands beside every other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlopskit.evaluate.groups.grouped import Grouped
from mlopskit.evaluate.groups.regression import jackknife_sums
from mlopskit.intervals import BLOCKS
from mlopskit.metrics import Metric
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
