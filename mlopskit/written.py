"""How values, and columns of them, are written for a reader: alike in notebooks, reports and cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def format_value(value: Any, *, digits: int = 3) -> str:
    """Write one value for a reader.

    Examples
    --------
    >>> format_value(0.12345), format_value(1234567), format_value(float("nan")), format_value(True)
    ('0.123', '1,234,567', '–', 'yes')
    """
    if value is None:
        return "–"
    if isinstance(value, float | np.floating) and not np.isfinite(value):
        return "–" if np.isnan(value) else ("∞" if value > 0 else "−∞")
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return f"{value:,.0f}" if abs(float(value)) >= 10_000 else f"{value:.{digits}f}"
    text = str(value)
    return "–" if text in {"nan", "NaT", "<NA>"} else text


def format_column(column: pd.Series[Any], *, digits: int) -> list[str]:
    """Write a column alike throughout: whole numbers without decimals, and below 10,000 (years) without commas."""
    values = column.tolist()
    finite = [value for value in values if isinstance(value, float) and np.isfinite(value)]
    whole = column.dtype.kind == "f" and bool(finite) and all(value.is_integer() for value in finite)
    if whole:
        values = [int(value) if np.isfinite(value) else value for value in values]
    written = [format_value(value, digits=digits) for value in values]
    if column.name in ("p_value", "adjusted") and column.dtype.kind == "f":  # no p value is 0
        least = 10**-digits
        written = [f"< {least:.{digits}f}" if p < least else text for p, text in zip(values, written, strict=True)]
    if whole or column.dtype.kind in "iu":
        small = all(len(text.lstrip("-").replace(",", "")) < 5 for text in written)
        return [text.replace(",", "") for text in written] if small else written
    return written
