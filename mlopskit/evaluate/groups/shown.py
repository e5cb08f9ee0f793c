"""How tables by group show themselves, and what they say in words; where there is nothing, a note says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.display import Note, Table, format_value
from mlopskit.evaluate.groups.bias import MEASURES, incompatibilities
from mlopskit.evaluate.groups.by_group import NOT_DECLARED, USUAL, GroupedRows
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.evaluate.groups.methods import effective_rows, interval_methods, metric_words
from mlopskit.metrics import ESTIMATED, METRICS, NOT_ESTIMATED, default_metrics, get_metric, score_array
from mlopskit.tally.floor.tables import WITHHELD

_TELLS = 0.01
_HELD = 100
"""Rows of a table that go along with the page, those of most projects; all are in the artefact."""
_ENDS = ("", "_low", "_high")
_GAPS = (
    "What chance makes least often (p) comes first, of equals the largest difference; 95 % intervals in parentheses. "
    "By chance: the mean of the gaps that chance makes, and what 95 % of them stay below. "
    "Majority: the gap of the majority guess."
)
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
            "No two groups are seen to differ in their share of positive rows by more than chance makes; as far as "
            "these rows can tell, no kind of fairness excludes another."
        )
    return display.note(*dict.fromkeys(lines), tone="warning")


def fairness_note(table: pd.DataFrame, data: GroupedRows, *, seed: int = 0) -> Note:
    """Say what each kind of fairness in a table of disparities means, and which cannot hold together here."""
    meanings, together = measures_note(table), incompatibility_note(data, seed=seed)
    name, meaning = MEASURES["calibration"]
    scored = data.target.task == "binary" and score_array(data.predictions) is not None and data.grouping.names
    return display.note(
        meanings.text, f"{name.capitalize()}: {meaning}" if scored else "", together.text, tone=together.tone
    )


def show_groups(
    table: pd.DataFrame, *, metric: str | None = None, rows: int = 20, caption: str = "", artefact: str = "groups"
) -> Table | Note:
    """Show one metric by group in full, worst first, or all of them, one line a group; or say why there is none.

    Of all metrics it is the first, the headline, by which groups are sorted below the line of all rows. `artefact` is
    where the rows are that are not shown.
    """
    if table.empty:
        return display.note(caption or NOT_DECLARED, tone="warning")
    where = f"in the artefact {artefact}"
    if metric is None:
        drawn = "shrunken" in table and (_drawn(table) >= _TELLS).any()
        first = metric_words(table["metric"].iloc[0])
        words = [caption, f"Worst {first} first.", interval_methods(table), _SHRUNKEN if drawn else ""]
        told = " ".join(filter(None, words))
        return display.table(_one_line_a_group(table), rows=rows, held=_HELD, caption=told, where=where)
    shown = worst_first(table[table["metric"] == metric], metric)
    columns = ["slice", "group", "n", "value", "low", "high", "majority", "denominator", "method", "status"]
    return display.table(shown, columns=columns, rows=rows, headings={"value": METRICS[metric].label}, where=where)


def _one_line_a_group(table: pd.DataFrame) -> pd.DataFrame:
    first = table["metric"].iloc[0]
    order = worst_first(table[table["metric"] == first], first)
    whole = order["group"] == OVERALL
    names = pd.concat([order[whole], order[~whole]])[["slice", "group"]].itertuples(index=False, name=None)
    lines: dict[tuple[str, str], dict[str, Any]] = {name: {} for name in names}
    for row in table.assign(effective=effective_rows(table)).to_dict("records"):
        line = lines.setdefault((row["slice"], row["group"]), {})
        line.update({key: row[key] for key in ("slice", "group", "n")})
        line[METRICS[row["metric"]].label] = _figure(row)
        if not np.isnan(row["effective"]):
            line.setdefault(f"effective n, {metric_words(row['metric'])}", f"{row['effective']:,.0f}")
        if row["metric"] == "accuracy":
            line["majority"] = row["majority"]
    return pd.DataFrame(list(lines.values()))


def _figure(row: Mapping[Any, Any]) -> str:
    if row["status"] == WITHHELD:
        return "hidden (privacy floor)"
    if row["status"] == NOT_ESTIMATED:
        return f"cannot be estimated ({row['denominator']})"
    words = _with_interval(row["value"], row["low"], row["high"])
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


def show_disparities(table: pd.DataFrame, *, rows: int = 20) -> Table | Note:
    """Show disparities, those that chance makes least often first, or say why there are none."""
    if table.empty:
        return display.note(NOT_DECLARED)
    order = table.assign(_left=table["status"] != ESTIMATED, _size=-table["difference"])
    order = order.sort_values(["_left", "p_value", "_size", "slice", "metric"], kind="stable")
    shown = pd.DataFrame([_disparity(row) for row in order.to_dict("records")])
    silent = {"status": (shown["status"] == ESTIMATED).all(), "majority": shown["majority"].isna().all()}
    columns = [str(name) for name in shown if not silent.get(str(name), False)]
    caption = " ".join(filter(None, [_GAPS, _gap_methods(table)]))
    return display.table(
        shown, columns=columns, rows=rows, held=_HELD, headings={"p_value": "p"}, caption=caption,
        where="in the artefact disparities",
    )  # fmt: skip


def _gap_methods(table: pd.DataFrame) -> str:
    """Name the methods of the intervals; over how many groups each holds stands in its own row."""
    known = table.loc[table["status"] == ESTIMATED, "method"]
    names = known.str.replace(r" over \d+ groups", " over the groups", regex=True).unique()
    return f"Intervals: {'; '.join(names)}." if len(names) else ""


def _found(row: Mapping[Any, Any]) -> str:
    """Say that a gap was estimated, or why not."""
    return ESTIMATED if row["status"] == ESTIMATED else f"{row['status'].replace('-', ' ')}: {row['method']}"


def _disparity(row: Mapping[Any, Any]) -> dict[str, Any]:
    """One line a gap, each figure with its interval, so that the eye finds them in one place."""
    return {
        "gap": f"{row['slice']}: {metric_words(row['metric']).replace('_', ' ')}",
        "kind of fairness": row["measure"],
        "smallest to largest": f"{row['smallest']} to {row['largest']}" if row["status"] == ESTIMATED else "–",
        "groups": row["groups"],
        "difference": _with_interval(*(row[f"difference{end}"] for end in _ENDS)),
        "by chance": _by_chance(row),
        "p_value": row["p_value"],
        "ratio": _with_interval(*(row[f"ratio{end}"] for end in _ENDS)),
        "majority": row.get("majority", np.nan),
        "status": _found(row),
    }


def _by_chance(row: Mapping[Any, Any]) -> str:
    mean, high = row["chance_mean"], row["chance_high"]
    return "–" if np.isnan(mean) else f"{format_value(mean)} ({format_value(high)})"


def _with_interval(value: float, low: float, high: float) -> str:
    """One figure with its interval, which is never broken: under each other they are compared with one look."""
    within = f"({format_value(low)} to {format_value(high)})".replace(" ", "\N{NO-BREAK SPACE}")
    return "–" if np.isnan(value) else f"{format_value(value)} {within}"


def measures_note(table: pd.DataFrame) -> Note:
    """Say in one sentence each what the kinds of fairness in the table mean."""
    named = table.loc[table["meaning"] != "", ["measure", "meaning"]].drop_duplicates() if len(table) else table
    if not len(named):
        return display.note("Not applicable: no kind of fairness has a name for these metrics and columns.")
    return display.note(*(f"{row['measure'].capitalize()}: {row['meaning']}" for row in named.to_dict("records")))
