"""Charts of monitoring: drift by column and window, figures by window beside their reference, scores then and now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import Target
from mlopskit.metrics import METRICS
from mlopskit.monitor.performance import MEASURED
from mlopskit.monitor.profile import as_numbers
from mlopskit.monitor.traffic import Traffic, outputs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS, _MOST_COLUMNS, _MOST_LABELS = 20, 24, 12
_PALE = 0.1  # PSI up to which a cell is pale enough for black figures


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
    size = f"; n = {int(sizes.min()):,} to {int(sizes.max()):,} rows a window" if len(sizes) else ""
    display.label_axes(axes, x="window", title=f"Drift from the reference (PSI){size}")
    return display.chart(fig, alt=_drift_alt(psi))


def _draw_cells(axes: Axes, grid: pd.DataFrame, status: Any) -> None:
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    colours = LinearSegmentedColormap.from_list("drift", ["#e6f0f7", "#0072b2", "#00263b"])
    norm = PowerNorm(0.5, vmin=0, vmax=max(0.5, float(np.nanmax(grid.to_numpy(), initial=0.5))))
    values = grid.to_numpy(dtype=float)
    states = np.array([[status.get((feature, window), "") for window in grid.columns] for feature in grid.index])
    blank = np.isnan(values) | (states == "within chance")
    axes.pcolormesh(np.ma.masked_array(values, mask=blank), cmap=colours, norm=norm, edgecolors="white", linewidth=0.5)
    for row, column in np.ndindex(*values.shape) if values.shape[1] <= _MOST_LABELS else ():
        value = float(values[row, column])
        text = "?" if np.isnan(value) else f"{value:.2f}" + (" •" if states[row, column] == "drift" else "")
        ink = _ink(axes) if blank[row, column] else "white" if value > _PALE else "black"
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
        _say(axes, "threshold", 0.005, bound, ha="left")
    _name_ticks(axes, list(rows["window"]))
    counts = rows.loc[rows["status"] == MEASURED, "n"]
    size = f", n = {int(counts.min()):,} to {int(counts.max()):,}" if len(counts) else ""
    name = METRICS[metric].label if metric in METRICS else metric.replace("_", " ")
    display.label_axes(axes, x="window", y=name, title=f"{name} by window, with intervals{size}")
    return display.chart(fig, alt=_metric_alt(rows, metric))


def _draw_reference(axes: Axes, rows: pd.DataFrame) -> None:
    if rows.empty or pd.isna(rows["reference"].iloc[0]):
        return
    first = rows.iloc[0]
    axes.axhspan(first["reference_low"], first["reference_high"], color="#808080", alpha=0.2, linewidth=0)
    axes.axhline(first["reference"], color="#808080", linewidth=1)
    _say(axes, "reference", 1.0, float(first["reference"]), ha="right")


def _say(axes: Axes, text: str, x: float, y: float, *, ha: Literal["left", "right"]) -> None:
    """Name a horizontal line at a share `x` of the width."""
    place: Any = ("axes fraction", "data")
    axes.annotate(text, (x, y), xycoords=place, ha=ha, va="bottom", fontsize=8, color=_ink(axes))


def _draw_points(axes: Axes, rows: pd.DataFrame, colour: str, label: str, *, shift: float) -> None:
    known = rows["value"].notna().to_numpy()
    if not known.any():
        return
    x, (y, low, high) = np.flatnonzero(known) + shift, rows.loc[known, ["value", "low", "high"]].to_numpy(dtype=float).T
    ends = np.nan_to_num(np.maximum([y - low, high - y], 0), posinf=0)
    axes.errorbar(x, y, yerr=ends, fmt="o", markersize=4, capsize=2, color=colour, label=label)


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, labelcolor=_ink(axes))


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
    latest, label = _latest(traffic)
    then = outputs_of(validation, target=target)["prediction"].value_counts(normalize=True).reindex(names, fill_value=0)
    now = traffic.outputs["prediction"].iloc[latest].value_counts(normalize=True).reindex(names, fill_value=0)
    fig, axes = display.figure()
    places = np.arange(len(names))
    for shift, values, word in ((-0.2, then, "reference"), (0.2, now, label)):
        axes.bar(places + shift, values, width=0.38, color=display.colour(0 if shift < 0 else 1), label=word)
    _legend(axes)
    axes.set_xticks(places, [_short(name) for name in names])
    axes.tick_params(axis="x", colors=_ink(axes))
    title = f"Shares of the predicted classes, n = {len(validation):,} and {len(latest):,}"
    display.label_axes(axes, x="predicted class", y="share", title=title)
    top = (now - then).abs().idxmax() if len(names) else "–"
    most = f"they differ most for {top}: {then[top]:.3f} and {now[top]:.3f}"
    return display.chart(fig, alt=f"Shares of predicted classes in the reference and in {label}; {most}.")


def score_chart(traffic: Traffic, validation: pd.DataFrame, *, target: Target, bins: int = 20) -> display.Chart:
    """Draw the distribution of scores (or predicted numbers) in the reference and in the latest window."""
    latest, label = _latest(traffic)
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
            axes.stairs(shares, edges, color=display.colour(index), linewidth=1.8, label=_short(word))
    axes.set_ylim(bottom=0)
    _legend(axes)
    title = f"Reference (n = {len(then):,}) and {_short(label)} (n = {len(now):,})"
    display.label_axes(axes, x=name, y="share of rows", title=title)
    middle = f"its median is {np.median(then):.3f} in the reference" if len(then) else "the reference holds none"
    latest_middle = f" and {np.median(now):.3f} in {label}" if len(now) else ""
    return display.chart(fig, alt=f"Distribution of the {name}: {middle}{latest_middle}.")


def _even_edges(values: Any, bins: int, *, unit: bool) -> Any:
    """Edges of equal bins over [0, 1] for scores, else over the range of the values."""
    if unit or len(values) == 0:
        return np.linspace(0.0, 1.0, bins + 1)
    low, high = float(values.min()), float(values.max())
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def _latest(traffic: Traffic) -> tuple[Any, str]:
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
