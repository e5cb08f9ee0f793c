"""The figures of several mitigations on the same rows: what each costs, the gap it leaves, and how sure both are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit import intervals
from mlopskit.data import TARGET
from mlopskit.evaluate.groups.bias import disparities
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED, get_metric, measure, paired_difference
from mlopskit.metrics.estimates import FEWEST
from mlopskit.tally import Tally

COLUMNS = [
    "mitigation", "split", "n", "metric", "value", "low", "high", "cost", "cost_low", "cost_high", "column", "gap",
    "groups", "difference", "difference_low", "difference_high", "change", "change_low", "change_high", "pareto", "use",
    "method", "status",
]  # fmt: skip
_TEXT = {"mitigation", "split", "metric", "column", "gap", "groups", "use", "method", "status"}

_PARTS = {
    "selection_rate": ("selection_rate",),
    "recall": ("recall",),
    "false_positive_rate": ("false_positive_rate",),
    "equalized_odds": ("recall", "false_positive_rate"),
}


@dataclass(frozen=True)
class Answer:
    """What one mitigation decides for the rows of one split.

    Attributes
    ----------
    name, split : str
        The mitigation; ``validation`` or ``test``.
    prediction : ndarray of int, shape (n,), or None
        None where it could not be fitted.
    score : ndarray, shape (n,), or None
        None where there are decisions alone.
    use, method : str
        Whether it may be chosen; how it was made.
    why : str
        Why there is no prediction.
    """

    name: str
    split: str
    prediction: Any
    score: Any
    use: str
    method: str
    why: str = ""


def table_of(
    answers: Sequence[Answer],
    data: GroupedRows,
    names: Mapping[str, str],
    headline: str | None,
    *,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """Measure answers; the first of each split is what the others are compared with.

    Parameters
    ----------
    answers : sequence of Answer
        May be empty.
    data : GroupedRows
        Rows and groups of both splits.
    names : mapping
        column, metric (what a mitigation costs) and gap (what is compared between groups).
    headline : str, optional
        A further metric to measure, where it needs scores.
    replicates, seed : int
        Of the draws.
    """
    rows: list[dict[str, Any]] = []
    first: dict[str, Answer] = {}
    for answer in answers:
        judged = _Judged(answer, first.setdefault(answer.split, answer), data, dict(names), replicates, seed)
        metrics = dict.fromkeys([names["metric"], headline or names["metric"]])
        rows += [judged.row(metric) for metric in metrics]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["pareto"] = _undominated(table, names.get("metric", ""))
    kinds = {name: "str" if name in _TEXT else "float64" for name in COLUMNS} | {"n": "int64", "pareto": "bool"}
    return table.astype(kinds)


@dataclass(frozen=True)
class _Judged:
    """One answer beside the one that it is compared with."""

    answer: Answer
    reference: Answer
    data: GroupedRows
    names: dict[str, str]
    replicates: int
    seed: int

    def row(self, metric: str) -> dict[str, Any]:
        answer = self.answer
        base = {"mitigation": answer.name, "split": answer.split, "n": len(self._rows), "metric": metric}
        base |= {"column": self.names["column"], "gap": self.names["gap"], "groups": "", "use": answer.use}
        if answer.prediction is None:
            return base | {"method": answer.method, "status": answer.why}
        gap = self._gap
        if get_metric(metric, "binary").uses == "score" and answer.score is None:
            return base | gap | {"method": answer.method, "status": "not applicable: decisions without scores"}
        found = measure(self._truth, *self._arrays(answer), metrics=[metric], **self._options).to_dict("records")[0]
        figures = {key: found[key] for key in ("value", "low", "high")}
        method = f"{answer.method}; figure: {found['method']}; gap: {gap['method']}"
        status = ESTIMATED if {found["status"], gap["status"]} == {ESTIMATED} else NOT_ESTIMATED
        return base | gap | figures | self._cost(metric) | {"method": method, "status": status}

    @property
    def _rows(self) -> pd.DataFrame:
        return self.data.test if self.answer.split == "test" else self.data.validation

    @property
    def _truth(self) -> npt.NDArray[np.int64]:
        return self._rows[TARGET].to_numpy()

    @property
    def _options(self) -> dict[str, Any]:
        return {"task": "binary", "replicates": self.replicates, "seed": self.seed}

    @staticmethod
    def _arrays(answer: Answer) -> tuple[Any, Any]:
        return answer.prediction, answer.score

    def _cost(self, metric: str) -> dict[str, float]:
        """What the metric loses against the reference, paired; nothing for the reference itself."""
        if self.answer is self.reference:
            return {}
        pair = (self._arrays(self.reference), self._arrays(self.answer))
        found = paired_difference(self._truth, *pair, metric=metric, **self._options)
        if get_metric(metric, "binary").greater_is_better is False:
            return {"cost": -found.value, "cost_low": -found.high, "cost_high": -found.low}
        return {"cost": found.value, "cost_low": found.low, "cost_high": found.high}

    @cached_property
    def _gap(self) -> dict[str, Any]:
        """The largest difference between groups, and its change against the reference; the same for every metric."""
        groups = self.data.grouping.transform(self._rows)[self.names["column"]].to_numpy()
        counted = pd.DataFrame({TARGET: self._truth, "prediction": self.answer.prediction, "group": groups})
        parts = _PARTS[self.names["gap"]]
        options: dict[str, Any] = {"metrics": list(parts), "replicates": self.replicates, "seed": self.seed}
        table = disparities(Tally.from_table(counted, ["group"], task="binary"), **options)
        row = table[table["metric"] == self.names["gap"]].to_dict("records")[0]
        kept = ("groups", "difference", "difference_low", "difference_high", "method", "status")
        found = {key: row[key] for key in kept}
        if self.answer is self.reference or row["status"] != ESTIMATED:
            return found
        change = gap_change(
            self._truth, self.reference.prediction, self.answer.prediction, groups, gap=self.names["gap"],
            replicates=self.replicates, seed=self.seed,
        )  # fmt: skip
        return found | dict(zip(("change", "change_low", "change_high"), change, strict=True))


def gap_change(
    y: npt.ArrayLike, before: npt.ArrayLike, after: npt.ArrayLike, groups: npt.ArrayLike, *, gap: str,
    replicates: int = 1000, confidence: float = 0.95, seed: int = 0,
) -> tuple[float, float, float]:  # fmt: skip
    """How much wider the largest gap between groups is after than before, with its interval, on the same rows.

    Rows are drawn together with both answers (a multinomial bootstrap of the joint counts), so that what both have in
    common does not widen the interval. Groups with fewer than ten rows in a denominator are left out of both gaps.

    Parameters
    ----------
    y, before, after : array_like of int, shape (n,)
        Actual classes and two sets of decisions, 0 and 1.
    groups : array_like, shape (n,)
    gap : str
        ``selection_rate``, ``recall``, ``false_positive_rate`` or ``equalized_odds``, the larger of the last two.

    Returns
    -------
    tuple of float
        Change, low, high; below 0 the gap has become smaller.

    Examples
    --------
    >>> y, groups = [1] * 40, ["a"] * 20 + ["b"] * 20
    >>> change, low, high = gap_change(y, [1] * 20 + [0] * 20, [1] * 40, groups, gap="recall")
    >>> change, high <= 0
    (-1.0, True)
    """
    codes, labels = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    cell = ((codes * 2 + np.asarray(y)) * 2 + np.asarray(before)) * 2 + np.asarray(after)
    counts = np.bincount(cell, minlength=len(labels) * 8).reshape(len(labels), 2, 2, 2)
    kept = [_kept(counts, part) for part in _PARTS[gap]]
    if any(known.sum() < 2 for known in kept):
        return np.nan, np.nan, np.nan

    def change(tables: Any) -> Any:
        parts = zip(_PARTS[gap], kept, strict=True)
        both = [[_spread(tables.sum(axis=axis)[:, known], part) for axis in (4, 3)] for part, known in parts]
        before_gap, after_gap = (np.fmax.reduce([pair[place] for pair in both]) for place in (0, 1))
        return after_gap - before_gap

    value = float(change(counts[None])[0])
    drawn = change(intervals.multinomial_draws(counts, replicates=replicates, seed=seed))
    low, high = intervals.percentile(drawn[np.isfinite(drawn)], confidence=confidence)
    return value, min(float(low), value), max(float(high), value)


def _kept(counts: Any, part: str) -> Any:
    rows = counts.sum(axis=(2, 3))
    denominator = {"selection_rate": rows.sum(axis=1), "recall": rows[:, 1], "false_positive_rate": rows[:, 0]}
    return denominator[part] >= FEWEST


def _spread(confusion: Any, part: str) -> Any:
    """Largest minus smallest rate of confusion tables (..., groups, 2, 2), actual × decided."""
    if part == "selection_rate":
        called, rows = confusion[..., 1].sum(axis=-1), confusion.sum(axis=(-2, -1))
    else:
        actual = 1 if part == "recall" else 0
        called, rows = confusion[..., actual, 1], confusion[..., actual, :].sum(axis=-1)
    with np.errstate(invalid="ignore"):
        rates = called / rows
    return np.fmax.reduce(rates, axis=-1) - np.fmin.reduce(rates, axis=-1)


def _undominated(table: pd.DataFrame, metric: str) -> list[bool]:
    """Tell for each row whether no other of its split is as good in gap and figure, and better in one of them."""
    marked = []
    for row in table.to_dict("records"):
        rivals = table[(table["split"] == row["split"]) & (table["metric"] == metric)]
        if row["metric"] != metric or not np.isfinite([row["difference"], row["value"]]).all():
            marked.append(False)
            continue
        sign = -1.0 if get_metric(metric, "binary").greater_is_better is False else 1.0
        gap, value = rivals["difference"].astype(float), sign * rivals["value"].astype(float)
        as_good = (gap <= row["difference"]) & (value >= sign * row["value"])
        better = (gap < row["difference"]) | (value > sign * row["value"])
        marked.append(not bool((as_good & better).any()))
    return marked
