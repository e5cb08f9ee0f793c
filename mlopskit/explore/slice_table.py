"""The slices of a run in one table: what was found on validation rows, and what became of it on test rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import explored
from mlopskit.errors import MlopskitError, listing, nearest
from mlopskit.evaluate.slices.find import slice_mask
from mlopskit.explored import AND, COLUMNS, ORDERS, conditions_of


def joined(found: pd.DataFrame, confirmed: pd.DataFrame) -> pd.DataFrame:
    """Put the slices found and those tested side by side, as `mlopskit.explored.joined` does."""
    rows = explored.joined(_records(found), _records(confirmed))
    table = pd.DataFrame(rows, columns=COLUMNS)
    words = ["slice", "origin", "status", "same_rows", "overlapping", "confirmed", "conditions"]
    return table.astype({name: "float64" for name in COLUMNS if name not in words and table[name].dtype == "object"})


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.astype("object").where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def chosen(
    table: pd.DataFrame,
    *,
    text: str = "",
    column: str = "",
    level: int = 0,
    min_n: int = 0,
    confirmed: bool = False,
    order: str = "score",
) -> pd.DataFrame:
    """Return the slices that fit, sorted.

    Parameters
    ----------
    table : DataFrame
        As from `joined`.
    text : str
        Words that the slice must hold, all of them, in any case.
    column : str
        A column that it must be described by; any when empty.
    level : int
        How many columns describe it; any when 0.
    min_n : int
        Validation rows at least.
    confirmed : bool
        Only those that test rows confirmed.
    order : str
        One of `mlopskit.explored.ORDERS`.

    Raises
    ------
    MlopskitError
        When `order` is none of them.
    """
    known_order(order)
    words = table["slice"].str.casefold()
    keep = table["n"].fillna(0) >= min_n  # a size that is withheld is not known to be too small
    for word in text.casefold().split():
        keep &= words.str.contains(word, regex=False)
    if column:
        start = f"{column} = "
        keep &= np.array([any(part.startswith(start) for part in parts) for parts in table["conditions"]], dtype=bool)
    if level:
        keep &= table["level"] == level
    if confirmed:
        keep &= table["confirmed"]
    return table[keep].sort_values(order, ascending=order == "adjusted", kind="stable", na_position="last")


def known_order(order: str) -> str:
    """Return one of `mlopskit.explored.ORDERS`, and refuse others with a `MlopskitError`."""
    if order not in ORDERS:
        raise MlopskitError(f"Slices cannot be sorted by {order!r}{nearest(order, ORDERS)}; {listing(ORDERS)} can.")
    return order


def parents(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the slices of the table that hold all rows of one: its conditions are some of that one's."""
    own = set(next(iter(table.loc[table["slice"] == name, "conditions"]), conditions_of(name)))
    inside = [set(parts) < own for parts in table["conditions"]]
    return table[pd.Series(inside, index=table.index, dtype=bool)].sort_values("level", kind="stable")


def conditions(name: str, values: Mapping[str, Iterable[str]]) -> dict[str, str] | None:
    """Read a slice in words back into column → value; None when no columns and values give these words.

    Parameters
    ----------
    name : str
        As from `mlopskit.evaluate.slices.find.in_words`.
    values : mapping of str to iterable of str
        The values of each column; both may hold ``and`` and ``=`` themselves.

    Examples
    --------
    >>> conditions("a = x and y and b = 1", {"a": ["x", "x and y"], "b": ["1"]})
    {'a': 'x and y', 'b': '1'}
    """
    if not name:
        return {}
    for column, each in values.items():
        for value in each:
            head = f"{column} = {value}"
            rest = name[len(head) :]
            if not name.startswith(head) or (rest and not rest.startswith(AND)):
                continue
            others = {key: item for key, item in values.items() if key != column}
            after = conditions(rest.removeprefix(AND), others) if rest else {}
            if after is not None and (not rest or after):
                return {column: value, **after}
    return None


def mapping_of(name: str, features: pd.DataFrame, *, n: int) -> dict[str, Any] | None:
    """Return a slice in words as column → value if that gives its `n` rows of the features, else None."""
    values = {str(column): sorted(map(str, features[column].dropna().unique())) for column in features.columns}
    values = {column: [*each, "missing"] if "missing" not in each else each for column, each in values.items()}
    found = conditions(name, values)
    return found if found and int(slice_mask(features, found).sum()) == n else None
