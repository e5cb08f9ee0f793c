"""A profile: what each column holds, and how the target differs between groups.

Rates come with Wilson's interval, means with Student's, so that chance between two small groups is not read as a
difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from mlopskit.data.columns import TARGET, Columns, Target
from mlopskit.data.floored import hide_counts, hide_small_groups
from mlopskit.data.schema import as_numbers
from mlopskit.data.split import hashable
from mlopskit.data.view import feature_view
from mlopskit.intervals import wilson
from mlopskit.tally import Grouping

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBERS = ("mean", "sd", "low", "q25", "median", "q75", "high")
GROUP_COLUMNS = ["slice", "group", "metric", "n", "value", "low", "high"]


def column_profile(
    frame: pd.DataFrame,
    schema: pd.DataFrame,
    *,
    columns: Columns | None = None,
    parts: pd.Series[Any] | None = None,
    floor: int = 0,
) -> pd.DataFrame:
    """Return one row a column.

    Parameters
    ----------
    frame : DataFrame
        The rows to describe.
    schema : DataFrame
        Their contract, for role and kind.
    columns : Columns, optional
        Which part each column plays; needed where there is a floor.
    parts : Series of str, optional
        The split of each row.
    floor : int
        Privacy floor: shares that speak of fewer rows in any part of the split, or of a declared column, are withheld.

    Returns
    -------
    DataFrame
        feature, role, kind, n, missing, missing_share, distinct; mean, sd, low, q25, median, q75, high of numbers and
        of dates in days since 1970; top and top_share, the commonest value of the others.
    """
    described = {row["feature"]: row for row in schema.to_dict("records")}
    rows = [_profile(frame[name], described[str(name)]) for name in frame.columns if str(name) in described]
    profile = pd.DataFrame(rows)
    return profile if columns is None else hide_counts(profile, frame, columns, floor=floor, parts=parts)


def _profile(column: pd.Series[Any], described: Mapping[Any, Any]) -> dict[str, Any]:
    plain = hashable(column.dropna())
    row: dict[str, Any] = {
        "feature": str(column.name),
        "role": described["role"],
        "kind": described["kind"],
        "n": len(column),
        "missing": int(column.isna().sum()),
        "missing_share": float(column.isna().mean()) if len(column) else 0.0,
        "distinct": int(plain.nunique()),
    }
    numeric = described["kind"] in {"numeric", "datetime"} and len(plain) > 0
    named = described["kind"] in {"categorical", "boolean"}
    return row | (_numbers(as_numbers(plain)) if numeric else dict.fromkeys(NUMBERS, np.nan)) | _top(plain, named)


def _numbers(values: pd.Series[Any]) -> dict[str, float]:
    array = values.to_numpy(dtype="float64")
    quantiles = np.quantile(array, [0, 0.25, 0.5, 0.75, 1])
    spread = float(array.std(ddof=1)) if len(array) > 1 else 0.0
    return dict(zip(NUMBERS, [float(array.mean()), spread, *map(float, quantiles)], strict=True))


def _top(plain: pd.Series[Any], wanted: bool) -> dict[str, Any]:
    if not wanted or plain.empty:
        return {"top": None, "top_share": np.nan}
    counts = plain.astype("str").value_counts()
    best = min(counts.index[counts == counts.max()])
    return {"top": str(best)[:80], "top_share": float(counts.max() / len(plain))}


def group_profile(
    frame: pd.DataFrame,
    *,
    target: Target,
    columns: Columns,
    by: list[str] | None = None,
    confidence: float = 0.95,
    floor: int = 0,
) -> pd.DataFrame:
    """Return how the target differs between the groups of the sensitive and slice columns.

    Parameters
    ----------
    frame : DataFrame
        A split table.
    target : Target
        What is predicted.
    columns : Columns
        Which part each column plays.
    by : list of str, optional
        Columns to break down by; the sensitive and slice columns when left out. Columns of `feature_view` count too.
    confidence : float
        Of the intervals: Wilson for shares, Student for means.
    floor : int
        Privacy floor: groups with fewer rows, or fewer of a class, lose their figures, with what would give them away.

    Returns
    -------
    DataFrame
        slice, group, metric (``share of <class>``: the positive class, or every class of a multiclass target; ``mean``
        for regression), n, value, low, high. Group ``overall`` comes first.
    """
    view = feature_view(frame, columns)
    names = [name for name in (columns.by if by is None else by) if name in view.columns]
    groups = Grouping.fit(view, names).transform(view) if names else pd.DataFrame(index=frame.index)
    parts = [_measured(frame[TARGET], pd.Series("overall", index=frame.index), "overall", target, confidence)]
    for name in names:
        part = _measured(frame[TARGET], groups[name], name, target, confidence)
        parts.append(hide_small_groups(part, groups[name], frame[TARGET], target, floor) if floor > 1 else part)
    return pd.concat(parts, ignore_index=True)[GROUP_COLUMNS]


def _measured(
    values: pd.Series[Any], groups: pd.Series[Any], name: str, target: Target, confidence: float
) -> pd.DataFrame:
    if not target.is_classification:
        return _means(values, groups, name, confidence)
    wanted = [1] if target.task == "binary" else target.labels
    tables = []
    for label in wanted:
        counts = (values == label).groupby(groups, sort=True).agg(["sum", "size"])
        low, high = wilson(counts["sum"], counts["size"], confidence=confidence)
        columns = {
            "slice": name,
            "group": counts.index.astype(str),
            "metric": f"share of {target.classes[label]}",
            "n": counts["size"].to_numpy(dtype="int64"),
            "value": (counts["sum"] / counts["size"]).to_numpy(dtype="float64"),
            "low": low,
            "high": high,
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _means(values: pd.Series[Any], groups: pd.Series[Any], name: str, confidence: float) -> pd.DataFrame:
    table = values.groupby(groups, sort=True).agg(["size", "mean", "std"])
    error = table["std"] / np.sqrt(table["size"])
    half = error * stats.t.ppf((1 + confidence) / 2, np.maximum(table["size"] - 1, 1))
    columns = {
        "slice": name,
        "group": table.index.astype(str),
        "metric": "mean",
        "n": table["size"].to_numpy(dtype="int64"),
        "value": table["mean"].to_numpy(dtype="float64"),
        "low": (table["mean"] - half).to_numpy(dtype="float64"),
        "high": (table["mean"] + half).to_numpy(dtype="float64"),
    }
    return pd.DataFrame(columns)
