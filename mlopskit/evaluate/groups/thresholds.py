"""What each threshold would do to each group: a rate of every group against the threshold.

A score at or above the threshold is called positive. One threshold for all can treat groups very differently, and the
difference depends on where it lies; so the rates stand beside each other over all of it, with the chosen one marked.
Counts are exact at every threshold shown. A majority guess, one answer for everybody, has the same rates in each group
whatever the threshold: equal, and of no use.

Neighbouring thresholds differ by a few rows, and so would give counts below a privacy floor away, all the more as the
curves of all rows together are known. With a floor only thresholds are kept at which every group, and the groups that
are withheld together, have at least that many more rows of a class than at the next one, or none of them any. They
begin from the chosen one, whose counts stand in the table of groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET
from mlopskit.display import Chart, Note, format_value
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.evaluate.plots import GREY, literal
from mlopskit.evaluate.privacy.scores import cuts
from mlopskit.intervals import wilson
from mlopskit.metrics import ESTIMATED, METRICS, NOT_ESTIMATED
from mlopskit.metrics.estimates import FEWEST
from mlopskit.tally.floor.plan import SHOWN

STEPS = 60
RATES = ("selection_rate", "recall", "false_positive_rate")
COLUMNS = [
    "slice", "group", "n", "metric", "threshold", "denominator", "value", "low", "high", "method", "status", "majority",
]  # fmt: skip
_LINES = 6
Ints = npt.NDArray[np.int64]


def threshold_rates(
    data: GroupedRows, threshold: float | None = None, *, column: str | None = None, steps: int = STEPS
) -> pd.DataFrame:
    """Compute rates by group at several thresholds.

    Parameters
    ----------
    data : GroupedRows
        Test rows with the score of the positive class.
    threshold : float, optional
        The chosen one, which is then among those of the table.
    column : str, optional
        A declared column; by default every one, the sensitive first, but with a privacy floor the first alone.
    steps : int
        Thresholds at most: half spread evenly over the probabilities, half where the scores are.

    Returns
    -------
    DataFrame
        slice (the column), group (``overall`` first), n, metric (``selection_rate``, ``recall`` or
        ``false_positive_rate``), threshold, denominator, value, low and high (Wilson), method, status, majority (the
        rate of guessing the commonest class of all rows; NaN where the denominator is 0). Empty where the task is not
        binary, there are no scores or no such column. Groups that the privacy floor withholds are left out.

    Notes
    -----
    A rate is that of the answers ``score >= threshold``, as `sklearn.metrics.recall_score` gives it. With a privacy
    floor the table of one column is safe to pass on; those of two columns could be subtracted.
    """
    declared = [name for name in data.columns.sensitive if name in data.grouping.names]
    declared = list(dict.fromkeys([*declared, *data.grouping.names]))
    wanted = declared[: 1 if data.floor > 1 else None] if column is None else [column] if column in declared else []
    tables = [_by_column(data, threshold, name, steps) for name in wanted]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def _by_column(data: GroupedRows, threshold: float | None, chosen: str, steps: int) -> pd.DataFrame:
    scores = data.predictions.get("score")
    if data.target.task != "binary" or scores is None or not len(scores):
        return pd.DataFrame(columns=COLUMNS)
    score, truth = scores.to_numpy(dtype=float), data.predictions[TARGET].to_numpy() == 1
    if data.floor > 1 and _called_otherwise(data, score, threshold):
        return pd.DataFrame(columns=COLUMNS)  # two sets of answers to the same rows could be subtracted
    grid = _grid(score, threshold, steps)
    words = data.groups[chosen].astype("str").to_numpy()
    labels = [level for level in data.grouping.levels(chosen) if (words == level).any()]
    masks = {group: words == group for group in labels if data.plan.of([chosen], [group]) == SHOWN}
    if data.floor > 1:
        grid = _shared_grid(score, truth, threshold, steps, data.floor)
        withheld = ~np.isin(words, list(masks))
        grid = grid[_far_apart([*masks.values(), withheld], score, truth, grid, threshold, data.floor)]
    parts = [_rates(OVERALL, score, truth, grid)] if masks else []
    parts += [_rates(group, score[inside], truth[inside], grid) for group, inside in masks.items()]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    guess = float(2 * truth.sum() > len(truth))  # of equals the first class, as in every table
    table["majority"] = np.where(table["denominator"] > 0, guess, np.nan)
    if data.unit is not None:
        table["method"] = table["method"].str.replace("Wilson", "Wilson, as if rows were independent")
    return table.assign(slice=chosen)[COLUMNS]


def _called_otherwise(data: GroupedRows, score: Any, threshold: float | None) -> bool:
    """Whether the answers published elsewhere are others than those of the threshold."""
    return threshold is None or not np.array_equal(data.predictions["prediction"].to_numpy() == 1, score >= threshold)


def _grid(score: Any, threshold: float | None, steps: int) -> npt.NDArray[np.float64]:
    """Return thresholds, rising; each is one that a score can reach, or an even step."""
    half = max((steps - 1) // 2, 2)
    even = np.linspace(0, 1, half + 1)[1:]
    dense = np.quantile(score, np.linspace(0, 1, max(steps - 1 - half, 2)), method="nearest")
    own = [] if threshold is None else [threshold]
    return np.unique(np.concatenate([even, dense, own]))


def _shared_grid(score: Any, truth: Any, threshold: Any, steps: int, floor: int) -> npt.NDArray[np.float64]:
    """Return some of the thresholds at which the curves of all rows are cut too; the chosen one stands for its twin."""
    found = np.sort(cuts(truth, score, score >= threshold, floor=floor))
    twin = found[np.searchsorted(found, threshold) :][:1]
    places = np.unique(np.linspace(0, len(found) - 1, min(steps, len(found))).round().astype(int))
    return np.unique(np.append(np.setdiff1d(found[places], twin), threshold))


def _counts(score: Any, grid: Any) -> Ints:
    """Rows at or above each threshold, (thresholds,)."""
    return np.asarray(len(score) - np.searchsorted(np.sort(score), grid, side="left"), dtype=np.int64)


def _far_apart(masks: Any, score: Any, truth: Any, grid: Any, threshold: Any, floor: int) -> Ints:
    """Places in the grid that may be shown: the chosen one, and to both sides those far enough from the one before."""
    parts = [mask for mask in masks if mask.any()]
    counts = np.array([[_counts(score[mask & (truth == which)], grid) for which in (True, False)] for mask in parts])
    total = np.array([[(mask & (truth == which)).sum() for which in (True, False)] for mask in parts])
    start = int(np.searchsorted(grid, threshold))
    kept = [start]
    for way in (range(start + 1, len(grid)), range(start - 1, -1, -1)):
        last = counts[:, :, start]
        for place in way:
            here = counts[:, :, place]
            if all(_apart(here, other, floor) for other in (last, total, np.zeros_like(total))):
                kept.append(place)
                last = here
    return np.array(sorted(kept), dtype=np.int64)


def _apart(counts: Any, others: Any, floor: int) -> bool:
    gaps = np.abs(counts - others)
    return bool(((gaps == 0).all(axis=0) | (gaps >= floor).all(axis=0)).all())


def _rates(group: str, score: Any, truth: Any, grid: Any) -> pd.DataFrame:
    hits, alarms = _counts(score[truth], grid), _counts(score[~truth], grid)
    parts = {
        "selection_rate": (hits + alarms, len(score)),
        "recall": (hits, int(truth.sum())),
        "false_positive_rate": (alarms, int((~truth).sum())),
    }
    frames = []
    for metric in RATES:
        counted, total = parts[metric]
        known = total >= FEWEST
        low, high = wilson(counted, np.full(len(grid), total)) if known else (np.nan, np.nan)
        frames.append(
            pd.DataFrame(
                {
                    "group": group, "n": len(score), "metric": metric, "threshold": grid, "denominator": total,
                    "value": counted / total if total else np.full(len(grid), np.nan), "low": low, "high": high,
                    "method": "Wilson" if known else f"fewer than {FEWEST} in the denominator",
                    "status": ESTIMATED if known else NOT_ESTIMATED,
                }
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def threshold_rates_chart(
    table: pd.DataFrame, threshold: float | None = None, *, metric: str = "recall"
) -> Chart | Note:
    """Draw one rate of each group against the threshold; labels give its value at the chosen threshold.

    Parameters
    ----------
    table : DataFrame
        As from `threshold_rates`.
    threshold : float, optional
        The chosen one, marked by an upright line.
    metric : str
        ``recall``, ``selection_rate`` or ``false_positive_rate``.
    """
    rows = table[(table["metric"] == metric) & (table["status"] == ESTIMATED)] if len(table) else table
    groups = rows[(rows["group"] != OVERALL) & (rows["slice"] == table["slice"].iloc[0])] if len(rows) else rows
    if not len(groups):
        return display.note(
            "Not applicable: rates by threshold need two classes, scores and a declared column, and a group with "
            f"{FEWEST} rows or more that the privacy floor does not withhold."
        )
    sizes = groups.groupby("group", sort=False)["n"].first().sort_values(ascending=False, kind="stable")
    names = [name for name in dict.fromkeys(groups["group"]) if name in set(sizes.index[:_LINES])]
    fig, ax = display.figure(height=3.8)
    ends = [_line(ax, groups[groups["group"] == name], display.colour(i), threshold) for i, name in enumerate(names)]
    if threshold is not None:
        ax.axvline(threshold, color=GREY, linestyle="--", linewidth=1)
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.02, 1.02)
    _label(ax, names, ends)
    column, label = groups["slice"].iloc[0], METRICS[metric].label
    left = f", {len(names)} largest of {len(sizes)} groups" if len(names) < len(sizes) else ""
    marked = "" if threshold is None else f"; dashed: the chosen one, {threshold:.3g}, whose rates are written"
    shown = sizes[names]
    size = f"{int(shown.min()):,} to {int(shown.max()):,}" if shown.min() < shown.max() else f"{int(shown.max()):,}"
    y_label = f"{label} (n = {size} rows a group)"
    guess = _guess(groups)
    display.label_axes(ax, x=f"threshold{marked}\n{guess}", y=y_label, title=f"{label} by {literal(column)}{left}")
    return display.chart(fig, alt=f"{_alt(column, label, names, ends, threshold)} A {guess}.")


def _guess(rows: pd.DataFrame) -> str:
    """Say what one answer for everybody gives; every group that is drawn has rows in the denominator."""
    return f"majority guess: {rows['majority'].iloc[0]:g} in every group, whatever the threshold"


def _line(ax: Any, rows: pd.DataFrame, ink: str, threshold: float | None) -> tuple[float, float]:
    """Draw one group and return where its label points at: the chosen threshold, else the middle of the scale."""
    x, y = rows["threshold"].to_numpy(dtype=float), rows["value"].to_numpy(dtype=float)
    band = rows[["low", "high"]].to_numpy(dtype=float)
    ax.fill_between(x, band[:, 0], band[:, 1], color=ink, alpha=0.15, linewidth=0)
    ax.plot(x, y, color=ink)
    at = 0.5 if threshold is None else threshold
    place = min(int(np.searchsorted(x, at)), len(x) - 1)
    ax.plot([x[place]], [y[place]], "o", color=ink, markersize=5)
    return float(x[place]), float(y[place])


def _label(ax: Any, names: list[str], ends: list[tuple[float, float]]) -> None:
    """Name the lines beside the chart, in the order of their marks and as near to their height as there is room."""
    gap = 0.085
    order = sorted(range(len(names)), key=lambda place: (ends[place][1], -place))
    heights = np.array([ends[place][1] for place in order])
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + gap)
    heights -= max(heights[-1] - 1.0, 0.0)
    for i in range(len(heights) - 2, -1, -1):
        heights[i] = min(heights[i], heights[i + 1] - gap)
    for place, height in zip(order, heights, strict=True):
        x, y = ends[place]
        ink = display.colour(place)
        ax.plot([x, 1.0, 1.03], [y, y, height], color=ink, linewidth=0.8, linestyle=":", clip_on=False)
        text = f"{literal(names[place], limit=22)} {format_value(y, digits=2)}"
        ax.text(1.04, height, text, va="center", fontsize=9.5, clip_on=False)


def _alt(column: str, label: str, names: list[str], ends: list[tuple[float, float]], threshold: float | None) -> str:
    at = "in the middle of the scale" if threshold is None else f"at the chosen threshold of {threshold:.3g}"
    told = ", ".join(f"{name} {y:.2f}" for name, (_, y) in zip(names, ends, strict=True))
    return f"{label} of {len(names)} groups of {column} against the threshold; {at}: {told}."
