"""Charts of monitoring: drift by column and window, figures by window beside their reference, scores then and now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import Target
from mlopskit.lettering import name_lines
from mlopskit.metrics import METRICS
from mlopskit.monitor.performance import MEASURED
from mlopskit.monitor.profile import as_numbers
from mlopskit.monitor.traffic import Traffic, outputs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS, _MOST_COLUMNS, _MOST_LABELS = 20, 24, 12
_PALE = 0.1  # PSI up to which a cell is pale enough for dark figures
_DARK = "#101010"  # black itself would be left to the page, and is white on a dark one


def drift_heatmap(drift: pd.DataFrame) -> display.Chart:
    """Draw PSI of each column in each window; a cell within chance is left blank, a dot marks drift."""
    psi = drift[drift["statistic"] == "psi"]
    grid = psi.pivot_table(index="feature", columns="window", values="value", sort=False, dropna=False, observed=True)
    grid = grid.reindex(columns=list(dict.fromkeys(psi["window"]))[-_MOST_COLUMNS:])
    grid = grid.loc[grid.max(axis=1).fillna(-1).sort_values(ascending=False, kind="stable").index].head(_MOST_ROWS)
    status = psi.set_index(["feature", "window"])["status"]
    fig, axes = display.figure(height=max(1.6, 0.32 * len(grid) + 1.1))
    axes.grid(visible=False)
    _draw_cells(axes, grid, status)
    sizes = psi.loc[psi["value"].notna(), "n"]
    display.label_axes(axes, x=f"window{_sizes(sizes)}", y="feature", title="Drift from the reference (PSI)")
    return display.chart(fig, alt=_drift_alt(psi))


def _draw_cells(axes: Axes, grid: pd.DataFrame, status: Any) -> None:
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    colours = LinearSegmentedColormap.from_list("drift", ["#e6f0f7", "#0071b1", "#00263b"])
    norm = PowerNorm(0.5, vmin=0, vmax=max(0.5, float(np.nanmax(grid.to_numpy(), initial=0.5))))
    values = grid.to_numpy(dtype=float)
    states = np.array([[status.get((feature, window), "") for window in grid.columns] for feature in grid.index])
    blank = np.isnan(values) | (states == "within chance")
    axes.pcolormesh(
        np.ma.masked_array(values, mask=blank), cmap=colours, norm=norm, edgecolors="#808080", linewidth=0.3
    )
    for row, column in np.ndindex(*values.shape) if values.shape[1] <= _MOST_LABELS else ():
        value = float(values[row, column])
        text = "?" if np.isnan(value) else f"{value:.2f}" + (" •" if states[row, column] == "drift" else "")
        ink = _ink(axes) if blank[row, column] else "white" if value > _PALE else _DARK
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=ink)
    _name_ticks(axes, list(grid.columns), offset=0.5)
    axes.set_yticks(np.arange(len(grid)) + 0.5, [_short(name) for name in grid.index])
    axes.tick_params(axis="y", colors=_ink(axes))
    axes.invert_yaxis()


def _drift_alt(psi: pd.DataFrame) -> str:
    drifted = psi[psi["status"] == "drift"].sort_values("value", ascending=False, kind="stable")
    every = psi["feature"].nunique()
    if drifted.empty:
        return f"Heat map of drift: none of {every} columns is above threshold and chance in any window."
    top = drifted.iloc[0]
    return (
        f"Heat map of drift: {drifted['feature'].nunique()} of {every} columns drift in some window; largest is "
        f"{top['feature']} in {top['window']}: PSI {top['value']:.2f}, chance alone reaches {top['chance']:.3f}."
    )


def metric_chart(
    windows: pd.DataFrame, estimates: pd.DataFrame, *, metric: str, bound: float | None = None
) -> display.Chart:
    """Draw a metric by window with its intervals, the reference as a band, and what was estimated without labels."""
    rows = windows[windows["metric"] == metric].reset_index(drop=True)
    guess = estimates[estimates["metric"] == metric].set_index("window") if len(estimates) else estimates
    fig, axes = display.figure()
    _draw_reference(axes, rows)
    _draw_points(axes, rows, display.colour(0), "measured", shift=0)
    if len(guess):
        expected = guess.reindex(rows["window"]).reset_index()
        _draw_points(axes, expected, display.colour(1), "estimated without labels", shift=0.18)
        _legend(axes)
    if bound is not None:
        axes.axhline(bound, color=display.colour(3), linewidth=1.2, linestyle="--")
    _name_ticks(axes, list(rows["window"]))
    _name_levels(axes, rows, bound)
    counts = rows.loc[rows["status"] == MEASURED, "n"]
    name = METRICS[metric].label if metric in METRICS else metric.replace("_", " ")
    display.label_axes(axes, x=f"window{_sizes(counts)}", y=f"{name}, 95 % interval")
    return display.chart(fig, alt=_metric_alt(rows, metric))


def _sizes(counts: pd.Series[Any]) -> str:
    """Say behind "window" how many rows one has."""
    if not len(counts):
        return ""
    least, most = int(counts.min()), int(counts.max())
    return f" (n = {least:,} rows each)" if least == most else f" (n = {least:,} to {most:,} rows each)"


def _draw_reference(axes: Axes, rows: pd.DataFrame) -> None:
    if rows.empty or pd.isna(rows["reference"].iloc[0]):
        return
    first = rows.iloc[0]
    axes.axhspan(first["reference_low"], first["reference_high"], color="#808080", alpha=0.2, linewidth=0)
    axes.axhline(first["reference"], color="#808080", linewidth=1)


def _name_levels(axes: Axes, rows: pd.DataFrame, bound: float | None) -> None:
    """Name reference and threshold beside the axes, where they cover no point."""
    levels = {} if bound is None else {"threshold": bound}
    if len(rows) and not pd.isna(rows["reference"].iloc[0]):
        levels["reference"] = float(rows["reference"].iloc[0])
    axes.set_xlim(axes.get_xlim())
    right = axes.get_xlim()[1]
    name_lines(axes, {name: (right, level, _ink(axes)) for name, level in levels.items()})


def _draw_points(axes: Axes, rows: pd.DataFrame, colour: str, label: str, *, shift: float) -> None:
    known = rows["value"].notna().to_numpy()
    if not known.any():
        return
    x, (y, low, high) = np.flatnonzero(known) + shift, rows.loc[known, ["value", "low", "high"]].to_numpy(dtype=float).T
    ends = np.nan_to_num(np.maximum([y - low, high - y], 0), posinf=0)
    axes.errorbar(x, y, yerr=ends, fmt="o", markersize=4, capsize=2, color=colour, label=label)


def _legend(axes: Axes) -> None:
    """Name the series above the axes, where they cover nothing."""
    if axes.get_legend_handles_labels()[0]:
        place: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2, "borderpad": 0, "borderaxespad": 0.3}
        axes.legend(fontsize=9, frameon=False, labelcolor=_ink(axes), handlelength=1.4, **place)


def _ink(axes: Axes) -> str:
    """The ink of the axes: it follows the page from light to dark, which the default colour of text does not."""
    return str(axes.xaxis.label.get_color())


def _metric_alt(rows: pd.DataFrame, metric: str) -> str:
    known = rows[rows["value"].notna()]
    if known.empty:
        return f"{metric} by window: no window has been measured."
    worst = known.iloc[int(known["value"].to_numpy(dtype=float).argmin())]
    last, base = known.iloc[-1], known["reference"].iloc[0]
    reference = f", reference {base:.3f}" if not pd.isna(base) else ""
    return (
        f"{metric} by window: lowest {worst['value']:.3f} in {worst['window']}, latest measured {last['value']:.3f} "
        f"({last['low']:.3f} to {last['high']:.3f}) in {last['window']}{reference}."
    )


def decision_chart(
    windows: pd.DataFrame, traffic: Traffic, validation: pd.DataFrame, *, target: Target, bound: float | None = None
) -> display.Chart:
    """Draw what the model decides by window: the selection rate, the mean prediction, or the shares of the classes."""
    nothing = pd.DataFrame(columns=["metric"])
    if target.task == "multiclass":
        return _class_shares(traffic, validation, target=target)
    name = "selection_rate" if target.task == "binary" else "prediction_mean"
    return metric_chart(windows, nothing, metric=name, bound=bound)


def _class_shares(traffic: Traffic, validation: pd.DataFrame, *, target: Target) -> display.Chart:
    names = list(target.classes)[:_MOST_ROWS]
    latest, label = latest_rows(traffic)
    then = outputs_of(validation, target=target)["prediction"].value_counts(normalize=True).reindex(names, fill_value=0)
    now = traffic.outputs["prediction"].iloc[latest].value_counts(normalize=True).reindex(names, fill_value=0)
    fig, axes = display.figure()
    places = np.arange(len(names))
    sizes = (f"reference (n = {len(validation):,})", f"{_short(label)} (n = {len(latest):,})")
    for shift, values, word in ((-0.2, then, sizes[0]), (0.2, now, sizes[1])):
        axes.bar(places + shift, values, width=0.38, color=display.colour(0 if shift < 0 else 1), label=word)
    _legend(axes)
    axes.set_xticks(places, [_short(name) for name in names])
    axes.tick_params(axis="x", colors=_ink(axes))
    display.label_axes(axes, x="predicted class", y="share of rows")
    top = (now - then).abs().idxmax() if len(names) else "–"
    most = f"they differ most for {top}: {then[top]:.3f} and {now[top]:.3f}"
    return display.chart(fig, alt=f"Shares of predicted classes in the reference and in {label}; {most}.")


def score_chart(traffic: Traffic, validation: pd.DataFrame, *, target: Target, bins: int = 20) -> display.Chart:
    """Draw the distribution of scores (or predicted numbers) in the reference and in the latest window."""
    latest, label = latest_rows(traffic)
    reference = outputs_of(validation, target=target)
    name = "score" if "score" in reference.columns else "prediction"
    then = as_numbers(reference[name])
    now = as_numbers(traffic.outputs[name].iloc[latest]) if name in traffic.outputs.columns else np.array([])
    then, now = then[~np.isnan(then)], now[~np.isnan(now)]
    edges = _even_edges(np.concatenate([then, now]), bins, unit=name == "score")
    fig, axes = display.figure()
    for index, (values, word) in enumerate(((then, "reference"), (now, label))):
        if len(values):
            shares = np.histogram(values, edges)[0] / len(values)
            label_of = f"{_short(word)} (n = {len(values):,})"
            axes.stairs(shares, edges, color=display.colour(index), linewidth=1.8, label=label_of)
    axes.set_ylim(bottom=0)
    _legend(axes)
    display.label_axes(axes, x=name, y="share of rows")
    middle = f"its median is {np.median(then):.3f} in the reference" if len(then) else "the reference holds none"
    latest_middle = f" and {np.median(now):.3f} in {label}" if len(now) else ""
    return display.chart(fig, alt=f"Distribution of the {name}: {middle}{latest_middle}.")


def _even_edges(values: Any, bins: int, *, unit: bool) -> Any:
    """Edges of equal bins over [0, 1] for scores, else over the range of the values."""
    if unit or len(values) == 0:
        return np.linspace(0.0, 1.0, bins + 1)
    low, high = float(values.min()), float(values.max())
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def latest_rows(traffic: Traffic) -> tuple[Any, str]:
    """Rows answered in the newest window that has any, and its label."""
    for index in reversed(range(len(traffic.windows.labels))):
        rows = traffic.windows.rows_of(index)
        rows = rows[traffic.answered[rows]]
        if len(rows):
            return rows, traffic.windows.labels[index]
    return np.array([], dtype=int), "no window"


def _name_ticks(axes: Axes, labels: Sequence[str], *, offset: float = 0.0) -> None:
    step = max(1, -(-len(labels) // _MOST_LABELS))
    places = range(0, len(labels), step)
    axes.set_xticks([place + offset for place in places], [_short(labels[place]) for place in places])
    crowded = max((len(label) for label in labels), default=0) * len(places) > 90
    axes.tick_params(axis="x", labelsize=8, colors=_ink(axes), rotation=30 if crowded else 0)


def _short(name: object) -> str:
    """A label that fits beside an axis; matplotlib reads $…$ as mathematics, so dollars are escaped."""
    text = str(name)
    return (text if len(text) <= 26 else f"{text[:25]}…").replace("$", r"\$")
