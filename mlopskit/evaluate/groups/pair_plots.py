"""Pairs of columns as heat maps: where two declared columns meet, each cell with its figure and its rows.

Cells that cannot be estimated are hatched and say why; a pair of groups without rows stays empty. Dark is low, in
cividis, whose order colour-blind readers see as well; each cell has its own ground, so that it reads alike on a light
and a dark page.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.display import Chart, Note, format_value
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.plots import GREY, literal
from mlopskit.metrics import ESTIMATED, METRICS
from mlopskit.tally.floor.tables import WITHHELD

_ACROSS, _DOWN = 7, 12
"""Groups that have room beside and below each other, with readable figures."""
_MAP = "cividis"
_MIDDLE = 0.179
"""Luminance on which black and white have the same contrast."""

Cells = dict[tuple[str, str], Mapping[Any, Any]]


def pairs_heatmap(pairs: pd.DataFrame, data: GroupedRows, *, metric: str, most: int = 2) -> Chart | Note:
    """Draw the pairs of columns that hold the worst well-estimated cells, one panel each.

    Parameters
    ----------
    pairs : DataFrame
        As from `metrics_by_slice` with ``pairs=True``.
    data : GroupedRows
        Names the columns and their groups.
    metric : str
        What is written and coloured.
    most : int
        Panels at most, up to 3. Pairs are ordered by the cell that is worst even at the better end of its interval.
    """
    rows = pairs[pairs["metric"] == metric]
    found = [(names, cells) for names in combinations(data.grouping.names, 2) if (cells := _cells(rows, names, data))]
    ranked = sorted(found, key=lambda item: (_worst(item[1], metric)[0], item[0]))
    ranked = [item for item in ranked if np.isfinite(_worst(item[1], metric)[0])][: min(most, 3)]
    if not ranked:
        return display.note(_why_not(rows, found))
    panels = [_panel(names, cells, data) for names, cells in ranked]
    heights = [0.42 * len(down) + 0.75 for *_, down in panels]
    fig, axes = display.figure(
        height=sum(heights) + 0.35, nrows=len(panels), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    values = [row["value"] for _, cells in ranked for row in cells.values() if row["status"] == ESTIMATED]
    for ax, (panel, (_, cells)) in zip(np.ravel(axes), zip(panels, ranked, strict=True), strict=True):
        _draw(ax, panel, cells, (min(values), max(values)))
    fig.suptitle(
        f"{METRICS[metric].label} and rows of each pair of groups; dark is low", fontsize=11, x=0.01, ha="left"
    )
    return display.chart(fig, alt=_alt(ranked, metric))


def _cells(rows: pd.DataFrame, names: tuple[str, str], data: GroupedRows) -> Cells:
    """The rows of one pair of columns by their two groups, looked up, since a group's name may itself hold "and"."""
    own = {row["group"]: row for row in rows[rows["slice"] == " and ".join(names)].to_dict("records")}
    first, second = (data.grouping.levels(name) for name in names)
    return {(a, b): own[f"{a} and {b}"] for a in first for b in second if f"{a} and {b}" in own}


def _worst(cells: Cells, metric: str) -> tuple[float, tuple[str, str] | None]:
    """The better end of the interval of the cell for which it is worst (small is bad), and the cell."""
    smaller_is_worse = METRICS[metric].greater_is_better is not False
    known = {
        name: float(row["high"]) if smaller_is_worse else -float(row["low"])
        for name, row in cells.items()
        if row["status"] == ESTIMATED
    }
    place = min(known, key=lambda name: (known[name], name), default=None)
    return (np.inf, None) if place is None else (known[place], place)


def _why_not(rows: pd.DataFrame, found: list[tuple[tuple[str, str], Cells]]) -> str:
    if not found:
        return "Not applicable: pairs need two declared columns that these rows have."
    withheld = int((rows["status"] == WITHHELD).sum())
    hidden = f"; the privacy floor withholds {withheld} of them" if withheld else ""
    return f"No pair of groups has enough rows for an estimate{hidden}."


Panel = tuple[tuple[str, str], bool, list[str], list[str]]


def _panel(names: tuple[str, str], cells: Cells, data: GroupedRows) -> Panel:
    """Names of the columns, whether they are swapped, and the groups across and down: the largest, in their order."""
    known = [{cell[side] for cell in cells} for side in (0, 1)]
    first, second = ([g for g in data.grouping.levels(n) if g in own] for n, own in zip(names, known, strict=True))
    swapped = len(first) < len(second)  # the column with fewer groups lies across
    across, down = (first, second) if swapped else (second, first)
    side = 0 if swapped else 1
    return names, swapped, _largest(across, cells, side, _ACROSS), _largest(down, cells, 1 - side, _DOWN)


def _largest(groups: list[str], cells: Cells, side: int, room: int) -> list[str]:
    sizes = {
        group: sum(0 if pd.isna(row["n"]) else int(row["n"]) for cell, row in cells.items() if cell[side] == group)
        for group in groups
    }
    kept = set(sorted(groups, key=lambda group: -sizes[group])[:room])
    return [group for group in groups if group in kept]


def _draw(ax: Any, panel: Panel, cells: Cells, limits: tuple[float, float]) -> None:
    from matplotlib import colormaps

    names, swapped, across, down = panel
    scale = colormaps[_MAP]
    span = (limits[1] - limits[0]) or 1.0
    for y, below in enumerate(down):
        for x, beside in enumerate(across):
            row = cells.get((beside, below) if swapped else (below, beside))
            if row is not None:
                shade = scale((row["value"] - limits[0]) / span) if row["status"] == ESTIMATED else None
                _cell(ax, x, y, row, shade)
    ax.grid(visible=False)
    ax.set_xlim(0, len(across))
    ax.set_ylim(len(down), 0)
    ax.set_xticks(np.arange(len(across)) + 0.5, [literal(name, limit=max(9, 52 // len(across))) for name in across])
    ax.set_yticks(np.arange(len(down)) + 0.5, [literal(name, limit=24) for name in down])
    ax.tick_params(length=0, labelsize=8.5)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    total = [len({cell[side] for cell in cells}) for side in (0, 1)]
    beside, below = (literal(name) for name in (names if swapped else names[::-1]))
    sizes = total if swapped else total[::-1]
    display.label_axes(ax, x=_named(beside, len(across), sizes[0]), y=_named(below, len(down), sizes[1]))


def _named(column: str, shown: int, total: int) -> str:
    return column if shown == total else f"{column} ({shown} largest of {total} groups)"


def _cell(ax: Any, x: int, y: int, row: Mapping[Any, Any], shade: Any) -> None:
    from matplotlib.patches import Rectangle

    box: dict[str, Any] = {"facecolor": "none", "edgecolor": GREY, "hatch": "////", "linewidth": 0}
    if shade is not None:
        box = {"facecolor": shade, "edgecolor": "none"}
    ax.add_patch(Rectangle((x + 0.02, y + 0.03), 0.96, 0.94, **box))
    if shade is None:
        _words(ax, x, y, row)
        return
    ink = "#101010" if _luminance(shade) > _MIDDLE else "#ffffff"
    ax.text(x + 0.5, y + 0.48, format_value(float(row["value"])), color=ink, ha="center", va="bottom", fontsize=9)
    ax.text(x + 0.5, y + 0.54, f"n = {row['n']:,}", color=ink, ha="center", va="top", fontsize=7.5)


def _luminance(shade: Any) -> float:
    """Relative luminance of a colour, as contrast is defined by (WCAG 2.2)."""
    channels = np.asarray(shade[:3], dtype=float)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _words(ax: Any, x: int, y: int, row: Mapping[Any, Any]) -> None:
    """Say in a hatched cell why it has no figure."""
    why = "hidden" if row["status"] == WITHHELD else "too few"
    size = "" if pd.isna(row["n"]) else f"n = {row['n']:,}"
    ground = {
        "boxstyle": "square,pad=0.12",
        "facecolor": "#e8e8e8",
        "edgecolor": "none",
    }  # else the hatching runs through
    text = f"{why}\n{size}" if size else why
    ax.text(
        x + 0.5, y + 0.5, text, color="#101010", ha="center", va="center", fontsize=7.5, bbox=ground, linespacing=1.1
    )


def _alt(ranked: list[tuple[tuple[str, str], Cells]], metric: str) -> str:
    told = []
    for names, cells in ranked:
        _, place = _worst(cells, metric)
        row = cells[place or ("", "")]
        known = sum(item["status"] == ESTIMATED for item in cells.values())
        told.append(
            f"{names[0]} by {names[1]}: {known} of {len(cells)} cells are estimated, the worst is "
            f"{row['group']} with {format_value(float(row['value']))} (n = {row['n']:,})"
        )
    return f"Heat maps of {METRICS[metric].label} for pairs of groups. {'. '.join(told)}."
