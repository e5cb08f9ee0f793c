"""Slices as a result: a table that gives its worst, and the rows that each of them holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from mlopskit.errors import DataError
from mlopskit.results import Results


class Slices(Results):
    """Slices with their score, as `mlopskit.find_slices` returns them."""

    @property
    def _constructor(self) -> Callable[..., Slices]:
        return Slices

    def rows_of(self, place: int, rows: pd.DataFrame, *, features: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the rows that belong to one slice.

        Parameters
        ----------
        place : int
            Which slice of this table, 1 for the first.
        rows : DataFrame, shape (n, …)
            Any rows.
        features : DataFrame, shape (n, m), optional
            The same rows as the slices describe them, with numbers in bins; `rows` themselves by default.

        Raises
        ------
        DataError
            When there is no such slice, or the table no longer says which values it has.

        Examples
        --------
        >>> from mlopskit import find_slices
        >>> people = pd.DataFrame({"sex": ["f", "m"] * 50, "town": ["a"] * 50 + ["b"] * 50})
        >>> wrong = (people["sex"] == "f") & (people["town"] == "b")
        >>> len(find_slices(people, wrong, min_support=10, k=1).rows_of(1, people))
        25
        """
        from mlopskit.evaluate.slices.find import slice_mask

        if not 1 <= place <= len(self):
            raise DataError(f"There is no slice {place}; this table has {len(self)}, counted from 1.")
        column = "columns" if "columns" in list(self) else "slice"
        chosen = self[column].iloc[place - 1]
        if not isinstance(chosen, Mapping):
            raise DataError("This table holds its slices in words only; take the one that the search returned.")
        described = rows if features is None else features
        if len(described) != len(rows):
            raise DataError(f"rows has {len(rows):,} rows and features {len(described):,}; they must be the same rows.")
        return rows.loc[slice_mask(described, chosen)]
