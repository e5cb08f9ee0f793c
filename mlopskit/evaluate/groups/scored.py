"""Metrics of scores by group: areas of all groups from one sort, from bins where these suffice, else from rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from mlopskit.errors import MetricError
from mlopskit.evaluate.groups.grouped import Grouped, Scores
from mlopskit.evaluate.groups.parts import Part, part_of
from mlopskit.intervals import BLOCKS, Entries, Ranked, areas, average_precisions, blocks_of, jackknife
from mlopskit.metrics import Metric
from mlopskit.metrics.estimates import NO_SPREAD, ROUNDING, Rows, denominator, estimate
from mlopskit.metrics.scales import SCALES, way_back
from mlopskit.tally import ScoreBins
from mlopskit.tally.entries import LARGEST_BOUND

RANKINGS = ("roc_auc", "average_precision")
_EXACT_ROWS = 50_000
"""Up to so many rows areas come from the scores themselves, beyond from bins where these cannot move them by 0.001."""


def scored(grouped: Grouped, metric: Metric, options: dict[str, Any]) -> Part:
    """Estimate one metric of scores for every group."""
    if grouped.scores is None:
        if metric.name in RANKINGS and grouped.entries is not None:
            return _ranked_part(grouped, rank(grouped, metric.name, options["confidence"]), metric.name, options)
        nothing = np.full(len(grouped.names), np.nan)
        return part_of(grouped.sizes, nothing, nothing, nothing, "needs the scores of single rows",
                       withheld="needs the scores of single rows")  # fmt: skip
    score = grouped.scores.score
    if metric.name in ("log_loss", "brier_score") and not ((score >= 0) & (score <= 1)).all():
        raise MetricError(f"{metric.name} needs probabilities: y_score holds values below 0 or above 1.")
    large = len(grouped.scores.group) > _EXACT_ROWS
    if metric.name == "roc_auc" or (metric.name == "average_precision" and (large or grouped.clustered)):
        return _ranked_part(grouped, rank(grouped, metric.name, options["confidence"]), metric.name, options)
    if grouped.clustered:
        return _by_blocks(grouped, grouped.scores, metric, options)
    return _by_rows(grouped, grouped.scores, metric, options)


def rank(grouped: Grouped, name: str, confidence: float) -> tuple[Ranked, npt.NDArray[np.bool_]]:
    """Return one ranking metric of every group, and which groups' scores are exact."""
    groups = len(grouped.names)
    if grouped.scores is None:
        assert grouped.entries is not None  # noqa: S101
        entries, exact = grouped.entries, np.asarray(grouped.exact)
    elif len(grouped.scores.group) <= _EXACT_ROWS or grouped.clustered:
        entries, exact = row_entries(grouped.scores, groups), np.ones(groups, dtype=bool)
    else:
        entries, exact = _mixed(grouped.scores, groups, name)
    return _rank(entries, name, exact, confidence), exact


def _rank(entries: Entries, name: str, exact: npt.NDArray[np.bool_], confidence: float) -> Ranked:
    if name == "roc_auc":
        return areas(entries, confidence=confidence)
    true = average_precisions(entries, confidence=confidence)
    if exact.all():
        return true
    binned = average_precisions(entries, bins=True, confidence=confidence)
    chosen = {key: np.where(exact, getattr(true, key), getattr(binned, key)) for key in ("value", "low", "high")}
    return replace(true, **chosen)


def row_entries(scores: Scores, groups: int) -> Entries:
    """Each row an entry."""
    return Entries.of_rows(
        scores.group, scores.actual == 1, scores.score, groups=groups, weight=scores.weight, block=scores.block
    )


def binned_rows(scores: Scores, groups: int) -> npt.NDArray[np.int64]:
    """Return counts by group, class and score bin, (groups, 2, bins)."""
    bins = ScoreBins()
    size = groups * 2 * bins.bins
    total = np.zeros(size, dtype=np.int64)
    for start in range(0, len(scores.group), 1 << 17):  # what is between stays in the cache
        part = slice(start, start + (1 << 17))
        place = (scores.group[part] * 2 + scores.actual[part]) * bins.bins + bins.codes(scores.score[part])
        total += np.bincount(place, minlength=size)
    return total.reshape(groups, 2, bins.bins)


def _mixed(scores: Scores, groups: int, name: str) -> tuple[Entries, npt.NDArray[np.bool_]]:
    """Bins, and single rows in groups where bins are too coarse."""
    counts = binned_rows(scores, groups)
    binned = Entries.of_bins(counts[:, 0], counts[:, 1])
    found = areas(binned) if name == "roc_auc" else average_precisions(binned, bins=True)
    coarse = np.nan_to_num(found.bound) > LARGEST_BOUND
    if not coarse.any():
        return binned, ~coarse & False
    keep = coarse[scores.group]
    rows = Entries.of_rows(scores.group[keep], scores.actual[keep] == 1, scores.score[keep], groups=groups)
    fine = binned.take(~coarse[binned.group])
    names = ("group", "positive", "score", "rows", "weight")
    joined: dict[str, Any] = {key: np.concatenate([getattr(fine, key), getattr(rows, key)]) for key in names}
    return Entries(**joined, block=None, groups=groups), coarse


def _ranked_part(grouped: Grouped, found: tuple[Ranked, Any], name: str, options: dict[str, Any]) -> Part:
    ranked, exact = found
    smallest = _class_rows(grouped).min(axis=1)
    method = [_how(ranked, place, bool(exact[place]), name) for place in range(len(grouped.names))]
    few = (ranked.blocks < options["clusters"]) & grouped.clustered
    withheld = np.where(few, f"fewer than {options['clusters']} clusters", "").astype(object)
    coarse = ~np.asarray(exact) & (np.nan_to_num(ranked.bound) > LARGEST_BOUND)
    withheld[coarse] = [f"score bins are off by up to {bound:.2g}" for bound in ranked.bound[coarse]]
    return part_of(smallest, ranked.value, ranked.low, ranked.high, method, withheld=withheld)


def _class_rows(grouped: Grouped) -> Any:
    return grouped.confusion.sum(axis=2)


def _how(ranked: Ranked, place: int, exact: bool, name: str) -> str:
    if ranked.blocks[place]:
        words = f"jackknife, {ranked.blocks[place]} blocks, effective n {ranked.effective[place]:,.0f}"
    elif exact and ranked.value[place] in (0.0, 1.0):
        return "exact bound for a perfect ranking"
    else:
        words = "DeLong" if name == "roc_auc" else "infinitesimal jackknife"
    if exact:
        return f"{words}, logit scale"
    return f"{words}, score bins"


def _by_rows(grouped: Grouped, scores: Scores, metric: Metric, options: dict[str, Any]) -> Part:
    """Estimate one metric group by group, each from its own rows."""
    chosen = {key: options[key] for key in ("replicates", "confidence", "seed", "minimum")}
    found = []
    for rows, _ in _each(grouped, scores):
        made = estimate(metric, rows, **chosen)
        value = made.value
        if np.isnan(value) and made.denominator > 0:
            value = float(metric.function(rows.y_true, rows.y_pred, rows.y_score))
        found.append((made.denominator, value, made.low, made.high, made.method))
    return part_of(*(zip(*found, strict=True) if found else [()] * 5))


def _scaled(metric: Metric, rows: Rows, keep: Any) -> float:
    """The metric of some rows, on the scale of its interval."""
    with np.errstate(divide="ignore"):
        return float(SCALES[metric.scale][0](metric.function(*rows.take(keep))))


def _ends(metric: Metric, centre: float, error: float, freedom: float, confidence: float) -> tuple[float, float]:
    if not np.isfinite(centre):
        return np.nan, np.nan
    half, back = stats.t.ppf(0.5 + confidence / 2, freedom) * error, way_back(metric, centre, error)
    return float(back(centre - half)), float(back(centre + half))


def _each(grouped: Grouped, scores: Scores) -> Any:
    """Yield the rows of each group and where they are."""
    order = np.argsort(scores.group, kind="stable")
    edges = np.searchsorted(scores.group[order], np.arange(len(grouped.names) + 1))
    classes = grouped.confusion.shape[1]
    for start, end in pairwise(edges):
        inside = order[start:end]
        parts = (scores.actual[inside], scores.predicted[inside], scores.score[inside])
        yield Rows(*parts, grouped.task, classes), inside


def _by_blocks(grouped: Grouped, scores: Scores, metric: Metric, options: dict[str, Any]) -> Part:
    """The same with blocks of rows that belong together; only what needs no weights."""
    if scores.weight is not None:
        raise MetricError(f"{metric.name} by group takes no weights; leave it or sample_weight out.")
    found = []
    for rows, inside in _each(grouped, scores):
        _, block = np.unique(scores.block[inside], return_inverse=True)
        count = int(block.max(initial=-1)) + 1
        value = float(metric.function(*rows.take(slice(None)))) if len(inside) else np.nan
        low = high = np.nan
        method = f"jackknife, {min(count, BLOCKS)} blocks"
        if count >= options["clusters"] and np.isfinite(value):
            statistic = partial(_scaled, metric, rows)
            error, freedom = jackknife(statistic, block)
            if error > ROUNDING:  # else all rows lose alike, which says nothing of others
                low, high = _ends(metric, statistic(slice(None)), error, freedom, options["confidence"])
            alone = jackknife(statistic, blocks_of(len(inside), seed=options["seed"]))[0]
            method += f", effective n {len(inside) * min(1.0, (alone / error) ** 2 if error > 0 else 1.0):,.0f}"
            method = method if np.isfinite(low) else NO_SPREAD
        withheld = "" if count >= options["clusters"] else f"fewer than {options['clusters']} clusters"
        found.append((denominator(metric, rows), value, low, high, method, withheld))
    *columns, withheld_all = zip(*found, strict=True) if found else [()] * 6
    return part_of(*columns, withheld=list(withheld_all))
