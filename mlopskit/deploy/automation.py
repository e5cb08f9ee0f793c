"""Degrees of automation, from people who decide alone to a model that does, and what each would mean here.

The degrees are those of *Machine Learning Engineering for Production* (Ng): human only, shadow (the model runs unseen),
AI assistance (people see its answer), partial automation (it decides what it is sure of), full automation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import ROW, TARGET, Target
from mlopskit.deploy.deferral import DeferralRule, scores_of
from mlopskit.deploy.floored import hide_columns
from mlopskit.intervals import wilson
from mlopskit.tally import Grouping
from mlopskit.tally.floor.plan import HIDDEN, SHOWN
from mlopskit.tally.floor.scores import cell_of, class_cells, cuts
from mlopskit.tally.floor.tables import withhold

DEGREES = {
    "human-only": "people decide; the model says nothing",
    "shadow": "people decide; the model answers unseen and is compared",
    "assistance": "people decide; they see the model's answer",
    "partial": "the model decides what it is sure of; people decide the rest",
    "full": "the model decides everything",
}
COLUMNS = ["degree", "meaning", "chosen", "applies", "decided", "deferred", "accuracy", "low", "high", "majority", "n"]


def deferred_rows(
    predictions: pd.DataFrame, rule: DeferralRule | None, *, degree: str | None, floor: int = 0
) -> np.ndarray:
    """Tell which rows of a prediction table people decide, (n,) bool.

    Partial automation without a rule (regression) defers everything: what cannot be judged unsure is not decided alone.
    With a privacy floor, rows between two neighbouring cuts of the evaluation's curves are decided or deferred
    together, as most of them are: counted one by one they could be had by subtraction from those curves.
    """
    deferred = _deferred(predictions, rule, degree)
    if deferred.all() or not deferred.any():
        return deferred
    cell = _cells(predictions, floor)
    return deferred if cell is None else np.asarray((np.bincount(cell, deferred) > np.bincount(cell) / 2)[cell])


def _cells(predictions: pd.DataFrame, floor: int) -> np.ndarray | None:
    """Number the cells between the cuts of the evaluation's curves, (n,); None where these are not cut anywhere."""
    scores = scores_of(predictions) if floor > 1 else None
    if scores is None:
        return None
    truth, answers = predictions[TARGET].to_numpy(), predictions["prediction"].to_numpy()
    if scores.ndim > 1:
        return class_cells(answers, truth, scores, floor=floor)
    cut = cuts(truth == 1, scores, answers == 1, floor=floor)
    return cell_of(scores, cut) if len(cut) > 1 else None


def _deferred(predictions: pd.DataFrame, rule: DeferralRule | None, degree: str | None) -> np.ndarray:
    scores = scores_of(predictions)
    if degree in {"full", None}:
        return np.zeros(len(predictions), dtype=bool)
    if degree != "partial" or rule is None or scores is None:
        return np.ones(len(predictions), dtype=bool)
    return rule.defers(scores, predictions["prediction"].to_numpy())


def automation_table(
    predictions: pd.DataFrame,
    rule: DeferralRule | None,
    *,
    target: Target,
    chosen: str | None,
    confidence: float = 0.95,
    floor: int = 0,
) -> pd.DataFrame:
    """Measure every degree on test predictions.

    Parameters
    ----------
    predictions : DataFrame
        Prediction table of rows that the rule was not tuned on.
    rule : DeferralRule or None
        From `tune_deferral`.
    target : Target
        Task and classes.
    chosen : str or None
        ``[deployment] automation``.
    confidence : float
        Of Wilson's interval.
    floor : int
        Privacy floor: rows are decided as by `deferred_rows`; figures of partial automation are empty where right or
        wrong rows that it decides or defers are fewer, or where it would seem to decide all or nothing.

    Returns
    -------
    DataFrame
        degree, meaning, chosen, applies (no where nothing can be deferred), decided and deferred (shares of rows),
        accuracy of the rows that the model decides (low, high; empty for regression), majority (what the commonest
        class of all rows would score on these; empty for partial automation under a privacy floor, since it counts
        the rows of a class), n (those rows).
    """
    decided = {degree: ~deferred_rows(predictions, rule, degree=degree, floor=floor) for degree in DEGREES}
    lines = [_line(degree, predictions, decided[degree], target, confidence) for degree in DEGREES]
    table = pd.DataFrame(lines).assign(meaning=list(DEGREES.values()), chosen=[degree == chosen for degree in DEGREES])
    table = table.assign(applies=[degree != "partial" or rule is not None for degree in DEGREES])[COLUMNS]
    states = [
        HIDDEN if degree == "partial" and _few(predictions, decided[degree], rule, floor) else SHOWN
        for degree in DEGREES
    ]
    if floor > 1:
        table.loc[table["degree"] == "partial", "majority"] = np.nan
    return withhold(table, states, floor)


def _few(predictions: pd.DataFrame, decided: np.ndarray, rule: DeferralRule | None, floor: int) -> bool:
    """Whether the figures of partial automation would speak of few rows, or of all where cuts of the curves are far."""
    if floor < 2 or rule is None:
        return False
    right = (predictions["prediction"] == predictions[TARGET]).to_numpy(bool)
    counts = np.bincount(decided * 2 + right, minlength=4)
    return bool(((counts > 0) & (counts < floor)).any() or decided.all() or not decided.any())


def _line(
    degree: str, predictions: pd.DataFrame, decided: np.ndarray, target: Target, confidence: float
) -> dict[str, Any]:
    n, total = int(decided.sum()), len(predictions)
    measured: dict[str, Any] = {"accuracy": np.nan, "low": np.nan, "high": np.nan, "majority": np.nan}
    if target.is_classification and n:
        right = int((predictions["prediction"] == predictions[TARGET])[decided].sum())
        low, high = wilson(right, n, confidence=confidence)
        guessed = (predictions[TARGET] == predictions[TARGET].mode()[0])[decided].mean()
        measured = {"accuracy": right / n, "low": float(low), "high": float(high), "majority": float(guessed)}
    return {
        "degree": degree,
        "decided": n / total if total else np.nan,
        "deferred": 1 - n / total if total else np.nan,
        **measured,
        "n": n,
    }


def deferred_by_group(
    predictions: pd.DataFrame, rows: pd.DataFrame, deferred: np.ndarray, *, columns: Sequence[str], floor: int = 0
) -> pd.DataFrame:
    """Return the share deferred in each group: nobody should overlook that people decide one group and not another.

    Parameters
    ----------
    predictions : DataFrame
        Prediction table, n rows.
    rows : DataFrame
        The split table that these were made from.
    deferred : ndarray (n,)
        From `deferred_rows`.
    columns : sequence of str
        Sensitive columns.
    floor : int
        Privacy floor; a column of which any group is too small is withheld as a whole, and so are all columns where
        everything or nothing seems to be deferred. The first column's rates by threshold are shown by group in phase
        5, so it is withheld too where few rows of a group could lie between one of those thresholds and deferral.

    Returns
    -------
    DataFrame
        slice, group, n, deferred, low, high (Wilson).
    """
    heads = ["slice", "group", "n", "deferred", "low", "high"]
    columns = [name for name in columns if name in rows]
    if not columns:
        return pd.DataFrame(columns=heads)
    joined = predictions[[ROW]].assign(deferred=deferred).merge(rows[[ROW, *columns]], on=ROW)
    groups = Grouping.fit(joined, columns).transform(joined)
    lines = []
    for name in columns:
        counts = joined.groupby(groups[name], sort=True)["deferred"].agg(["size", "sum"])
        low, high = wilson(counts["sum"].to_numpy(), counts["size"].to_numpy())
        share = counts["sum"] / counts["size"]
        part = {"slice": name, "group": counts.index, "n": counts["size"], "deferred": share, "low": low, "high": high}
        lines.append(pd.DataFrame(part))
    table = pd.concat(lines, ignore_index=True)[heads]
    cell = _cells(predictions, floor)
    beside: set[str] = set()
    if cell is not None and "score" in predictions:
        called = predictions["prediction"].to_numpy() == 1
        beside = _beside(joined.assign(cell=cell, called=called), groups[columns[0]], floor)
    never = columns if joined["deferred"].nunique() < 2 else columns[:1] if beside else []
    return hide_columns(table, joined, groups, joined["deferred"], floor=floor, never=never)


def _beside(rows: pd.DataFrame, groups: pd.Series[Any], floor: int) -> set[str]:
    """Return the groups of which few rows lie in the first cell that has any on a side of where deferral begins.

    Where it begins at the threshold in use there is no question: that one is always shown.
    """
    counts = pd.crosstab(groups, rows["cell"])
    first = rows.groupby("cell")[["deferred", "called"]].first()
    found = set()
    for place in range(1, len(first)):
        before, after = first.iloc[place - 1], first.iloc[place]
        if before["deferred"] == after["deferred"] or before["called"] != after["called"]:
            continue
        for group, row in zip(counts.index, counts.to_numpy(), strict=True):
            nearest = [side[side > 0][:1] for side in (row[:place][::-1], row[place:])]
            if any((part < floor).any() for part in nearest):
                found.add(str(group))
    return found
