"""Why the worst slices are worse, in words: only what an interval keeps apart from nothing is said of a feature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlopskit import display
from mlopskit.display import Chart, Note, Table, format_value
from mlopskit.evaluate.slices.pushes import NOT_APPLICABLE, OUTPUT, RIGHT
from mlopskit.evaluate.slices.reasons import MISSING, TRAINING
from mlopskit.metrics import ESTIMATED
from mlopskit.tally.floor.tables import WITHHELD

_NAMED = 2
_AT_RISK = {"false positive rate": "actually negative ", "false negative rate": "actually positive "}


@dataclass(frozen=True)
class Evidence:
    """Why slices are worse, in words, above what some of their rows look like where that may be shown."""

    reasons: Note
    examples: Chart | Table | Note

    def __repr__(self) -> str:
        return f"{self.reasons!r}\n\n{self.examples!r}"

    def _repr_html_(self) -> str:
        return self.reasons._repr_html_() + self.examples._repr_html_()


def show_evidence(table: pd.DataFrame, examples: Chart | Table | Note, *, slices: int = 3) -> Evidence:
    """Show the reasons of `show_slice_reasons` above the examples of `slice_examples`."""
    return Evidence(show_slice_reasons(table, slices=slices), examples)


def show_slice_reasons(table: pd.DataFrame, *, slices: int = 3) -> Note:
    """Say of the worst slices which features drive the gap, what is missing there and how much training data there was.

    Parameters
    ----------
    table : DataFrame
        As from `slice_reasons`.
    slices : int
        How many are told; the table holds the others.
    """
    if table.empty:
        return display.note("Not applicable: no slice and no declared group is worse than the rest on test rows.")
    parts = list(table.groupby("slice", sort=False))[:slices]
    lines = [" ".join(_sentences(str(name), part)) for name, part in parts]
    sure = any(part["confirmed"].any() for _, part in parts)
    first = "" if sure else "No slice is confirmed on test rows: what follows may describe chance."
    return display.note(first, *lines, _how(table), tone="plain" if sure else "warning")


def _sentences(name: str, part: pd.DataFrame) -> Iterator[str]:
    if (part["status"] == WITHHELD).all():
        yield f"{name}: figures are withheld, {part['method'].iloc[0]}."
        return
    row = part.iloc[0]
    state = "" if row["confirmed"] else ", not confirmed"
    error, rest = _error(row["error"], row["measure"]), _error(row["error_rest"], row["measure"])
    yield f"{name} ({row['measure']} {error}, {rest} elsewhere{_guess(row)}{state}):"
    yield f"{'; '.join([*_told_pushes(part), *_told_missing(part), *_told_training(part)])}."


def _guess(row: pd.Series[Any]) -> str:
    """Say what guessing errs in the slice: where that is much too, the slice may only be hard to guess."""
    if pd.isna(row["majority"]):
        return ""
    kind = "mean" if row["measure"] == "mean squared error" else "majority"
    return f", {kind} guess {_error(row['majority'], row['measure'])}"


def _error(value: float, measure: str) -> str:
    return f"{value:.0%}" if measure.endswith("rate") else format_value(float(value))


def _of(part: pd.DataFrame, kind: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = part[part["kind"] == kind]
    return rows, rows[rows["status"] == ESTIMATED]


def _told_pushes(part: pd.DataFrame) -> Iterator[str]:
    rows, known = _of(part, RIGHT)
    if known.empty:
        if len(rows) and rows["status"].iloc[0] == NOT_APPLICABLE:
            yield f"reasons by feature are not applicable ({rows['method'].iloc[0]})"
        elif len(rows):
            yield f"which features drive the gap cannot be estimated ({rows['method'].iloc[0]})"
        return
    weaker = known[known["high"] < 0].head(_NAMED)
    told = [
        f"{row['feature']}{'' if place else ' moves rows towards the right answer'} by {-row['difference']:.2g} less"
        f"{'' if place else ' than elsewhere'} ({-row['high']:.2g} to {-row['low']:.2g})"
        for place, row in enumerate(weaker.to_dict("records"))
    ]
    yield ", ".join(told) or "no feature moves rows towards the right answer less than elsewhere beyond doubt"
    _, moved = _of(part, OUTPUT)
    apart = moved[(moved["low"] > 0) | (moved["high"] < 0)].head(_NAMED)
    told = [
        f"{row['feature']}{'' if place else ' pushes the output'} {'up' if row['difference'] > 0 else 'down'} by "
        f"{abs(row['difference']):.2g} more{'' if place else ' than elsewhere'}"
        for place, row in enumerate(apart.to_dict("records"))
    ]
    yield from [", ".join(told)] if told else []


def _told_missing(part: pd.DataFrame) -> Iterator[str]:
    rows, known = _of(part, MISSING)
    if len(rows) and (rows["status"] == NOT_APPLICABLE).all():
        return
    apart = known[(known["low"] > 0) | (known["high"] < 0)].head(_NAMED)
    for row in apart.to_dict("records"):
        yield f"{row['feature']} is missing for {row['inside']:.1%} of its rows, {row['outside']:.1%} elsewhere"
    hidden = int((rows["status"] == WITHHELD).sum())
    if apart.empty and len(known):
        yield "no feature is missing more or less often beyond doubt"
    if hidden:
        yield f"of {hidden} features the missing values are withheld by the privacy floor"


def _told_training(part: pd.DataFrame) -> Iterator[str]:
    for row in _of(part, TRAINING)[0].to_dict("records"):
        if row["status"] == WITHHELD:
            yield "its number of training rows is withheld by the privacy floor"
        elif row["status"] == ESTIMATED:
            shares = f"{row['inside']:.1%}, against {row['outside']:.1%} of the test rows"
            less = "; fewer than its share" if row["high"] < 0 else ""
            rows = f"{_AT_RISK.get(row['measure'], '')}training rows"
            yield f"it has {row['n_inside']:,} of {row['n_outside']:,} {rows} ({shares}{less})"


def _how(table: pd.DataFrame) -> str:
    pushes = table[table["kind"].isin([RIGHT, OUTPUT]) & (table["status"] == ESTIMATED)]
    if pushes.empty:
        return ""
    n = sorted({int(value) for value in pushes["n_inside"]})
    sizes = f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    return (
        f"Pushes are mean SHAP values in {pushes['unit'].iloc[0]}, of {sizes} sampled test rows in each slice, less "
        "those outside it, with intervals that hold for all features together; they tell of the model, not of causes."
    )
