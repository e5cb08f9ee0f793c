"""Charts of explanations: features by importance, single rows from base to output, heat maps of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import Columns
from mlopskit.display import Chart, Note
from mlopskit.evaluate.explain import Explanation
from mlopskit.evaluate.plots import GREY, MOST, literal, not_applicable


def shap_chart(explanation: Explanation, table: pd.DataFrame, *, columns: Columns) -> Chart | Note:
    """The features that move the output most; for images where on the picture they are.

    Parameters
    ----------
    explanation : Explanation
        What was computed.
    table : DataFrame
        As from `shap_global`.
    columns : Columns
        Says whether the features are the pixels of an image.
    """
    if table.empty:
        return not_applicable("an explanation", "needs features")
    if columns.image is not None and columns.image_shape is not None:
        return _heat_maps(explanation, columns)
    total = table.groupby("feature", sort=False)["importance"].sum().sort_values(ascending=False, kind="stable")
    shown = total.head(MOST)
    fig, ax = display.figure(height=1.0 + 0.3 * len(shown))
    place = np.arange(len(shown))
    ax.barh(place, shown.to_numpy(), color=display.colour(0), height=0.65)
    ax.set_yticks(place, [literal(name) for name in shown.index])
    ax.invert_yaxis()
    several = ", summed over classes" if len(explanation.labels) > 1 else ""
    n = int(table["n"].iloc[0])
    display.label_axes(ax, x=f"mean |contribution|, {literal(explanation.unit)}{several}, n = {n:,}", y="feature")
    top = ", ".join(f"{name} {value:.3g}" for name, value in shown.head(3).items())
    return display.chart(fig, alt=f"Features by mean absolute contribution in {explanation.unit}: {top}.")


def _pixels(explanation: Explanation, columns: Columns, values: Any) -> Any:
    """Put a vector of feature contributions back on the picture."""
    shape = columns.image_shape or (1, 1)
    picture = np.zeros(shape)
    for name, value in zip(explanation.features, values, strict=True):
        source, _, place = name.partition(": r")
        if source == columns.image and "c" in place:
            row, column = place.split("c")
            picture[int(row), int(column)] = value
    return picture


def _heat_maps(explanation: Explanation, columns: Columns) -> Chart:
    """Mean absolute contribution of each pixel, one picture a class."""
    mean = np.abs(explanation.contributions[explanation.sampled]).mean(axis=0)
    shown = min(len(explanation.labels), 10)
    across = min(shown, 5)
    down = -(-shown // across)
    fig, axes = display.figure(width=6.4, height=0.3 + 1.5 * down, nrows=down, ncols=across, squeeze=False)
    top = float(mean.max()) or 1.0
    for index, ax in enumerate(np.ravel(axes)):
        _bare(ax)
        if index < shown:
            ax.imshow(_pixels(explanation, columns, mean[:, index]), cmap="Blues", vmin=0, vmax=top)
            ax.set_title(literal(explanation.labels[index], limit=14), fontsize=10)
        else:
            ax.set_visible(False)
    n = int(explanation.sampled.sum())
    fig.suptitle(f"mean over n = {n:,} images; darker: matters more for this class", fontsize=11, x=0.01, ha="left")
    alt = f"Where on the picture pixels matter for each of {shown} classes, mean over {n} images; darker matters more."
    return display.chart(fig, alt=alt)


def _bare(ax: Any) -> None:
    ax.grid(visible=False)
    ax.set_xticks([])
    ax.set_yticks([])


def cases_chart(explanation: Explanation, rows: pd.DataFrame, *, columns: Columns) -> Chart | Note:
    """A few single rows: what moved each one's output, and which way; images with their heat map.

    Parameters
    ----------
    explanation : Explanation
        What was computed.
    rows : DataFrame
        As from `shap_rows`.
    columns : Columns
        Says whether the features are the pixels of an image.
    """
    if rows.empty:
        return not_applicable("an explanation of single rows", "needs test rows, and no privacy floor")
    if columns.image is not None:
        return _image_cases(explanation, rows, columns)
    cases = list(rows.groupby("case", sort=False))
    longest = max(len(part) for _, part in cases)
    fig, axes = display.figure(height=len(cases) * (0.85 + 0.24 * longest), nrows=len(cases), squeeze=False)
    for ax, (case, part) in zip(np.ravel(axes), cases, strict=True):
        _bars(ax, str(case), part)
    unit = literal(explanation.unit)
    np.ravel(axes)[-1].set_xlabel(f"contribution, {unit}; blue raises, orange lowers; n = 1 row a panel")
    told = [f"{case}: mostly {part['feature'].iloc[0]}" for case, part in cases]
    return display.chart(fig, alt=f"Single rows explained. {'; '.join(told)}.")


def _bars(ax: Any, case: str, part: pd.DataFrame) -> None:
    place = np.arange(len(part))
    amount = part["contribution"].to_numpy()
    colours = [display.colour(0) if value >= 0 else display.colour(1) for value in amount]
    ax.barh(place, amount, color=colours, height=0.65)
    ax.axvline(0, color=GREY, linewidth=1)
    names = [
        literal(f"{row['feature']} = {row['value']}" if row["value"] else row["feature"], limit=34)
        for row in part.to_dict("records")
    ]
    ax.set_yticks(place, names, fontsize=9)
    ax.invert_yaxis()
    ax.set_ylabel("feature")
    first = part.to_dict("records")[0]
    answer = f"is {literal(first['actual'])}, called {literal(first['predicted'])}"
    ax.set_title(f"{case.capitalize()}, output {_signed(first['output'])}\n{answer}", fontsize=9, loc="left")


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _image_cases(explanation: Explanation, rows: pd.DataFrame, columns: Columns) -> Chart:
    cases = rows.drop_duplicates("_row").to_dict("records")
    place = {int(row): index for index, row in enumerate(explanation.rows["_row"])}
    fig, axes = display.figure(width=6.4, height=2.4, ncols=2 * len(cases), squeeze=False)
    for number, case in enumerate(cases):
        pair = np.ravel(axes)[2 * number : 2 * number + 2]
        _image_pair(pair, explanation, place[int(case["_row"])], case, columns)
    fig.suptitle("n = 1 image a pair; blue speaks for the answer, red against it", fontsize=11, x=0.01, ha="left")
    told = "; ".join(f"{case['case']}: is {case['actual']}, called {case['predicted']}" for case in cases)
    alt = f"Images beside the pixels that speak for (blue) and against (red) the answer. {told}."
    return display.chart(fig, alt=alt)


def _image_pair(pair: Any, explanation: Explanation, index: int, case: dict[Any, Any], columns: Columns) -> None:
    pixels = np.asarray(explanation.rows[columns.image].iloc[index], dtype=float)
    output = list(explanation.labels).index(case["class"])
    heat = _pixels(explanation, columns, explanation.contributions[index, :, output])
    limit = float(np.abs(heat).max()) or 1.0
    pair[0].imshow(pixels.reshape(columns.image_shape or (1, -1)), cmap="Greys")
    pair[1].imshow(heat, cmap="RdBu", vmin=-limit, vmax=limit)
    pair[0].set_title(f"{case['case']}\nis {literal(case['actual'], limit=10)}", fontsize=8)
    pair[1].set_title(f"called\n{literal(case['predicted'], limit=10)}", fontsize=8)
    _bare(pair[0])
    _bare(pair[1])


def explanation_note(explanation: Explanation, table: pd.DataFrame, *, columns: Columns) -> Note:
    """Say in sentences what the explanation found and how it was made.

    The note is a warning when a sensitive column is among the three that matter most.
    """
    total = table.groupby("feature", sort=False)["importance"].sum().sort_values(ascending=False, kind="stable")
    share = total / total.sum() if total.sum() > 0 else total
    first = total.head(3).index.tolist()
    sensitive = [name for name in first if name in columns.sensitive]
    top = ", ".join(f"{name} ({share[name]:.0%})" for name in first)
    n = int(explanation.sampled.sum())
    how = f"SHAP values of {n:,} test rows, {explanation.method}, in {explanation.unit}"
    lines = [f"What moves the output most: {top} of all movement." if top else "No feature moves the output."]
    if sensitive:
        lines.append(f"Sensitive and among the first three: {', '.join(sensitive)}. Is the model meant to use it?")
    return display.note(
        *lines, f"{how}; they tell of the model, not of causes.", tone="warning" if sensitive else "plain"
    )
