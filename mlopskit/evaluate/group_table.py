"""Metrics by group, each with its own denominator, its interval and the method that made it.

A metric over all rows hides for whom the model does not work. Here every group stands beside ``overall`` with its
size and the number of rows that the metric is a share of (for recall, the positive rows). Rates get Wilson's
interval; precision, F1 and balanced accuracy joint draws from counts (Dirichlet, or the multinomial bootstrap where
counts are large); areas under the ROC curve DeLong's; regression a jackknife over 64 blocks. Fewer than 10 rows in a
denominator: *cannot be estimated*, which is neither fair nor unfair. Counts are made once, so a thousand replicates
cost a thousand draws of a few numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlopskit import intervals
from mlopskit.errors import MetricError
from mlopskit.evaluate.grouped import Grouped, binned, column_names, from_rows, from_tally
from mlopskit.evaluate.regression_groups import jackknife_sums
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED, Metric, default_metrics, get_metric
from mlopskit.metrics.estimates import FEWEST, MANY, MANY_EVENTS, Rows, estimate
from mlopskit.tally import Tally, auc_from_bins

Method = Literal["auto", "bootstrap"]
COLUMNS = ["group", "n", "metric", "denominator", "value", "low", "high", "method", "status"]
_WORDS = ("group", "metric", "method", "status")
Part = dict[str, Any]
"""Columns of the table for one metric, arrays of shape (groups,)."""
_EXACT_ROWS = 50_000
"""Up to so many rows areas come from the scores themselves, beyond from bins where these cannot move them by 0.001."""
_LARGEST_BOUND = 0.001
_CELLS = 8_000_000


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
) -> pd.DataFrame:
    """Compute metrics by group with intervals.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,)
        Labels (two: the second in sorted order is positive) or numbers.
    groups : DataFrame, shape (n, columns)
        One or more columns; with several, each combination that occurs is a group. Missing values are the group
        ``missing``; bin numbers first (`mlopskit.tally.Grouping`).
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
        Fewer rows (or blocks) than this in a denominator cannot be estimated; the raw value is shown without interval.

    Returns
    -------
    DataFrame
        group, n, metric, denominator, value, low, high, method, status (``estimated`` or ``cannot-be-estimated``);
        one row a group and metric, group ``overall`` first. NaN where a denominator is 0.

    Raises
    ------
    MetricError
        When lengths differ, a metric is unknown for the task, or it needs scores that are not there.

    Examples
    --------
    >>> people = pd.DataFrame({"sex": ["f"] * 20 + ["m"] * 20})
    >>> table = group_metrics([1, 0] * 20, [1, 0] * 10 + [0] * 20, people, metrics=["recall"])
    >>> table[["group", "n", "denominator", "value"]].values.tolist()
    [['overall', 40, 20, 0.5], ['f', 20, 10, 1.0], ['m', 20, 10, 0.0]]
    """
    _check(method, replicates, confidence)
    grouped = from_rows(y_true, y_pred, column_names(groups), y_score, task, seed)
    return table_of(
        grouped, metrics, method=method, replicates=replicates, confidence=confidence, seed=seed, minimum=minimum
    )


def tally_metrics(
    tally: Tally,
    *,
    metrics: Sequence[str] | None = None,
    method: Method = "auto",
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    minimum: int = FEWEST,
) -> pd.DataFrame:
    """Compute the same table from a tally, whose cells are the groups; it needs no rows."""
    _check(method, replicates, confidence)
    options: dict[str, Any] = {"replicates": replicates, "confidence": confidence, "seed": seed, "minimum": minimum}
    return table_of(from_tally(tally), metrics, method=method, **options)


def table_of(grouped: Grouped, metrics: Sequence[str] | None, **options: Any) -> pd.DataFrame:
    """Return the table of `group_metrics` for what was brought into form, overall first."""
    chosen = [get_metric(name, grouped.task) for name in (metrics or usual_metrics(grouped))]
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
    names = [name for name in default_metrics(grouped.task) if get_metric(name, grouped.task).uses == "prediction"]
    ranking = {"binary": ["roc_auc"], "multiclass": ["roc_auc_ovr"]}.get(grouped.task, [])
    return names + (ranking if _has_scores(grouped) else [])


def _check(method: str, replicates: int, confidence: float) -> None:
    if method not in ("auto", "bootstrap"):
        raise MetricError(f"method = {method!r} is unknown; choose auto or bootstrap.")
    if replicates < 1 or not 0 < confidence < 1:
        raise MetricError(
            f"replicates = {replicates} must be at least 1, and confidence = {confidence} between 0 and 1."
        )


def _has_scores(grouped: Grouped) -> bool:
    return grouped.scores is not None or grouped.histogram is not None


def _estimates(grouped: Grouped, metrics: Sequence[Metric], options: dict[str, Any]) -> Iterator[Part]:
    """Yield the columns of the table for one metric after the other, all groups at once."""
    drawn = _drawn(grouped, [metric for metric in metrics if metric.parts is not None], options)
    groups = np.array(grouped.names, dtype=object)
    for metric in metrics:
        if metric.parts is not None:
            part = drawn[metric.name]
        else:
            part = (_jackknifed if grouped.task == "regression" else _scored)(grouped, metric, options)
        part = _withheld(part, options["minimum"])
        name = np.full(len(groups), metric.name, dtype=object)
        yield {**part, "group": groups, "n": grouped.sizes, "metric": name}


def _withheld(part: Part, minimum: int) -> Part:
    """Take the interval away where the denominator is too small for one, and say so."""
    few = (part["denominator"] < minimum) | np.isnan(part["value"])
    reason = np.where(part["denominator"] < minimum, f"fewer than {minimum} in the denominator", "undefined")
    low, high = (np.where(few, np.nan, part[side]) for side in ("low", "high"))
    status = np.where(np.isnan(low), NOT_ESTIMATED, ESTIMATED).astype(object)
    method = np.where(few, reason.astype(object), part["method"])
    return {**part, "low": low, "high": high, "method": method, "status": status}


def _part(denominator: Any, value: Any, low: Any, high: Any, method: Any) -> Part:
    """Gather the columns that differ between metrics; `method` is one for all or one a group."""
    words = np.full(len(value), method, dtype=object) if isinstance(method, str) else np.array(method, dtype=object)
    numbers = {"value": value, "low": low, "high": high}
    found = {name: np.array(column, dtype=float) for name, column in numbers.items()}
    return {"denominator": np.asarray(denominator, dtype=np.int64), **found, "method": words}


def _drawn(grouped: Grouped, metrics: Sequence[Metric], options: dict[str, Any]) -> dict[str, Part]:
    """Metrics of the confusion table: Wilson for rates, joint draws shared by all the others."""
    forced = options["method"] == "bootstrap"
    found = {metric.name: _exact(grouped.confusion, metric, options["confidence"]) for metric in metrics}
    wanted = [metric for metric in metrics if forced or not metric.rate]
    large = {metric.name: _large(metric, grouped.confusion) | forced for metric in wanted}
    for bootstrap in (True, False):
        asked = [metric for metric in wanted if (large[metric.name] == bootstrap).any()]
        for metric, draws in zip(asked, _draws(grouped.confusion, asked, bootstrap, options), strict=True):
            _fill(found[metric.name], draws, large[metric.name] == bootstrap, bootstrap, options["confidence"])
    return found


def _exact(confusion: Any, metric: Metric, confidence: float) -> Part:
    assert metric.parts is not None  # noqa: S101
    events, totals = metric.parts(confusion)
    low, high = intervals.wilson(events[:, 0], totals[:, 0], confidence=confidence)
    return _part(totals.min(axis=1), metric.from_counts(confusion), low, high, "Wilson")


def _large(metric: Metric, confusion: Any) -> npt.NDArray[np.bool_]:
    assert metric.parts is not None  # noqa: S101
    events, totals = metric.parts(confusion)
    enough = (totals >= MANY) & (events >= MANY_EVENTS) & (totals - events >= MANY_EVENTS)
    return np.asarray(enough.all(axis=1))


def _draws(confusion: Any, metrics: Sequence[Metric], bootstrap: bool, options: dict[str, Any]) -> list[Any]:
    """Return replicates of each metric, (replicates, groups); groups are drawn jointly, some replicates at a time."""
    if not metrics:
        return []
    step = max(1, min(options["replicates"], _CELLS // max(confusion.size, 1)))
    found: list[list[Any]] = [[] for _ in metrics]
    for index, start in enumerate(range(0, options["replicates"], step)):
        size, seed = min(step, options["replicates"] - start), options["seed"] + index
        if bootstrap:
            tables: Any = intervals.multinomial_draws(confusion, replicates=size, seed=seed)
        else:
            prior = 2 / confusion[0].size  # two rows in all: Jeffreys' ½ a cell for two classes
            tables = intervals.dirichlet_draws(confusion, replicates=size, seed=seed, prior=prior)
        for values, metric in zip(found, metrics, strict=True):
            values.append(metric.from_counts(tables))
    return [np.concatenate(values) for values in found]


def _fill(part: Part, draws: Any, rows: Any, bootstrap: bool, confidence: float) -> None:
    low, high = intervals.percentile(draws[:, rows], confidence=confidence)
    part["low"][rows] = np.fmin(low, part["value"][rows])
    part["high"][rows] = np.fmax(high, part["value"][rows])
    part["method"][rows] = "multinomial bootstrap" if bootstrap else "Dirichlet draws"


def _scored(grouped: Grouped, metric: Metric, options: dict[str, Any]) -> Part:
    """Metrics of scores: areas from bins where those suffice, everything else from the rows of each group."""
    area = metric.name == "roc_auc"
    if area and grouped.histogram is not None:
        return _areas(grouped.histogram[:, 0], grouped.histogram[:, 1], options["confidence"])[0]
    if grouped.scores is None:
        nothing = np.full(len(grouped.names), np.nan)
        return _part(grouped.sizes, nothing, nothing, nothing, "needs the scores of single rows")
    if not area or len(grouped.scores.group) <= _EXACT_ROWS:
        return _by_rows(grouped, metric, options, range(len(grouped.names)))
    part, bound = _areas(*binned(grouped.scores, len(grouped.names)), options["confidence"])
    coarse = np.flatnonzero(bound > _LARGEST_BOUND)
    exact = _by_rows(grouped, metric, options, coarse)
    for name, column in part.items():
        column[coarse] = exact[name]
    return part


def _areas(negative: Any, positive: Any, confidence: float) -> tuple[Part, npt.NDArray[np.float64]]:
    found = auc_from_bins(negative, positive, confidence=confidence)
    smallest = np.minimum(negative.sum(axis=1), positive.sum(axis=1))
    notes = [f", off by up to {bound:.2g}" if bound > _LARGEST_BOUND else "" for bound in found["bound"]]
    method = [f"DeLong, score bins{note}" for note in notes]
    return _part(smallest, found["value"], found["low"], found["high"], method), found["bound"]


def _by_rows(grouped: Grouped, metric: Metric, options: dict[str, Any], groups: Any) -> Part:
    """Estimate one metric of scores for some of the groups, each from its own rows."""
    scores = grouped.scores
    assert scores is not None  # noqa: S101
    order = np.argsort(scores.group, kind="stable")
    edges = np.searchsorted(scores.group[order], np.arange(len(grouped.names) + 1))
    classes = grouped.confusion.shape[1]
    found = []
    for place in groups:
        inside = order[edges[place] : edges[place + 1]]
        parts = (scores.actual[inside], scores.predicted[inside], scores.score[inside])
        found.append(_one(metric, Rows(*parts, grouped.task, classes), options))
    denominator, value, low, high, method = zip(*found, strict=True) if found else [()] * 5
    return _part(denominator, value, low, high, list(method))


def _one(metric: Metric, rows: Rows, options: dict[str, Any]) -> tuple[Any, ...]:
    chosen = {key: options[key] for key in ("replicates", "confidence", "seed")}
    made = estimate(metric, rows, **chosen)
    value = made.value
    if np.isnan(value) and made.denominator > 0:
        value = float(metric.function(rows.y_true, rows.y_pred, rows.y_score))
    return made.denominator, value, made.low, made.high, made.method


def _jackknifed(grouped: Grouped, metric: Metric, options: dict[str, Any]) -> Part:
    """Regression: leave out one block at a time; the interval is symmetric on the metric's own scale."""
    value, error, centre, back, blocks = jackknife_sums(grouped.sums, metric)
    half = stats.t.ppf(0.5 + options["confidence"] / 2, np.maximum(blocks - 1, 1)) * error
    low, high = np.sort(np.stack([back(centre - half), back(centre + half)]), axis=0)
    few = blocks < np.minimum(grouped.sizes, FEWEST)  # too few blocks to speak of spread, however many rows
    method = [f"jackknife, {count} blocks" for count in blocks]
    return _part(np.where(few, blocks, grouped.sizes), value, low, high, method)
