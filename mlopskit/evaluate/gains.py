"""What guessing and the baselines score on the same rows, and how much the model gains over them.

A figure alone means nothing: on data with 70 % negatives, a model that always says no is right in 70 %. So the
majority guess (for regression the mean guess) stands beside every metric, and each baseline that can predict is
scored on the same test rows, so that the gain is paired. A published figure has no rows: there the model's interval
is set against the constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import TARGET, Target
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.evaluate.groups.table import group_metrics
from mlopskit.metrics import NOT_ESTIMATED, default_metrics, get_metric, measure, paired_difference, score_array
from mlopskit.model import headline_metric, predict_table
from mlopskit.runs import Run
from mlopskit.tally import block_of

GAINS = ["baseline", "metric", "model", "value", "gain", "low", "high", "method", "n", "verdict", "majority"]
SAME = "the same answers"
"""The verdict on a baseline that is the model: often the simplest candidate wins."""


def majority_guess(train: pd.DataFrame, rows: pd.DataFrame, *, target: Target) -> pd.DataFrame:
    """Predict the commonest class of the training rows for every row, with the training shares as scores.

    Parameters
    ----------
    train, rows : DataFrame
        With ``_target``; what is learned from and what is predicted for.
    target : Target
        For regression the mean of the training rows is predicted.

    Returns
    -------
    DataFrame
        A table of predictions as `mlopskit.model.predict_table` makes it.
    """
    known = train[TARGET].to_numpy()
    table = rows[["_row", TARGET]].reset_index(drop=True)
    if not target.is_classification:
        return table.assign(prediction=float(known.mean()))
    shares = np.bincount(known, minlength=len(target.classes)) / known.size
    scores = {"score": shares[1]} if target.task == "binary" else {f"score_{k}": s for k, s in enumerate(shares)}
    return table.assign(prediction=int(shares.argmax()), **scores)


def metric_table(
    predictions: pd.DataFrame,
    majority: pd.DataFrame,
    *,
    target: Target,
    metrics: Sequence[str] | None = None,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    unit: pd.Series[Any] | None = None,
) -> pd.DataFrame:
    """Measure the model, with what the majority guess would have scored beside every figure.

    Parameters
    ----------
    predictions, majority : DataFrame
        Predictions for the same rows, of the model and as from `majority_guess`.
    target : Target
        What is predicted.
    metrics, replicates, confidence, seed
        As for `mlopskit.metrics.measure`.
    unit : Series, optional
        Whom each row belongs to, as from `mlopskit.data.units_of`; intervals are then those of `group_metrics` with
        units.

    Returns
    -------
    DataFrame
        metric, value, low, high, confidence (of the interval), majority (NaN where it is undefined for a guess),
        method, n, denominator, status, meaning.
    """
    truth, score = predictions[TARGET].to_numpy(), score_array(predictions)
    task = target.task
    options: dict[str, Any] = {"task": task, "metrics": metrics, "replicates": replicates, "confidence": confidence}
    found = measured(truth, (predictions["prediction"].to_numpy(), score), unit, seed=seed, **options)
    guess, guess_score = majority["prediction"].to_numpy(), score_array(majority)
    chosen = [get_metric(name, task) for name in found["metric"]]
    with np.errstate(all="ignore"):
        found["majority"] = [metric.function(truth, guess, guess_score) for metric in chosen]
    found["meaning"] = [metric.meaning for metric in chosen]
    found["confidence"] = confidence
    first = ["metric", "value", "low", "high", "confidence", "majority"]
    return found[[*first, "method", "n", "denominator", "status", "meaning"]]


def measured(
    truth: Any,
    answers: tuple[Any, Any],
    unit: pd.Series[Any] | None,
    *,
    task: str,
    metrics: Sequence[str] | None,
    **options: Any,
) -> pd.DataFrame:
    """Measure as `mlopskit.metrics.measure`; where rows belong together, by what leaving out blocks of these does."""
    if unit is None:
        return measure(truth, *answers, task=task, metrics=metrics, **options)
    names = metrics or default_metrics(task, scored=answers[1] is not None)
    everybody = pd.DataFrame({"rows": np.full(len(truth), "all")})
    told: dict[str, Any] = {"y_score": answers[1], "metrics": names, "task": task, "unit": unit}
    table = group_metrics(truth, answers[0], everybody, **told, **options)
    found = table[table["group"] == OVERALL].drop(columns="group").reset_index(drop=True)
    found.loc[found["status"] == NOT_ESTIMATED, "value"] = np.nan
    return found


def read_baselines(run: Run) -> dict[str, Any]:
    """Read every baseline of the model phase that can predict: name → fitted estimator.

    Published figures, and human figures without a column, have none; they stand in the table ``model/baselines`` alone.
    """
    table = run.read("model/baselines")
    fitted = table.loc[table["artefact"] != ""]
    names = zip(fitted["name"], fitted["artefact"], strict=True)
    return {str(name): run.read(f"model/{artefact}") for name, artefact in names}


def published_figures(run: Run, *, target: Target) -> dict[str, tuple[str, float]]:
    """Baselines that are a figure alone, in a metric that fits the task: name → (metric, value)."""
    known = default_metrics(target.task)
    return {
        str(row["name"]): (str(row["metric"]), float(row["value"]))
        for row in run.read("model/baselines").to_dict("records")
        if row["artefact"] == "" and row["metric"] in known and np.isfinite(row["value"])
    }


def baseline_predictions(
    baselines: Mapping[str, Any], rows: pd.DataFrame, *, target: Target
) -> dict[str, pd.DataFrame]:
    """Score the rows with every baseline, each by its own decisions."""
    return {name: predict_table(model, rows, target=target, threshold=None) for name, model in baselines.items()}


def gain_metrics(run: Run, *, target: Target) -> list[str]:
    """Metrics that gains are wanted for: the headline, those of criteria, those of published baselines."""
    headline = headline_metric(run.scope.model.metric, target).metric.name
    asked = [criterion.metric for criterion in run.scope.criterion if criterion.gain_over]
    published = [metric for metric, _ in published_figures(run, target=target).values()]
    return list(dict.fromkeys([headline, *asked, *published]))


def baseline_gains(
    predictions: pd.DataFrame,
    baselines: Mapping[str, pd.DataFrame],
    *,
    target: Target,
    metrics: Iterable[str],
    published: Mapping[str, tuple[str, float]] | None = None,
    majority: pd.DataFrame | None = None,
    replicates: int = 1000,
    seed: int = 0,
    unit: pd.Series[Any] | None = None,
) -> pd.DataFrame:
    """How much better the model is than each baseline, with the interval of the difference.

    Parameters
    ----------
    predictions : DataFrame
        Of the model.
    baselines : mapping of str to DataFrame
        Predictions of each baseline for the same rows in the same order.
    target : Target
        What is predicted.
    metrics : iterable of str
        Which figures to compare by.
    published : mapping of str to (metric, value), optional
        Baselines that are a figure alone.
    majority : DataFrame, optional
        Predictions of guessing for the same rows, as from `majority_guess`; it is not always among the baselines.
    replicates, seed : int
        Of the draws.
    unit : Series, optional
        As for `metric_table`.

    Returns
    -------
    DataFrame
        baseline, metric, model and value (the model's figure and the baseline's), gain (the improvement: above 0 the
        model is better, whichever direction the metric has) with low and high, method, n, verdict (``better``,
        ``worse``, ``no clear difference``, ``cannot-be-estimated``; ``the same answers`` where the model is that
        baseline), majority (what guessing scores; NaN where it is undefined or was not given).
    """
    rows: list[tuple[Any, ...]] = []
    draws = {"replicates": replicates, "seed": seed}
    same = {name for name, other in baselines.items() if _alike(predictions, other)}
    for metric in metrics:
        for name, other in baselines.items():
            rows.append((name, metric, *_paired(predictions, other, metric, target, unit, **draws)))
        for name, (its_metric, value) in (published or {}).items():
            if its_metric == metric:
                rows.append((name, metric, *_against(predictions, value, metric, target, unit, **draws)))
    verdicts = [SAME if row[0] in same else _verdict(row[5], row[6]) for row in rows]
    guesses = {row[1]: np.nan if majority is None else _scored(majority, row[1], target) for row in rows}
    lines = [(*row, verdict, guesses[row[1]]) for row, verdict in zip(rows, verdicts, strict=True)]
    return pd.DataFrame(lines, columns=GAINS)


def _scored(predictions: pd.DataFrame, metric: str, target: Target) -> float:
    with np.errstate(all="ignore"):
        return float(get_metric(metric, target.task).function(predictions[TARGET].to_numpy(), *_arrays(predictions)))


def _alike(one: pd.DataFrame, two: pd.DataFrame) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(_arrays(one), _arrays(two), strict=True))


def _arrays(table: pd.DataFrame) -> tuple[Any, Any]:
    return table["prediction"].to_numpy(), score_array(table)


def _oriented(sign: float, value: float, low: float, high: float) -> tuple[float, float, float]:
    """Turn a difference into a gain: for a metric where less is better the ends change places."""
    return (value, low, high) if sign > 0 else (-value, -high, -low)


def _paired(
    one: pd.DataFrame, two: pd.DataFrame, name: str, target: Target, unit: pd.Series[Any] | None, **draws: int
) -> tuple[Any, ...]:
    metric, truth, a, b = get_metric(name, target.task), one[TARGET].to_numpy(), _arrays(one), _arrays(two)
    blocks = None if unit is None else block_of(unit)
    found = paired_difference(truth, a, b, metric=name, task=target.task, blocks=blocks, **draws)
    own, its = (metric.function(truth, *pair) for pair in (a, b))
    sign = -1.0 if metric.greater_is_better is False else 1.0
    return own, its, *_oriented(sign, found.value, found.low, found.high), found.method, found.n


def _against(
    one: pd.DataFrame, value: float, name: str, target: Target, unit: pd.Series[Any] | None, **draws: int
) -> tuple[Any, ...]:
    metric, truth = get_metric(name, target.task), one[TARGET].to_numpy()
    table = measured(truth, _arrays(one), unit, task=target.task, metrics=[name], **draws)
    found = table.to_dict("records")[0]
    sign = -1.0 if metric.greater_is_better is False else 1.0
    gain = _oriented(sign, found["value"] - value, found["low"] - value, found["high"] - value)
    return found["value"], value, *gain, f"not paired, {found['method']}", found["n"]


def _verdict(low: float, high: float) -> str:
    if not np.isfinite(low) or not np.isfinite(high):
        return NOT_ESTIMATED
    return "better" if low > 0 else "worse" if high < 0 else "no clear difference"
