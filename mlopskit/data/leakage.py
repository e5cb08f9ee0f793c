"""Leakage: what makes a test look better than production will be.

A feature may give the target away, a test row may stand in the training data too, training rows may be younger than
test rows, one person's rows may lie on both sides. Each is looked for after splitting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from mlopskit.data.checks import Finding, percent
from mlopskit.data.columns import ROW, TARGET, Columns, Target
from mlopskit.data.features import Labels
from mlopskit.data.schema import as_numbers
from mlopskit.data.split import row_units, time_numbers
from mlopskit.errors import listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlopskit.scope import Data

GIVES_AWAY = 0.99
"""A single feature that ranks or tells the target as well as this is suspected to be made from it."""

_MAX_ROWS = 20_000


def leakage_findings(
    tables: Mapping[str, pd.DataFrame], *, target: Target, columns: Columns, data: Data
) -> list[Finding]:
    """Look for the four kinds of leakage in split tables.

    Parameters
    ----------
    tables : mapping
        Split → table, as `split_tables` returns them.
    target : Target
        What is predicted.
    columns : Columns
        Which part each column plays.
    data : Data
        The project file's ``[data]``: how rows were to be split.
    """
    return [
        *telling_features(tables["train"], target=target, columns=columns),
        shared_rows(tables["train"], tables["test"]),
        *_future_rows(tables, data),
        *_straddling_groups(tables, data),
    ]


def telling_features(train: pd.DataFrame, *, target: Target, columns: Columns) -> list[Finding]:
    """Suspect each feature that alone tells the target (DAT006).

    Binary: the area under the ROC curve of the feature's values, or of each category's share of positives on the other
    half of the rows. Multiclass: how often the commonest class of a value, learnt on one half, is right on the other.
    Regression: Spearman's rank correlation of numbers.
    """
    rows = train.iloc[np.linspace(0, len(train) - 1, min(len(train), _MAX_ROWS)).astype(int)]
    names = [*columns.numeric, *columns.categorical]
    if not names:
        return [Finding("DAT006", "features", "not applicable", "texts and images are not looked at one by one")]
    scores = {name: _telling(rows[name], rows[TARGET], target, name in columns.numeric) for name in names}
    found = [
        Finding("DAT006", name, "issue", f"alone it scores {score:.3f} ({_MEASURE[target.task]}): is it known in time?")
        for name, score in scores.items()
        if score >= GIVES_AWAY
    ]
    best = max(scores, key=lambda name: (scores[name], name))
    detail = f"the most telling of {len(names)} features is {best} with {scores[best]:.3f} ({_MEASURE[target.task]})"
    return found or [Finding("DAT006", "features", "passed", detail, len(names))]


_MEASURE = {"binary": "ROC AUC", "multiclass": "accuracy", "regression": "rank correlation"}


def _telling(feature: pd.Series[Any], target_values: pd.Series[Any], target: Target, numeric: bool) -> float:
    truth = target_values.to_numpy(dtype="float64")
    if target.task == "regression":
        return abs(_correlation(as_numbers(feature).to_numpy(), truth)) if numeric else 0.0
    if target.task == "binary" and numeric:
        return auc(as_numbers(feature).to_numpy(), truth)
    values = pd.Series(feature.rank(method="dense") if numeric else Labels().fit_transform(feature.to_frame()).ravel())
    return _cross_fitted(values, truth, target)


def auc(scores: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, by ranks, in whichever direction is better; missing scores rank lowest.

    Examples
    --------
    >>> auc(np.array([3.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]))
    1.0
    """
    ranks = rankdata(np.where(np.isnan(scores), -np.inf, scores))
    n_positive = truth.sum()
    n_negative = len(truth) - n_positive
    if not n_positive or not n_negative:
        return 0.5
    area = (ranks[truth == 1].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
    return float(max(area, 1 - area))


def _correlation(values: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> float:
    known = np.isfinite(values)
    if known.sum() < 3 or np.ptp(values[known]) == 0 or np.ptp(truth[known]) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(values[known]), rankdata(truth[known]))[0, 1])


def _cross_fitted(values: pd.Series[Any], truth: npt.NDArray[np.float64], target: Target) -> float:
    """Learn on one random half, score on the other: a value that occurs once cannot tell anything."""
    learn = np.random.default_rng(0).random(len(values)) < 0.5
    known = pd.DataFrame({"value": values.to_numpy()[learn], "truth": truth[learn]})
    if target.task == "binary":
        rates = known.groupby("value")["truth"].mean()
        scores = pd.Series(values.to_numpy()[~learn]).map(rates).fillna(known["truth"].mean())
        return auc(scores.to_numpy(dtype="float64"), truth[~learn])
    counts = known.groupby(["value", "truth"]).size().reset_index(name="n").sort_values(["n", "truth"])
    commonest = counts.groupby("value")["truth"].last()
    guesses = pd.Series(values.to_numpy()[~learn]).map(commonest)
    return float((guesses.to_numpy(dtype="float64") == truth[~learn]).mean())


def shared_rows(train: pd.DataFrame, test: pd.DataFrame) -> Finding:
    """Count the test rows that equal a training row in every column, target included (DAT003)."""
    both = pd.concat([train, test], ignore_index=True).drop(columns=ROW)
    units = row_units(both.drop(columns=TARGET), both[TARGET])
    shared = int(np.isin(units[len(train) :], units[: len(train)]).sum())
    if not shared:
        return Finding("DAT003", "test rows", "passed", f"none of {len(test):,} test rows equals a training row")
    detail = (
        f"{shared:,} of {len(test):,} test rows ({percent(shared, len(test))}) equal a training row in every column"
    )
    return Finding("DAT003", "test rows", "issue", detail, shared)


def _future_rows(tables: Mapping[str, pd.DataFrame], data: Data) -> list[Finding]:
    if data.time is None:
        return [Finding("DAT007", "time", "not applicable", "no time column is declared")]
    if data.split != "time":
        detail = "rows are split at random, so test rows are as old as training rows; production rows come later"
        if data.production_from is None:
            detail = "rows are split at random, so nothing shows how the model ages"
        return [Finding("DAT007", data.time, "not applicable", detail)]
    last = time_numbers(tables["train"][data.time]).max()
    n = int((time_numbers(tables["test"][data.time]) <= last).sum())
    if n:
        return [Finding("DAT007", data.time, "issue", f"{n:,} test rows are not younger than the last training row", n)]
    return [Finding("DAT007", data.time, "passed", "every test row is younger than every training row")]


def _straddling_groups(tables: Mapping[str, pd.DataFrame], data: Data) -> list[Finding]:
    if data.group is None:
        return [Finding("DAT008", "group", "not applicable", "no group column is declared")]
    groups = [set(tables[name][data.group].dropna().unique()) for name in ("train", "validation", "test")]
    shared = (groups[0] & groups[1]) | (groups[0] & groups[2]) | (groups[1] & groups[2])
    if not shared:
        return [Finding("DAT008", data.group, "passed", f"each of {len(set().union(*groups)):,} groups is on one side")]
    detail = f"{len(shared):,} groups ({listing(sorted(map(str, shared)), limit=3)}) have rows in more than one split"
    return [Finding("DAT008", data.group, "issue", detail + '; split = "group" keeps them together', len(shared))]
