"""The contract and the parts that columns play, as a reader wants to see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from mlopskit.data.floored import rows_stay
from mlopskit.display import Note, Table, format_value, note, table
from mlopskit.errors import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlopskit.data.columns import Columns, Target
    from mlopskit.scope import Baseline


def show_schema(schema: pd.DataFrame, *, rows: int = 30) -> Table:
    """Show the schema contract, with range or categories in one column."""
    shown = schema[["feature", "role", "kind"]].assign(
        missing_allowed=schema["nullable"], values=[_values(row) for row in schema.to_dict("records")]
    )
    return table(shown, rows=rows)


def _values(row: Mapping[Any, Any]) -> str:
    if len(row["categories"]):
        return listing(row["categories"], limit=8)
    if row["kind"] == "datetime" and pd.notna(row["low"]):
        return f"{_day(row['low'])} to {_day(row['high'])}"
    if row["kind"] == "numeric" and pd.notna(row["low"]):
        return f"{_number(row['low'])} to {_number(row['high'])}"
    return "any"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else format_value(value)


def _day(days: float) -> str:
    return str((pd.Timestamp("1970-01-01") + pd.Timedelta(days=days)).date())


def show_rows(rows: pd.DataFrame, columns: Columns, *, n: int = 5, floor: int = 0) -> Table | Note:
    """Show the first rows, texts cut short and images by their size; under a privacy floor say where rows stay."""
    if floor > 1:
        return rows_stay(floor)
    shown = rows.head(n).copy()
    for name in columns.text:
        shown[name] = shown[name].astype("str").str.slice(0, 80)
    if columns.image is not None:
        shown[columns.image] = shown[columns.image].map(lambda pixels: f"{len(pixels)} pixels", na_action="ignore")
    return table(shown, rows=n)


def show_labels(labels: pd.DataFrame, *, n: int = 10, floor: int = 0) -> Table | Note:
    """Show the most doubtful labels, a row of the source each; under a privacy floor say where rows stay."""
    return rows_stay(floor) if floor > 1 else table(labels, rows=n)


def show_parts(target: Target, columns: Columns) -> Note:
    """Say what is predicted from how many columns of which kind, and what results are broken down by."""
    kinds = {
        "numeric": len(columns.numeric),
        "categorical": len(columns.categorical),
        "text": len(columns.text),
        "image": int(columns.image is not None),
    }
    features = listing([f"{n} {kind}" for kind, n in kinds.items() if n])
    what = f"{target.column} ({listing(target.classes)})" if target.classes else f"{target.column}, a quantity"
    hidden = [name for name in columns.by if name not in columns.features]
    return note(
        f"Predicted: {what}, from {len(columns.features)} features ({features}).",
        f"Results will be broken down by {listing(columns.by)}."
        if columns.by
        else "No sensitive or slice column is named.",
        f"Kept for that, and hidden from the model: {listing(hidden)}." if hidden else "",
    )


def kept_columns(columns: Columns, baselines: Iterable[Baseline], names: Iterable[str]) -> list[str]:
    """Return which source columns go into the split tables, in the order of the source.

    Features, sensitive, slice, time and group columns, and whatever a baseline needs: its column, or every column whose
    name occurs in its rule. The target is not among them, nor is what is excluded and asked for by nobody.
    """
    wanted = {*columns.features, *columns.by, columns.time, columns.group}
    names = list(names)
    for baseline in baselines:
        wanted.add(baseline.column)
        wanted |= {name for name in names if baseline.rule and name in baseline.rule}
    return [name for name in names if name in wanted]
