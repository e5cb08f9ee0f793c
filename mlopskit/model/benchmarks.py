"""The project's baselines, fitted and measured on the same validation rows as the candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import TARGET, Target
from mlopskit.errors import MetricError
from mlopskit.metrics import ESTIMATED, get_metric, score_array
from mlopskit.model.baselines import ColumnBaseline, LinearBaseline, MajorityBaseline, RuleBaseline
from mlopskit.model.fitting import Fitted, TrainingData
from mlopskit.model.headline import Headline
from mlopskit.model.prediction import predict_table
from mlopskit.model.threshold import choose_threshold
from mlopskit.scope import Baseline

SIMPLE = ("majority", "rule", "linear")
"""Kinds that are simpler than any model: a winner that does not beat them is not worth its trouble."""


@dataclass(frozen=True)
class Benchmarks:
    """All baselines of a project.

    Attributes
    ----------
    table : DataFrame
        name, kind, metric, value, low, high, n, artefact, source, status; one row a baseline.
    estimators : mapping
        Artefact name → fitted baseline, for those that predict.
    """

    table: pd.DataFrame
    estimators: Mapping[str, Any]


def fit_baselines(
    baselines: Sequence[Baseline], data: TrainingData, headline: Headline, *, first: Fitted
) -> Benchmarks:
    """Fit every baseline on training rows and measure it on validation rows.

    Parameters
    ----------
    baselines : sequence of Baseline
        From the project file.
    data : TrainingData
        Rows and target.
    headline : Headline
        What is measured; a baseline that is only a published figure keeps its own metric.
    first : Fitted
        The first linear model; it is the linear baseline, so that nothing is fitted twice.

    Raises
    ------
    ModelError
        When a rule or a column cannot be used.
    """
    rows, estimators = [], {}
    names = _unique_names([item.kind for item in baselines])
    for name, item in zip(names, baselines, strict=True):
        estimator = fit_baseline(item, data, first=first)
        row = {"name": name, "kind": item.kind, "source": item.source or item.rule or item.column or ""}
        if estimator is None:
            rows.append(row | _published(item, data.target))
            continue
        artefact = f"baseline_{name}"
        estimators[artefact] = estimator
        measured = measure_model(estimator, data, headline)
        rows.append(row | measured | {"artefact": artefact} | _gaps(estimator, data, measured["status"]))
    columns = ["name", "kind", "metric", "value", "low", "high", "method", "n", "artefact", "source", "status"]
    return Benchmarks(pd.DataFrame(rows, columns=columns), MappingProxyType(estimators))


def _unique_names(kinds: Sequence[str]) -> list[str]:
    """Name baselines by kind; a second of a kind gets a number."""
    seen: Counter[str] = Counter()
    names = []
    for kind in kinds:
        seen[kind] += 1
        names.append(kind if seen[kind] == 1 else f"{kind}_{seen[kind]}")
    return names


def fit_baseline(item: Baseline, data: TrainingData, *, first: Fitted) -> Any:
    """Return the fitted estimator of one baseline, or None for one that is a figure or does not fit the task."""
    target, y = data.target, data.y_train
    if item.kind == "majority":
        return MajorityBaseline(len(target.classes)).fit(data.train, y)
    if item.kind == "linear":
        return LinearBaseline(data.pipeline(first.estimator), first.threshold)
    if item.kind == "rule":
        return RuleBaseline(str(item.rule)).fit(data.train, y) if target.task == "binary" else None
    if item.column is None:
        return None
    made = ColumnBaseline(item.column, item.kind, target.classes).fit(data.train, y)
    if target.task == "binary" and made.holds_ == "scores":
        scores = made.predict_proba(data.validation)[:, 1]
        made.threshold = choose_threshold(data.y_validation, scores, objective=data.objective).threshold
    return made


def measure_model(
    model: Any, data: TrainingData, headline: Headline, *, threshold: float | None = None
) -> dict[str, Any]:
    """Return metric, value, low, high, method, n and status of a model on validation rows."""
    table = predict_table(model, data.validation, target=data.target, threshold=threshold)
    answers = table["prediction"].to_numpy(), score_array(table)
    found = headline.measure(table[TARGET].to_numpy(), answers, blocks=data.blocks)
    return {key: found[key] for key in ("metric", "value", "low", "high", "method", "n", "status")}


def _gaps(estimator: Any, data: TrainingData, status: str) -> dict[str, str]:
    missing = estimator.missing(data.validation) if isinstance(estimator, ColumnBaseline) else 0
    if missing == 0 or status != ESTIMATED:
        return {}
    return {"status": f"{status}; {missing} rows without an entry count as the majority"}


def _published(item: Baseline, target: Target) -> dict[str, Any]:
    """What a baseline without predictions is: a figure from elsewhere, or one that this task cannot have."""
    blank = {"low": np.nan, "high": np.nan, "method": "", "n": 0, "artefact": ""}
    if item.value is None or item.metric is None:
        status = "not applicable: a rule says yes or no, so needs a binary task"
        return blank | {"metric": "", "value": np.nan, "status": status}
    try:
        metric = get_metric(item.metric, target.task)
    except MetricError as error:
        return blank | {"metric": item.metric, "value": float(item.value), "status": f"could not compare: {error}"}
    return blank | {"metric": metric.name, "value": float(item.value), "status": "published figure, not measured here"}
