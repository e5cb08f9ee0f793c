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

DEGREES = {
    "human-only": "people decide; the model says nothing",
    "shadow": "people decide; the model answers unseen and is compared",
    "assistance": "people decide; they see the model's answer",
    "partial": "the model decides what it is sure of; people decide the rest",
    "full": "the model decides everything",
}
COLUMNS = ["degree", "meaning", "chosen", "applies", "decided", "deferred", "accuracy", "low", "high", "n"]


def deferred_rows(predictions: pd.DataFrame, rule: DeferralRule | None, *, degree: str | None) -> np.ndarray:
    """Tell which rows of a prediction table people decide, (n,) bool.

    Partial automation without a rule (regression) defers everything: what cannot be judged unsure is not decided alone.
    """
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

    Returns
    -------
    DataFrame
        degree, meaning, chosen, applies (no where nothing can be deferred), decided and deferred (shares of rows),
        accuracy of the rows that the model decides (low, high; empty for regression), n (those rows).
    """
    lines = [_line(degree, predictions, rule, target, chosen, confidence) for degree in DEGREES]
    return pd.DataFrame(lines, columns=COLUMNS)


def _line(
    degree: str,
    predictions: pd.DataFrame,
    rule: DeferralRule | None,
    target: Target,
    chosen: str | None,
    confidence: float,
) -> dict[str, Any]:
    decided = ~deferred_rows(predictions, rule, degree=degree)
    n, total = int(decided.sum()), len(predictions)
    measured: dict[str, Any] = {"accuracy": np.nan, "low": np.nan, "high": np.nan}
    if target.is_classification and n:
        right = int((predictions["prediction"] == predictions[TARGET])[decided].sum())
        low, high = wilson(right, n, confidence=confidence)
        measured = {"accuracy": right / n, "low": float(low), "high": float(high)}
    return {
        "degree": degree,
        "meaning": DEGREES[degree],
        "chosen": degree == chosen,
        "applies": degree != "partial" or rule is not None,
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
        Privacy floor; a column of which any group is too small is withheld as a whole.

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
    return hide_columns(table, joined, groups, joined["deferred"], floor=floor)
