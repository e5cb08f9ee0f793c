"""How tables by group show themselves, and what they say in words; where there is nothing, a note says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.display import Note, Table, format_value
from mlopskit.evaluate.groups.bias import incompatibilities
from mlopskit.evaluate.groups.by_group import NOT_DECLARED, USUAL, GroupedRows
from mlopskit.metrics import METRICS, NOT_ESTIMATED, default_metrics, get_metric
from mlopskit.tally.floor.tables import WITHHELD

_TELLS = 0.01
_SHRUNKEN = (
    f"Shrunken is the rate drawn towards those of the other groups (beta-binomial), the more the fewer rows it has; "
    f"it is given where it differs by {_TELLS:g} or more."
)


def incompatibility_note(data: GroupedRows, *, seed: int = 0) -> Note:
    """Say which kinds of fairness cannot hold together for the sensitive columns, from the rates at hand."""
    if data.target.task != "binary" or not data.columns.sensitive:
        return display.note("Not applicable: these kinds of fairness need two classes and sensitive columns.")
    lines: list[str] = []
    for column in [name for name in data.columns.sensitive if name in data.grouping.names]:
        sentences = incompatibilities(data.tally(column), seed=seed)
        lines.extend(f"{column}: {sentence}" if place == 0 else sentence for place, sentence in enumerate(sentences))
    if not lines:
        return display.note(
            "Positive rows are about equally common in all groups: these kinds of fairness can hold together."
        )
    return display.note(*dict.fromkeys(lines), tone="warning")


def fairness_note(table: pd.DataFrame, data: GroupedRows, *, seed: int = 0) -> Note:
    """Say what each kind of fairness in a table of disparities means, and which cannot hold together here."""
    meanings, together = measures_note(table), incompatibility_note(data, seed=seed)
    return display.note(meanings.text, together.text, tone=together.tone)


def show_groups(table: pd.DataFrame, *, metric: str | None = None, rows: int = 60, caption: str = "") -> Table | Note:
    """Show one metric by group in full, worst first, or all of them, one line a group; or say why there is none."""
    if table.empty:
        return display.note(caption or NOT_DECLARED, tone="warning")
    if metric is None:
        drawn = "shrunken" in table and (_drawn(table) >= _TELLS).any()
        return display.table(
            _one_line_a_group(table), rows=rows, caption=f"{caption} {_SHRUNKEN}" if drawn else caption
        )
    shown = worst_first(table[table["metric"] == metric], metric)
    columns = ["slice", "group", "n", "value", "low", "high", "majority", "denominator", "method", "status"]
    return display.table(shown, columns=columns, rows=rows, headings={"value": METRICS[metric].label})


def _one_line_a_group(table: pd.DataFrame) -> pd.DataFrame:
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for row in table.to_dict("records"):
        line = lines.setdefault((row["slice"], row["group"]), {key: row[key] for key in ("slice", "group", "n")})
        line[METRICS[row["metric"]].label] = _figure(row)
        if row["metric"] == "accuracy":
            line["majority guess, accuracy"] = row["majority"]
    return pd.DataFrame(list(lines.values()))


def _figure(row: Mapping[Any, Any]) -> str:
    if row["status"] == WITHHELD:
        return "hidden (privacy floor)"
    if row["status"] == NOT_ESTIMATED:
        return f"cannot be estimated ({row['denominator']})"
    words = f"{format_value(row['value'])} ({format_value(row['low'])} to {format_value(row['high'])})"
    far = abs(row.get("shrunken", np.nan) - row["value"]) >= _TELLS
    return f"{words}, shrunken {format_value(row['shrunken'])}" if far else words


def _drawn(table: pd.DataFrame) -> pd.Series[float]:
    return (table["shrunken"] - table["value"]).astype(float).abs()


def worst_first(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Sort the rows of one metric, worst first; what cannot be estimated or is withheld comes last."""
    task = next(task for task in USUAL if metric in default_metrics(task))
    ascending = get_metric(metric, task).greater_is_better is not False
    order = table.assign(_last=table["status"].map({NOT_ESTIMATED: 1, WITHHELD: 2}).fillna(0))
    order = order.sort_values(
        ["_last", "value", "slice", "group"], ascending=[True, ascending, True, True], kind="stable"
    )
    return order.drop(columns="_last").reset_index(drop=True)


def show_disparities(table: pd.DataFrame, *, rows: int = 40) -> Table | Note:
    """Show disparities, or say why there are none."""
    if table.empty:
        return display.note(NOT_DECLARED)
    columns = [
        "slice", "metric", "measure", "groups", "smallest", "largest", "difference", "difference_low",
        "difference_high", "chance_high", "p_value", "ratio", "ratio_low", "ratio_high", "status",
    ]  # fmt: skip
    headings = {"chance_high": "95 % of chance gaps below", "measure": "kind of fairness", "p_value": "p"}
    return display.table(table, columns=columns, rows=rows, headings=headings)


def measures_note(table: pd.DataFrame) -> Note:
    """Say in one sentence each what the kinds of fairness in the table mean."""
    named = table.loc[table["meaning"] != "", ["measure", "meaning"]].drop_duplicates() if len(table) else table
    if not len(named):
        return display.note("Not applicable: no kind of fairness has a name for these metrics and columns.")
    return display.note(*(f"{row['measure'].capitalize()}: {row['meaning']}" for row in named.to_dict("records")))
