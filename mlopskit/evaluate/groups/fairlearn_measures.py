"""fairlearn's own figures of bias, beside ours, from the same predictions and the same groups.

`mlopskit.evaluate.disparities` leaves out groups that are too small for an estimate and gives intervals. fairlearn
takes every group that occurs, however small, and gives no interval; a group without a positive (negative) row counts
as one with a recall (false positive rate) of 0. So the two agree where every group is large enough; where they do not,
a small group makes the difference.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET
from mlopskit.display import Note, Table
from mlopskit.evaluate.groups.by_group import NOT_DECLARED, GroupedRows
from mlopskit.tally.floor.plan import SHOWN

_MEASURES = {
    "demographic_parity": "selection_rate",
    "equalized_odds": "equalized_odds",
    "equal_opportunity": "recall",
}
"""fairlearn's name → the metric of our table of disparities that compares the same."""

_COLUMNS = ["slice", "measure", "metric", "value", "own", "groups", "left_out", "status"]


def fairlearn_measures(data: GroupedRows, gaps: pd.DataFrame) -> pd.DataFrame:
    """Compute fairlearn's disparities for each declared column of the test rows.

    Parameters
    ----------
    data : GroupedRows
        Test rows, predictions and groups; missing values are a group of their own.
    gaps : DataFrame
        As from `disparities_by_column`: what stands beside fairlearn's figures.

    Returns
    -------
    DataFrame
        slice, measure (the name of the function in ``fairlearn.metrics``), metric (what is compared), value
        (fairlearn's), own (ours), groups (all that occur, which fairlearn takes), left_out (how many of them are too
        small for our figure), status ("not defined" where value is NaN, as with one group). Empty unless the task is
        binary.

    References
    ----------
    Weerts, H. et al. (2023). Fairlearn: Assessing and improving fairness of AI systems. JMLR 24(257).
    """
    rows = []
    for column in data.grouping.names if data.target.task == "binary" else []:
        groups = data.groups[column].astype("str").to_numpy()
        shown = np.array([data.plan.of([column], [group]) == SHOWN for group in groups], dtype=bool)
        withheld = len(set(groups[~shown]))
        groups = groups[shown]  # what the privacy floor withholds would show in a difference
        theirs = _fairlearn(data.predictions[shown], groups)
        for name, metric in _MEASURES.items():
            own = gaps[(gaps["slice"] == column) & (gaps["metric"] == metric)].to_dict("records")
            for kind in ("difference", "ratio"):
                value = theirs.get(f"{name}_{kind}", float("nan"))
                ours, left_out = _own(own, kind)
                left_out = max(left_out - withheld, 0)
                rows.append((column, f"{name}_{kind}", metric, value, ours, left_out, len(set(groups))))
    table = pd.DataFrame(rows, columns=["slice", "measure", "metric", "value", "own", "left_out", "groups"])
    table["status"] = np.where(table["value"].notna(), "computed", "not defined")
    return table[_COLUMNS].astype({"value": "float64", "own": "float64", "groups": "int64", "left_out": "int64"})


def _own(found: list[dict[Any, Any]], kind: str) -> tuple[float, int]:
    """Our figure, and how many groups it leaves out."""
    if not found:
        return float("nan"), 0
    known, _, total = str(found[0]["groups"]).partition(" of ")
    return float(found[0][kind]), int(total) - int(known)


def _fairlearn(predictions: pd.DataFrame, groups: Any) -> dict[str, float]:
    """Return fairlearn's disparities by name, all from one MetricFrame where its functions make one each."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    if len(set(groups)) < 2:
        return {}
    rates = {"selection": selection_rate, "found": true_positive_rate, "false": false_positive_rate}
    given = _counted(predictions, groups)
    n = given.pop("n")
    given["sample_params"] = {name: {"sample_weight": n} for name in rates}
    measures: dict[str, float] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a group without positive rows: its rate counts as 0, as the module says
        frame = MetricFrame(metrics=rates, **given)
        for kind, worst in (("difference", "max"), ("ratio", "min")):
            gaps = getattr(frame, kind)(method="between_groups")
            measures[f"demographic_parity_{kind}"] = float(gaps["selection"])
            measures[f"equal_opportunity_{kind}"] = float(gaps["found"])
            measures[f"equalized_odds_{kind}"] = float(gaps[["found", "false"]].agg(worst))
    return measures


def _counted(predictions: pd.DataFrame, groups: Any) -> dict[str, Any]:
    """Each kind of row once, weighted by how many there are: the same rates, for a fraction of the work."""
    kinds = pd.DataFrame({"y_true": predictions[TARGET], "y_pred": predictions["prediction"]})
    counted = kinds.assign(sensitive_features=groups).value_counts(sort=False).rename("n").reset_index()
    return {str(name): counted[name].to_numpy() for name in counted}


def show_fairlearn(table: pd.DataFrame, data: GroupedRows) -> Table | Note:
    """Show fairlearn's figures beside ours, or say why there are none."""
    if data.target.task != "binary":
        return display.note("Not applicable: fairlearn's disparities are defined for two classes.")
    if table.empty:
        return display.note(NOT_DECLARED)
    shown = table.assign(taken=[_taken(row) for row in table.to_dict("records")])
    columns = ["slice", "measure", "value", "own", "taken"]
    headings = {"value": "fairlearn", "own": "ours", "taken": "fairlearn's is computed over", "measure": "disparity"}
    guess = "One answer for everybody, such as the majority guess, would have differences of 0: equal, and of no use."
    where = "in the artefact fairlearn"
    return display.table(shown, columns=columns, headings=headings, held=len(shown), where=where, caption=guess)


def _taken(row: dict[Any, Any]) -> str:
    if row["status"] != "computed":
        return "not defined"
    small = f"{row['left_out']} too small for ours included" if row["left_out"] else "none too small"
    return f"all {row['groups']} groups, {small}"
