"""Thresholds: what ``[[monitoring.threshold]]`` may name, and to which phase each metric leads back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mlopskit.errors import ProjectError
from mlopskit.metrics import METRICS
from mlopskit.metrics.monitored import INPUT_METRICS, SOFTWARE_METRICS, threshold_problems
from mlopskit.runs.frozen import FrozenScope
from mlopskit.scope import PROJECT_FILE, Monitoring, Scope

OUTPUTS = ("score", "prediction")


_LEADS_TO = {
    **dict.fromkeys((*SOFTWARE_METRICS, "requests", "error_rate", "deferred_share"), "deploy"),
    **dict.fromkeys(("drift", *INPUT_METRICS), "data"),
    **dict.fromkeys(("target_rate", "target_mean"), "scope"),
    **dict.fromkeys(("selection_rate", "prediction_mean"), "evaluate"),
}


def leads_to(metric: str, *, feature: str = "", group: bool = False) -> str:
    """Return the phase that an alert leads back to; drifting outputs lead to the model, inputs to the data."""
    if group:
        return "slices_and_bias"
    return "model" if metric == "drift" and feature in OUTPUTS else _LEADS_TO.get(metric, "model")


def check_thresholds(scope: Scope | FrozenScope) -> None:
    """Refuse a project whose monitoring thresholds cannot be checked.

    Raises
    ------
    ProjectError
        With every sentence of `threshold_problems`.
    """
    problems = threshold_problems(scope)
    if problems:
        raise ProjectError.from_problems(Path(PROJECT_FILE), problems)


def drift_bounds(monitoring: Monitoring) -> dict[str, float]:
    """Return the largest PSI tolerated per feature, ``"*"`` for all that are not named."""
    chosen = [
        threshold for threshold in monitoring.threshold if threshold.metric == "drift" and threshold.at_most is not None
    ]
    return {threshold.feature or "*": float(threshold.at_most or 0) for threshold in chosen}


def wanted_metrics(monitoring: Monitoring, *, task: str, headline: str | None, also: Sequence[str]) -> list[str]:
    """Return the metrics to measure by window: the headline, those with a threshold, then `also`; each once."""
    named = [headline, *(threshold.metric for threshold in monitoring.threshold), *also]
    return list(dict.fromkeys(name for name in named if name and name in METRICS and task in METRICS[name].tasks))


def threshold_table(monitoring: Monitoring) -> pd.DataFrame:
    """One row a threshold: metric, feature, at_least, at_most, tell, leads_to."""
    tell = ", ".join(monitoring.notify) or "nobody is named"
    rows = [
        {
            "metric": threshold.metric,
            "feature": threshold.feature or "all",
            "at_least": threshold.at_least,
            "at_most": threshold.at_most,
            "tell": tell,
            "leads_to": leads_to(threshold.metric),
        }
        for threshold in monitoring.threshold
    ]
    table = pd.DataFrame(rows, columns=["metric", "feature", "at_least", "at_most", "tell", "leads_to"])
    return table.astype({"at_least": "float64", "at_most": "float64"})


def bound_of(monitoring: Monitoring, metric: str) -> float | None:
    """Return the first bound set on a metric, or None."""
    for threshold in monitoring.threshold:
        if threshold.metric == metric:
            return float(threshold.at_most if threshold.at_most is not None else threshold.at_least or 0)
    return None
