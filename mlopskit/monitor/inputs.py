"""What comes in: missing values, unseen categories, values out of range, breaches of the data contract.

Drift compares distributions; these checks look at single values. A share stands with Wilson's interval beside the share
in the reference, because 2 % missing is news only where nothing was missing before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import intervals
from mlopskit.metrics.monitored import INPUT_METRICS
from mlopskit.monitor.profile import FeatureProfile, Profile, as_numbers, as_text
from mlopskit.monitor.windows import Windows


def input_table(
    profile: Profile,
    frame: pd.DataFrame,
    windows: Windows,
    *,
    schema: pd.DataFrame | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Check every window's input values against the reference and the data contract.

    Parameters
    ----------
    profile : Profile
        The reference; only its inputs are checked.
    frame : DataFrame
        Production rows in the order of `windows`.
    schema : DataFrame, optional
        The contract of the data phase: feature, nullable, low, high, categories. Without it the reference's own range
        and categories are the contract.

    Returns
    -------
    DataFrame
        feature, window, metric (missing_share, unseen_share, out_of_range_share, schema_violations), n, successes,
        value, low, high, reference, status (measured, empty, not applicable, could not check)
    """
    contracts = _contracts(schema)
    rows = [
        row
        for item in profile.features
        if item.role == "input"
        for row in _feature_rows(item, frame, windows, contracts.get(item.feature, {}))
    ]
    columns = ["feature", "window", "metric", "n", "successes", "reference", "status"]
    table = pd.DataFrame(rows, columns=columns)
    return _with_intervals(table, confidence)


def _feature_rows(
    item: FeatureProfile, frame: pd.DataFrame, windows: Windows, contract: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    present = item.feature in frame.columns
    flags = _flags(item, frame[item.feature], contract) if present else {}
    # One more row of the same kind exceeds the range of m others with probability 2 / (m + 1): that much is no news.
    references = {
        "missing_share": item.missing / item.n if item.n else np.nan,
        "out_of_range_share": 2 / (item.n - item.missing + 1),
    }
    for metric in INPUT_METRICS:
        for index, label in enumerate(windows.labels):
            chosen = windows.rows_of(index)
            row = {"feature": item.feature, "window": label, "metric": metric, "n": len(chosen), "successes": 0}
            row["reference"] = references.get(metric, 0.0)
            if not present or flags[metric] is None:
                yield {**row, "status": "not applicable" if present else "could not check"}
                continue
            yield {
                **row,
                "successes": int(flags[metric][chosen].sum()),
                "status": "measured" if len(chosen) else "empty",
            }


def _flags(item: FeatureProfile, values: pd.Series[Any], contract: Mapping[str, Any]) -> dict[str, Any]:
    """For each metric a boolean per row; None where the metric does not apply to this kind of column."""
    if item.kind == "numeric":
        numbers = as_numbers(values)
        missing = np.isnan(numbers)
        beyond = _outside(numbers, item.low, item.high)
        breach = _outside(numbers, contract.get("low", item.low), contract.get("high", item.high))
        flags = {"missing_share": missing, "unseen_share": None, "out_of_range_share": beyond}
    else:
        text = as_text(values)
        missing = text.isna().to_numpy()
        unseen = ~text.isin(item.known).to_numpy() & ~missing
        allowed = contract.get("categories")
        breach = unseen if allowed is None else ~text.isin(allowed).to_numpy() & ~missing
        flags = {"missing_share": missing, "unseen_share": unseen, "out_of_range_share": None}
    nullable = contract.get("nullable", item.missing > 0)
    return {**flags, "schema_violations": breach if nullable else breach | missing}


def _outside(numbers: Any, low: float | None, high: float | None) -> Any:
    with np.errstate(invalid="ignore"):
        return (numbers < (-np.inf if low is None else low)) | (numbers > (np.inf if high is None else high))


def _contracts(schema: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    if schema is None:
        return {}
    return {str(row["feature"]): _contract(row) for row in schema.to_dict("records")}


def _contract(row: Mapping[Any, Any]) -> dict[str, Any]:
    contract: dict[str, Any] = {}
    for key in ("low", "high"):
        number = pd.to_numeric(pd.Series([row.get(key)]), errors="coerce").iloc[0]
        if not pd.isna(number):
            contract[key] = float(number)
    if isinstance(row.get("nullable"), bool | np.bool_):
        contract["nullable"] = bool(row["nullable"])
    categories = row.get("categories")
    if isinstance(categories, list | tuple | np.ndarray) and len(categories):
        contract["categories"] = [str(name) for name in categories]
    return contract


def _with_intervals(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    measured = (table["status"] == "measured").to_numpy()
    low, high = intervals.wilson(table["successes"], table["n"], confidence=confidence)
    share = table["successes"] / table["n"].where(table["n"] > 0)
    counted = (table["metric"] == "schema_violations").to_numpy()
    table["value"] = np.where(measured, np.where(counted, table["successes"], share), np.nan)
    table["low"] = np.where(measured, np.where(counted, table["successes"], low), np.nan)
    table["high"] = np.where(measured, np.where(counted, table["successes"], high), np.nan)
    table.loc[counted, "reference"] = 0.0
    order = ["feature", "window", "metric", "n", "successes", "value", "low", "high", "reference", "status"]
    return table[order]


def unusual_inputs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the checks whose whole interval lies above the reference, largest excess first; counts when above zero."""
    excess = table[
        (table["status"] == "measured") & (table["low"] > table["reference"].fillna(0)) & (table["successes"] > 0)
    ]
    gap = (excess["value"] - excess["reference"]).rename("gap")
    order = pd.concat([excess["metric"].map({name: i for i, name in enumerate(INPUT_METRICS)}), gap], axis=1)
    return excess.loc[order.sort_values(["metric", "gap"], ascending=[True, False], kind="stable").index]
