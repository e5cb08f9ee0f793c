"""Bias: by how much a model treats groups differently, in the words that fairlearn and the literature use.

A *disparity* compares one metric between groups: the **difference** between the largest and the smallest value (0 is
equal) and their **ratio** (1 is equal). Which metric to compare depends on what fairness is to mean; `MEASURES` names
the usual ones. They cannot all hold at once where groups differ in how often the positive class occurs;
`incompatibilities` says which of them, from the rates at hand. A disparity is a finding, not a verdict on its cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.errors import MetricError, listing
from mlopskit.evaluate.given import check_draws, check_least, metric_names
from mlopskit.evaluate.groups.bias_words import disparity_sentences as disparity_sentences
from mlopskit.evaluate.groups.bias_words import incompatibilities as incompatibilities
from mlopskit.evaluate.groups.blocked import leave_out
from mlopskit.evaluate.groups.gaps import Gap, GroupValues, from_blocks, from_confusion, from_intervals, from_rates, gap
from mlopskit.evaluate.groups.grouped import CLUSTERS, OVERALL, Grouped, from_tally
from mlopskit.evaluate.groups.regression import left_out
from mlopskit.evaluate.groups.scored import RANKINGS, rank
from mlopskit.evaluate.groups.table import COLUMNS, table_of
from mlopskit.metrics import ESTIMATED, METRICS, NOT_ESTIMATED
from mlopskit.metrics.estimates import FEWEST
from mlopskit.results import Results
from mlopskit.tally import Tally

MEASURES: Mapping[str, tuple[str, str]] = MappingProxyType({
    "selection_rate": ("demographic parity", "Every group is called positive equally often."),
    "recall": ("equal opportunity", "Of those who are positive, equally many are found in every group."),
    "false_positive_rate": ("predictive equality", "Of those who are negative, equally many are called positive."),
    "equalized_odds": ("equalized odds",
                       "Recall and false positive rate are equal in every group; the larger gap counts."),
    "precision": ("predictive parity", "A positive call is right equally often in every group."),
    "accuracy": ("accuracy parity", "The model is right equally often in every group."),
    "calibration": ("calibration within groups",
                    "Of the rows with one score, as many are positive as it says, in every group."),
})  # fmt: skip
"""Metric → the name of its equality between groups, and what that means; for calibration there is
`mlopskit.evaluate.calibration_by_group`."""

_COLUMNS = [
    "metric", "measure", "groups", "smallest", "largest", "difference", "difference_low", "difference_high", "ratio",
    "ratio_low", "ratio_high", "chance_mean", "chance_high", "p_value", "method", "status", "meaning",
]  # fmt: skip
_UNBOUNDED = {"mae", "rmse", "bias", "r2", "log_loss"}


def disparities(
    table_or_tally: pd.DataFrame | Tally,
    *,
    metrics: Sequence[str] | None = None,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    minimum: int = FEWEST,
    clusters: int = CLUSTERS,
) -> pd.DataFrame:
    """Compare each metric between groups.

    Parameters
    ----------
    table_or_tally : DataFrame or Tally
        As `group_metrics` returns it, or a tally whose cells are the groups. Where rows are weighted or belong
        together give the tally: it knows how groups vary together, a table has one interval a group.
    metrics : sequence of str, optional
        Names; those of the table, or all that a tally gives.
    replicates, confidence, seed : int, float, int
        Of the draws and of the intervals.
    minimum : int
        Groups with fewer rows in the metric's denominator cannot be estimated and are left out of the gap, which then
        says so; 1 gives fairlearn's figures, which take every group that occurs.
    clusters : int
        The same for a tally with weights or units: groups with fewer of them are left out.

    Returns
    -------
    DataFrame
        One row a metric, and one named ``equalized_odds`` where recall and false positive rate are there: metric,
        measure (its name as a kind of fairness), groups ("3 of 3"), smallest and largest (which groups), difference
        and ratio (smallest over largest) with ``_low`` and ``_high`` simultaneous over all pairs of groups,
        chance_mean and chance_high (mean and 95th percentile of the difference were all groups equal), p_value of the
        permutation test, method, status, meaning.

    Raises
    ------
    MetricError
        When the table lacks a column of `group_metrics`, or a metric.

    Examples
    --------
    >>> from mlopskit.evaluate import group_metrics
    >>> people = pd.DataFrame({"sex": ["f"] * 50 + ["m"] * 50})
    >>> table = group_metrics([0, 1] * 50, [1] * 40 + [0] * 30 + [1] * 30, people, metrics=["selection_rate"])
    >>> found = disparities(table)
    >>> found[["measure", "smallest", "largest", "difference", "ratio"]].round(2).values.tolist()
    [['demographic parity', 'm', 'f', 0.2, 0.75]]
    """
    check_draws(replicates=replicates, confidence=confidence, seed=seed)
    check_least(minimum=minimum, clusters=clusters)
    grouped, metrics = None, metric_names(metrics)
    if isinstance(table_or_tally, Tally):
        options: dict[str, Any] = {"replicates": replicates, "confidence": confidence, "seed": seed, "minimum": minimum}
        grouped = from_tally(table_or_tally)
        table = table_of(grouped, metrics, method="auto", clusters=clusters, **options)
    else:
        table = _checked(table_or_tally)
    table = table[table["group"] != OVERALL]
    names = list(metrics) if metrics is not None else list(dict.fromkeys(table["metric"]))
    judged = _Judge(table, grouped, replicates, confidence, seed, minimum)
    rows = [judged.row(name) for name in names]
    if {"recall", "false_positive_rate"} <= set(names):
        rows.append(judged.equalized_odds())
    return Results(pd.DataFrame(rows, columns=_COLUMNS))


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    absent = [column for column in COLUMNS if column not in getattr(table, "columns", ())]
    if absent:
        raise MetricError(
            f"This is no table of group_metrics: it lacks {listing(absent)}. Give what that returned, or a Tally."
        )
    return table


class _Judge:
    """Judges one metric after the other on one table."""

    def __init__(
        self,
        table: pd.DataFrame,
        grouped: Grouped | None,
        replicates: int,
        confidence: float,
        seed: int,
        minimum: int,
    ) -> None:
        self.table, self.grouped, self.minimum = table, grouped, minimum
        self.replicates, self.confidence, self.seed = replicates, confidence, seed

    def row(self, metric: str) -> dict[str, Any]:
        """Return the row of one metric."""
        rows = self._rows(metric)
        known = self._known(rows)
        base = self._base(metric, len(rows), int(known.sum()))
        if known.sum() < 2:
            return {**base, "method": "fewer than two groups can be estimated", "status": NOT_ESTIMATED}
        used = rows[known]
        found = gap(self._values(metric, used, known), confidence=self.confidence)
        return {**base, **_ends(used), **_figures(found), "status": ESTIMATED}

    def equalized_odds(self) -> dict[str, Any]:
        """Return the row of equalized odds: the larger of two gaps, each at half the error rate."""
        confidence = 1 - (1 - self.confidence) / 2
        parts, groups, ends = [], [], []
        for offset, metric in enumerate(("recall", "false_positive_rate")):
            rows = self._rows(metric)
            known = self._known(rows)
            groups.append((len(rows), int(known.sum())))
            if known.sum() >= 2:
                parts.append(gap(self._values(metric, rows[known], known, offset), confidence=confidence))
                ends.append(_ends(rows[known]))
        base = self._base("equalized_odds", max(g for g, _ in groups), min(k for _, k in groups))
        if len(parts) < 2:
            return {**base, "method": "recall or false positive rate cannot be compared", "status": NOT_ESTIMATED}
        larger = int(parts[1].difference > parts[0].difference)
        return {**base, **ends[larger], **_joined(parts[0], parts[1]), "status": ESTIMATED}

    def _rows(self, metric: str) -> pd.DataFrame:
        rows = self.table[self.table["metric"] == metric]
        if rows.empty:
            raise MetricError.from_unknown(metric, dict.fromkeys(self.table["metric"]))
        return rows

    def _known(self, rows: pd.DataFrame) -> Any:
        counted = (rows["denominator"] >= self.minimum) & rows["value"].notna()
        blocked = rows["method"].str.contains("jackknife|cluster").any()
        metric = str(rows["metric"].iloc[0])
        if blocked or not (_is_rate(metric) or (self.grouped is not None and _is_counted(metric))):
            counted &= rows["low"].notna()
        return counted.to_numpy()

    def _base(self, metric: str, groups: int, known: int) -> dict[str, Any]:
        label = METRICS[metric].label if metric in METRICS else metric
        label = label if label[:2].isupper() else label[:1].lower() + label[1:]
        name, meaning = MEASURES.get(metric, (f"equal {label}", ""))
        return {"metric": metric, "measure": name, "groups": f"{known} of {groups}", "meaning": meaning}

    def _values(self, metric: str, used: pd.DataFrame, known: Any, offset: int = 0) -> GroupValues:
        options: dict[str, Any] = {"replicates": self.replicates, "seed": self.seed + offset}
        values, totals = used["value"].to_numpy(float), used["denominator"].to_numpy(np.int64)
        low, high = used["low"].to_numpy(float), used["high"].to_numpy(float)
        how = {"confidence": self.confidence, "bounded": metric not in _UNBOUNDED, **options}
        moved = _deviations(self.grouped, metric)
        if moved is not None:
            return from_blocks(values, moved[known], low, high, **how)
        if used["method"].str.startswith("jackknife").any():
            return from_intervals(values, low, high, **how)
        if _is_rate(metric):
            return from_rates(np.rint(values * totals).astype(np.int64), totals, **options)
        if self.grouped is not None and _is_counted(metric):
            return from_confusion(self.grouped.confusion[known], METRICS[metric].from_counts, **options)
        return from_intervals(values, low, high, **how)


def _deviations(grouped: Grouped | None, metric: str) -> Any:
    """What each block moves each group by, (groups, 64), where a tally keeps blocks."""
    if grouped is None:
        return None
    if grouped.sums is not None:
        return left_out(grouped.sums, METRICS[metric])[1]
    if grouped.blocked is None:
        return None
    if _is_counted(metric):
        return leave_out(grouped.blocked.weight, METRICS[metric]).deviations
    return rank(grouped, metric, 0.95)[0].deviations if metric in RANKINGS and grouped.entries is not None else None


def _is_rate(metric: str) -> bool:
    return METRICS[metric].rate or metric == "precision"


def _is_counted(metric: str) -> bool:
    return METRICS[metric].parts is not None


def _ends(used: pd.DataFrame) -> dict[str, Any]:
    values = used["value"].to_numpy()
    return {"smallest": used["group"].iloc[int(values.argmin())], "largest": used["group"].iloc[int(values.argmax())]}


def _figures(found: Gap) -> dict[str, Any]:
    return {key: getattr(found, key) for key in (*_COLUMNS[5:14], "method")}


def _joined(a: Gap, b: Gap) -> dict[str, Any]:
    chance = np.maximum(a.chance, b.chance)
    difference = max(a.difference, b.difference)
    reached = np.count_nonzero(chance >= difference * (1 - 1e-9))
    return {
        "difference": difference,
        "difference_low": max(a.difference_low, b.difference_low),
        "difference_high": max(a.difference_high, b.difference_high),
        "ratio": np.fmin(a.ratio, b.ratio),
        "ratio_low": np.fmin(a.ratio_low, b.ratio_low),
        "ratio_high": np.fmin(a.ratio_high, b.ratio_high),
        "chance_mean": float(chance.mean()),
        "chance_high": float(np.quantile(chance, 0.95)),
        "p_value": (1 + reached) / (1 + len(chance)),
        "method": f"larger of two gaps, each {a.method}",
    }
