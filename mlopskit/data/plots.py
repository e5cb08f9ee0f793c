"""Charts of the data phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data.checks import percent
from mlopskit.data.columns import TARGET, Columns, Target
from mlopskit.data.floored import far_periods, missing_may_be_told
from mlopskit.data.split import time_numbers
from mlopskit.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlopskit.display import Chart, Note

_BARS = 20


def missingness_chart(
    frame: pd.DataFrame, columns: Columns, *, target: Target, parts: pd.Series[Any] | None = None, floor: int = 0
) -> Chart | Note:
    """Show the share of missing values of the target and the features, the gravest first; a note when there is none.

    Under a privacy floor the columns of which a share may not be told are left out.
    """
    names = [target.column, *columns.features]
    if floor > 1:
        names = [name for name in names if missing_may_be_told(frame[name], columns, floor=floor, parts=parts)]
    shares = frame[names].isna().mean().sort_values(kind="stable", ascending=False)
    shares = shares[shares > 0].head(_BARS)
    if shares.empty:
        return display.note(f"No value is missing in any of {len(names)} columns.", tone="good")
    fig, ax = display.figure(height=0.9 + 0.27 * len(shares))
    _bars(ax, [str(name) for name in shares.index], shares.to_numpy() * 100)
    display.label_axes(ax, x=f"missing values, % of {len(frame):,} rows", y="column")
    worst = shares.index[0]
    alt = f"{len(shares)} columns have missing values; most has {worst} with {percent(shares.iloc[0], 1)}."
    return display.chart(fig, alt=alt)


def balance_chart(tables: Mapping[str, pd.DataFrame], target: Target) -> Chart:
    """Show how the target is distributed in the training rows: a bar a class, or a histogram of a quantity."""
    values = tables["train"][TARGET]
    if not target.is_classification:
        return _histogram(values, target)
    shares = values.value_counts(normalize=True).reindex(target.labels, fill_value=0.0)
    fig, ax = display.figure(height=0.9 + 0.27 * min(len(shares), 40))
    _bars(ax, list(target.classes)[:40], shares.to_numpy()[:40] * 100)
    display.label_axes(ax, x=f"share of {len(values):,} training rows, %", y=_plain(target.column))
    said = "; ".join(f"{target.classes[i]} {percent(shares[i], 1)}" for i in target.labels[:10])
    return display.chart(fig, alt=f"Classes of {target.column} in the training rows: {said}.")


def _bars(ax: Any, names: list[str], values: Any) -> None:
    places = np.arange(len(names))[::-1]
    ax.barh(places, values, height=0.7, color=display.colour(0))
    ax.set_yticks(places, [_short(name) for name in names], parse_math=False)
    ax.set_xlim(0, max(float(np.max(values)) * 1.15, 1.0))
    for place, value in zip(places, values, strict=True):
        words = "< 0.1" if 0 < value < 0.05 else f"{value:.1f}"
        ax.annotate(words, (value, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:26]}…"


def _plain(name: str) -> str:
    """A name for an axis, where a dollar sign would begin a formula."""
    return _short(name).replace("$", r"\$")


def _histogram(values: pd.Series[Any], target: Target) -> Chart:
    fig, ax = display.figure()
    ax.hist(values.to_numpy(dtype="float64"), bins=40, color=display.colour(0))
    display.label_axes(ax, x=_plain(target.column), y=f"rows (n = {len(values):,})")
    middle, low, high = values.median(), values.quantile(0.05), values.quantile(0.95)
    alt = f"Distribution of {target.column}: median {middle:.4g}, nine in ten between {low:.4g} and {high:.4g}."
    return display.chart(fig, alt=alt)


def target_over_time(
    tables: Mapping[str, pd.DataFrame], *, target: Target, time: str | None, bins: int = 30, floor: int = 0
) -> Chart | Note:
    """Show the share of positives (or the mean of a quantity) by period, development and production told apart.

    The band is the 95 % interval. Under a privacy floor periods of fewer rows or cases are
    left out. A note says so when there is no time column, or when there are many classes.
    """
    if time is None:
        return display.note("Target over time: not applicable, since no time column is declared.")
    if target.task == "multiclass":
        return display.note("Target over time: not applicable to many classes at once.")
    development = pd.concat([tables[name] for name in ("train", "validation", "test")])
    fig, ax = display.figure()
    said = []
    for index, (label, rows) in enumerate((("development", development), ("production", tables["production"]))):
        if len(rows):
            periods = _periods(rows, time, target, bins, floor)
            if periods.empty:
                continue
            _line(ax, periods, label, index)
            said.append(f"{label} {periods['value'].iloc[0]:.3g} to {periods['value'].iloc[-1]:.3g}")
    what = f"share of {target.positive}" if target.task == "binary" else f"mean {target.column}"
    rows_shown = len(development) + len(tables["production"])
    display.label_axes(ax, x=_plain(time), y=f"{_plain(what)} (n = {rows_shown:,})")
    if development[time].dtype.kind == "M":
        _date_ticks(ax)
    return display.chart(fig, alt=f"{what} by {time}, first to last period: {'; '.join(said)}.")


def _periods(rows: pd.DataFrame, time: str, target: Target, bins: int, floor: int) -> pd.DataFrame:
    """Value and interval by moment, or by as many equal stretches of time as `bins` when there are more moments."""
    moments = time_numbers(rows[time])
    known = rows[moments.notna()]
    moments = moments[moments.notna()]
    if moments.nunique() > bins:
        edges = np.linspace(moments.min(), moments.max(), bins + 1)
        place = np.clip(np.searchsorted(edges, moments, side="right") - 1, 0, bins - 1)
        moments = pd.Series((edges[place] + edges[place + 1]) / 2, index=moments.index)
    grouped = known[TARGET].astype("float64").groupby(moments).agg(["mean", "std", "size", "sum"])
    grouped = far_periods(grouped if target.task == "binary" else grouped.drop(columns="sum"), floor=floor)
    if target.task == "binary":
        low, high = wilson(grouped["sum"], grouped["size"])
    else:
        half = 1.96 * (grouped["std"] / np.sqrt(grouped["size"])).fillna(0)
        low, high = grouped["mean"] - half, grouped["mean"] + half
    return pd.DataFrame({"at": grouped.index, "value": grouped["mean"], "low": low, "high": high})


def _line(ax: Any, periods: pd.DataFrame, label: str, index: int) -> None:
    colour = display.colour(index)
    ax.fill_between(periods["at"], periods["low"], periods["high"], color=colour, alpha=0.2, linewidth=0)
    ax.plot(periods["at"], periods["value"], color=colour, marker="o", markersize=3)
    middle = (periods["at"].iloc[0] + periods["at"].iloc[-1]) / 2
    ax.text(middle, 0.99, label, transform=ax.get_xaxis_transform(), color=colour, ha="center", va="top")
    ax.margins(y=0.12)


def _date_ticks(ax: Any) -> None:
    """Days since 1970 are how dates are kept here, and matplotlib's own count of days."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def group_chart(groups: pd.DataFrame, *, target: Target) -> Chart | Note:
    """Show the target by group of the sensitive and slice columns, each with its interval and its number of rows."""
    if target.task == "multiclass":
        return display.note("Target by group: see the table; a chart of many classes at once would not be legible.")
    shown = groups.loc[(groups["slice"] != "overall") & groups["value"].notna()].head(2 * _BARS)
    if shown.empty and len(groups) > 1:
        return display.note("Every group is withheld by the privacy floor.")
    if shown.empty:
        return display.note("No sensitive or slice column is declared, so the target is not broken down by group.")
    overall = float(groups.loc[groups["slice"] == "overall", "value"].iloc[0])
    fig, ax = display.figure(height=0.9 + 0.24 * len(shown))
    places = np.arange(len(shown))[::-1]
    reach = np.abs(shown[["low", "high"]].to_numpy().T - shown["value"].to_numpy())
    ax.errorbar(shown["value"], places, xerr=reach, fmt="o", markersize=4, color=display.colour(0), linewidth=1.4)
    ax.axvline(overall, color=display.colour(1), linewidth=1)
    names = [_short(f"{row['slice']}: {row['group']}") for row in shown.to_dict("records")]
    ax.set_yticks(places, [f"{name} (n = {n:,})" for name, n in zip(names, shown["n"], strict=True)], parse_math=False)
    display.label_axes(ax, x=f"{_plain(str(shown['metric'].iloc[0]))}, 95 % interval; line: all rows")
    ordered = shown.sort_values("value", kind="stable").to_dict("records")
    high, low = ordered[-1], ordered[0]
    alt = (
        f"{shown['metric'].iloc[0]} by group: highest {high['slice']} {high['group']} with {high['value']:.3g}, "
        f"lowest {low['slice']} {low['group']} with {low['value']:.3g}, all rows {overall:.3g}."
    )
    return display.chart(fig, alt=alt)
