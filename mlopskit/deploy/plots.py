"""Charts of the deployment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.deploy.deferral import DeferralRule
from mlopskit.deploy.floored import shown_groups
from mlopskit.deploy.rollout import Rollout
from mlopskit.display import Chart, Note
from mlopskit.metrics import METRICS


def deferral_chart(curve: pd.DataFrame, rule: DeferralRule | None) -> Chart | Note:
    """Draw the accuracy of what the model decides against the share that it hands to people."""
    if curve.empty:
        why = "without class scores, every row is equally sure or unsure; or a privacy floor withholds every step"
        if rule is not None:
            why = "between any two confidences too few rows change sides for the privacy floor"
        return display.note(f"There is nothing to draw: {why}.")
    fig, ax = display.figure()
    likely = curve.loc[curve["confidence"] >= curve["accuracy_all"]].sort_values("deferred")
    ax.plot(likely["deferred"], likely["accuracy"], color=display.colour(0), marker="o", markersize=3)
    n, everyone = int(curve["n"].iloc[0]), float(curve["accuracy_all"].iloc[0])
    ax.axhline(everyone, color="#808080", linestyle=":")
    ax.annotate(
        f"deciding everything: {everyone:.3f}",
        (1, everyone),
        ha="right",
        va="bottom",
        xycoords=("axes fraction", "data"),
    )
    alt = f"Accuracy of decided rows over the share deferred, {n:,} validation rows; all rows: {everyone:.3f}."
    if rule is not None and rule.expected_deferred is not None:
        at = curve.loc[curve["confidence"] == rule.confidence].iloc[0]
        ax.plot([at["deferred"]], [at["accuracy"]], marker="D", color=display.colour(1), linestyle="none")
        words = f"chosen: confidence {rule.confidence:.2f}"
        place, beside = (at["deferred"], at["accuracy"]), at["deferred"] > curve["deferred"].max() / 2
        ax.annotate(
            words,
            place,
            xytext=(-8 if beside else 8, -12),
            textcoords="offset points",
            ha="right" if beside else "left",  # within the axes
        )
        alt += f" Chosen: {at['deferred']:.1%} deferred, accuracy {at['accuracy']:.3f} on the rest."
    display.label_axes(
        ax, x="share of rows that people decide", y="accuracy of the others", title=f"n = {n:,} validation rows"
    )
    return display.chart(fig, alt=alt)


def group_chart(table: pd.DataFrame, *, value: str, label: str) -> Chart | Note:
    """Draw one interval a group, on one axis."""
    if table.empty:
        return display.note("There are no groups to compare: no sensitive column is named.")
    table, hidden = shown_groups(table)
    if table.empty:
        return display.note("Every group is withheld by the privacy floor.")
    names = [f"{row.slice}: {row.group}  (n = {row.n:,})" for row in table.itertuples()]
    fig, ax = display.figure(height=max(1.6, 0.32 * len(table) + 0.8))
    y = np.arange(len(table))[::-1]
    ax.hlines(y, table["low"], table["high"], color=display.colour(0))
    ax.plot(table[value], y, "o", color=display.colour(0), markersize=4)
    ax.set_yticks(y, names)
    display.label_axes(ax, x=f"{label}, with 95 % interval")
    ordered = table.sort_values(value, kind="stable")
    low, high = ordered.iloc[0], ordered.iloc[-1]
    alt = (
        f"{label} in {len(table)} groups: lowest {low[value]:.3f} ({low['slice']}: {low['group']}), "
        f"highest {high[value]:.3f} ({high['slice']}: {high['group']})."
    )
    return display.chart(fig, alt=f"{alt} The privacy floor withholds {', '.join(hidden)}." if hidden else alt)


def rollout_chart(rollout: Rollout) -> Chart | Note:
    """Draw the paired difference between challenger and champion by step, with its interval."""
    steps = rollout.steps.loc[rollout.steps["difference"].notna()]
    if steps.empty:
        return display.note("No step compared the two models.")
    metric = str(steps["metric"].iloc[0])
    shown = METRICS[metric].label if metric in METRICS else metric
    fig, ax = display.figure(height=2.6)
    x = np.arange(len(steps))
    ax.axhline(0, color="#808080", linestyle=":")
    ax.vlines(x, steps["low"], steps["high"], color=display.colour(0))
    ax.plot(x, steps["difference"], "o", color=display.colour(0))
    pairs = steps["rows"].astype(int).cumsum()
    ax.set_xticks(x, [f"{step}\nn = {rows:,}" for step, rows in zip(steps["step"], pairs, strict=True)])
    ax.set_xlim(-0.5, len(steps) - 0.5)
    display.label_axes(ax, x="step (rows scored by both add up)", y=f"{shown}:\nchallenger − champion")
    last = steps.iloc[-1]
    alt = (
        f"Difference in {metric} between challenger and champion in {len(steps)} step(s); at the end "
        f"{last['difference']:+.3f} ({last['low']:+.3f} to {last['high']:+.3f})."
    )
    return display.chart(fig, alt=alt)


def latency_chart(latency: pd.DataFrame, *, bound: float | None) -> Chart | Note:
    """Draw how long single requests took; measures time."""
    waits = latency["latency_ms"].dropna().to_numpy()
    if not waits.size:
        return display.note("No request was sent by itself, so there is no latency to show.")
    fig, ax = display.figure(height=2.6)
    ax.hist(waits, bins=min(40, max(5, waits.size // 5)), color=display.colour(0))
    p95 = float(np.quantile(waits, 0.95))
    ax.axvline(p95, color=display.colour(1))
    text = f"95 % within {p95:.1f} ms"
    ax.annotate(text, (p95, 0.9), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points")
    display.label_axes(ax, x="time of a single request (ms)", y="requests", title=f"n = {waits.size:,}")
    asked = "" if bound is None else f"; asked for at most {bound:g} ms"
    return display.chart(fig, alt=f"Histogram of {waits.size:,} request times; 95 % within {p95:.1f} ms{asked}.")
