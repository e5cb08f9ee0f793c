"""Decisions and performance by window, each figure beside its reference.

Every figure stands with its interval beside what the accepted model scored on data it had not seen, and with the
difference between the two, whose interval is joined by squares (`intervals.square_and_add`): a change is called one
only when that interval leaves out zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import intervals
from mlopskit.data import TARGET, Target
from mlopskit.metrics import METRICS, NOT_ESTIMATED, get_metric, measure, score_array
from mlopskit.monitor.profile import Profile
from mlopskit.monitor.traffic import Traffic, scores_of

MEASURED, PENDING, EMPTY = "measured", "labels not yet known", "empty"

_WINDOW_COLUMNS = ["window", "metric", "n", "value", "low", "high", "method", "status", "majority"]


def reference_metrics(
    predictions: pd.DataFrame, *, target: Target, metrics: Sequence[str], replicates: int, confidence: float, seed: int
) -> tuple[dict[str, Any], ...]:
    """Measure the accepted model on `predictions` (a prediction table of unseen rows) for the reference profile."""
    table = measure(
        predictions[TARGET], predictions["prediction"], score_array(predictions),
        task=target.task, metrics=list(metrics), replicates=replicates, confidence=confidence, seed=seed,
    )  # fmt: skip
    keep = ["metric", "value", "low", "high", "n", "method"]
    return tuple({str(key): value for key, value in row.items()} for row in table[keep].to_dict("records"))


def window_table(
    traffic: Traffic,
    profile: Profile,
    *,
    target: Target,
    metrics: Sequence[str],
    replicates: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure requests, decisions and performance in every window.

    Parameters
    ----------
    traffic, profile : Traffic, Profile
        Production, and the reference that it is held against.
    metrics : sequence of str
        Names of `mlopskit.metrics` for the task.

    Returns
    -------
    DataFrame
        window, metric, n, value, low, high, method, status (measured, labels not yet known, empty, cannot be
        estimated), majority (what guessing the commonest class of the reference, or its mean, scores on the labelled
        rows of the window; NaN where it is undefined), reference, difference, difference_low, difference_high, change
        (better, worse, higher, lower, within noise, or –). Metrics: requests, error_rate, selection_rate (binary),
        deferred_share (where people decide), target_rate (binary) or target_mean (regression), then `metrics`.
    """
    options = {
        "replicates": replicates, "confidence": confidence, "seed": seed, "guess": majority_of(profile, target)
    }  # fmt: skip
    rows = [
        row
        for index, label in enumerate(traffic.windows.labels)
        for row in (
            *_volume_rows(traffic, index, label, confidence),
            *_output_rows(traffic, index, label, target, confidence),
            *_metric_rows(
                traffic, index, label, target, [name for name in metrics if name != "selection_rate"], options
            ),
        )
    ]
    return against_reference(pd.DataFrame(rows, columns=_WINDOW_COLUMNS), profile)


def _volume_rows(traffic: Traffic, index: int, label: str, confidence: float) -> Iterator[dict[str, Any]]:
    rows = traffic.windows.rows_of(index)
    n, status = len(rows), EMPTY if len(rows) == 0 else MEASURED
    counted = {"window": label, "n": n, "status": status}
    yield {
        **counted,
        "metric": "requests",
        "value": float(n),
        "low": float(n),
        "high": float(n),
        "method": "count",
        "status": MEASURED,
    }
    yield {**counted, "metric": "error_rate", **share_interval(int(traffic.failed[rows].sum()), n, confidence)}
    if "decided_by" in traffic.log.columns:
        by_people = ~traffic.log["decided_by"].iloc[rows].astype(str).str.lower().isin(
            {"model", "machine", "nan", "none"}
        )
        yield {**counted, "metric": "deferred_share", **share_interval(int(by_people.sum()), n, confidence)}


def share_interval(successes: int, total: int, confidence: float) -> dict[str, Any]:
    """Return value, low, high and method of a share; Wilson's interval."""
    if total == 0:
        return {"value": np.nan, "low": np.nan, "high": np.nan, "method": "Wilson"}
    low, high = intervals.wilson(successes, total, confidence=confidence)
    return {"value": successes / total, "low": float(low), "high": float(high), "method": "Wilson"}


def _output_rows(
    traffic: Traffic, index: int, label: str, target: Target, confidence: float
) -> Iterator[dict[str, Any]]:
    rows = traffic.windows.rows_of(index)
    answered, known = rows[traffic.answered[rows]], rows[traffic.known[rows]]
    truth_status = MEASURED if len(known) else PENDING if len(answered) else EMPTY
    base = {"window": label, "n": len(answered), "status": MEASURED if len(answered) else EMPTY}
    if target.task == "binary":
        chosen = pd.to_numeric(traffic.log["prediction"].iloc[answered])
        yield {
            **base,
            "metric": "selection_rate",
            **share_interval(int((chosen == 1).sum()), len(answered), confidence),
        }
        truth = share_interval(int(traffic.labels[known].sum()), len(known), confidence)
        yield {**base, "n": len(known), "metric": "target_rate", **truth, "status": truth_status}
    if target.task == "regression":
        values = pd.to_numeric(traffic.log["prediction"].iloc[answered]).to_numpy(dtype=float)
        yield {**base, "metric": "prediction_mean", **mean_interval(values, confidence)}
        truth = mean_interval(traffic.labels[known], confidence)
        yield {**base, "n": len(known), "metric": "target_mean", **truth, "status": truth_status}


def mean_interval(values: Any, confidence: float) -> dict[str, Any]:
    """Return value, low, high and method of a mean; Student's t interval."""
    from scipy.stats import t

    n = len(values)
    value = float(np.mean(values)) if n else np.nan
    half = float(t.ppf(0.5 + confidence / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    return {"value": value, "low": value - half, "high": value + half, "method": "Student's t"}


def _metric_rows(
    traffic: Traffic, index: int, label: str, target: Target, metrics: Sequence[str], options: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    rows = traffic.windows.rows_of(index)
    known = rows[traffic.known[rows]]
    if len(known):
        yield from ({"window": label, **row} for row in measure_rows(traffic, known, target, metrics, options))
        return
    status = PENDING if traffic.answered[rows].any() else EMPTY
    yield from ({"window": label, "metric": name, "n": 0, "method": "", "status": status} for name in metrics)


def measure_rows(
    traffic: Traffic, rows: Any, target: Target, metrics: Sequence[str], options: dict[str, Any]
) -> list[dict[str, Any]]:
    """Measure metrics on labelled requests at the positions `rows`; one record a metric.

    Of the options, ``guess`` (from `majority_of`) is scored beside the model; the others are those of `measure`.
    """
    chosen, guess = traffic.log.iloc[rows], options.get("guess", np.nan)
    options = {name: value for name, value in options.items() if name != "guess"}
    table = measure(
        traffic.labels[rows], pd.to_numeric(chosen["prediction"]).to_numpy(), scores_of(chosen),
        task=target.task, metrics=list(metrics), **options,
    )  # fmt: skip
    table["status"] = np.where(table["value"].notna(), MEASURED, NOT_ESTIMATED)
    table["majority"] = [_guessed(str(name), traffic.labels[rows], guess, target) for name in table["metric"]]
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def majority_of(profile: Profile, target: Target) -> float:
    """Return the commonest class of the reference, or its mean; NaN where the reference does not tell."""
    if "counts" in profile.target:
        counts = profile.target["counts"]
        return float(max(target.labels, key=lambda label: counts[target.classes[label]]))
    value = float(profile.target.get("value", np.nan))
    return value if np.isnan(value) or not target.is_classification else float(value > 0.5)


def _guessed(name: str, truth: Any, guess: float, target: Target) -> float:
    """What one guess for all rows scores; NaN where it is undefined, and for figures of scores other than areas."""
    metric = get_metric(name, target.task)
    if np.isnan(guess):
        return np.nan
    if not target.is_classification:
        return float(metric.function(truth, np.full(len(truth), guess), None))
    actual = np.bincount(truth.astype(np.int64), minlength=len(target.labels))
    if metric.parts is None:
        return 0.5 if name in ("roc_auc", "roc_auc_ovr") and actual.all() else np.nan
    confusion = np.zeros((len(actual), len(actual)))
    confusion[:, int(guess)] = actual
    return float(metric.from_counts(confusion))


def against_reference(table: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Add the reference value of each metric, the difference with its interval, and what that means."""
    known = {item["metric"]: item for item in profile.metrics}
    references = [known.get(str(name), {}) for name in table["metric"]]
    for key, source in (("reference", "value"), ("reference_low", "low"), ("reference_high", "high")):
        table[key] = [
            float(item.get(source, np.nan) or np.nan) if item.get(source) != 0 else 0.0 for item in references
        ]
    table["difference"] = table["value"] - table["reference"]
    value, low, high = (table[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    base = tuple(table[f"reference{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high"))
    table["difference_low"], table["difference_high"] = intervals.square_and_add(
        (value, low, high), (base[0], base[1], base[2])
    )
    table["change"] = [
        _change(*row) for row in table[["metric", "difference_low", "difference_high"]].itertuples(index=False)
    ]
    return table


def _change(metric: str, low: float, high: float) -> str:
    if np.isnan(low) or np.isnan(high):
        return "–"
    if low <= 0 <= high:
        return "within noise"
    greater = METRICS[metric].greater_is_better if metric in METRICS else None
    if greater is None:
        return "higher" if low > 0 else "lower"
    return "better" if (low > 0) == greater else "worse"
