"""Values of a row: as a request holds them, as a person reads them, and as a person types them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd

_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")


def plain(value: Any) -> Any:
    """Return a value of a table as a request holds it: plain Python, missing as None, dates as text."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def written(value: Any) -> str:
    """Write a value of a row for a reader, as it can be typed again but for images."""
    if value is None:
        return "missing"
    if isinstance(value, list):
        return f"{len(value)} numbers"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.10g}"


def number_of(text: str) -> float | str:
    """Return what was typed as a number, or as it is where it is none; commas part thousands and nothing else.

    Examples
    --------
    >>> number_of("1,234.5"), number_of("0,5"), number_of("inf")
    (1234.5, '0,5', 'inf')
    """
    typed = text.strip()
    try:
        number = float(typed.replace(",", "") if _THOUSANDS.fullmatch(typed) else typed)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def rounded(value: float) -> float:
    """Return two digits that count: a number that is no one's own."""
    return float(f"{value:.2g}")
