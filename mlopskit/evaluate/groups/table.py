"""Metrics by group, each with its own denominator, its interval and the method that made it.

A metric over all rows hides for whom the model does not work. Here every group stands beside ``overall`` with its
size and the number of rows that the metric is a share of (for recall, the positive rows). Rates get Wilson's
interval; precision, F1 and balanced accuracy joint draws from counts (Dirichlet, or the multinomial bootstrap where
counts are large); areas under the ROC curve DeLong's with Student's t; regression a jackknife over 64 blocks. Fewer
than 10 rows in a denominator: *cannot be estimated*, which is neither fair nor unfair. Counts are made once, so a
thousand replicates cost a thousand draws of a few numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlopskit.errors import MetricError
from mlopskit.evaluate.given import check_draws, check_least, check_task, groups_frame, metric_names
from mlopskit.evaluate.groups.counted import counted
from mlopskit.evaluate.groups.grouped import CLUSTERS, Grouped, from_rows, from_tally
from mlopskit.evaluate.groups.parts import Part, part_of
from mlopskit.evaluate.groups.regression import effective_rows, jackknife_sums
from mlopskit.evaluate.groups.scored import scored
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED, Metric, default_metrics, get_metric
from mlopskit.metrics.estimates import FEWEST, NO_SPREAD
from mlopskit.results import Results
from mlopskit.tally import Tally

Method = Literal["auto", "bootstrap"]
COLUMNS = ["group", "n", "metric", "denominator", "value", "low", "high", "method", "status"]
_WORDS = ("group", "metric", "method", "status")


def group_metrics(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    groups: pd.DataFrame,
    *,
    y_score: Any = None,
    metrics: Sequence[str] | None = None,
    method: Method = "auto",
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    task: str | None = None,
    minimum: int = FEWEST,
    clusters: int = CLUSTERS,
    sample_weight: npt.ArrayLike | None = None,
    unit: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Compute metrics by group with intervals.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,)
        Labels (two: the second in sorted order is positive) or numbers.
    groups : DataFrame, shape (n, columns)
        One or more columns, of pandas, polars or Arrow; with several, each combination that occurs is a group. Missing
        values are the group ``missing``; bin numbers first (`mlopskit.tally.Grouping`).
    y_score : array_like, shape (n,) or (n, classes), optional
        Probability of the positive class, or of each class.
    metrics : sequence of str, optional
        Names; by default all of the task that need no scores, and ROC AUC if there are scores.
    method : str
        ``auto`` picks the method that keeps its promise; ``bootstrap`` forces the percentile multinomial bootstrap
        for every metric that depends on counts alone.
    replicates, confidence, seed : int, float, int
        Of the draws and of the intervals.
    task : str, optional
        ``binary``, ``multiclass`` or ``regression``; told from the labels when left out.
    minimum : int
        Fewer rows than this in a denominator cannot be estimated; the raw value is shown without interval.
    clusters : int
        The same for units: with fewer of them (counted as occupied blocks, of 64) nothing is estimated.
    sample_weight : array_like, shape (n,), optional
        Weights from 0; n and denominator stay rows, values are weighted.
    unit : array_like, shape (n,), optional
        What belongs together, such as a person with several rows: intervals then come from leaving out one of 64
        blocks of units at a time. Without it every row counts as independent.

    Returns
    -------
    DataFrame
        group, n, metric, denominator, value, low, high, method, status (``estimated`` or ``cannot-be-estimated``);
        one row a group and metric, group ``overall`` first. NaN where a denominator is 0.

    Raises
    ------
    MetricError
        When lengths differ, there are no rows, labels are missing or of different kinds, a metric is unknown for the
        task or needs scores that are not there, or a group is called ``overall``.

    Examples
    --------
    >>> people = pd.DataFrame({"sex": ["f"] * 20 + ["m"] * 20})
    >>> table = group_metrics([1, 0] * 20, [1, 0] * 10 + [0] * 20, people, metrics=["recall"])
    >>> table[["group", "n", "denominator", "value"]].values.tolist()
    [['overall', 40, 20, 0.5], ['f', 20, 10, 1.0], ['m', 20, 10, 0.0]]
    """
    _check(method, replicates, confidence, seed)
    check_least(minimum=minimum, clusters=clusters)
    check_task(task)
    frame = groups_frame(groups)
    grouped = from_rows(y_true, y_pred, frame, y_score, task, seed, sample_weight=sample_weight, unit=unit)
    options: dict[str, Any] = {"replicates": replicates, "confidence": confidence, "seed": seed}
    return Results(table_of(grouped, metrics, method=method, minimum=minimum, clusters=clusters, **options))


def tally_metrics(
    tally: Tally,
    *,
    metrics: Sequence[str] | None = None,
    method: Method = "auto",
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    minimum: int = FEWEST,
    clusters: int = CLUSTERS,
) -> pd.DataFrame:
    """Compute the same table from a tally, whose cells are the groups; it needs no rows."""
    _check(method, replicates, confidence, seed)
    check_least(minimum=minimum, clusters=clusters)
    options: dict[str, Any] = {"replicates": replicates, "confidence": confidence, "seed": seed}
    return Results(table_of(from_tally(tally), metrics, method=method, minimum=minimum, clusters=clusters, **options))


def table_of(grouped: Grouped, metrics: Sequence[str] | None, **options: Any) -> pd.DataFrame:
    """Return the table of `group_metrics` for what was brought into form, overall first."""
    options = {"clusters": CLUSTERS, **options}
    names = metric_names(metrics)
    if names is not None and not names:
        raise MetricError("metrics is empty; name at least one, or leave it out.")
    chosen = [get_metric(name, grouped.task) for name in names or usual_metrics(grouped)]
    if options["method"] == "bootstrap" and grouped.clustered:
        raise MetricError("A multinomial bootstrap knows no weights and no units; choose method = 'auto'.")
    missing = [metric.name for metric in chosen if metric.uses == "score" and not _has_scores(grouped)]
    if missing:
        raise MetricError(f"{missing[0]} needs scores; give y_score, or leave it out of metrics.")
    parts = [part for form in (grouped.total, grouped) for part in _estimates(form, chosen, options)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    place = [np.zeros(1)] * len(chosen) + [1 + np.arange(len(grouped.names))] * len(chosen)
    order = np.argsort(np.concatenate(place), kind="stable") if place else slice(0)
    return pd.DataFrame({name: values[order] for name, values in columns.items()}).astype(dict.fromkeys(_WORDS, "str"))


def usual_metrics(grouped: Grouped) -> list[str]:
    """Names of the metrics shown when none are asked for."""
    names = default_metrics(grouped.task, scored=False)
    ranking = {"binary": ["roc_auc"], "multiclass": ["roc_auc_ovr"]}.get(grouped.task, [])
    return names + (ranking if _has_scores(grouped) else [])


def _check(method: str, replicates: int, confidence: float, seed: int) -> None:
    if method not in ("auto", "bootstrap"):
        raise MetricError(f"method = {method!r} is unknown; choose auto or bootstrap.")
    check_draws(replicates=replicates, confidence=confidence, seed=seed)


def _has_scores(grouped: Grouped) -> bool:
    return grouped.scores is not None or grouped.entries is not None


def _estimates(grouped: Grouped, metrics: Sequence[Metric], options: dict[str, Any]) -> Iterator[Part]:
    """Yield the columns of the table for one metric after the other, all groups at once."""
    drawn = counted(grouped, [metric for metric in metrics if metric.parts is not None], options)
    groups = np.array(grouped.names, dtype=object)
    for metric in metrics:
        if metric.parts is not None:
            part = drawn[metric.name]
        else:
            part = (_jackknifed if grouped.task == "regression" else scored)(grouped, metric, options)
        part = _withheld(part, options["minimum"])
        name = np.full(len(groups), metric.name, dtype=object)
        yield {**part, "group": groups, "n": grouped.sizes, "metric": name}


def _withheld(part: Part, minimum: int) -> Part:
    """Take the interval away where the denominator is too small for one, and say so."""
    small = part["denominator"] < minimum
    few = small | np.isnan(part["value"]) | (part["withheld"] != "")
    reason = np.where(part["withheld"] != "", part["withheld"], "undefined")
    reason = np.where(small, f"fewer than {minimum} in the denominator", reason)
    low, high = (np.where(few, np.nan, part[side]) for side in ("low", "high"))
    status = np.where(np.isnan(low), NOT_ESTIMATED, ESTIMATED).astype(object)
    method = np.where(few, reason.astype(object), part["method"])
    return {**part, "low": low, "high": high, "method": method, "status": status}


def _jackknifed(grouped: Grouped, metric: Metric, options: dict[str, Any]) -> Part:
    """Regression: leave out one block at a time; the interval is symmetric on the metric's own scale."""
    value, error, centre, back, blocks = jackknife_sums(grouped.sums, metric)
    half = stats.t.ppf(0.5 + options["confidence"] / 2, np.maximum(blocks - 1, 1)) * error
    low, high = np.sort(np.stack([back(centre - half), back(centre + half)]), axis=0)
    # too few blocks to speak of spread, however many rows
    few = blocks < (options["clusters"] if grouped.clustered else np.minimum(grouped.sizes, FEWEST))
    withheld = np.where(~(error > 0) & np.isfinite(value), NO_SPREAD, "")
    withheld = np.where(few, f"fewer than {options['clusters']} clusters", withheld)
    method = [f"jackknife, {count} blocks" for count in blocks]
    if grouped.clustered:
        sizes = effective_rows(grouped.sums, grouped.sizes)
        method = [f"{words}, effective n {size:,.0f}" for words, size in zip(method, sizes, strict=True)]
    return part_of(grouped.sizes, value, low, high, method, withheld=withheld)
