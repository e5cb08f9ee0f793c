"""Windows: the periods that production is watched in.

A window is half-open, ``[start, end)``, so every row falls in exactly one. Windows are laid out over the whole span
first and rows are then grouped into them: a window that no row fell in is still there, marked empty, and the last one
is never lost. A window is *partial* when a further observation could still have fallen in it. Rows without a time get
a window of their own, since dropping them would hide them.

Three units: those of a numeric time column (4 for four years), a pandas offset for dates (``30D``, ``MS``), or a
number of rows where there is no time column.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

DEFAULT_WINDOWS = 6
MOST_WINDOWS = 200
NO_TIME = "no time given"


@dataclass(frozen=True)
class Windows:
    """Windows laid over rows.

    Attributes
    ----------
    table : DataFrame
        One row a window, in order: window (label), first, last (bounds or row numbers, as text), n, status (complete,
        partial, empty, no time).
    position : ndarray of int, shape (n_rows,)
        For every row the position of its window in `table`.
    unit : str
        What a window is measured in, in words.
    warning : str
        Why the windows asked for could not be cut, or an empty string.
    """

    table: pd.DataFrame
    position: np.ndarray[Any, np.dtype[np.int64]]
    unit: str
    warning: str = ""

    @property
    def labels(self) -> list[str]:
        """Labels of all windows, in order."""
        return [str(label) for label in self.table["window"]]

    def rows_of(self, index: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of the rows in the window at `index`."""
        return np.flatnonzero(self.position == index)


def cut_windows(
    times: pd.Series[Any] | None,
    *,
    n_rows: int | None = None,
    width: float | str | None = None,
    start: float | str | None = None,
) -> Windows:
    """Lay windows over rows and say which row falls in which.

    Parameters
    ----------
    times : Series or None
        The time column, numeric or dates (text that holds dates is converted); None where there is none.
    n_rows : int, optional
        Number of rows; needed only without `times`.
    width : number or str, optional
        In units of `times` when numeric, a pandas offset for dates, a number of rows without `times`. Left out, or
        unusable for these times: about six windows of equal width, and `Windows.warning` says so.
    start : number or str, optional
        Where the first window starts; the earliest time when left out. Earlier rows get earlier windows.

    Examples
    --------
    >>> cut_windows(pd.Series([1995, 1996, 2001, 2002]), width=3).table[["window", "n", "status"]].values.tolist()
    [['1995–1997', 2, 'complete'], ['1998–2000', 0, 'empty'], ['2001–2003', 2, 'partial']]
    """
    if times is None:
        return _by_rows(int(n_rows or 0), width)
    clock = _as_clock(times)
    known = clock.dropna()
    if known.empty:
        return _by_rows(len(clock), None)
    if pd.api.types.is_datetime64_any_dtype(clock):
        return _by_offset(clock, width, start)
    return _by_number(clock, width, start)


def _as_clock(times: pd.Series[Any]) -> pd.Series[Any]:
    """Dates as naive UTC datetimes, numbers as floats; infinities and what cannot be read count as missing."""
    clock: pd.Series[Any]
    if pd.api.types.is_datetime64_any_dtype(times):
        clock = pd.to_datetime(times, utc=True).dt.tz_localize(None)
    elif pd.api.types.is_numeric_dtype(times):
        clock = pd.to_numeric(times).astype("float64").replace([np.inf, -np.inf], np.nan)
    else:
        numbers = pd.to_numeric(times, errors="coerce").replace([np.inf, -np.inf], np.nan)
        if numbers.notna().sum() == times.notna().sum():
            clock = numbers.astype("float64")
        else:
            clock = pd.to_datetime(times, errors="coerce", utc=True, format="ISO8601").dt.tz_localize(None)
    return clock.reset_index(drop=True)


def _by_rows(n_rows: int, width: float | str | None) -> Windows:
    usable = isinstance(width, int | float) and math.isfinite(width) and width >= 1 and n_rows / width <= MOST_WINDOWS
    size = int(width) if usable and width is not None else max(1, math.ceil(n_rows / DEFAULT_WINDOWS))
    position = np.arange(n_rows) // size
    count = max(1, math.ceil(n_rows / size))
    firsts = np.arange(count) * size + 1
    lasts = np.minimum(firsts + size - 1, n_rows)
    labels = [f"rows {first:,}–{last:,}" for first, last in zip(firsts, lasts, strict=True)]
    full = [(index + 1) * size <= n_rows for index in range(count)]
    warning = "" if usable else _instead(width, "a number of rows, as there is no time column", count, f"{size:,} rows")
    return Windows(_table(labels, firsts, lasts, position, full), position, f"{size:,} rows", warning)


def _by_number(clock: pd.Series[Any], width: float | str | None, start: float | str | None) -> Windows:
    low, high = float(clock.min()), float(clock.max())
    whole = bool((clock.dropna() % 1 == 0).all())
    usable = (
        isinstance(width, int | float) and math.isfinite(width) and width > 0 and (high - low) / width < MOST_WINDOWS
    )
    wanted = float(width) if usable and width is not None else _even_width(low, high, whole)
    origin = _origin(low, wanted, start)
    count = math.floor((high - origin) / wanted) + 1
    edges = origin + wanted * np.arange(count + 1)
    edges[-1] = max(edges[-1], np.nextafter(high, np.inf))
    closed = whole and float(wanted).is_integer() and float(origin).is_integer()
    labels = [_number_label(a, b, closed) for a, b in itertools.pairwise(edges)]
    warning = "" if usable else _instead(width, "in units of the time column, which is numeric", count, f"{wanted:g}")
    return _assemble(clock, edges, labels, f"{wanted:g} of the time column's units", warning)


def _by_offset(clock: pd.Series[Any], width: float | str | None, start: float | str | None) -> Windows:
    low, high = clock.min(), clock.max()
    edges = _offset_edges(low, high, width, start)
    usable = edges is not None
    if edges is None:
        span = max((high - low) / DEFAULT_WINDOWS, pd.Timedelta(1, "s")).floor("s") + pd.Timedelta(1, "s")
        edges = pd.DatetimeIndex([low + span * index for index in range(int((high - low) / span) + 2)])
    day = all(edge == edge.normalize() for edge in edges)
    form = "%Y-%m-%d" if day else "%Y-%m-%d %H:%M"
    labels = _distinct([f"from {edge.strftime(form)}" for edge in edges[:-1]], edges)
    unit = str(width) if usable else "a sixth of the time seen"
    warning = (
        ""
        if usable
        else _instead(width, "a pandas offset such as 30D, as the time column holds dates", len(labels), unit)
    )
    return _assemble(clock, edges.to_numpy(), labels, unit, warning)


def _offset_edges(low: Any, high: Any, width: float | str | None, start: float | str | None) -> pd.DatetimeIndex | None:
    """Edges from the first period that reaches back to `low` to the first one beyond `high`; None if that cannot be."""
    try:
        offset: Any = pd.tseries.frequencies.to_offset(str(width)) if isinstance(width, str) else None
        first = pd.Timestamp(str(start)).tz_localize(None) if start is not None else low.normalize()
    except (ValueError, TypeError):
        return None
    if offset is None or offset.n <= 0 or first + offset * MOST_WINDOWS < high:
        return None
    origin = offset.rollback(first) if hasattr(offset, "rollback") else first
    for step in range(MOST_WINDOWS + 1):
        if origin - offset * step <= low:
            origin = origin - offset * step
            break
    edges = pd.date_range(origin, periods=2 * MOST_WINDOWS + 2, freq=offset)
    beyond = int(np.searchsorted(edges.to_numpy(), high.to_datetime64(), side="right"))
    return edges[: beyond + 1] if edges[0] <= low and 0 < beyond <= MOST_WINDOWS else None


def _even_width(low: float, high: float, whole: bool) -> float:
    width = (high - low + (1 if whole else 0)) / DEFAULT_WINDOWS
    return float(max(1, math.ceil(width))) if whole else width * (1 + 1e-9) or 1.0


def _origin(low: float, width: float, start: float | str | None) -> float:
    try:
        origin = float(start) if start is not None else low
    except ValueError:
        origin = low
    return origin + math.floor((low - origin) / width) * width


def _number_label(low: float, high: float, closed: bool) -> str:
    if closed:
        last = math.ceil(high) - 1
        return f"{low:.0f}" if last == low else f"{low:.0f}–{last:.0f}"
    return f"{low:.6g} to {high:.6g}"


def _distinct(labels: list[str], edges: pd.DatetimeIndex) -> list[str]:
    return labels if len(set(labels)) == len(labels) else [f"from {edge.isoformat()}" for edge in edges[:-1]]


def _assemble(clock: pd.Series[Any], edges: Any, labels: list[str], unit: str, warning: str) -> Windows:
    values, missing = clock.to_numpy(), clock.isna().to_numpy()
    position = np.searchsorted(edges, values, side="right") - 1
    position = np.where(missing, len(labels), np.clip(position, 0, len(labels) - 1)).astype(np.int64)
    full = [True] * (len(labels) - 1) + [not _could_go_on(clock, edges[-1])]
    firsts, lasts = [str(edge) for edge in edges[:-1]], [str(edge) for edge in edges[1:]]
    if missing.any():
        labels, firsts, lasts, full = [*labels, NO_TIME], [*firsts, ""], [*lasts, ""], [*full, True]
    return Windows(_table(labels, firsts, lasts, position, full), position, unit, warning)


def _could_go_on(clock: pd.Series[Any], end: Any) -> bool:
    """Whether one more observation, a usual step after the last, would still have fallen before `end`."""
    distinct = np.unique(clock.dropna().to_numpy())
    if len(distinct) < 2:
        return bool(distinct[-1] + (1 if clock.dtype.kind == "f" else np.timedelta64(1, "D")) < end)
    return bool(distinct[-1] + np.median(np.diff(distinct)) < end)


def _table(labels: list[str], firsts: Any, lasts: Any, position: Any, full: list[bool]) -> pd.DataFrame:
    counts = np.bincount(position, minlength=len(labels))
    status = [
        "no time" if label == NO_TIME else "empty" if n == 0 else "complete" if whole else "partial"
        for label, n, whole in zip(labels, counts, full, strict=True)
    ]
    columns = {"window": labels, "first": [str(x) for x in firsts], "last": [str(x) for x in lasts]}
    return pd.DataFrame({**columns, "n": counts.astype("int64"), "status": status})


def _instead(width: float | str | None, needed: str, count: int, unit: str) -> str:
    asked = "No window is set in [monitoring]" if width is None else f"The window {width!r} cannot be used here"
    return f"{asked}; it should be {needed}, at most {MOST_WINDOWS} in all. Used instead: {count} windows of {unit}."
