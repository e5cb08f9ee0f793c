"""Charts of slices and bias: every group's interval on one axis, gaps beside what chance makes, example images."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET
from mlopskit.display import Chart, Note, Table
from mlopskit.evaluate.groups.by_group import NOT_DECLARED, GroupedRows
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.evaluate.groups.methods import metric_words
from mlopskit.evaluate.groups.shown import worst_first
from mlopskit.evaluate.plots import literal
from mlopskit.evaluate.slices.find import slice_mask
from mlopskit.evaluate.slices.found import SliceFeatures, row_errors
from mlopskit.metrics import ESTIMATED, METRICS
from mlopskit.tally.floor.tables import WITHHELD

_MOST = 100
"""Every group of most projects; so many lines are still one figure."""
_GREY = "#808080"


def groups_chart(table: pd.DataFrame, *, metric: str, most: int = _MOST) -> Chart | Note:
    """Every group's value and interval on one axis, worst at the top; the dashed line is the overall value.

    Groups without a value, and below them those that the privacy floor withholds, have their place without a mark;
    where there is no room for all, the title counts those left out.
    """
    rows = table[table["metric"] == metric]
    groups = worst_first(rows[rows["group"] != OVERALL], metric)
    drawn, withheld = groups.head(most), int((groups["status"] == WITHHELD).sum())
    if drawn["value"].isna().all():
        nothing = "No group has rows that count." if len(drawn) else NOT_DECLARED
        return display.note("Every group is withheld by the privacy floor." if withheld else nothing)
    fig, ax = display.figure(height=0.9 + 0.26 * len(drawn))
    place = np.arange(len(drawn))
    known = (drawn["status"] == ESTIMATED).to_numpy()
    ax.hlines(place[known], drawn["low"][known], drawn["high"][known], color=display.colour(0), linewidth=3)
    ax.plot(drawn["value"][known], place[known], "o", color=display.colour(0), markersize=5)
    ax.plot(drawn["value"][~known], place[~known], "o", color=_GREY, markersize=5, fillstyle="none")
    ax.set_ylim(-0.5, len(drawn) - 0.5)  # a group without a mark has its place too
    whole = rows.loc[rows["group"] == OVERALL, "value"]
    if len(whole) and np.isfinite(whole.iloc[0]):
        ax.axvline(float(whole.iloc[0]), color=_GREY, linestyle="--", linewidth=1)
    names = [f"{row['slice']}: {row['group']}" for row in drawn.to_dict("records")]
    sizes = ["hidden" if pd.isna(n) else f"n = {n:,}" for n in drawn["n"]]
    labels = [f"{literal(name, limit=44)} ({size})" for name, size in zip(names, sizes, strict=True)]
    ax.set_yticks(place, labels)
    ax.invert_yaxis()
    title = _groups_title(drawn, left_out=len(groups) - len(drawn), withheld=withheld)
    display.label_axes(ax, x=f"{METRICS[metric].label}, 95 % interval", title=title)
    alt = _groups_alt(drawn[drawn["value"].notna()], names, metric, len(groups))
    return display.chart(fig, alt=f"{alt} The privacy floor withholds {withheld}." if withheld else alt)


def _groups_title(drawn: pd.DataFrame, *, left_out: int, withheld: int) -> str:
    """Say how to read the chart, and which groups it does not show."""
    hollow = drawn["value"].notna() & (drawn["status"] != ESTIMATED)
    parts = [
        "Dashed: overall",
        "hollow: too few rows for an interval" if hollow.any() else "",
        f"{withheld} hidden: below the privacy floor" if withheld else "",
        f"{left_out} more in the artefact groups" if left_out else "",
    ]
    return "; ".join(filter(None, parts))


def _groups_alt(drawn: pd.DataFrame, names: list[str], metric: str, total: int) -> str:
    first = drawn.iloc[0]
    head = f"{METRICS[metric].label} of {len(drawn)} of {total} groups, worst first"
    return f"{head}; the worst is {names[0]} with {first['value']:.3f} (n = {first['n']:,})."


def disparities_chart(table: pd.DataFrame, *, n: int | None = None, most: int = 24) -> Chart | Note:
    """Each gap of a share with its interval, and the gap below which 95 % of chance gaps lie.

    `n` is how many test rows the gaps were measured on; the axis says it.
    """
    shares = table[(table["status"] == ESTIMATED) & ~table["metric"].isin(["mae", "rmse", "bias", "r2", "log_loss"])]
    drawn = shares.sort_values(["difference", "slice", "metric"], ascending=[False, True, True], kind="stable").head(
        most
    )
    if drawn.empty:
        return display.note("Not applicable: there are no shares to compare between groups.")
    fig, ax = display.figure(height=0.9 + 0.26 * len(drawn))
    place = np.arange(len(drawn))
    ax.hlines(place, drawn["difference_low"], drawn["difference_high"], color=display.colour(0), linewidth=3)
    ax.plot(drawn["difference"], place, "o", color=display.colour(0), markersize=5)
    ax.plot(drawn["chance_high"], place, "|", color=display.colour(1), markersize=11, markeredgewidth=2)
    labels = [f"{row['slice']}: {metric_words(row['metric']).replace('_', ' ')}" for row in drawn.to_dict("records")]
    ax.set_yticks(place, [literal(label, limit=48) for label in labels])
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    rows = "" if n is None else f", n = {n:,} test rows"
    title = "Upright mark: 95 % of the gaps that chance makes lie below it"
    x = f"largest difference between groups, 95 % interval{rows}"
    display.label_axes(ax, x=x, title=title)
    beyond = int((drawn["difference"] > drawn["chance_high"]).sum())
    alt = f"{len(drawn)} gaps between groups; {beyond} are larger than 95 % of chance gaps; the largest is {labels[0]}."
    return display.chart(fig, alt=alt)


def slice_examples(
    data: GroupedRows, features: SliceFeatures, found: pd.DataFrame, *, slices: int = 3, images: int = 8
) -> Chart | Table | Note:
    """Wrongly answered validation images or texts of the worst slices; for tables, where to find the rows."""
    is_image = data.columns.image is not None and data.columns.image_shape is not None
    if not is_image and not data.columns.text:
        return display.note(
            "Rows are not shown in a report that may be passed on; in JupyterLab they are one line away: "
            "`slice_rows(data, features, found, 1)`, imported from `mlopskit.evaluate`, for the first slice."
        )
    if data.floor > 1:
        return display.note("Single rows are not shown where there is a privacy floor: each is a group of one.")
    chosen = found.head(slices)
    if chosen.empty:
        return display.note("Not applicable: no slice was found, so there are no examples.")
    wrong = row_errors(data.predictions_validation, task=data.target.task) > 0
    if not is_image:
        return _texts(data, features, chosen, wrong)
    fig, axes = display.figure(height=1.15 * len(chosen), nrows=len(chosen), ncols=images, squeeze=False)
    fig.set_layout_engine("constrained", h_pad=0.16)
    for line, mapping in zip(axes, chosen["columns"], strict=True):
        rows = np.flatnonzero(slice_mask(features.validation, mapping) & wrong)[:images]
        _draw_images(line, rows, data)
    for line, words, n in zip(axes, chosen["slice"], chosen["n"], strict=True):
        name = f"{literal(words, limit=60)} (n = {n:,})"
        name = line[0].text(0, 1.08, name, transform=line[0].transAxes, fontsize=9)
        name.set_in_layout(False)  # else the first picture would be as wide as its name
    return display.chart(fig, alt=f"Wrongly answered validation images of {len(chosen)} slices, the worst first.")


def _texts(data: GroupedRows, features: SliceFeatures, chosen: pd.DataFrame, wrong: Any) -> Table:
    """Show the beginnings of wrongly answered validation texts, three a slice."""
    lines = []
    for words, mapping in zip(chosen["slice"], chosen["columns"], strict=True):
        for row in np.flatnonzero(slice_mask(features.validation, mapping) & wrong)[:3]:
            texts = {name: _beginning(data.validation[name].iloc[int(row)]) for name in data.columns.text}
            answer = data.predictions_validation.iloc[int(row)]
            said = {"is": _named(answer[TARGET], data), "answer": _named(answer["prediction"], data)}
            lines.append({"slice": words, **texts, **said})
    return display.table(pd.DataFrame(lines), caption="Wrongly answered validation texts, their beginnings")


def _beginning(value: object, *, limit: int = 160) -> str:
    return textwrap.shorten(str(value), limit, placeholder=" …")


def _named(value: float, data: GroupedRows) -> object:
    return data.target.classes[int(value)] if data.target.is_classification else float(value)


def _draw_images(line: list[object], rows: np.ndarray, data: GroupedRows) -> None:
    shape = data.columns.image_shape or (1, -1)
    for place, ax in enumerate(line):
        ax.grid(visible=False)  # type: ignore[attr-defined]  # matplotlib is not annotated here
        ax.set_axis_off()  # type: ignore[attr-defined]
        if place < len(rows):
            pixels = np.asarray(data.validation[data.columns.image].iloc[int(rows[place])], dtype=float).reshape(shape)
            ax.imshow(pixels, cmap="Greys", interpolation="nearest")  # type: ignore[attr-defined]
