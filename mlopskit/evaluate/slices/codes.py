"""Values as numbers: what a slice search counts.

Each value of a column that occurs is an *item*. Columns are ordered by name and the items of a column by the words of
their values, so that comparing item numbers compares names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError

Ints = npt.NDArray[np.int64]

_TABLE = 1 << 16  # integers within so narrow a range are numbered by looking them up instead of by hashing


@dataclass(frozen=True)
class Coded:
    """A table as small integers.

    Attributes
    ----------
    codes : ndarray of uint16 or uint32, shape (columns, n)
        The value of each row, counted from 0 within its column.
    items : list of (int, value)
        Position of the column in the frame, and the value; column after column.
    starts : ndarray of int, shape (columns + 1,)
        Where the items of a column begin.
    """

    codes: Any
    items: list[tuple[int, Any]]
    starts: Ints


def encode(features: pd.DataFrame, order: Ints) -> Coded:
    """Number the values of all columns, rows taken in the order given; a missing value is the value ``missing``."""
    names = sorted(range(features.shape[1]), key=lambda position: str(features.columns[position]))
    items: list[tuple[int, Any]] = []
    starts = [0]
    codes: Any = np.empty((len(names), len(order)), dtype=np.uint16)
    for place, position in enumerate(names):
        numbers, values = _numbered(features.iloc[:, position])
        items.extend((position, value) for value in values)
        starts.append(len(items))
        if len(items) >= 2**16 and codes.dtype == np.uint16:
            codes = codes.astype(np.uint32)
        codes[place] = numbers[order]
    return Coded(codes, items, np.array(starts))


def _numbered(column: pd.Series[Any]) -> tuple[Any, list[Any]]:
    """Return the code of each row, and the values sorted by their words."""
    raw, found = _factors(column)
    words: dict[str, list[int]] = {}
    for position, value in enumerate(found):
        words.setdefault("missing" if value == "missing" else f"{type(value).__name__}:{value}", []).append(position)
    order = sorted(words.values(), key=lambda places: str(found[places[0]]))
    rank = np.empty(len(found), dtype=np.uint16 if len(found) < 2**16 else np.uint32)
    for new, places in enumerate(order):
        rank[places] = new
    return rank[raw], [found[places[0]] for places in order]


def _factors(column: pd.Series[Any]) -> tuple[Any, list[Any]]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu" and len(column):
        low, high = int(column.min()), int(column.max())
        if high - low < _TABLE and high < 2**63:
            return _looked_up(column.to_numpy(), low, high)
    try:
        raw, uniques = pd.factorize(column)
    except TypeError:
        kind = type(column.dropna().iloc[0]).__name__
        raise DataError(
            f"Column {column.name!r} holds values that cannot be compared, such as a {kind}; leave it out, or describe "
            "it by numbers or words."
        ) from None
    found = list(uniques.tolist())
    if (raw < 0).any():
        raw = np.where(raw < 0, len(found), raw)
        found.append("missing")
    return raw, found


def _looked_up(values: Any, low: int, high: int) -> tuple[Any, list[Any]]:
    values = values.astype(np.int64) if values.dtype == np.uint64 else values
    shifted = values if low >= 0 and high < _TABLE else values.astype(np.int64) - low
    base = 0 if shifted is values else low
    present = np.flatnonzero(np.bincount(shifted))
    place = np.zeros(int(present[-1]) + 1, dtype=np.uint16)
    place[present] = np.arange(len(present))
    return place[shifted], (present + base).tolist()
