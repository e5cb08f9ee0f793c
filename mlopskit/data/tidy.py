"""Column types as the rest of the package knows them, whatever the file had.

Numbers are numbers, dates are dates, labels are text, and what was changed on the way is said in findings: infinite
values become missing ones, a column of numbers with a few words in it becomes numbers, one of mixed kinds becomes text.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.checks import Finding, percent
from mlopskit.data.refusals import label_of
from mlopskit.errors import DataError, listing

MOSTLY_NUMBERS = 0.95
"""From this share of readable numbers on, a text column is taken for numbers and the rest for missing values."""

FEW_NUMBERS = 0.05
"""Up to this share of readable numbers a text column is simply text."""

_ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"


def tidy(
    frame: pd.DataFrame, *, keep: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, list[Finding]]:
    """Return the frame with plain column types, and what was changed.

    Parameters
    ----------
    frame : DataFrame
        As read from a source; not modified.
    keep : tuple of str
        Columns whose text is left alone (a target's labels).
    skip : tuple of str
        Columns that nothing will read; they are dropped when they hold what no table can (raw bytes).

    Raises
    ------
    DataError
        When a column that is not skipped holds raw bytes.

    Examples
    --------
    >>> frame, findings = tidy(pd.DataFrame({"x": [1.0, float("inf")]}))
    >>> findings[0].code, frame["x"].isna().sum()
    ('DAT012', np.int64(1))
    """
    columns: dict[str, pd.Series[Any]] = {}
    findings: list[Finding] = []
    for name in frame.columns:
        series = frame[name]
        if _holds(series, bytes):
            if name in skip:
                continue
            raise DataError(_bytes_sentence(name))
        columns[name], found = _tidy_column(series, is_target=name in keep)
        findings += found
    return pd.DataFrame(columns, index=frame.index, copy=False), findings


def _bytes_sentence(name: str) -> str:
    return (
        f"Column {name!r} holds raw bytes (files, such as audio or pictures), which mlopskit does not decode. "
        "Compute features from them first, give images as lists of pixels, or name the column in `exclude`."
    )


def _tidy_column(series: pd.Series[Any], *, is_target: bool) -> tuple[pd.Series[Any], list[Finding]]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    if series.dtype.kind in "iub" and not pd.api.types.is_extension_array_dtype(series.dtype):
        return series, []
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return series.dt.tz_convert("UTC").dt.tz_localize(None), []
    if series.dtype.kind in "iufb":
        return _tidy_numbers(series)
    if series.dtype.kind == "M":
        return series, []
    return _tidy_objects(series, is_target=is_target)


def _tidy_numbers(series: pd.Series[Any]) -> tuple[pd.Series[Any], list[Finding]]:
    values = series.astype("float64")
    endless = np.isinf(values.to_numpy())
    if not endless.any():
        return values, []
    n = int(endless.sum())
    detail = f"{n:,} infinite values ({percent(n, len(values))}); they count as missing"
    return values.mask(endless), [Finding("DAT012", str(series.name), "issue", detail, n)]


def _holds(series: pd.Series[Any], kind: type | tuple[type, ...]) -> bool:
    if series.dtype != object:
        return False
    present = series.dropna()
    return bool(len(present)) and isinstance(present.iloc[0], kind)


def _tidy_objects(series: pd.Series[Any], *, is_target: bool) -> tuple[pd.Series[Any], list[Finding]]:
    if _holds(series, (list, tuple, np.ndarray)):
        return series, []
    if series.dtype == object:
        series, findings = _plain_objects(series)
        if findings or series.dtype.kind in "fM" or series.isna().all():
            return series, findings
    return (series, []) if is_target else _tidy_text(series)


def _plain_objects(series: pd.Series[Any]) -> tuple[pd.Series[Any], list[Finding]]:
    """Python objects: one kind becomes its column type, several kinds become text."""
    kinds = {_kind_of(value) for value in series.dropna()}
    if not kinds:
        return series.astype("float64"), []
    if kinds == {"number"}:
        return _tidy_numbers(series.map(float, na_action="ignore").astype("float64"))
    if kinds == {"date"}:
        return pd.to_datetime(series, utc=True).dt.tz_localize(None), []
    texts = series.map(_text_of, na_action="ignore").astype("str")
    if len(kinds) == 1:
        return texts, []
    detail = f"holds {listing(sorted(kinds))} side by side; every value is taken as text"
    return texts, [Finding("DAT013", str(series.name), "issue", detail, int(series.notna().sum()))]


def _kind_of(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes/no"
    if isinstance(value, int | float | decimal.Decimal | np.number):
        return "number"
    if isinstance(value, dt.date | np.datetime64):
        return "date"
    return "text" if isinstance(value, str) else "structure"


def _text_of(value: Any) -> str | None:
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, dict | list) else label_of(value)


def _tidy_text(series: pd.Series[Any]) -> tuple[pd.Series[Any], list[Finding]]:
    present = series.dropna()
    if present.empty:
        return series.astype("float64"), []
    values = pd.Series(present.unique(), dtype=present.dtype)
    words = present[present.isin(values[pd.to_numeric(values, errors="coerce").isna()])]
    if words.empty:
        return series, []
    share = 1 - len(words) / len(present)
    if share < FEW_NUMBERS:
        return _dates_or_text(series, present), []
    examples = listing([f"“{word}”" for word in sorted(set(words))], limit=3)
    detail = f"{len(words):,} of {len(present):,} values are not numbers ({examples}); "
    if share < MOSTLY_NUMBERS:
        return series, [Finding("DAT013", str(series.name), "issue", detail + "all are taken as labels", len(words))]
    clean, endless = _tidy_numbers(pd.to_numeric(series, errors="coerce").astype("float64"))
    said = Finding("DAT013", str(series.name), "issue", detail + "these count as missing", len(words))
    return clean, [said, *endless]


def _dates_or_text(series: pd.Series[Any], present: pd.Series[Any]) -> pd.Series[Any]:
    if not present.str.fullmatch(_ISO_DATE).all():
        return series
    dates = pd.to_datetime(series, errors="coerce", utc=True, format="ISO8601")
    return dates.dt.tz_localize(None) if dates.notna().sum() == len(present) else series
