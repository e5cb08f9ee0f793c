"""Mitigations as a chart, a table and in words: the gap that each leaves against the figure that it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.display import Chart, Note, Table, format_value
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.mitigation.compare import why_no_mitigation
from mlopskit.evaluate.mitigation.fits import LINEAR, NOT_APPLIED
from mlopskit.evaluate.plots import GREY, literal
from mlopskit.metrics import ESTIMATED, METRICS
from mlopskit.mitigation.choice import GRADIENT, NONE, THRESHOLDS
from mlopskit.mitigation.reweighting import REWEIGHTING
from mlopskit.tally.floor.tables import WITHHELD

_Box = tuple[float, float, float, float]
"""Left, low, right, high, as shares of the axes."""
_NOTHING = "Not applicable: no mitigation could be compared; the table says why of each."


def _shown(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """One row a mitigation: the figure that is about decisions, where it and the gap are known."""
    if table.empty:
        return table
    return table[(table["metric"] == _metric(table)) & (table["split"] == split) & (table["status"] == ESTIMATED)]


def _metric(table: pd.DataFrame) -> str:
    """The figure that every mitigation has: the first of the table."""
    return str(table["metric"].iloc[0])


def _nothing(table: pd.DataFrame) -> list[str]:
    """Why nothing can be drawn; where the privacy floor withholds the gap, what each costs over all rows stays."""
    if table.empty or not (table["status"] == WITHHELD).any():
        return [_NOTHING]
    rows = table[(table["metric"] == _metric(table)) & (table["status"] == WITHHELD)].to_dict("records")
    metric, first = _words(rows[0]["metric"]), rows[0]
    lines = [f"Only {first['groups']} groups of {first['column']} may be shown, so no gap is: the privacy floor."]
    for row in rows:
        cost = f"; it costs {_figure(row, 'cost', 'cost_low', 'cost_high')}" if np.isfinite(row["cost"]) else ""
        has = _figure(row, "value", "low", "high")
        lines.append(f"{row['mitigation']}: {metric} {has} on {row['n']:,} {row['split']} rows{cost}.")
    return lines


def _words(metric: str) -> str:
    label = METRICS[metric].label if metric in METRICS else metric.replace("_", " ")
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def mitigations_chart(table: pd.DataFrame, data: GroupedRows) -> Chart | Note:
    """Draw each mitigation's gap on validation rows against its figure; the line joins those that none betters.

    Parameters
    ----------
    table : DataFrame
        From `compare_mitigations`.
    data : GroupedRows
        What it was made from, to say why there is nothing to draw.
    """
    drawn = _shown(table, "validation")
    if why := why_no_mitigation(data):
        return display.note(why)
    if drawn.empty:
        return display.note(*_nothing(table))
    fig, ax = display.figure(height=3.8)
    front = drawn[drawn["pareto"]].sort_values("difference", kind="stable")
    ax.plot(front["difference"], front["value"], color=GREY, linewidth=1.2, zorder=1)
    for place, row in enumerate(drawn.to_dict("records")):
        ink = display.colour(place)
        x, y = row["difference"], row["value"]
        ax.plot([row["difference_low"], row["difference_high"]], [y, y], color=ink, linewidth=1, alpha=0.6)
        ax.plot([x, x], [row["low"], row["high"]], color=ink, linewidth=1, alpha=0.6)
        ax.plot(x, y, "o", color=ink, markersize=7, fillstyle="full" if row["pareto"] else "none", zorder=3)
    _name_points(ax, drawn, front)
    first = drawn.iloc[0]
    gap, figure = _words(first["gap"]), METRICS[first["metric"]].label
    display.label_axes(
        ax,
        x=f"gap in {gap} between groups of {literal(first['column'])} ({first['n']:,} validation rows)",
        y=f"{figure}; bars: 95 % intervals",
        title=_title(table),
    )
    return display.chart(fig, alt=_alt(drawn, front, gap, figure))


def _title(table: pd.DataFrame) -> str:
    """What was seen on test rows where a mitigation was applied, else how to read the line."""
    found = _before_after(_shown(table, "test"))
    if found is None:
        return "joined: no other is better in both"
    before, after = found[0]["difference"], found[1]
    cost = f"at a cost of {_figure(after, 'cost', 'cost_low', 'cost_high')}"
    gap = f"the gap is {format_value(after['difference'])} instead of {format_value(before)}"
    return f"{after['mitigation'].capitalize()}, applied: on {after['n']:,} test rows {gap}, {cost}"


def _before_after(tested: pd.DataFrame) -> tuple[dict[Any, Any], dict[Any, Any]] | None:
    """The model without and with what was applied, on test rows; None where nothing was."""
    rows = tested.to_dict("records")
    before, after = ([row for row in rows if (row["mitigation"] == NONE) == plain] for plain in (True, False))
    return (before[0], after[0]) if before and after else None


def _name_points(ax: Any, drawn: pd.DataFrame, front: pd.DataFrame) -> None:
    """Write each name at the corner of its point where it covers the fewest points, bars and other names."""
    taken = [box for row in drawn.to_dict("records") for box in _marks(ax, row)] + _joins(ax, front)
    for place, row in enumerate(drawn.to_dict("records")):
        name = literal(row["mitigation"])
        x, y = _fraction(ax, row["difference"], row["value"])
        corners = [
            _corner(x, y, name, right=right, step=step, away=away)
            for away in (0.015, 0.06) for step in (1, -1, 2, -2) for right in (True, False)
        ]  # fmt: skip
        box = min(corners, key=lambda box: sum(_meet(box, other) for other in taken) + 9 * (box[0] < 0 or box[2] > 1))
        taken.append(box)
        ax.text(box[0], box[1], name, transform=ax.transAxes, fontsize=9, color=display.colour(place))


def _fraction(ax: Any, x: float, y: float) -> tuple[float, float]:
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    return (x - left) / (right - left), (y - low) / (high - low)


def _marks(ax: Any, row: Mapping[Any, Any]) -> list[_Box]:
    """The point and the two bars of a row, as shares of the axes."""
    x, y = _fraction(ax, row["difference"], row["value"])
    left, low = _fraction(ax, row["difference_low"], row["low"])
    right, high = _fraction(ax, row["difference_high"], row["high"])
    return [(x - 0.012, y - 0.02, x + 0.012, y + 0.02), (left, y, right, y), (x, low, x, high)]


def _joins(ax: Any, front: pd.DataFrame) -> list[_Box]:
    """The line that joins the points of the front, as small boxes along it."""
    points = [_fraction(ax, x, y) for x, y in zip(front["difference"], front["value"], strict=True)]
    steps = np.linspace(0, 1, 40)
    pairs = [(one, two, step) for one, two in pairwise(points) for step in steps]
    along = [tuple(a + step * (b - a) for a, b in zip(one, two, strict=True)) for one, two, step in pairs]
    return [(x, y, x + 0.002, y + 0.002) for x, y in along]


def _corner(x: float, y: float, name: str, *, right: bool, step: int, away: float) -> _Box:
    """The room that a name takes above or below (steps above or below 0) its point, so far to its right or left."""
    width, height = 0.0112 * len(name), 0.045
    start = x + away if right else x - away - width
    low = y + 0.02 + height * (step - 1) if step > 0 else y - 0.025 + height * step
    return start, low, start + width, low + height


def _meet(one: _Box, two: _Box) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _alt(drawn: pd.DataFrame, front: pd.DataFrame, gap: str, figure: str) -> str:
    points = [
        f"{row['mitigation']}: gap {format_value(row['difference'])}, {format_value(row['value'])}"
        for row in drawn.to_dict("records")
    ]
    best = ", ".join(front["mitigation"])
    head = f"Gap in {gap} between groups of {drawn['column'].iloc[0]} and {figure} of {len(drawn)} models"
    return f"{head} on validation rows: {'; '.join(points)}. Not bettered in both by another: {best}."


def show_mitigations(table: pd.DataFrame, data: GroupedRows) -> Table | Note:
    """Show what each mitigation costs and leaves, with intervals and whether it may be chosen."""
    if table.empty:
        return display.note(why_no_mitigation(data) or _NOTHING)
    rows = table[table["metric"] == _metric(table)]
    first = rows.iloc[0]
    lines = [
        {
            "mitigation": row["mitigation"],
            "rows": f"{row['n']:,} {row['split']}",
            _words(row["metric"]): _figure(row, "value", "low", "high"),
            "cost": _figure(row, "cost", "cost_low", "cost_high"),
            f"gap in {_words(row['gap'])}": _figure(row, "difference", "difference_low", "difference_high"),
            "change of the gap": _figure(row, "change", "change_low", "change_high"),
            "use": row["use"] if row["status"] == ESTIMATED else row["status"],
            "how": row["method"],
        }
        for row in rows.to_dict("records")
    ]
    caption = f"The gap is the largest between groups of {first['column']}; 95 % intervals in parentheses."
    return display.table(pd.DataFrame(lines), rows=20, caption=caption)


def _figure(row: Mapping[Any, Any], value: str, low: str, high: str) -> str:
    if not np.isfinite(row[value]):
        return "–"
    return f"{format_value(row[value])} ({format_value(row[low])} to {format_value(row[high])})"


def mitigation_note(table: pd.DataFrame, data: GroupedRows) -> Note:
    """Say in words what was compared, what may be chosen, and what the chosen one did on test rows.

    Parameters
    ----------
    table : DataFrame
        From `compare_mitigations`.
    data : GroupedRows
        What it was made from.
    """
    if why := why_no_mitigation(data):
        return display.note(why)
    compared, tested = _shown(table, "validation"), _shown(table, "test")
    if compared.empty:
        return display.note(*_nothing(table))
    lines = [*_compared(compared, table), *_ranked(table), *_failed(table)]
    found = _before_after(tested)
    if found is not None:
        sentence, tone = _tested(*found, table)
        return display.note(*lines, sentence, tone=tone)
    missed = table.loc[table["use"] == NOT_APPLIED, "mitigation"].tolist()
    if missed:
        instead = "learned from rows that count alike" if missed[0] == REWEIGHTING else "decides by one threshold"
        told = (
            f"mlops.toml chooses {missed[0]}, but the model of this run {instead}. If the model notebook is older than "
            "the setting, move it away, put it back with `mlopskit new --here --notebooks-only`, and run it again."
        )
        return display.note(*lines, told, tone="bad")
    return display.note(*lines, _not_chosen(compared))


def _compared(rows: pd.DataFrame, table: pd.DataFrame) -> Iterator[str]:
    """Yield the gap as it is, then what each mitigation makes of it."""
    first = rows.iloc[0].to_dict()
    if first["mitigation"] == NONE:
        now = _figure(first, "difference", "difference_low", "difference_high")
        rows_are, groups = f"{first['n']:,} validation rows", f"groups of {first['column']}"
        yield f"On {rows_are} the largest gap in {_words(first['gap'])} between {groups} is {now}."
    others = [row for row in rows.to_dict("records") if np.isfinite(row["cost"])]
    linear = [row for row in others if row["mitigation"] == LINEAR]
    for row in [row for row in others if row not in linear]:
        alone = linear and row["mitigation"] == GRADIENT
        start = f" (its linear model alone {_effect(linear[0], table)})" if alone else ""
        worse = "" if row["pareto"] else "; another is better in both"
        yield f"{row['mitigation']}: {_effect(row, table)}{start}{worse}."
    if any(row["mitigation"] in {THRESHOLDS, GRADIENT} for row in others):
        yield "fairlearn's two decide some rows by lot, drawn from a row's own values and a seed: a row has one answer."


def _ranked(table: pd.DataFrame) -> Iterator[str]:
    """What is lost where scores decide and not decisions: those of a mixture are no more than its chance of yes."""
    rows = table[(table["mitigation"] == GRADIENT) & (table["split"] == "validation")]
    for row in rows.to_dict("records"):
        if METRICS[row["metric"]].uses == "score" and np.isfinite(row["cost"]):
            lost = f"{_figure(row, 'cost', 'cost_low', 'cost_high')} of {_words(row['metric'])}"
            yield f"{GRADIENT}'s scores are its chance of yes, which ranks less well: they cost {lost}."


def _effect(row: Mapping[Any, Any], table: pd.DataFrame) -> str:
    left = _figure(row, "difference", "difference_low", "difference_high")
    return f"leaves {left} and costs {_cost(row, table)}"


def _cost(row: Mapping[Any, Any], table: pd.DataFrame) -> str:
    """What a mitigation loses of its figure, and of accuracy where the table has both."""
    same = (table["mitigation"] == row["mitigation"]) & (table["split"] == row["split"])
    both = [row, *table[same & (table["metric"] == "accuracy") & (row["metric"] != "accuracy")].to_dict("records")]
    return " and ".join(f"{_figure(one, 'cost', 'cost_low', 'cost_high')} of {_words(one['metric'])}" for one in both)


def _failed(table: pd.DataFrame) -> Iterator[str]:
    for row in table[table["metric"] == _metric(table)].to_dict("records"):
        if row["status"] != ESTIMATED:
            yield f"{row['mitigation']} ({row['split']} rows): {row['status']}"


def _not_chosen(rows: pd.DataFrame) -> str:
    names = ", ".join(f'"{name}"' for name in rows["mitigation"] if not str(name).startswith(NONE))
    return (
        "None is chosen, so test rows were not asked. The model phase applies one from the next run on when [model] in "
        f'mlops.toml says `mitigate = "{rows["column"].iloc[0]}"` and `mitigation` is one of {names}.'
    )


def _tested(before: Mapping[Any, Any], row: Mapping[Any, Any], table: pd.DataFrame) -> tuple[str, str]:
    """The second test: the applied mitigation against the same settings without it, on test rows."""
    gap = (
        f"Chosen and applied: {row['mitigation']}. On {row['n']:,} test rows, on which nothing was compared before, "
        f"the gap in {_words(row['gap'])} is {_figure(row, 'difference', 'difference_low', 'difference_high')} instead "
        f"of {_figure(before, 'difference', 'difference_low', 'difference_high')}: a change of "
        f"{_figure(row, 'change', 'change_low', 'change_high')}"
    )
    cost = f"It costs {_cost(row, table)}."
    if row["change_high"] < 0:
        return f"{gap}. {cost}", "good"
    if row["change_low"] > 0:
        return f"{gap}: the gap is wider, not narrower. {cost}", "bad"
    return f"{gap}: not told from no change. {cost}", "warning"
