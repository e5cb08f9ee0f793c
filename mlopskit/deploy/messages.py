"""Rows of a split table as a server wants them: plain JSON values, no more columns than it needs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlopskit.data.columns import ROW
from mlopskit.deploy.bundle import Bundle


def to_rows(frame: pd.DataFrame, bundle: Bundle, *, everything: bool = False) -> list[dict[str, Any]]:
    """Turn rows of a split table into requests.

    Only what the model needs or the log may keep leaves this process; with `everything`, every field that the schema
    knows (a champion that is a rule or a previous system may want more than the model).
    """
    schema, columns = bundle.schema, bundle.columns
    wanted = [f.name for f in schema.fields if f.required or f.name in bundle.logging or everything]
    wanted = [name for name in wanted if name in frame.columns]
    values = {name: _plain(frame[name]) for name in wanted}
    times = _plain(frame[columns.time]) if columns.time in frame.columns else [None] * len(frame)
    rows = frame[ROW].tolist()
    return [
        {"row": row, "time": times[i], "features": {name: column[i] for name, column in values.items()}}
        for i, row in enumerate(rows)
    ]


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Values as JSON has them: missing is null, dates are text, arrays are lists."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return [None if pd.isna(value) else value.isoformat() for value in column]
    if column.dtype == object:
        return [_plain_object(value) for value in column]
    missing = column.isna().to_numpy()
    return [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]


def _plain_object(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list):
        return value
    return None if pd.isna(value) else value
