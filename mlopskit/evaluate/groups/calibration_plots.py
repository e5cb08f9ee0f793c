"""Calibration by group shown: how far what happened lies from what the scores say, and how far chance alone would.

For each declared column the table of `calibration_by_group`, then one chart with two panels on the same lines: on the
left mean(y) − mean(p) with its interval, on the right the expected calibration error beside the range in which a
perfectly calibrated model of the same size would lie.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET
from mlopskit.display import Chart, Note, Table
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.groups.calibration import COLUMNS, calibration_by_group
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.evaluate.plots import GREY, literal
from mlopskit.evaluate.privacy.tables import hide_groups
from mlopskit.metrics import ESTIMATED
from mlopskit.tally.floor.tables import WITHHELD

_MOST = 20
_NOT_APPLICABLE = "Not applicable: calibration by group needs two classes, probabilities and a declared column."


def calibration_by_column(data: GroupedRows, *, replicates: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Compare scores with what happened in each group of each declared column, on test rows.

    Returns
    -------
    DataFrame
        The columns of `calibration_by_group` after ``slice``; all rows together first, once. Empty where the task is
        not binary, the model gives no probabilities or no column is declared. What the privacy floor withholds has
        the status ``hidden``.
    """
    rows = data.predictions
    scores = rows["score"].to_numpy(dtype=float) if "score" in rows else np.array([np.nan])
    usable = data.target.task == "binary" and len(rows) and bool(((scores >= 0) & (scores <= 1)).all())
    found: list[pd.DataFrame] = []
    for column in data.grouping.names if usable else ():
        groups = data.groups[[column]].reset_index(drop=True)
        truth = rows[TARGET].to_numpy()
        table = calibration_by_group(truth, scores, groups, replicates=replicates, seed=seed, unit=data.unit)
        table = hide_groups(table, [column], data.plan)
        table.insert(0, "slice", np.where(table["group"] == OVERALL, OVERALL, column))
        found.append(table if not found else table[table["group"] != OVERALL])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["slice", *COLUMNS])


def group_calibration_chart(table: pd.DataFrame, *, most: int = _MOST) -> Chart | Note:
    """Draw each group's mean(y) − mean(p) with its interval, and its calibration error beside what chance makes.

    Parameters
    ----------
    table : DataFrame
        As from `calibration_by_column`.
    most : int
        Groups at most, those most surely off; all rows together come first. How many more the table has, also those
        that cannot be estimated or are withheld, stands below the axis.
    """
    known = table[table["status"] == ESTIMATED] if len(table) else table
    if known.empty:
        withheld = len(table) and (table["status"] == WITHHELD).any()
        return display.note("No group may be shown: the privacy floor." if withheld else _NOT_APPLICABLE)
    whole = known["group"] == OVERALL
    drawn = pd.concat([known[whole], _farthest(known[~whole]).head(most)], ignore_index=True)
    fig, (left, right) = display.figure(height=1.2 + 0.26 * len(drawn), ncols=2, sharey=True)
    place = np.arange(len(drawn))
    _differences(left, drawn, place, left_out=len(table) - len(drawn))
    _errors(right, drawn, place)
    names = [_named(row) for row in drawn.to_dict("records")]
    labels = [f"{literal(name, limit=30)}, n = {n:,}" for name, n in zip(names, drawn["n"], strict=True)]
    left.set_yticks(place, labels, fontsize=8.5)
    left.set_ylim(len(drawn) - 0.5, -0.5)
    return display.chart(fig, alt=_alt(drawn, names, len(table)))


def _named(row: Any) -> str:
    return "all rows" if row["group"] == OVERALL else f"{row['slice']}: {row['group']}"


def _differences(ax: Any, drawn: pd.DataFrame, place: Any, *, left_out: int) -> None:
    ax.axvline(0, color=GREY, linestyle="--", linewidth=1)
    ax.hlines(place, drawn["low"], drawn["high"], color=display.colour(0), linewidth=3)
    ax.plot(drawn["difference"], place, "o", color=display.colour(0), markersize=5)
    others = f"\ngroups not drawn: {left_out} (artefact calibration)" if left_out else ""
    display.label_axes(ax, x=f"positives less mean score{others}")


def _errors(ax: Any, drawn: pd.DataFrame, place: Any) -> None:
    ax.hlines(place, 0, drawn["chance_high"], color=GREY, linewidth=7, alpha=0.35)
    ax.plot(drawn["ece"], place, "o", color=display.colour(1), markersize=5)
    ax.set_xlim(left=0)
    ax.tick_params(axis="y", length=0)
    display.label_axes(ax, x="ECE; grey: by chance")


def _farthest(known: pd.DataFrame) -> pd.DataFrame:
    """Sort groups by how far the nearer end of the interval lies from 0, on the side where the whole of it lies."""
    surely = np.maximum(known["low"], -known["high"])
    return known.assign(_key=-surely).sort_values(["_key", "slice", "group"], kind="stable").drop(columns="_key")


def _off(table: pd.DataFrame) -> pd.DataFrame:
    """Groups whose interval leaves 0 out, the farthest first."""
    known = table[(table["status"] == ESTIMATED) & (table["group"] != OVERALL)]
    return _farthest(known[(known["low"] > 0) | (known["high"] < 0)])


def _alt(drawn: pd.DataFrame, names: list[str], total: int) -> str:
    own = drawn[drawn["group"] != OVERALL]
    off, beyond = len(_off(drawn)), int((own["ece"] > own["chance_high"]).sum())
    far = f" The one most surely off is {names[-len(own)]} with {own['difference'].iloc[0]:+.3f}." if len(own) else ""
    return (
        f"Calibration of {len(own)} of {total - 1} groups: the interval of {off} leaves out 0, and the "
        f"calibration error of {beyond} is larger than in 95 % of perfectly calibrated models.{far}"
    )


def show_group_calibration(table: pd.DataFrame, *, rows: int = 20) -> Table | Note:
    """Show the table with a line on which groups the scores are surely too high or too low for; or say why not."""
    if table.empty:
        return display.note(_NOT_APPLICABLE)
    columns = [
        "slice", "group", "n", "observed", "predicted", "difference", "low", "high", "ece", "chance_mean",
        "chance_high", "p_value", "method", "status",
    ]  # fmt: skip
    headings = {
        "observed": "share of positives", "predicted": "mean score", "difference": "share − score",
        "ece": "calibration error", "chance_mean": "the same by chance, mean",
        "chance_high": "95 % of chance lies below", "p_value": "p",
    }  # fmt: skip
    return display.table(table, columns=columns, headings=headings, rows=rows, held=100, caption=_caption(table))


def _caption(table: pd.DataFrame) -> str:
    own = table[table["group"] != OVERALL]
    known, off = int((own["status"] == ESTIMATED).sum()), _off(table)
    rest = len(own) - known
    few = f" {rest} could not be estimated or are withheld." if rest else ""
    if off.empty:
        return f"In none of {known} groups are the scores off on average beyond doubt.{few}"
    told = [
        f"{row['slice']} = {row['group']} ({'too low' if row['difference'] > 0 else 'too high'} by "
        f"{abs(row['difference']):.3f}, {row['low']:+.3f} to {row['high']:+.3f})"
        for row in off.head(3).to_dict("records")
    ]
    more = f" and {len(off) - len(told)} more" if len(off) > len(told) else ""
    chance = f"about {0.05 * known:.1f} of {known} would be by chance"
    return f"Scores are off on average in {len(off)} of {known} groups; {chance}: {', '.join(told)}{more}.{few}"
