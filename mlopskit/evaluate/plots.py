"""Charts of the evaluation; where the task has no such chart, a note says so instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import Target
from mlopskit.display import Chart, Note
from mlopskit.evaluate.criteria import say
from mlopskit.metrics import METRICS, Metric

MOST = 12
"""Bars or classes that a chart of report width can label."""
GREY = "#808080"


def literal(text: object, *, limit: int = 28) -> str:
    r"""Text from data for a chart: shortened, and never read as a formula.

    Examples
    --------
    >>> print(literal("$x$"))
    \$x\$
    """
    plain = str(text)
    plain = plain if len(plain) <= limit else f"{plain[: limit - 1]}…"
    return plain.replace("$", r"\$")


def not_applicable(what: str, why: str) -> Note:
    """Say why there is no such chart."""
    return display.note(f"Not applicable: {what} {why}.")


def metrics_chart(metrics: pd.DataFrame) -> Chart | Note:
    """Each figure that lies between 0 and 1 with its interval, and what a majority guess scores."""
    shares = [name for name in metrics["metric"] if METRICS[name].scale == "logit" or name not in _UNBOUNDED]
    known = metrics.loc[metrics["metric"].isin(shares) & metrics["value"].notna()]
    if known.empty:
        return not_applicable("a chart of shares", "needs figures between 0 and 1; those of this task are in the table")
    fig, ax = display.figure(height=1.0 + 0.28 * len(known))
    place = np.arange(len(known))
    ax.hlines(place, known["low"], known["high"], color=display.colour(0), linewidth=3)
    ax.plot(known["value"], place, "o", color=display.colour(0), markersize=5)
    ax.plot(known["majority"], place, "|", color=display.colour(1), markersize=13, markeredgewidth=2)
    ax.set_yticks(place, [METRICS[name].label for name in known["metric"]])
    ax.set_xlim(-0.02, 1.02)
    ax.invert_yaxis()
    n = int(known["n"].iloc[0])
    display.label_axes(ax, x=f"value, 95 % interval (n = {n:,} test rows); upright mark: majority guess", y="metric")
    found = [f"{METRICS[r['metric']].label} {r['value']:.3f}" for r in known.to_dict("records")]
    return display.chart(fig, alt=f"Test metrics with intervals beside a majority guess: {', '.join(found)}.")


_UNBOUNDED = {"log_loss", "mae", "rmse", "r2", "bias"}


def confusion_chart(table: pd.DataFrame) -> Chart | Note:
    """The confusion table as a heat map: share of each actual class, with counts."""
    if table.empty:
        return not_applicable("a confusion table", "needs classes")
    labels = list(dict.fromkeys(table["actual"]))
    size = len(labels)
    shares = table["share_of_actual"].to_numpy(dtype=float).reshape(size, size)
    counts = np.array(list(table["n"]), dtype=object).reshape(size, size)
    hidden = int(table["n"].isna().sum())
    fig, ax = display.figure(width=min(6.4, 3.4 + 0.5 * size), height=min(6.0, 1.4 + 0.45 * size))
    ax.grid(visible=False)
    ax.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if size <= MOST:
        for i in range(size):
            for j in range(size):
                dark = np.nan_to_num(shares[i, j]) > 0.5
                words = "" if pd.isna(counts[i, j]) else f"{counts[i, j]:,}"
                ax.text(j, i, words, ha="center", va="center", color="white" if dark else "#08306b")
    names = [literal(label, limit=14) for label in labels]
    ax.set_xticks(range(size), names, rotation=0 if size <= 4 or max(map(len, names)) < 3 else 90)
    ax.set_yticks(range(size), names)
    known = "Rows" if hidden else f"{int(counts.sum()):,} test rows"  # a sum would tell of a hidden cell
    display.label_axes(ax, x="predicted", y="actual", title=f"{known}; darker: larger share")
    if hidden:
        return display.chart(fig, alt=f"Confusion table of {size} classes; the privacy floor withholds {hidden} cells.")
    right = int(np.trace(counts))
    return display.chart(
        fig, alt=f"Confusion table of {size} classes: {right:,} of {int(counts.sum()):,} rows are right."
    )


def _curves(ax: Any, table: pd.DataFrame, x: str, y: str) -> str:
    """Draw one line a class; several are grey but for the one with the smallest area, which is named."""
    areas = {
        str(label): float(np.trapezoid(part[y].to_numpy(float), part[x].to_numpy(float)))
        for label, part in table.groupby("class", sort=False)
    }
    worst = min(areas, key=lambda label: (areas[label], label))
    for label, part in table.groupby("class", sort=False):
        chosen = str(label) == worst
        ax.plot(part[x], part[y], color=display.colour(0) if chosen else GREY, linewidth=1.8 if chosen else 0.8)
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    if len(areas) > 1:
        ax.text(0.5, 0.5, f"blue: {literal(worst)}, the least well told apart", ha="center", color=display.colour(0))
    return worst


def roc_chart(table: pd.DataFrame, *, predictions: pd.DataFrame, threshold: float | None = None) -> Chart | Note:
    """ROC curve; the diagonal is guessing, the point is the threshold in use."""
    if table.empty:
        return not_applicable("an ROC curve", "needs classes, scores, and rows of each class")
    fig, ax = display.figure(width=4.8, height=4.2)
    worst = _curves(ax, table, "false_positive_rate", "true_positive_rate")
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    ax.text(0.72, 0.66, "guessing", color=GREY, rotation=36)
    if threshold is not None:
        _mark(ax, table, "false_positive_rate", "true_positive_rate", threshold)
    x = f"false positive rate, n = {len(predictions):,}"
    display.label_axes(ax, x=x, y="true positive rate (recall)")
    count = table["class"].nunique()
    alt = (
        f"ROC curve{'s' if count > 1 else ''} of {count} class{'es' if count > 1 else ''} on {len(predictions):,} rows"
    )
    return display.chart(fig, alt=f"{alt}; {worst} is the least well told apart." if count > 1 else f"{alt}.")


def _mark(ax: Any, table: pd.DataFrame, x: str, y: str, threshold: float, *, left: bool = False) -> None:
    """Mark the point of the curve at the smallest kept threshold that is not below the one in use."""
    used = table.loc[table["threshold"] >= threshold].tail(1).to_dict("records")
    for point in used:
        ax.plot(point[x], point[y], "o", color=display.colour(1), markersize=7)
        ax.annotate(
            f"threshold {threshold:.2f}", (point[x], point[y]), xytext=(-8 if left else 8, -12),
            textcoords="offset points", ha="right" if left else "left", color=display.colour(1),
        )  # fmt: skip


def precision_recall_chart(
    table: pd.DataFrame, *, predictions: pd.DataFrame, threshold: float | None = None
) -> Chart | Note:
    """Precision against recall; the dotted line is what guessing gives, the share of positive rows."""
    if table.empty:
        return not_applicable("a precision–recall curve", "needs classes, scores, and rows of each class")
    fig, ax = display.figure(width=4.8, height=4.2)
    _curves(ax, table, "recall", "precision")
    count = table["class"].nunique()
    share = float(predictions["_target"].mean()) if count == 1 else 1 / count
    ax.axhline(share, color=GREY, linestyle=":", linewidth=1)
    ax.text(0.02, share + 0.02, f"guessing, {share:.2f}", color=GREY)
    if threshold is not None:
        _mark(ax, table, "recall", "precision", threshold, left=True)  # the curve falls to the right
    x = f"recall (share of positives found), n = {len(predictions):,}"
    display.label_axes(ax, x=x, y="precision (share of calls right)")
    return display.chart(fig, alt=f"Precision against recall; guessing gives a precision of {share:.2f}.")


def calibration_chart(table: pd.DataFrame, error: pd.DataFrame) -> Chart | Note:
    """Share of positive rows against mean score by bin; on the diagonal scores are true probabilities."""
    if table.empty:
        return not_applicable("calibration", "needs probabilities, and rows of each class")
    worst = error.to_dict("records")[0]
    part = table.loc[table["class"] == worst["class"]]
    fig, ax = display.figure(width=4.8, height=4.2)
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    ax.vlines(part["score"], part["low"], part["high"], color=display.colour(0), linewidth=2)
    ax.plot(part["score"], part["observed"], "o-", color=display.colour(0), markersize=5, linewidth=1)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    n = int(part["n"].sum())
    title = f"Class {literal(worst['class'])}{', the most suspicious' if len(error) > 1 else ''}; dotted: perfect"
    x = f"mean score of the bin, {len(part)} bins of about {n // len(part):,} rows"
    display.label_axes(ax, x=x, y="share that is positive, 95 % interval", title=title)
    alt = f"Calibration of {worst['class']}: error {worst['error']:.3f}, a perfect model shows {worst['perfect']:.3f}."
    return display.chart(fig, alt=alt)


def residual_chart(table: pd.DataFrame, *, target: Target) -> Chart | Note:
    """Mean actual against mean predicted value by bin, and the spread of the residuals."""
    if table.empty:
        return not_applicable("residuals", "belong to regression")
    unit = literal(target.unit or target.column)
    fig, (left, right) = display.figure(width=6.4, height=3.4, ncols=2)
    ends = [float(table["predicted"].min()), float(table["predicted"].max())]
    left.plot(ends, ends, color=GREY, linestyle=":", linewidth=1)
    left.vlines(table["predicted"], table["low"], table["high"], color=display.colour(0), linewidth=2)
    left.plot(table["predicted"], table["actual"], "o", color=display.colour(0), markersize=5)
    display.label_axes(left, x=f"mean predicted {unit}", y=f"mean actual {unit}", title="Dotted: exactly right")
    right.axhline(0, color=GREY, linestyle=":", linewidth=1)
    right.vlines(table["predicted"], table["q05"], table["q95"], color=display.colour(0), linewidth=1)
    right.vlines(table["predicted"], table["q25"], table["q75"], color=display.colour(0), linewidth=4)
    right.plot(table["predicted"], table["q50"], "_", color=display.colour(1), markersize=9)
    title = f"Thin 90 %, thick 50 % of {int(table['n'].sum()):,} rows"
    display.label_axes(right, x=f"mean predicted {unit}", y=f"actual − predicted {unit}", title=title)
    return display.chart(
        fig, alt=f"Predicted against actual {target.column} in {len(table)} bins, with residual spread."
    )


def gains_chart(gains: pd.DataFrame, *, metric: Metric) -> Chart | Note:
    """The model's gain over each baseline in one metric, with its interval."""
    known = gains.loc[(gains["metric"] == metric.name) & gains["low"].notna()].head(MOST)
    if known.empty:
        return not_applicable("a gain", f"needs a baseline that can be compared by {metric.label}")
    fig, ax = display.figure(height=1.1 + 0.35 * len(known))
    place = np.arange(len(known))
    ax.hlines(place, known["low"], known["high"], color=display.colour(0), linewidth=3)
    ax.plot(known["gain"], place, "o", color=display.colour(0))
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_yticks(place, [literal(name) for name in known["baseline"]])
    ax.set_ylim(len(known) - 0.5, -0.5)
    x = f"gain in {metric.label}, 95 % interval, {int(known['n'].max()):,} rows (right of 0: better)"
    display.label_axes(ax, x=x, y="baseline")
    found = [f"{row['baseline']} {say(row['gain'])}" for row in known.to_dict("records")]
    return display.chart(fig, alt=f"Gain in {metric.label} over each baseline: {', '.join(found)}.")


def verdicts_by_status(criteria: pd.DataFrame) -> Mapping[str, int]:
    """Count criteria by status."""
    return {status: int((criteria["status"] == status).sum()) for status in ("met", "not-met", "undecided")}
