"""Arrow columns as pandas columns that count alike, whatever engine, file and portion they come from.

Arrow and pandas differ where counts would show it: whole numbers with gaps stay whole numbers (pandas makes them
floats, in the portions that have gaps only), decimals are numbers, days are datetimes (those beyond the years that
nanoseconds reach, 1677 to 2262, are its ends), and words are categories. What
cannot be a group (lists, structs, maps) is refused by name.
"""

from __future__ import annotations

import datetime
import decimal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.errors import DataError

PORTION = 1 << 18
"""Rows that are held at a time, fewer where they are wide."""

WEIGHT = 1 << 26
"""Bytes of Arrow columns that are held at a time, or one row."""

_SECONDS = "datetime64[s]"
_DAYS = np.array(["1677-09-23", "2262-04-11"], dtype=_SECONDS)  # a day less: rounded down, it must not overflow
_ODD = (decimal.Decimal, datetime.date, datetime.time, list, tuple, dict, set, np.ndarray)


def wanted(names: Iterable[Any], columns: Sequence[str] | None) -> list[int]:
    """Return the places of the columns that are needed and there.

    Raises
    ------
    DataError
        When one of them occurs more than once.
    """
    there = list(names)
    needed = set(there if columns is None else columns)
    for name, times in Counter(there).items():
        if times > 1 and name in needed:
            raise DataError(f"Column {name!r} occurs {times} times, so it is ambiguous; rename one.")
    return [place for place, name in enumerate(there) if name in needed]


def from_batches(schema: Any, batches: Iterable[Any], columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    """Yield Arrow batches or tables of one schema as DataFrames, at least one; rows are numbered as they come.

    Raises
    ------
    DataError
        When a column that is needed occurs twice or is nested.
    """
    places, start = wanted(schema.names, columns), 0
    for part in _portions(batches):
        yield _frame(part, schema, places, start)
        start += part.num_rows
    if not start:
        yield _frame(schema.empty_table(), schema, places, 0)


def _portions(batches: Iterable[Any]) -> Iterator[Any]:
    """Tables of about `PORTION` rows or `WEIGHT` bytes, of small batches put together and large ones cut."""
    import pyarrow as pa

    held: list[Any] = []
    rows = weight = 0
    for part in (part for batch in batches for part in _pieces(batch)):
        if held and (rows + part.num_rows > PORTION or weight + part.nbytes > WEIGHT):
            yield pa.concat_tables(held)
            held, rows, weight = [], 0, 0
        held.append(part if isinstance(part, pa.Table) else pa.Table.from_batches([part]))
        rows, weight = rows + part.num_rows, weight + part.nbytes
    if held:
        yield pa.concat_tables(held)


def _pieces(batch: Any) -> Iterator[Any]:
    """One batch, cut where it is too large."""
    most = max(1, min(PORTION, WEIGHT * batch.num_rows // max(1, batch.nbytes)))
    for start in range(0, batch.num_rows, most):
        yield batch.slice(start, most)


def in_reach(times: np.ndarray) -> np.ndarray:
    """Return datetimes in nanoseconds; those that these cannot hold are the first and the last day that they can."""
    if times.dtype == "datetime64[ns]":
        return times
    low, high = (end.astype(times.dtype) for end in _DAYS)
    return np.asarray(np.clip(times, low, high).astype("datetime64[ns]"))


def tidy(table: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    """Return a DataFrame whose needed columns are read as those of an Arrow table are; itself where they are already.

    Raises
    ------
    DataError
        When a column that is needed occurs twice or holds lists or other things that are no groups.
    """
    changed = {}
    for place in wanted(table.columns, columns):
        values = table.iloc[:, place]
        if isinstance(values.dtype, pd.ArrowDtype) or (values.dtype == object and isinstance(_first(values), _ODD)):
            changed[table.columns[place]] = _objects(values)
    return table.assign(**changed) if changed else table


def _first(values: pd.Series[Any]) -> Any:
    place = values.first_valid_index() if values.index.is_unique else None
    if place is not None:
        return values.loc[place]
    return next((value for value in values if value is not None and value is not pd.NA), None)


def _objects(values: pd.Series[Any]) -> pd.Series[Any]:
    import pyarrow as pa

    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return values  # of several kinds: words, unless pandas cannot compare them
    return _series(str(values.name), array).set_axis(values.index)


def _frame(part: Any, schema: Any, places: Sequence[int], start: int) -> pd.DataFrame:
    columns = {schema.names[place]: _series(schema.names[place], part.column(place)) for place in places}
    return pd.DataFrame(columns, copy=False).set_axis(pd.RangeIndex(start, start + part.num_rows))


def _series(name: str, array: Any) -> pd.Series[Any]:
    import pyarrow as pa

    kind = pa.types
    if kind.is_nested(array.type):
        raise DataError(
            f"Column {name!r} holds lists or objects, which are no groups; derive a number or a word from it."
        )
    if kind.is_decimal(array.type):
        array = _number(array)
    if kind.is_date(array.type):
        return pd.Series(in_reach(array.to_pandas(date_as_object=False).to_numpy("datetime64[s]")).astype(_SECONDS))
    if kind.is_string(array.type) or kind.is_large_string(array.type) or kind.is_string_view(array.type):
        array = array.dictionary_encode()
    elif kind.is_dictionary(array.type):
        array = _distinct(array)
    if array.null_count and (kind.is_integer(array.type) or kind.is_boolean(array.type)):
        return pd.Series(array.to_pandas(types_mapper=_gapped))
    return pd.Series(array.to_pandas())


def _number(array: Any) -> Any:
    """Decimals without places as whole numbers, which ids may be; others as floats."""
    import pyarrow as pa

    if array.type.scale <= 0:
        try:
            return array.cast(pa.int64())
        except pa.ArrowInvalid:
            pass
    return array.cast(pa.float64())


def _distinct(array: Any) -> Any:
    """The same, encoded anew where its categories repeat or are missing, which pandas refuses."""
    parts = array.chunks if hasattr(array, "chunks") else [array]
    if all(not part.dictionary.null_count and len(part.dictionary.unique()) == len(part.dictionary) for part in parts):
        return array
    return array.cast(array.type.value_type).dictionary_encode()


def _gapped(kind: Any) -> Any:
    """The pandas type of truth values and whole numbers with gaps, of the same width."""
    name = str(kind)
    return pd.api.types.pandas_dtype({"bool": "boolean"}.get(name, name.replace("int", "Int").replace("u", "U")))
