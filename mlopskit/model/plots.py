"""Charts of the model phase."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlopskit import display
from mlopskit.lettering import name_lines
from mlopskit.metrics import METRICS, Metric
from mlopskit.model.headline import Headline
from mlopskit.model.threshold import Objective, Threshold
from mlopskit.model.training import Search

MOST = 12
"""So many rows fit in a chart; more are in the table."""


def plot_candidates(search: Search) -> display.Chart:
    """Draw each configuration's figure on validation rows, one line a kind of model."""
    table, metric = search.table(), search.metric
    kinds = list(dict.fromkeys(item.candidate.name for item in search.fitted))[:MOST]
    fig, ax = display.figure(height=0.9 + 0.5 * len(kinds))
    for position, kind in enumerate(kinds):
        values = table.loc[table["candidate"] == kind, "value"]
        ax.plot(values, [position] * len(values), "o", color=display.colour(position), alpha=0.7)
    ax.set_yticks(range(len(kinds)), [_short(kind) for kind in kinds])
    ax.set_ylim(len(kinds) - 0.5, -0.5)
    display.label_axes(ax, x=f"{metric.label} on {len(search.data.validation):,} validation rows", y="candidate")
    best = [f"{kind} {table.loc[table['candidate'] == kind, 'value'].iloc[0]:.3f}" for kind in kinds]
    alt = f"{metric.label} of {len(table)} configurations; the best of each: {', '.join(best)}."
    return display.chart(fig, alt=alt)


def plot_threshold(
    curve: pd.DataFrame, chosen: Threshold, objective: Objective, *, n: int | None = None
) -> display.Chart | display.Note:
    """Draw objective, recall and precision against the threshold, and the chosen one; a note where none decides.

    `n` is how many validation rows the curve was made from; the axis says it.
    """
    if chosen.threshold is None and chosen.value is not None:
        return display.note(
            f"No one threshold decides here, but the mitigation above; on validation rows its decisions reach "
            f"{objective.label} {display.format_value(chosen.value)}."
        )
    if chosen.threshold is None or chosen.value is None:
        return display.note("No threshold is needed here: it parts yes from no, so only a binary target has one.")
    fig, ax = display.figure()
    lines = {"objective": objective.label.replace(" (", "\n("), "recall": "recall", "precision": "precision"}
    ends: dict[str, tuple[float, float, str]] = {}
    for index, (column, label) in enumerate(lines.items()):
        ax.plot(curve["threshold"], curve[column], color=display.colour(index))
        for _, last in curve.loc[curve[column].notna(), ["threshold", column]].tail(1).iterrows():
            ends[label] = (float(last["threshold"]), float(last[column]), display.colour(index))
    ax.axvline(chosen.threshold, color="#808080", linestyle="--", linewidth=1)
    ax.plot([chosen.threshold], [chosen.value], "o", color=display.colour(0))
    name_lines(ax, ends)
    display.label_axes(ax, x="threshold on the score", y=f"rate on {'' if n is None else f'{n:,} '}validation rows")
    alt = f"The chosen threshold {chosen.threshold:.3f} gives {objective.label} {chosen.value:.3f}."
    return display.chart(fig, alt=alt)


def plot_comparison(comparison: pd.DataFrame, headline: Headline) -> display.Chart | display.Note:
    """Draw the winner's difference to each baseline with its interval; a note where nothing can be compared."""
    known = comparison.dropna(subset=["low", "high"]).head(MOST)
    if known.empty:
        return display.note("No baseline could be compared, so there is nothing to draw.", tone="warning")
    fig, ax = display.figure(height=0.9 + 0.42 * len(known))
    for position, (_, row) in enumerate(known.iterrows()):
        ax.plot([row["low"], row["high"]], [position, position], color=display.colour(0))
        ax.plot([row["value"]], [position], "o", color=display.colour(0))
    ax.axvline(0, color="#808080", linewidth=1)
    labels = [f"{_short(row['baseline'])}, {METRICS[row['metric']].label}" for _, row in known.iterrows()]
    ax.set_yticks(range(len(known)), labels)
    ax.set_ylim(len(known) - 0.5, -0.5)
    better = "right" if headline.metric.greater_is_better else "left"
    title = f"{better.capitalize()} of 0 the winner is better"
    x = f"winner − baseline, 95 % interval (n = {int(known['n'].max()):,} validation rows)"
    display.label_axes(ax, x=x, y="baseline, metric", title=title)
    found = [f"{row['baseline']} {row['value']:+.3f} in {row['metric']}" for _, row in known.iterrows()]
    return display.chart(fig, alt=f"Difference of the winner to each baseline: {'; '.join(found)}.")


def plot_learning(curve: pd.DataFrame, metric: Metric) -> display.Chart:
    """Draw the figure on training and on validation rows against the number of training rows."""
    fig, ax = display.figure()
    for index, split in enumerate(("train", "validation")):
        part = curve[curve["split"] == split]
        ax.errorbar(part["rows"], part["value"], yerr=_bars(part), marker="o", color=display.colour(index), capsize=3)
    last_rows = curve[curve["rows"] == curve["rows"].max()].to_dict("records")
    inks = {"train": display.colour(0), "validation": display.colour(1)}
    name_lines(ax, {row["split"]: (row["rows"], row["value"], inks[row["split"]]) for row in last_rows})
    size = int(curve.loc[curve["split"] == "validation", "n"].iloc[0])
    title = f"n = {size:,} validation rows; bars: 95 % interval"
    display.label_axes(ax, x="training rows", y=metric.label, title=title)
    last = curve.groupby("split")["value"].last()
    seen, new = (f"{last[split]:.3f}" for split in ("train", "validation"))
    alt = f"{metric.label} with all training rows: {seen} on them, {new} on validation rows."
    return display.chart(fig, alt=alt)


def _bars(part: pd.DataFrame) -> Any:
    return [(part["value"] - part["low"]).clip(lower=0), (part["high"] - part["value"]).clip(lower=0)]


def _short(name: object) -> str:
    """Shorten a long name and keep matplotlib from reading it as mathematics."""
    text = str(name)
    return (text if len(text) <= 28 else f"{text[:27]}…").replace("$", r"\$")
