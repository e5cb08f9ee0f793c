"""Windows without labels: what performance is expected there, and whether earlier expectations came true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import TARGET, Target
from mlopskit.monitor.estimate import Calibrator, Estimate, estimate_accuracy, estimate_binary
from mlopskit.monitor.performance import MEASURED, PENDING
from mlopskit.monitor.traffic import Traffic, scores_of


def fit_calibrator(validation: pd.DataFrame, *, target: Target) -> Calibrator:
    """Fit the recalibration of scores on a prediction table of validation rows.

    Of P(positive) when binary, of the probability that the predicted class is right when multiclass; where there are no
    scores, nothing is changed.
    """
    scores = scores_of(validation)
    if not target.is_classification or scores is None:
        return Calibrator()
    truth = validation[TARGET].to_numpy(dtype=int)
    if target.task == "binary":
        return Calibrator.fit(truth, scores)
    decided = validation["prediction"].to_numpy(dtype=int)
    return Calibrator.fit((truth == decided).astype(int), scores[np.arange(len(decided)), decided])


def estimate_table(
    traffic: Traffic,
    windows: pd.DataFrame,
    *,
    target: Target,
    calibrator: Calibrator,
    metrics: Sequence[str],
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Estimate performance of every window without its labels, and compare with what came true where that is known.

    Where some labels of a window are known, only those rows are estimated, so that like is compared with like.

    Returns
    -------
    DataFrame
        window, metric, n, value, low, high (estimated), measured, measured_low, measured_high, status: ``came true``
        (what was measured lies in the estimate's interval), ``did not come true``, ``labels not yet known``. No rows
        for regression, where a prediction holds no probability.
    """
    rows: list[dict[str, Any]] = []
    scores = scores_of(traffic.log)
    for index, label in enumerate(traffic.windows.labels if scores is not None and target.is_classification else ()):
        inside = traffic.windows.rows_of(index)
        chosen = inside[traffic.known[inside]] if traffic.known[inside].any() else inside[traffic.answered[inside]]
        options = {"confidence": confidence, "seed": seed + index}
        made = _estimates(traffic, chosen, scores, target, calibrator, metrics, options)
        rows.extend({"window": label, "n": len(chosen), **asdict(estimate)} for estimate in made)
    table = pd.DataFrame(rows, columns=["window", "metric", "n", "value", "low", "high"])
    return _came_true(table, windows)


def _estimates(
    traffic: Traffic,
    rows: Any,
    scores: Any,
    target: Target,
    calibrator: Calibrator,
    metrics: Sequence[str],
    options: dict[str, Any],
) -> list[Estimate]:
    names = ["accuracy", *metrics]
    decided = pd.to_numeric(traffic.log["prediction"].iloc[rows]).to_numpy(dtype=int)
    if target.task == "binary":
        return estimate_binary(calibrator(scores[rows]), decided, names, score=scores[rows], **options)
    return estimate_accuracy(calibrator(scores[rows, decided]), **options)


def _came_true(table: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    truth = windows.loc[windows["status"] == MEASURED, ["window", "metric", "value", "low", "high"]]
    truth = truth.rename(columns={"value": "measured", "low": "measured_low", "high": "measured_high"})
    joined = table.merge(truth, on=["window", "metric"], how="left", validate="one_to_one")
    covered = (joined["low"] <= joined["measured"]) & (joined["measured"] <= joined["high"])
    joined["status"] = np.where(joined["measured"].isna(), PENDING, np.where(covered, "came true", "did not come true"))
    return joined
